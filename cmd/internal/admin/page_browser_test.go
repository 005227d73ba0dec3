package admin

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/integration/browser"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/history"
)

// hostile is a text of a server that would like to be more than text, and wider than any window.
const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>"' & {{x}} ${x} ` + widest + widest + widest

// widest is a hundred characters without a space.
const widest = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

// troubled is a cluster in which everything that a page can show is there: each state, a hand-over under way, errors.
func troubled(t *testing.T) Status {
	s := exampleStatus(t)
	s.Time, s.HandOver.Step = time.Time{}, hostile // its time goes on
	s.Source.State, s.Source.Error, s.Source.Mend = SourceStopped, hostile, hostile
	s.Relay.Error, s.Relay.Mend = hostile, hostile
	s.LeaderHealth.Reason = hostile
	s.Endpoints = append(s.Endpoints, Endpoint{Listen: "10.0.0.9:6446", Route: Leader, Holding: hostile, Held: 3, Connections: map[string]int{"db1": 1200}})
	s.Forecast = Forecast{Candidate: "db3", Candidates: []Candidate{{Instance: "db3", Lacks: 4}}, WouldLose: new(int64(2)),
		Refused: []Refusal{{Instance: "db2", Reason: hostile}}, BlockedBy: hostile}
	s.Instances = s.Instances[:1]
	for i, state := range States() {
		s.Instances = append(s.Instances, Instance{
			Name: fmt.Sprint("db", i+2), Address: "db.a-rather-long-name.of-some-data-centre.example:3306", Role: Follower, State: state,
			Error: hostile, Mend: hostile, FailedGTID: server1 + ":45", FailedTable: hostile, LagSeconds: new(float64(i) * 700), BehindTransactions: new(int64(i * 1000)),
		})
	}
	return s
}

// handOverEvents are what a failover leaves in the history.
func handOverEvents(store *history.Store) {
	for _, step := range []history.Step{
		{Elapsed: 0.012, Name: "cut", Detail: hostile}, {Elapsed: 0.020, Name: "fence", Detail: "db1"}, {Elapsed: 0.1, Name: "drain", Detail: "db2"},
		{Elapsed: 0.9, Name: "promote: db2", Detail: "db2 leads"}, {Elapsed: 1.2, Name: "writable"},
	} {
		step.HandOver = "failover"
		store.Record(history.Event{Kind: history.HandOverStep, Instance: "db2", Message: "in words that no program reads", Step: &step})
	}
	store.Record(history.Event{Kind: history.LossReceipt, Instance: "db1", Message: "kept: " + hostile})
	store.Record(history.Event{Kind: history.HandOverDone, Instance: "db2", Message: "db2 leads since epoch 3"})
	for _, level := range []history.Level{history.Info, history.Warn, history.Error} {
		store.Record(history.Event{Kind: history.InstanceProblem, Level: level, Instance: "db3", Message: hostile, Mend: hostile})
	}
}

func chromium(t *testing.T) *browser.Browser {
	t.Helper()
	found, err := mysqltest.FindWith(t.Context(), "chromium")
	require.NoError(t, err)
	b, err := browser.Start(context.WithoutCancel(t.Context()), found.Chromium)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

func look(t *testing.T, b *browser.Browser, s *Server, v browser.View) *browser.Page {
	t.Helper()
	p, end, err := b.Open("http://"+s.HTTPAddr().String()+"/", v)
	require.NoError(t, err)
	t.Cleanup(end)
	return p
}

// shows waits until the element of a selector says all of it.
func shows(t *testing.T, p *browser.Page, selector string, parts ...string) {
	t.Helper()
	require.NoError(t, p.Await(time.Minute, selector, parts...))
}

// contrasts returns the texts whose colour is too close to what they stand on: WCAG 2.2, success criterion 1.4.3.
const contrasts = `(() => {
  const channels = (c) => c.match(/[\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = channels(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
  const poor = [];
  let seen = 0;
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    if (!own || e.closest("noscript") || !e.checkVisibility()) continue;
    seen++;
    const style = getComputedStyle(e);
    const ink = light(channels(e instanceof SVGElement ? style.fill : style.color)), under = light(ground(e));
    const ratio = (Math.max(ink, under) + 0.05) / (Math.min(ink, under) + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) poor.push(e.tagName + "." + e.className + " " + ratio.toFixed(2) + ": " + e.textContent.slice(0, 40));
  }
  return seen < 40 ? ["only " + seen + " texts are seen"] : poor;
})()`

func TestThePageCanBeReadByEverybody(t *testing.T) {
	s, _, store := startServer(t, &fakeCluster{status: troubled(t)}, nil)
	handOverEvents(store)
	b := chromium(t)
	for _, view := range []struct {
		name   string
		change func(*browser.View)
		browser.View
	}{
		{"desktop light", func(*browser.View) {}, browser.Desktop()},
		{"desktop dark", func(v *browser.View) { v.Dark = true }, browser.Desktop()},
		{"phone light", func(v *browser.View) { v.Still = true }, browser.Phone()},
		{"phone dark", func(v *browser.View) { v.Dark = true }, browser.Phone()},
	} {
		t.Run(view.name, func(t *testing.T) {
			view.change(&view.View)
			p := look(t, b, s, view.View)
			shows(t, p, "#link", "live")
			shows(t, p, "#hand-overs", "cut", "promote: db2", "writable")
			shows(t, p, "#lag-span", "over the last 5 minutes")
			var poor []string
			require.NoError(t, p.Ask(contrasts, &poor))
			require.Empty(t, poor)
			var wider int
			require.NoError(t, p.Ask(`document.documentElement.scrollWidth - innerWidth`, &wider))
			require.LessOrEqual(t, wider, 0, "nothing is wider than the window")
			var moves int
			require.NoError(t, p.Ask(`document.getAnimations().filter((a) => a.playState === "running").length`, &moves))
			if view.Still {
				require.Zero(t, moves)
			} else {
				require.NotZero(t, moves)
			}
			require.Empty(t, p.Problems())
		})
	}
}

func TestThePageTakesTextForText(t *testing.T) {
	s, _, store := startServer(t, &fakeCluster{status: troubled(t)}, nil)
	handOverEvents(store)
	p := look(t, chromium(t), s, browser.Desktop())
	shown := strings.Join(strings.Fields(hostile), " ")
	for _, selector := range []string{"#problems", "#under-way", "#endpoints", "#forecast", "#hand-overs", "#events"} {
		shows(t, p, selector, shown)
	}
	var title string
	require.NoError(t, p.Ask(`document.title`, &title))
	require.Equal(t, "▲ shop – baton", title)
	var made int
	require.NoError(t, p.Ask(`document.querySelectorAll("main img, main script, main [onerror]").length`, &made))
	require.Zero(t, made)
	require.Empty(t, p.Problems())
}

func TestAScreenReaderFindsItsWay(t *testing.T) {
	s, _, store := startServer(t, &fakeCluster{status: troubled(t)}, nil)
	handOverEvents(store)
	p := look(t, chromium(t), s, browser.Desktop())
	shows(t, p, "#hand-overs", "writable")
	shows(t, p, "#lag-span", "over the last 5 minutes")
	var nodes []*accessibility.Node
	require.NoError(t, p.Do(accessibility.Enable(), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		nodes, err = accessibility.GetFullAXTree().Do(ctx)
		return err
	})))
	roles := map[string]int{}
	for _, n := range nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		role, name := strings.Trim(string(n.Role.Value), `"`), ""
		if n.Name != nil {
			name = strings.Trim(string(n.Name.Value), `"`)
		}
		roles[role]++
		switch role {
		case "button", "link", "image", "region", "table", "textbox", "heading":
			require.NotEmpty(t, name, "a %s without a name", role)
		}
	}
	for _, role := range []string{"banner", "main", "contentinfo", "status", "region", "heading", "list", "table", "image"} {
		require.NotZero(t, roles[role], "there is no %s: %v", role, roles)
	}
	var skipped []string
	require.NoError(t, p.Ask(`[...document.querySelectorAll("h1, h2, h3")].filter((e) => e.checkVisibility()).map((e) => e.tagName)`, &skipped))
	require.Equal(t, "H1", skipped[0])
	for i := range skipped[1:] {
		require.LessOrEqual(t, int(skipped[i+1][1])-int(skipped[i][1]), 1, "a level of headings is left out: %v", skipped)
	}
}

func TestTheKeyboardReachesEverything(t *testing.T) {
	t.Parallel()
	c := &fakeCluster{status: exampleStatus(t)}
	c.status.Time, c.status.HandOver = time.Time{}, nil // its time goes on
	s, _, _ := startServer(t, c, nil)
	p := look(t, chromium(t), s, browser.Desktop())
	var focused string
	press := func(keys string) string {
		require.NoError(t, p.Do(chromedp.KeyEvent(keys)))
		require.NoError(t, p.Ask(`(document.activeElement.id || document.activeElement.className.baseVal || document.activeElement.tagName) + " " + (document.activeElement.getAttribute("aria-label") ?? document.activeElement.innerText ?? "")`, &focused))
		return focused
	}
	shows(t, p, "[data-follower=db2]", "unknown")
	shows(t, p, "#lag-span", "over the last 5 minutes")
	require.Contains(t, press(kb.Tab), "Skip to the cluster")
	press(kb.Enter)
	require.Contains(t, press(kb.Tab), "Lag of db2", "after the skip, the first thing of the cluster that takes keys")
	press(kb.ArrowLeft)
	shows(t, p, "[data-follower=db2] .reading", ": unknown")
	require.Contains(t, press(kb.Tab), "Transactions a second")
	press(kb.Home)
	shows(t, p, "#throughput .reading", "received 0", "applied to db2 0")
	press(kb.Escape)
	var text string
	require.NoError(t, p.Ask(`document.querySelector("#throughput .reading").textContent`, &text))
	require.Empty(t, text)
	require.Contains(t, press(kb.Tab), "events")
	require.Contains(t, press(kb.Tab), "Metrics")
}

// With a token of role command the page hands over, after it has asked.
func TestThePageHandsOverWhenItMay(t *testing.T) {
	hand := &handOvers{steps: []failover.StepReport{{Step: "freeze", Detail: hostile}}, result: failover.Result{From: "db1", To: "db3"}}
	status := troubled(t)
	status.HandOver, status.LeaderHealth = nil, LeaderHealth{Health: Alive}
	s, _, store := startServer(t, &fakeCluster{status: status}, func(c *Config) { c.Tokens = tokens() })
	s.deps.HandOvers = hand
	p := look(t, chromium(t), s, browser.Phone())
	shows(t, p, "#login", "Token")
	click := func(selector string) { require.NoError(t, p.Do(chromedp.Click(selector, chromedp.ByQuery))) }
	enter := func(token string) {
		require.NoError(t, p.Do(chromedp.SendKeys("#token", token+kb.Enter, chromedp.ByQuery)))
	}
	enter("wrong")
	shows(t, p, "#login-error", "not known here")
	enter(reader)
	shows(t, p, "#hand-over", "This page may only look", "baton switchover --to db3 --socket "+s.cfg.Socket)
	require.NoError(t, p.Do(chromedp.Evaluate(`sessionStorage.clear()`, nil), chromedp.Reload()))
	enter(commander)
	shows(t, p, "#hand-over", "Hand over to db3")
	shows(t, p, "#build", "token night-shift")

	click("[data-to=db3]")
	shows(t, p, "#confirm", "Hand over to db3?", "db1 is made read-only")
	require.NoError(t, p.Do(chromedp.KeyEvent(kb.Escape)))
	require.Empty(t, commanded(store), "it only asked")
	click("[data-to=db3]")
	shows(t, p, "#confirm", "db1 is made read-only")
	click("#confirm-go")
	shows(t, p, "#confirm", "db3 leads", strings.Join(strings.Fields(hostile), " "), "Close")
	require.Equal(t, []string{"switchover to=db3, by token night-shift"}, commanded(store))

	for _, problem := range p.Problems() {
		require.Regexp(t, "401|409", problem)
	}
}

func TestThePageConfirmsNothingThatIsRefused(t *testing.T) {
	status := troubled(t)
	status.HandOver, status.LeaderHealth = nil, LeaderHealth{Health: Alive}
	s, _, store := startServer(t, &fakeCluster{status: status}, func(c *Config) { c.Tokens = tokens() })
	s.deps.HandOvers = &handOvers{err: &failover.Refused{Reason: "db3 lags", Mend: "wait"}}
	p := look(t, chromium(t), s, browser.Desktop())
	shows(t, p, "#login", "Token")
	require.NoError(t, p.Do(chromedp.SendKeys("#token", commander+kb.Enter, chromedp.ByQuery), chromedp.Click("[data-to=db3]", chromedp.ByQuery)))
	shows(t, p, "#confirm-error", "db3 lags: wait")
	var disabled bool
	require.NoError(t, p.Ask(`document.querySelector("#confirm-go").disabled`, &disabled))
	require.True(t, disabled)
	require.Empty(t, commanded(store))
}

// commanded are the commands that the history knows of.
func commanded(store *history.Store) []string {
	var said []string
	for _, e := range store.Recent(100) {
		if e.Kind == history.Command {
			said = append(said, e.Message)
		}
	}
	return said
}
