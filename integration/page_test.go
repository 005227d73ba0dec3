package integration_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/browser"
	"github.com/batondb/baton/integration/mysqltest"
)

// pageOf opens the daemon's page in a browser.
func pageOf(t *testing.T, address string) *browser.Page {
	t.Helper()
	found, err := mysqltest.FindWith(t.Context(), "chromium")
	require.NoError(t, err)
	chromium, err := browser.Start(t.Context(), found.Chromium)
	require.NoError(t, err)
	t.Cleanup(chromium.Close)
	p, end, err := chromium.Open("http://"+address+"/", browser.Desktop())
	require.NoError(t, err)
	t.Cleanup(end)
	return p
}

// The page is opened once and looked at: whatever happens to the cluster shows on it, as it happens.
func TestThePageShowsWhatHappens(t *testing.T) {
	t.Parallel()
	address, free, err := mysqltest.ReserveAddress()
	require.NoError(t, err)
	t.Cleanup(free)
	c := mysqltest.StartCluster(t, 2, mysqltest.Relaxed())
	// The table's name is a script to whoever doesn't take it for text.
	c.Leader.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.`<img src=x onerror=alert(1)>` (id INT PRIMARY KEY, v INT)", "INSERT INTO d.`<img src=x onerror=alert(1)>` VALUES (1, 1), (2, 2)")
	b := startBaton(t, c.Servers(), set("admin.http", address), set("failover.mode", "automatic"), set("failover.window", "1s"), set("durability.mode", "strict"))
	p := pageOf(t, address)
	shows := func(selector string, parts ...string) {
		t.Helper()
		require.NoError(t, p.Await(patience, selector, parts...))
	}
	shows("#verdict", "All is well")
	shows("#because", "db1 leads db2 and db3, in epoch 1", "waits until it is durable")
	shows(".node.leads", "db1", "leads")
	shows("#durability", "protected", "strict")
	shows("#forecast", "would lead", "It would happen by itself")
	shows("#hand-over", "This page may only look", "baton switchover --to db2 --socket "+b.socket)

	// A lag: somebody locks db2's tables.
	lock, err := c.Followers[0].DB().Conn(t.Context())
	require.NoError(t, err)
	_, err = lock.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK")
	require.NoError(t, err)
	c.Leader.MustExec(t, "UPDATE d.`<img src=x onerror=alert(1)>` SET v = 3 WHERE id = 1")
	shows(".followers li:first-child", "db2", "lacks")
	var lag float64
	b.wait("the plot of db2 shows a lag of more than a second, and db3's doesn't", func() (bool, string) {
		label := ""
		require.NoError(t, p.Ask(`document.querySelector("[data-follower=db2] svg").getAttribute("aria-label")`, &label))
		require.NoError(t, p.Ask(`parseFloat(/at most ([\d.]+)/.exec(document.querySelector("[data-follower=db2] svg").getAttribute("aria-label"))?.[1] ?? 0)`, &lag))
		return lag > 1, label
	})
	_, err = lock.ExecContext(t.Context(), "UNLOCK TABLES")
	require.NoError(t, err)
	require.NoError(t, lock.Close())
	shows(".followers li:first-child", "lacks nothing of the relay")

	// A stop: db3 lacks a row that is changed.
	c.Followers[1].MustExec(t, "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF")
	conn, err := c.Followers[1].DB().Conn(t.Context())
	require.NoError(t, err)
	for _, q := range []string{"SET sql_log_bin = 0", "DELETE FROM d.`<img src=x onerror=alert(1)>` WHERE id = 2"} {
		_, err = conn.ExecContext(t.Context(), q)
		require.NoError(t, err)
	}
	require.NoError(t, conn.Close())
	c.Leader.MustExec(t, "UPDATE d.`<img src=x onerror=alert(1)>` SET v = 4 WHERE id = 2")
	shows("#verdict", "db3 has stopped")
	shows("#problems", "db3 has stopped", "<img src=x onerror=alert(1)>", "What to do:")
	shows(".followers li:last-child", "db3", "stopped")
	shows("#forecast", "db2 would lead", "db3 can't lead")
	var made int
	require.NoError(t, p.Ask(`document.querySelectorAll("main img").length`, &made))
	require.Zero(t, made)

	// A failover, by itself; the page was never loaded anew.
	require.NoError(t, p.Do(chromedp.Evaluate(`globalThis.opened = "once"`, nil)))
	require.NoError(t, c.Leader.Kill9())
	shows(".node.leads", "db2")
	shows("#hand-overs", "failover", "cut", "fence", "drain", "promote", "writable", "done")
	shows("#because", "db2 leads db1 and db3, in epoch 2")
	shows("#problems", "db1 is unreachable")

	// The daemon is killed and comes back, and so does the page.
	b.kill9()
	shows("#link", "not connected")
	b.start()
	shows("#link", "live")
	shows("#hand-overs", "failover", "writable")
	var opened string
	require.NoError(t, p.Ask(`globalThis.opened`, &opened))
	require.Equal(t, "once", opened)
	for _, problem := range p.Problems() {
		require.Contains(t, problem, "ERR_", "only what the killed daemon didn't answer")
	}
}
