package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

// status is what the demo reads of `baton status -o json`.
type status struct {
	Leader     string
	Durability struct{ State string }
	Source     struct{ State, Error string }
	Relay      struct {
		Durable      *gtid.Set
		Bytes        int64
		Segments     int
		Fsyncs       int64
		FsyncSeconds float64 `json:"fsync_seconds"`
		Error        string
	}
	Instances []instance
}

type instance struct {
	Name, Address, Role, State string
	GTIDExecuted               *gtid.Set `json:"gtid_executed"`
	Lag                        *float64  `json:"lag_seconds"`
	Behind                     *int64    `json:"behind_transactions"`
	Errant                     *gtid.Set
	Error                      string
}

func (s *status) instance(name string) instance {
	if s != nil {
		for _, i := range s.Instances {
			if i.Name == name {
				return i
			}
		}
	}
	return instance{Name: name, State: "unknown"}
}

// protected tells whether commits on the leader wait for the relay.
func (s *status) protected() bool { return s != nil && s.Durability.State == "protected" }

// askStatus asks the daemon behind an admin socket, as `baton status` does.
func askStatus(ctx context.Context, socket string) (*status, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://baton/v1/status", nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask baton for its status: %s", answer.Status)
	}
	var s status
	if err := json.NewDecoder(answer.Body).Decode(&s); err != nil {
		return nil, fmt.Errorf("read baton's status: %w", err)
	}
	return &s, nil
}

// shortSet is a GTID set with its UUIDs cut to their first letters.
func shortSet(set *gtid.Set) string {
	if set == nil {
		return "?"
	}
	if set.IsEmpty() {
		return "(empty)"
	}
	var parts []string
	for _, part := range strings.Split(strings.ReplaceAll(set.String(), "\n", ""), ",") {
		uuid, rest, _ := strings.Cut(strings.TrimSpace(part), ":")
		intervals := strings.Split(rest, ":")
		if len(intervals) > 3 { // commits finish out of order: the holes close again
			rest = fmt.Sprintf("%s:%s:… (%d intervals)", intervals[0], intervals[1], len(intervals))
		}
		parts = append(parts, uuid[:min(8, len(uuid))]+"…:"+rest)
	}
	return strings.Join(parts, ",")
}
