package mysql

import (
	"context"
	"sync"
)

// Survey inspects all targets once, side by side, the leader (whose name is
// empty while it is not known) after the others have answered or failed, as a
// [Cluster] wants it. A target that doesn't answer within its Timeout has a
// Fault. With tables, the definitions of all tables are looked at too.
func Survey(ctx context.Context, targets []Target, leader string, tables bool) []Member {
	members := make([]Member, len(targets))
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

func survey(ctx context.Context, t Target, leader, tables bool) Member {
	m := Member{Name: t.Name, Address: t.Address, Leader: leader}
	db, err := t.Open()
	if err != nil {
		m.Fault = Classify(err)
		return m
	}
	defer func() { _ = db.Close() }()
	bounded, cancel := context.WithTimeout(ctx, t.timeout())
	defer cancel()
	f, err := Inspect(bounded, db)
	if err != nil {
		m.Fault = Classify(err)
		return m
	}
	m.Facts = &f
	if !tables || f.Version.Flavour != MySQL {
		return m
	}
	found, err := InspectTables(ctx, db)
	if err != nil {
		m.Fault = Classify(err)
		return m
	}
	m.Tables = &found
	return m
}
