// Package browser runs a headless Chromium for tests and screenshots of baton's page, by the DevTools protocol.
package browser

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// View is how a page is looked at.
type View struct {
	Width, Height int64
	Phone         bool // a touch screen, with two pixels for one
	Dark          bool
	Still         bool // whoever looks wants no motion
}

// Desktop is a window of a common size.
func Desktop() View { return View{Width: 1280, Height: 900} }

// Phone is a small telephone.
func Phone() View { return View{Width: 360, Height: 760, Phone: true} }

// A Browser is one process of Chromium. It ends with its context, or at Close.
type Browser struct {
	ctx    context.Context
	cancel []context.CancelFunc
}

// Start starts the program, with a profile of its own that is removed again.
func Start(ctx context.Context, chromium string) (*Browser, error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium),
		// Pages of ours on loopback are all that is opened; as root Chromium has no sandbox.
		chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("force-color-profile", "srgb"),
	)
	allocator, endAllocator := chromedp.NewExecAllocator(ctx, options...)
	browser, end := chromedp.NewContext(allocator, chromedp.WithErrorf(ignore))
	b := &Browser{ctx: browser, cancel: []context.CancelFunc{end, endAllocator}}
	if err := chromedp.Run(browser); err != nil {
		b.Close()
		return nil, fmt.Errorf("start %s: %w", chromium, err)
	}
	return b, nil
}

// ignore passes over what the library says of events that only newer browsers know.
func ignore(string, ...any) {}

// Close ends the process.
func (b *Browser) Close() {
	for _, cancel := range b.cancel {
		cancel()
	}
}

// A Page is a tab.
type Page struct {
	ctx context.Context

	mu       sync.Mutex
	problems []string
}

// Open opens an address in a new tab, which is closed by close.
func (b *Browser) Open(address string, v View) (p *Page, close context.CancelFunc, err error) {
	ctx, cancel := chromedp.NewContext(b.ctx)
	p = &Page{ctx: ctx}
	chromedp.ListenTarget(ctx, p.hear)
	scheme, motion := "light", "no-preference"
	if v.Dark {
		scheme = "dark"
	}
	if v.Still {
		motion = "reduce"
	}
	var options []chromedp.EmulateViewportOption
	if v.Phone {
		options = append(options, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	err = chromedp.Run(ctx, log.Enable(), chromedp.EmulateViewport(v.Width, v.Height, options...),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion},
		}),
		chromedp.Navigate(address))
	if err != nil {
		cancel()
		return nil, nil, fmt.Errorf("open %s: %w", address, err)
	}
	return p, cancel, nil
}

// hear notes what the browser complains of: errors of scripts, and what the page's own policy forbids.
func (p *Page) hear(event any) {
	problem := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = e.ExceptionDetails.Error()
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			problem = e.Entry.Text + " " + e.Entry.URL
		}
	}
	if problem != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.problems = append(p.problems, problem)
	}
}

// Problems are what the browser complained of so far.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.problems...)
}

// Text is what can be read in the first element of a CSS selector, in one line; empty while there is none.
func (p *Page) Text(selector string) (string, error) {
	var text string
	err := p.Ask(fmt.Sprintf("(document.querySelector(%q)?.innerText ?? '')", selector), &text)
	return strings.Join(strings.Fields(text), " "), err
}

// Await waits until what can be read in the element of a selector has all parts in it.
func (p *Page) Await(patience time.Duration, selector string, parts ...string) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		text, err := p.Text(selector)
		if err != nil {
			return err
		}
		lacks := slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
		if text != "" && !lacks {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s doesn't say %q within %s, but %q; the browser complains: %q", selector, parts, patience, text, p.Problems())
		}
	}
}

// Ask evaluates JavaScript in the page.
func (p *Page) Ask(script string, into any) error {
	return chromedp.Run(p.ctx, chromedp.Evaluate(script, into))
}

// Do carries out actions.
func (p *Page) Do(actions ...chromedp.Action) error { return chromedp.Run(p.ctx, actions...) }

// Screenshot is what is in the window as a PNG, or all of the element of a selector where one is given.
func (p *Page) Screenshot(selector string) ([]byte, error) {
	var png []byte
	if selector == "" {
		err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot(&png))
		return png, err
	}
	err := chromedp.Run(p.ctx, chromedp.Screenshot(selector, &png, chromedp.ByQuery))
	return png, err
}
