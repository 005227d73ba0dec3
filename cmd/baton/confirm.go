package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/batondb/baton/cmd/internal/admin"
)

// mayAsk is a usage error where nobody can answer a question.
func (p *program) mayAsk() error {
	if !p.terminal.interacts {
		return usage("nobody is at a terminal to confirm this; add --yes")
	}
	return nil
}

// confirm asks, and returns nil for a yes only. ctx ends the waiting.
func (p *program) confirm(ctx context.Context, question string) error {
	fmt.Fprintf(p.terminal.out, "%s [y/N] ", question)
	answered := make(chan string, 1)
	go func() {
		// Where ctx ends first, this waits for a key until the process ends.
		answer, err := bufio.NewReader(p.terminal.in).ReadString('\n')
		if err != nil {
			answer = ""
		}
		answered <- answer
	}()
	select {
	case answer := <-answered:
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "y", "yes":
			return nil
		}
	case <-ctx.Done():
		fmt.Fprintln(p.terminal.out)
	}
	fmt.Fprintln(p.terminal.out, "Nothing was done.")
	return errQuiet
}

// known returns the instance of that name.
func known(s admin.Status, name string) (admin.Instance, error) {
	in, found := s.Instance(name)
	if !found {
		return in, &admin.Error{
			Code: admin.NotFound, Message: fmt.Sprintf("there is no instance %s in the cluster %s", name, s.Cluster),
			Mend: "name one of those in `baton status`",
		}
	}
	return in, nil
}
