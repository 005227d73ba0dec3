package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

// status is what the demo reads of `baton status -o json`.
type status struct {
	Leader       string
	LeaderHealth struct{ Health, Reason string } `json:"leader_health"`
	Durability   struct{ State string }
	Source       struct{ State, Error string }
	Relay        struct {
		Durable      *gtid.Set
		Bytes        int64
		Segments     int
		Fsyncs       int64
		FsyncSeconds float64 `json:"fsync_seconds"`
		Error        string
	}
	Instances []instance
	Forecast  struct {
		Candidate string
		BlockedBy string `json:"blocked_by"`
	}
	Last *handOver `json:"last_hand_over"`
}

// handOver is one that is done.
type handOver struct {
	Kind, From, To string
	At             time.Time
	Seconds        float64
	Unwritable     float64 `json:"unwritable_seconds"`
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

// event is what the demo reads of `baton events -o json`.
type event struct {
	Time                    time.Time
	Kind, Instance, Message string
}

// askStatus asks the daemon behind an admin socket, as `baton status` does.
func askStatus(ctx context.Context, socket string) (*status, error) {
	var s status
	err := ask(ctx, socket, "/v1/status", func(answer *json.Decoder) error { return answer.Decode(&s) })
	if err != nil {
		return nil, fmt.Errorf("ask baton for its status: %w", err)
	}
	return &s, nil
}

// askEvents asks for what happened since a moment, as `baton events` does.
func askEvents(ctx context.Context, socket string, since time.Time) ([]event, error) {
	var events []event
	err := ask(ctx, socket, "/v1/events?n=200", func(answer *json.Decoder) error {
		for answer.More() {
			var e event
			if err := answer.Decode(&e); err != nil {
				return err
			}
			if e.Time.After(since) {
				events = append(events, e)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask baton for its events: %w", err)
	}
	return events, nil
}

// ask sends a question to an admin socket and has the answer read.
func ask(ctx context.Context, socket, path string, read func(*json.Decoder) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://baton"+path, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return read(json.NewDecoder(answer.Body))
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
