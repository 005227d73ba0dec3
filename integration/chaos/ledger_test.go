package chaos

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// convergence bounds how long instances that are well may take to hold the same after the load has stopped.
const convergence = 60 * time.Second

// line names a transaction of a client.
type line struct{ client, n int }

// verify stops the clients and checks that all that they were told is so, on each of the instances, which have to hold
// the same: nothing that was acknowledged is lost, nothing is there twice or was never done, each client's transactions
// stand in its order, and the money is conserved.
func (w *clients) verify(nodes ...*node) {
	w.t.Helper()
	w.stop()
	w.converged(nodes)
	told := map[line]outcome{}
	for _, a := range w.history() {
		told[line{a.client, a.n}] = a.outcome
	}
	for _, n := range nodes {
		for _, problem := range examine(w.t.Context(), n, told) {
			w.t.Errorf("%s: %s", n.name, problem)
		}
	}
	if w.t.Failed() {
		w.t.Logf("errors that clients met: %v", w.errors)
	}
}

// converged waits until all hold what the first one holds.
func (w *clients) converged(nodes []*node) {
	w.t.Helper()
	var servers []*mysqltest.Server
	for _, n := range nodes {
		servers = append(servers, n.Server)
	}
	var err error
	same := until(convergence, func() bool {
		// Equal sets first: comparing tables is dearer.
		first := ""
		for i, s := range servers {
			set := s.GTIDExecuted(w.t)
			if i == 0 {
				first = set
			} else if set != first {
				err = fmt.Errorf("gtid_executed of %s is %s, of %s %s", servers[0].Name, first, s.Name, set)
				return false
			}
		}
		_, err = mysqltest.CompareData(w.t.Context(), servers...)
		return err == nil
	})
	if !same {
		w.t.Errorf("not the same within %s: %v", convergence, err)
	}
}

// examine says what is wrong with the tables of an instance.
func examine(ctx context.Context, n *node, told map[line]outcome) (problems []string) {
	say := func(format string, args ...any) {
		if len(problems) < 20 {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	rows, err := n.DB().QueryContext(ctx, "SELECT client, n, payer, payee, amount, origin, 0 FROM chaos.ledger UNION ALL SELECT client, n, 0, 0, 0, origin, id FROM chaos.list ORDER BY 7")
	if err != nil {
		return []string{err.Error()}
	}
	defer rows.Close()
	has, last := map[line]string{}, map[int]int{}
	balances := map[int]int{}
	for rows.Next() {
		var l line
		var payer, payee, amount, id int
		var origin string
		if err := rows.Scan(&l.client, &l.n, &payer, &payee, &amount, &origin, &id); err != nil {
			return append(problems, err.Error())
		}
		o, known := told[l]
		switch {
		case has[l] != "":
			say("client %d's transaction %d is there twice, from %s and %s", l.client, l.n, has[l], origin)
		case !known:
			say("client %d's transaction %d was never attempted (from %s)", l.client, l.n, origin)
		case o == aborted:
			say("client %d's transaction %d is there and was never committed (from %s)", l.client, l.n, origin)
		}
		has[l] = origin
		if id != 0 {
			if l.n < last[l.client] {
				say("client %d's transaction %d stands after its %d", l.client, l.n, last[l.client])
			}
			last[l.client] = l.n
		}
		balances[payer] -= amount
		balances[payee] += amount
	}
	if err := rows.Err(); err != nil {
		say("%v", err)
	}
	for l, o := range told {
		if o == acknowledged && has[l] == "" {
			say("LOST: client %d's transaction %d was acknowledged", l.client, l.n)
		}
	}
	return append(problems, audit(ctx, n, balances)...)
}

// audit compares the accounts with what the ledger makes of them.
func audit(ctx context.Context, n *node, moved map[int]int) (problems []string) {
	rows, err := n.DB().QueryContext(ctx, "SELECT id, balance FROM chaos.accounts")
	if err != nil {
		return []string{err.Error()}
	}
	defer rows.Close()
	sum, wrong := 0, []string{}
	for rows.Next() {
		var id, balance int
		if err := rows.Scan(&id, &balance); err != nil {
			return []string{err.Error()}
		}
		sum += balance
		if balance != opening+moved[id] {
			wrong = append(wrong, strconv.Itoa(id))
		}
	}
	if err := rows.Err(); err != nil {
		return []string{err.Error()}
	}
	if sum != accountCount*opening {
		problems = append(problems, fmt.Sprintf("the accounts hold %d, not %d", sum, accountCount*opening))
	}
	if len(wrong) > 0 {
		problems = append(problems, "the ledger doesn't explain the balances of the accounts "+strings.Join(wrong, ", "))
	}
	return problems
}

// changes counts how often the leadership must have changed for the clients to be told what they were told: the
// longest chain of acknowledgements by another server each, every COMMIT of which was sent after the one before was
// acknowledged. Two servers that acknowledge at the same time make it longer than the number of hand-overs.
func changes(attempts []attempt) (n int, chain []attempt) {
	var told []attempt
	for _, a := range attempts {
		if a.outcome == acknowledged {
			told = append(told, a)
		}
	}
	slices.SortFunc(told, func(a, b attempt) int { return a.told.Compare(b.told) })
	for _, a := range told {
		if len(chain) == 0 || a.server != chain[len(chain)-1].server && a.sent.After(chain[len(chain)-1].told) {
			chain = append(chain, a)
		}
	}
	return max(0, len(chain)-1), chain
}

// oneLeads fails the test if clients were told of more changes of the leadership since a moment than there were
// hand-overs.
func (w *clients) oneLeads(since time.Time, handOvers int) {
	w.t.Helper()
	n, chain := changes(slices.DeleteFunc(w.history(), func(a attempt) bool { return a.sent.Before(since) }))
	if n > handOvers {
		w.t.Errorf("clients were acknowledged by another server %d times in turn, with %d hand-overs: two led at the same time", n, handOvers)
		for _, a := range chain {
			w.t.Logf("  client %d's %d by %s, %s to %s", a.client, a.n, a.server, a.sent.Format(time.StampMicro), a.told.Format(time.StampMicro))
		}
	}
}

// split tells the instances apart by whether the daemon has quarantined them.
func (c *cluster) split(s status) (sound, quarantined []*node) {
	for _, n := range c.nodes {
		if s.instance(n.name).State == "quarantined" {
			quarantined = append(quarantined, n)
		} else {
			sound = append(sound, n)
		}
	}
	require.NotEmpty(c.t, sound)
	return sound, quarantined
}
