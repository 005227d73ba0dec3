package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
)

// get asks the daemon's API, as the verbs do. What polls goes this way: starting a program each time would take more of
// the machine than the daemon does.
func (b *baton) get(path string) ([]byte, error) {
	code, body, err := b.ask(path)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("%d: %s", code, body)
	}
	return body, err
}

// ask asks the daemon, whatever it answers.
func (b *baton) ask(path string) (code int, body []byte, err error) {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", b.socket)
	}}
	defer transport.CloseIdleConnections()
	c := http.Client{Transport: transport, Timeout: patience}
	answer, err := c.Get("http://baton" + path)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	return answer.StatusCode, body, err
}

// state is what the tests read of `baton status -o json`.
type state struct {
	Leader     string `json:"leader"`
	Durability struct {
		State string `json:"state"`
	} `json:"durability"`
	Source struct {
		State string `json:"state"`
		Error string `json:"error"`
		Mend  string `json:"mend"`
	} `json:"source"`
	Relay struct {
		Durable  string `json:"durable"`
		Bytes    int64  `json:"bytes"`
		Segments int    `json:"segments"`
		Error    string `json:"error"`
		Mend     string `json:"mend"`
	} `json:"relay"`
	Instances []instance `json:"instances"`
	Forecast  struct {
		Candidate string `json:"candidate"`
	} `json:"forecast"`
}

type instance struct {
	Name       string `json:"name"`
	Role       string `json:"role"`
	State      string `json:"state"`
	Executed   string `json:"gtid_executed"`
	Behind     *int64 `json:"behind_transactions"`
	Errant     string `json:"errant"`
	Error      string `json:"error"`
	Mend       string `json:"mend"`
	Applied    int64  `json:"applied"`
	FailedGTID string `json:"failed_gtid"`
}

// instance returns the instance of that name; one without a name when there is none.
func (s state) instance(name string) instance {
	for _, i := range s.Instances {
		if i.Name == name {
			return i
		}
	}
	return instance{}
}

func (b *baton) status() state {
	b.t.Helper()
	var s state
	require.NoError(b.t, json.Unmarshal([]byte(b.must("status", "-o", "json")), &s))
	return s
}

// waitStatus waits until the status is as wanted.
func (b *baton) waitStatus(what string, done func(state) bool) (s state) {
	b.t.Helper()
	b.wait(what, func() (bool, string) {
		answer, err := b.get("/v1/status")
		if err != nil {
			return false, err.Error()
		}
		s = state{}
		if err := json.Unmarshal(answer, &s); err != nil {
			return false, err.Error()
		}
		return done(s), string(answer)
	})
	return s
}

// waitState waits until an instance is in that state.
func (b *baton) waitState(name, wanted string) instance {
	b.t.Helper()
	return b.waitStatus(name+" is "+wanted, func(s state) bool { return s.instance(name).State == wanted }).instance(name)
}

// event is a line of the answer that `baton events -o json` prints.
type event struct {
	Level, Kind, Instance, GTID, Message, Mend string
}

func (b *baton) events() []event {
	b.t.Helper()
	answer, err := b.get("/v1/events?n=1000")
	require.NoError(b.t, err)
	var all []event
	d := json.NewDecoder(bytes.NewReader(answer))
	for {
		var e event
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(b.t, err)
		all = append(all, e)
	}
}

// waitEvent waits for an event of that kind, of that instance, that says something.
func (b *baton) waitEvent(kind, instance, says string) (found event) {
	b.t.Helper()
	b.wait(fmt.Sprintf("%s of %s is recorded, saying %q", kind, instance, says), func() (bool, string) {
		all := b.events()
		i := slices.IndexFunc(all, func(e event) bool {
			return e.Kind == kind && e.Instance == instance && strings.Contains(e.Message, says)
		})
		if i >= 0 {
			found = all[i]
		}
		return i >= 0, fmt.Sprintf("%+v", all)
	})
	return found
}
