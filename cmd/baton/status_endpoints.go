package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batondb/baton/cmd/internal/admin"
)

// endpoints says, of each port for clients, how many are connected to whom, and
// how many wait, and why.
func (p *program) endpoints(b *strings.Builder, s admin.Status) {
	heading := "endpoints"
	for _, e := range s.Endpoints {
		text := fact(heading, printable(endpointText(e)))
		if e.Holding != "" {
			text = p.paintFirst(yellow, text)
		}
		b.WriteString(text)
		heading = ""
	}
}

func endpointText(e admin.Endpoint) string {
	text := fmt.Sprintf("%s %s: ", e.Listen, e.Route)
	var clients []string
	for _, name := range slices.Sorted(maps.Keys(e.Connections)) {
		clients = append(clients, fmt.Sprintf("%d to %s", e.Connections[name], name))
	}
	switch {
	case len(clients) > 0:
		text += "connections: " + strings.Join(clients, ", ")
	case e.LeadsTo != "":
		text += fmt.Sprintf("no connections; leads to %s", e.LeadsTo)
	default:
		text += "no connections"
	}
	switch {
	case e.Holding != "":
		text += fmt.Sprintf("; HOLDING %d: %s", e.Held, e.Holding)
	case e.Held > 0:
		text += fmt.Sprintf("; %d wait", e.Held)
	}
	return text
}
