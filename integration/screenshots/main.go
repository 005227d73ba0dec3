// Command screenshots takes the pictures of the manual from the page of a baton that runs: the demo's, kept open by
// `make demo DEMO_FLAGS=-keep`, which prints the address.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/batondb/baton/integration/browser"
	"github.com/batondb/baton/integration/mysqltest"
)

// settled is how long a page is given to draw what it was told.
const settled = 7 * time.Second

func main() {
	page := flag.String("page", "", "the `address` of the page, as make demo prints it")
	out := flag.String("out", "docs/images", "the `folder` for the pictures")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *page, *out); err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address, out string) error {
	if address == "" {
		return errors.New("give -page the address that make demo prints")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	found, err := mysqltest.FindWith(ctx, "chromium")
	if err != nil {
		return err
	}
	b, err := browser.Start(ctx, found.Chromium)
	if err != nil {
		return err
	}
	defer b.Close()
	light, dark, phone := browser.Desktop(), browser.Desktop(), browser.Phone()
	dark.Dark, phone.Dark = true, true
	for _, picture := range []struct {
		name     string
		view     browser.View
		selector string // of what is shown; empty for what is in the window
	}{
		{"page-light", light, ""},
		{"page-dark", dark, ""},
		{"page-phone", phone, ""},
		{"page-hand-overs", light, "#hand-overs"},
	} {
		if err := take(b, address, picture.view, picture.selector, filepath.Join(out, picture.name+".png")); err != nil {
			return fmt.Errorf("take %s: %w", picture.name, err)
		}
	}
	return nil
}

func take(b *browser.Browser, address string, v browser.View, selector, file string) error {
	p, end, err := b.Open(address, v)
	if err != nil {
		return err
	}
	defer end()
	time.Sleep(settled)
	png, err := p.Screenshot(selector)
	if err != nil {
		return err
	}
	if problems := p.Problems(); len(problems) > 0 {
		return fmt.Errorf("the browser complains: %q", problems)
	}
	fmt.Printf("%s: %d KiB\n", file, len(png)/1024)
	return os.WriteFile(file, png, 0o644)
}
