package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// longestTimeout is the longest that a server waits for an acknowledgement,
// 4294967295 ms: seven weeks.
const longestTimeout = (1<<32 - 1) * time.Millisecond

// ErrWaiters is wrapped by the error of [TearDownSemiSync] where a client waits
// for an acknowledgement.
var ErrWaiters = errors.New("clients wait for the acknowledgement of their commits, and switching semi-sync off would tell them that these are safe")

// SemiSyncSettings is how a leader's commits are to wait.
type SemiSyncSettings struct {
	// Timeout is how long they wait before they go on unprotected, in whole
	// milliseconds; 0 is as long as the server can, seven weeks.
	Timeout time.Duration
}

func (s SemiSyncSettings) timeout() time.Duration {
	if s.Timeout <= 0 || s.Timeout > longestTimeout {
		return longestTimeout
	}
	return s.Timeout
}

// semiSyncNames are a plugin's words, which changed with MySQL 8.0.26. A server
// since then has both plugins to choose from, at most one of which is loaded.
type semiSyncNames struct {
	plugin, library, prefix, replica string
}

var (
	sourceNames = semiSyncNames{"rpl_semi_sync_source", "semisync_source.so", "rpl_semi_sync_source_", "replica"}
	masterNames = semiSyncNames{"rpl_semi_sync_master", "semisync_master.so", "rpl_semi_sync_master_", "slave"}
)

// A setting is a variable of the plugin and its wanted value.
type setting struct{ name, value string }

// settings are those that [SetUpSemiSync] makes so, but for "enabled".
func (n semiSyncNames) settings(s SemiSyncSettings) []setting {
	return []setting{
		{n.prefix + "timeout", strconv.FormatInt(s.timeout().Milliseconds(), 10)},
		{n.prefix + "wait_no_" + n.replica, "ON"},
		{n.prefix + "wait_point", "AFTER_SYNC"},
		{n.prefix + "wait_for_" + n.replica + "_count", "1"},
	}
}

// loadedSemiSync returns the names of the source plugin that is loaded; ok is
// false if there is none.
func loadedSemiSync(ctx context.Context, q Querier) (names semiSyncNames, ok bool, err error) {
	var plugin string
	err = q.QueryRowContext(ctx, "SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_STATUS = 'ACTIVE' AND PLUGIN_NAME IN ('"+
		sourceNames.plugin+"', '"+masterNames.plugin+"') ORDER BY PLUGIN_NAME DESC LIMIT 1").Scan(&plugin)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return semiSyncNames{}, false, nil
	case err != nil:
		return semiSyncNames{}, false, fmt.Errorf("look for the semi-sync plugin: %w", Classify(err))
	case strings.EqualFold(plugin, masterNames.plugin):
		return masterNames, true, nil
	}
	return sourceNames, true, nil
}

// installSemiSync loads the source plugin, with the old names where the server
// has no other.
func installSemiSync(ctx context.Context, q Querier) (semiSyncNames, error) {
	const cannotOpenLibrary, alreadyThere = 1126, 1125
	var err error
	for _, names := range []semiSyncNames{sourceNames, masterNames} {
		err = set(ctx, q, fmt.Sprintf("INSTALL PLUGIN %s SONAME '%s'", names.plugin, names.library))
		f := Classify(err)
		if f == nil || f.Code == alreadyThere {
			return names, nil
		}
		if f.Code != cannotOpenLibrary {
			break
		}
	}
	return semiSyncNames{}, err
}

// SetUpSemiSync has the server's commits wait for an acknowledgement: it loads
// the plugin if need be, which the server keeps over restarts and writes into no
// binlog, then sets what differs from the settings, and switches it on last. It
// works with read_only=ON, but loads no plugin with super_read_only=ON (1290). A
// stream that acknowledges should be attached before the first commit, else that
// waits for it.
//
// Nothing is persisted but the plugin. A server starts fenced, so that nothing
// commits before baton has set semi-sync up again, and one that comes back as a
// follower must not wait: nobody acknowledges what is applied to it.
//
// Errors wrap a [*Fault].
func SetUpSemiSync(ctx context.Context, q Querier, s SemiSyncSettings) error {
	names, ok, err := loadedSemiSync(ctx, q)
	if err == nil && !ok {
		names, err = installSemiSync(ctx, q)
	}
	if err != nil {
		return err
	}
	now, err := names.values(ctx, q)
	if err != nil {
		return err
	}
	for _, want := range append(names.settings(s), setting{names.prefix + "enabled", "ON"}) {
		if strings.EqualFold(now[want.name], want.value) {
			continue
		}
		if err := set(ctx, q, "SET GLOBAL "+want.name+" = "+want.value); err != nil {
			return err
		}
	}
	return nil
}

func (n semiSyncNames) values(ctx context.Context, q Querier) (values, error) {
	names := []string{n.prefix + "enabled"}
	for _, s := range n.settings(SemiSyncSettings{}) {
		names = append(names, s.name)
	}
	now, err := namedValues(ctx, q, "SHOW GLOBAL VARIABLES", names)
	if err != nil {
		return nil, fmt.Errorf("read the semi-sync settings: %w", Classify(err))
	}
	return now, nil
}

// TearDownSemiSync has the server's commits wait no longer. It refuses, with
// [ErrWaiters], where a client waits: it would be told that its commit is safe.
// Between looking and switching off a client may begin to wait, so that it is
// for servers that take no writes. It does nothing where semi-sync is off, and
// leaves the plugin loaded. Other errors wrap a [*Fault].
func TearDownSemiSync(ctx context.Context, q Querier) error {
	names, ok, err := loadedSemiSync(ctx, q)
	if err != nil || !ok {
		return err
	}
	now, err := names.values(ctx, q)
	if err != nil || !now.on(names.prefix+"enabled") {
		return err
	}
	waiters, err := Waiters(ctx, q)
	switch {
	case err != nil:
		return err
	case waiters > 0:
		return fmt.Errorf("switch semi-sync off: %w", ErrWaiters)
	}
	return names.switchOff(ctx, q)
}

// SwitchOffSemiSync has no commit of a server wait for an acknowledgement any
// more. Those that wait are told of success, so that it is only for a leader of
// whose commits nothing is promised. Errors wrap a [*Fault].
func SwitchOffSemiSync(ctx context.Context, q Querier) error {
	names, ok, err := loadedSemiSync(ctx, q)
	if err != nil || !ok {
		return err
	}
	return names.switchOff(ctx, q)
}

func (n semiSyncNames) switchOff(ctx context.Context, q Querier) error {
	return set(ctx, q, "SET GLOBAL "+n.prefix+"enabled = OFF")
}
