package mysqltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
)

// Cluster is a leader and its followers, all empty, with baton's account on each and no GTID on any. Nothing replicates
// between them yet, and none is read-only.
type Cluster struct {
	Leader    *Server
	Followers []*Server
}

// StartCluster starts a leader and n followers side by side, named leader, follower1, follower2, …, each with the
// given options.
func StartCluster(t testing.TB, n int, opts ...Option) *Cluster {
	t.Helper()
	dir := testFolder(t)
	c, err := LaunchCluster(t.Context(), dir, n, append(opts, inTestFolder(dir))...)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Servers() {
		s.endWith(t)
	}
	return c
}

// LaunchCluster is StartCluster outside of tests: folders are made below dir, and the caller closes the cluster.
func LaunchCluster(ctx context.Context, dir string, n int, opts ...Option) (*Cluster, error) {
	installation, err := Find(ctx)
	if err != nil {
		return nil, err
	}
	servers := make([]*Server, n+1)
	errs := make([]error, n+1)
	var wg sync.WaitGroup
	for i := range servers {
		name := "leader"
		if i > 0 {
			name = fmt.Sprintf("follower%d", i)
		}
		wg.Go(func() {
			s, err := Launch(ctx, dir, append([]Option{On(installation), Name(name)}, opts...)...)
			if err == nil {
				err = s.CreateAccount(ctx, User, Password)
			}
			servers[i], errs[i] = s, err
		})
	}
	wg.Wait()
	c := &Cluster{Leader: servers[0], Followers: servers[1:]}
	if err := errors.Join(errs...); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Servers is the leader and then the followers.
func (c *Cluster) Servers() []*Server { return append([]*Server{c.Leader}, c.Followers...) }

// Close closes all servers. It may be called twice.
func (c *Cluster) Close() error {
	var errs []error
	for _, s := range c.Servers() {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
