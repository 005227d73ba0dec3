package admin

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/failover/plan"
)

// shape is what `baton status -o json` promises other programs (docs/operations.md).
var shape = map[string][]string{
	"":            {"cluster", "epoch", "leader", "durability", "relay", "instances", "forecast"},
	"durability":  {"mode", "state", "since"},
	"relay":       {"received", "durable", "bytes", "segments"},
	"instances":   {"name", "address", "role", "state", "gtid_executed", "lag_seconds", "behind_transactions", "mode", "errant", "error"},
	"forecast":    {"candidate", "would_lose", "refused", "blocked_by"},
	"/refused":    {"instance", "reason"},
	"#stateNames": {"streaming", "catching-up", "paused", "stopped", "unreachable", "quarantined", "needs-seed"},
}

func decoded(t *testing.T, s Status) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(asJSON(t, s)), &m))
	return m
}

func requireKeys(t *testing.T, where string, m any) map[string]any {
	t.Helper()
	object, ok := m.(map[string]any)
	require.True(t, ok, "%s is an object", where)
	for _, key := range shape[where] {
		require.Contains(t, slices.Collect(maps.Keys(object)), key, where)
	}
	return object
}

func TestTheJSONHasThePromisedShape(t *testing.T) {
	for _, s := range []Status{exampleStatus(t), {}, {Instances: []Instance{{}}, Forecast: Forecast{Refused: []Refusal{{}}}}} {
		top := requireKeys(t, "", decoded(t, s))
		requireKeys(t, "durability", top["durability"])
		requireKeys(t, "relay", top["relay"])
		for _, i := range top["instances"].([]any) {
			requireKeys(t, "instances", i)
		}
		forecast := requireKeys(t, "forecast", top["forecast"])
		for _, r := range forecast["refused"].([]any) {
			requireKeys(t, "/refused", r)
		}
	}
	require.Equal(t, shape["#stateNames"], States())
}

func TestTheHealthsAreThoseOfThePlan(t *testing.T) {
	require.Equal(t, []string{string(plan.Alive), string(plan.Suspect), string(plan.Died), string(plan.Silent)}, Healths())
}

func TestWhatIsUnknownIsNull(t *testing.T) {
	top := decoded(t, Status{Instances: []Instance{{Name: "db1"}}})
	require.Nil(t, top["leader"])
	require.Equal(t, map[string]any{"mode": nil, "state": nil, "since": nil}, top["durability"])
	require.Equal(t, map[string]any{"health": nil, "reason": nil}, top["leader_health"])
	for _, key := range []string{"hand_over", "last_hand_over"} {
		require.Contains(t, top, key)
		require.Nil(t, top[key])
	}
	require.Equal(t, []any{}, top["forecast"].(map[string]any)["candidates"])
	require.Nil(t, top["relay"].(map[string]any)["durable"])
	require.Nil(t, top["forecast"].(map[string]any)["candidate"])
	require.Nil(t, top["forecast"].(map[string]any)["would_lose"])
	require.Empty(t, top["forecast"].(map[string]any)["refused"])
	require.NotNil(t, top["forecast"].(map[string]any)["refused"])
	instance := top["instances"].([]any)[0].(map[string]any)
	for _, key := range []string{"gtid_executed", "lag_seconds", "behind_transactions", "mode", "errant", "error", "version"} {
		require.Nil(t, instance[key], key)
	}
	require.Equal(t, []any{}, decoded(t, Status{})["instances"])
}

func TestNothingAndUnknownDiffer(t *testing.T) {
	s := Status{Instances: []Instance{{LagSeconds: new(0.0), Errant: setOf(t, ""), BehindTransactions: new(int64(0))}}}
	instance := decoded(t, s)["instances"].([]any)[0].(map[string]any)
	require.EqualValues(t, 0, instance["lag_seconds"])
	require.EqualValues(t, 0, instance["behind_transactions"])
	require.Equal(t, "", instance["errant"])
}

func TestInstanceIsFoundByName(t *testing.T) {
	s := exampleStatus(t)
	i, ok := s.Instance("db2")
	require.True(t, ok)
	require.Equal(t, Follower, i.Role)
	_, ok = s.Instance("db9")
	require.False(t, ok)
}

func TestLocate(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ text, socket, problem string }{
		"default":  {"cluster: shop\ninstances:\n- {name: db1}\n- {name: db2, address: x}\n", "/run/baton/shop.sock", ""},
		"absolute": {"cluster: shop\nadmin: {socket: /tmp/x.sock}\n", "/tmp/x.sock", ""},
		"relative": {"cluster: shop\nadmin: {socket: run/x.sock}\n", filepath.Join(dir, "run/x.sock"), ""},
		"unknown":  {"cluster: shop\nclutter: 5\nrelay: [wrong]\n", "/run/baton/shop.sock", ""},
		"nothing":  {"instances: []\n", "", "--socket"},
		"no yaml":  {"cluster: [\n", "", "--socket"},
		"no map":   {"root:x:0:0:root:/root:/bin/sh\n", "", "baton check --config"},
		"empty":    {"", "", "--socket"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, "c.yaml")
			require.NoError(t, os.WriteFile(file, []byte(c.text), 0o600))
			at, err := Locate(file)
			if c.problem != "" {
				require.ErrorContains(t, err, c.problem)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.socket, at.Socket)
			if name == "default" {
				require.Equal(t, []string{"db1", "db2"}, at.Instances)
			}
		})
	}
	_, err := Locate(filepath.Join(dir, "none.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "--config")
}
