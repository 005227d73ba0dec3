package mysql_test

import (
	"context"
	"sync"
	"time"

	"github.com/batondb/baton/internal/mysql"
)

// surveyAll inspects all targets, the leader after the others, as a
// [mysql.Cluster] wants it.
func surveyAll(ctx context.Context, targets []mysql.Target, leader string, tables bool) []mysql.Member {
	members := make([]mysql.Member, len(targets))
	look := func(wanted bool) {
		var wg sync.WaitGroup
		for i, t := range targets {
			if (t.Name == leader) == wanted {
				wg.Go(func() { members[i] = survey(ctx, t, wanted, tables) })
			}
		}
		wg.Wait()
	}
	look(false)
	look(true)
	return members
}

func survey(ctx context.Context, t mysql.Target, leader, tables bool) mysql.Member {
	m := mysql.Member{Name: t.Name, Address: t.Address, Leader: leader}
	db, err := t.Open()
	if err != nil {
		m.Fault = mysql.Classify(err)
		return m
	}
	defer func() { _ = db.Close() }()
	bounded, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	f, err := mysql.Inspect(bounded, db)
	if err != nil {
		m.Fault = mysql.Classify(err)
		return m
	}
	m.Facts = &f
	if !tables || f.Version.Flavour != mysql.MySQL {
		return m
	}
	found, err := mysql.InspectTables(ctx, db)
	if err != nil {
		m.Fault = mysql.Classify(err)
		return m
	}
	m.Tables = &found
	return m
}
