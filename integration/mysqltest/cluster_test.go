package mysqltest

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClusterHasEqualGTIDSetsAndTheAccount(t *testing.T) {
	c := StartCluster(t, 2, Relaxed(), SemiSyncSource())
	uuids := map[string]bool{}
	for _, s := range c.Servers() {
		require.Empty(t, s.GTIDExecuted(t))
		require.Equal(t, "ACTIVE", s.Value(t, "SELECT plugin_status FROM information_schema.plugins WHERE plugin_name = 'rpl_semi_sync_source'"))
		require.Equal(t, "0", s.Value(t, "SELECT @@rpl_semi_sync_source_enabled"))
		uuids[s.UUID(t)] = true

		db, err := sql.Open("mysql", s.DSN(User, Password))
		require.NoError(t, err)
		defer db.Close()
		_, err = db.Exec("SET GLOBAL read_only = ON")
		require.NoError(t, err)
	}
	require.Len(t, uuids, 3, "each server has a server_uuid of its own")
	require.Equal(t, "leader", c.Leader.Name)
	require.Equal(t, "follower2", c.Followers[1].Name)
}
