package admin

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLoadBalancersAreAnsweredByTheCode(t *testing.T) {
	s, client, _ := startServer(t, &fakeCluster{status: exampleStatus(t)}, nil)
	require.NotNil(t, client)
	for path, want := range map[string]struct {
		code int
		body string
	}{
		"/v1/instances/db1/leader":              {http.StatusOK, "it leads\n"},
		"/v1/instances/db2/leader":              {http.StatusServiceUnavailable, "db1 leads\n"},
		"/v1/instances/db2/follower":            {http.StatusServiceUnavailable, "it is 1h0m0s behind, more than 5s\n"},
		"/v1/instances/db2/follower?max_lag=1h": {http.StatusOK, "it follows, within 1h0m0s\n"},
		"/v1/instances/db1/follower":            {http.StatusServiceUnavailable, "it leads\n"},
		"/v1/leader":                            {http.StatusOK, `{"name":"db1","address":"10.0.0.1:3306"}` + "\n"},
	} {
		t.Run(path, func(t *testing.T) {
			r := overTCP(t, s, http.MethodGet, path)
			require.Equal(t, want.code, r.status)
			require.Equal(t, want.body, r.body)
		})
	}
	for path, code := range map[string]int{
		"/v1/instances/db3/leader": http.StatusNotFound, "/v1/instances/db2/follower?max_lag=5": http.StatusBadRequest,
		"/v1/instances/db2/follower?max_lag=-5s": http.StatusBadRequest, "/v1/instances/db2/follower?maxlag=5s": http.StatusBadRequest,
		"/v1/instances/db1/leader?max_lag=5s": http.StatusBadRequest, "/v1/instances/db1": http.StatusNotFound, "/v1/leader?x=1": http.StatusBadRequest,
	} {
		require.Equal(t, code, overTCP(t, s, http.MethodGet, path).status, path)
	}
}
