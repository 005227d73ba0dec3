package endpoint

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAFollowerIsChosenThatQualifiesAndHasTheFewestClients(t *testing.T) {
	db2, db3, db4 := Follower{Name: "db2"}, Follower{Name: "db3"}, Follower{Name: "db4"}
	late, stopped := Follower{Name: "db3", Lag: 5001 * time.Millisecond}, Follower{Name: "db2", Problem: "it is stopped"}
	for name, c := range map[string]struct {
		followers  []Follower
		loads      map[string]load
		excluded   map[string]string
		chosen, no string
	}{
		"no followers":              {no: "there are no followers"},
		"nobody has clients":        {followers: []Follower{db2, db3}, chosen: "db2"},
		"the fewest now":            {followers: []Follower{db2, db3, db4}, loads: map[string]load{"db2": {2, 2}, "db3": {1, 90}, "db4": {2, 1}}, chosen: "db3"},
		"as many, the fewest ever":  {followers: []Follower{db2, db3, db4}, loads: map[string]load{"db2": {1, 9}, "db3": {1, 8}, "db4": {1, 9}}, chosen: "db3"},
		"just within the bound":     {followers: []Follower{{Name: "db2", Lag: 5 * time.Second}}, chosen: "db2"},
		"beyond the bound":          {followers: []Follower{late, db4}, chosen: "db4"},
		"all but the last excluded": {followers: []Follower{db2, db3, db4}, excluded: map[string]string{"db2": "refused", "db3": "silent"}, chosen: "db4"},
		"nobody qualifies": {followers: []Follower{stopped, late, db4}, excluded: map[string]string{"db4": "refused"},
			no: "db2: it is stopped; db3: it is 5.001s behind, more than 5s; db4: refused"},
	} {
		t.Run(name, func(t *testing.T) {
			chosen, no := View{Followers: c.followers}.follower(5*time.Second, c.loads, c.excluded)
			require.Equal(t, c.chosen, chosen)
			require.Equal(t, c.no, no)
		})
	}
}

func TestWhetherAnInstanceLeadsOrFollowsHasAReason(t *testing.T) {
	v := View{Leader: "db1", Followers: []Follower{{Name: "db2", Lag: 2 * time.Second}, {Name: "db3", Problem: "it is paused"}}}
	require.Empty(t, v.NotLeader("db1"))
	require.Equal(t, "db1 leads", v.NotLeader("db2"))
	require.Equal(t, "the baton passes", View{Held: "the baton passes"}.NotLeader("db1"))
	require.Empty(t, v.NotFollower("db2", 2*time.Second))
	require.Equal(t, "it is 2s behind, more than 1s", v.NotFollower("db2", time.Second))
	require.Equal(t, "it is paused", v.NotFollower("db3", time.Hour))
	require.Equal(t, "it leads", v.NotFollower("db1", time.Hour))
	require.Equal(t, "it is not known to follow", v.NotFollower("db9", time.Hour))
}
