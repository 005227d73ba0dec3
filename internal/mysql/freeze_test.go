package mysql_test

import (
	"context"
	"testing"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
	"github.com/stretchr/testify/require"
)

// shop is a leader whose commits wait for nobody.
func shop(t *testing.T) *mysqltest.Server {
	t.Helper()
	s := waitingLeader(t)
	require.NoError(t, mysql.TearDownSemiSync(t.Context(), open(t, targetOf(s))))
	return s
}

func readOnly(t *testing.T, s *mysqltest.Server) string {
	t.Helper()
	return s.Value(t, "SELECT CONCAT(@@read_only, @@super_read_only)")
}

func TestAFrozenLeaderHasAllThatItAcknowledgedAndNothingMore(t *testing.T) {
	s := shop(t)
	some, boss := clients(t, s, "client"), clients(t, s, "boss")
	for n := range 4 {
		some.keepCommitting(100000 * n)
		boss.keepCommitting(100000 * (n + 4))
	}
	left := some.begin(-1)
	eventually(t, "they commit", func() bool { return len(some.told()) > 50 && len(boss.told()) > 50 })
	r, err := mysql.FreezeLeader(t.Context(), targetOf(s), mysql.FreezeOptions{Drain: time.Minute})
	require.NoError(t, err)
	require.Zero(t, r.Ended)
	require.Equal(t, "11", readOnly(t, s))
	acknowledged := len(some.told()) + len(boss.told())
	left()
	eventually(t, "the open transaction can't commit", func() bool { return some.errorOf(-1) != nil })
	require.Equal(t, uint16(1290), mysql.Classify(some.errorOf(-1)).Code)
	require.Equal(t, acknowledged, len(some.told())+len(boss.told()))
	require.Equal(t, r.GTIDExecuted.String(), s.GTIDExecuted(t))

	db := open(t, targetOf(s))
	for range 2 {
		require.NoError(t, mysql.Unfreeze(t.Context(), db))
		require.Equal(t, "00", readOnly(t, s))
	}
	eventually(t, "they commit again", func() bool { return len(some.told())+len(boss.told()) > acknowledged })
}

func TestWhatIsStillInTheWayAfterTheDrainTimeIsEnded(t *testing.T) {
	s := shop(t)
	s.MustExec(t, "INSERT INTO shop.orders VALUES (1)", "CREATE TABLE shop.other (id INT PRIMARY KEY)")
	slow := issue(t, s, "UPDATE shop.orders SET id = 2 WHERE SLEEP(1000) = 0")
	waitsFor(t, s, "User sleep")
	locked, err := s.DB().Conn(t.Context())
	require.NoError(t, err)
	defer locked.Close()
	_, err = locked.ExecContext(t.Context(), "LOCK TABLES shop.other WRITE")
	require.NoError(t, err)
	reader := issue(t, s, "SELECT SLEEP(1000)")
	var steps []string
	r, err := mysql.FreezeLeader(t.Context(), targetOf(s), mysql.FreezeOptions{Drain: 50 * time.Millisecond, Step: func(name, _ string) { steps = append(steps, name) }})
	require.NoError(t, err)
	require.Equal(t, 2, r.Ended)
	require.Equal(t, []string{"refuse writes", "end connections", "end connections", "frozen"}, steps)
	require.Error(t, <-slow)
	require.Equal(t, "1", s.Value(t, "SELECT id FROM shop.orders"))
	select {
	case err := <-reader:
		require.Fail(t, "who only reads is left alone", "%v", err)
	default:
	}
}

func TestAFreezeThatFailsIsUndone(t *testing.T) {
	s := waitingLeader(t)
	before := gtid.MustParseSet(s.GTIDExecuted(t))
	c := twoWait(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil && s.Value(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'Waiting for global read lock'") == "0" {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	r, err := mysql.FreezeLeader(ctx, targetOf(s), mysql.FreezeOptions{})
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, r.Ended, "who waits for an acknowledgement has committed")
	require.True(t, r.GTIDExecuted.IsEmpty())
	require.Equal(t, "00", readOnly(t, s))
	require.Equal(t, 2, waiters(t, s))
	require.Empty(t, c.told())
	require.Equal(t, before.String(), s.GTIDExecuted(t))
}

// The statement of a baton that died goes on waiting in the server.
func TestUnfreezeEndsWhatAnotherBatonLeftWaiting(t *testing.T) {
	s := waitingLeader(t)
	twoWait(t, s)
	left := issue(t, s, "/* baton: freeze */ SET GLOBAL super_read_only = ON")
	waitsFor(t, s, "Waiting for global read lock")
	require.NoError(t, mysql.Unfreeze(t.Context(), open(t, targetOf(s))))
	require.Error(t, <-left)
	require.Equal(t, "00", readOnly(t, s))
}

func TestTransactionsThatWereLeftOpenAreEnded(t *testing.T) {
	s := shop(t)
	some := clients(t, s, "client")
	commit := some.begin(1)
	_, err := mysql.FreezeLeader(t.Context(), targetOf(s), mysql.FreezeOptions{})
	require.NoError(t, err)
	ended, err := mysql.EndTransactions(t.Context(), open(t, targetOf(s)))
	require.NoError(t, err)
	require.Equal(t, 1, ended)
	commit()
	eventually(t, "the client is told", func() bool { return some.errorOf(1) != nil })
	require.NoError(t, mysql.MakeFollower(t.Context(), open(t, targetOf(s))))
	eventually(t, "its locks are gone", func() bool {
		open, err := mysql.EndTransactions(t.Context(), s.DB())
		return err == nil && open == 0
	})
}
