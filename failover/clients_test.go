package failover

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/failover/plan"
	"github.com/batondb/baton/internal/mysql"
)

// Whoever is led to a leader that takes no writes for the moment has an error that waiting would have spared them.
func TestClientsWaitForALeaderThatTakesNoWritesForTheMoment(t *testing.T) {
	answers := Instance{Name: "db1", Observed: true, Facts: &mysql.Facts{}}
	with := func(change func(*Instance)) Instance {
		in := answers
		change(&in)
		return in
	}
	fails := func(kind mysql.FaultKind) Instance {
		return with(func(in *Instance) { in.Fault = &mysql.Fault{Kind: kind} })
	}
	for name, c := range map[string]struct {
		handOver  *HandOver
		leader    Instance
		health    plan.Health
		restarted bool
		want      string
	}{
		"it answers":                   {leader: answers, health: plan.Alive},
		"it is suspected":              {leader: answers, health: plan.Suspect},
		"one probe failed":             {leader: fails(mysql.Silent), health: plan.Suspect},
		"it has too many connections":  {leader: fails(mysql.TooManyConnections), health: plan.Alive},
		"a hand-over is under way":     {handOver: &HandOver{Kind: "failover", From: "db0"}, leader: answers, health: plan.Alive, want: "the failover from db0 is not finished"},
		"it hasn't been asked":         {leader: Instance{Name: "db1"}, want: "db1 leads, and hasn't answered baton yet"},
		"its host refuses connections": {leader: fails(mysql.Refused), health: plan.Suspect, want: "db1 leads, and refuses connections"},
		"it died":                      {leader: fails(mysql.Lost), health: plan.Died, want: "db1 leads, and has died"},
		"it is silent":                 {leader: fails(mysql.Silent), health: plan.Silent, want: "db1 leads, and is silent"},
		"it started again, fenced":     {leader: answers, health: plan.Alive, restarted: true, want: "db1 leads, and is not made writable yet"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, whyClientsWait(Leadership{Leader: "db1", HandOver: c.handOver}, c.leader, c.health, c.restarted))
		})
	}
}
