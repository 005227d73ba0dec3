package session

import "github.com/go-mysql-org/go-mysql/mysql"

// Server errors that decide on a Kind, or have a mend of their own, and that
// go-mysql has no name for.
const (
	errKilledIdle         = 4031 // ER_CLIENT_INTERACTION_TIMEOUT
	errSessionKilled      = 3169 // ER_SESSION_WAS_KILLED
	errMaxExecutionTime   = 3024 // ER_QUERY_TIMEOUT
	errAccountLacksRights = 1227 // ER_SPECIFIC_ACCESS_DENIED_ERROR
	errEngineDisabled     = 3161 // ER_DISABLED_STORAGE_ENGINE
	errDiff               = 3903 // ER_COULD_NOT_APPLY_JSON_DIFF
	errDiffCorrupt        = 3902 // ER_CORRUPTED_JSON_DIFF
)

// What is left where the cause can't be mended, and how a follower is changed by
// hand: a change in its own binlog would be an errant transaction.
const (
	skipByHand = "leave the transaction out with `baton skip` and make its changes on the follower by hand, or rebuild the follower"
	unlogged   = " (in a session with sql_log_bin=0), then `baton resume`"
	otherwise  = "; or rebuild the follower; or leave the transaction out with `baton skip`"
)

// classifyCode says what kind of error a server's is, and what an operator can do.
func classifyCode(code uint16) (Kind, string) {
	switch code {
	case mysql.ER_LOCK_WAIT_TIMEOUT, mysql.ER_LOCK_DEADLOCK, mysql.ER_LOCK_ABORTED, mysql.ER_TABLE_DEF_CHANGED,
		mysql.ER_TOO_MANY_CONCURRENT_TRXS, mysql.ER_XA_RBTIMEOUT, mysql.ER_XA_RBDEADLOCK,
		mysql.ER_QUERY_INTERRUPTED, errMaxExecutionTime:
		return Passing, ""
	case mysql.ER_OPTION_PREVENTS_STATEMENT:
		return ReadOnly, "SET GLOBAL super_read_only=OFF (read_only stays ON)"
	case mysql.ER_SERVER_SHUTDOWN, mysql.ER_NORMAL_SHUTDOWN, mysql.ER_ABORTING_CONNECTION, mysql.ER_NEW_ABORTING_CONNECTION,
		errSessionKilled, mysql.ER_NET_READ_ERROR, mysql.ER_NET_READ_INTERRUPTED,
		mysql.ER_NET_ERROR_ON_WRITE, mysql.ER_NET_WRITE_INTERRUPTED, errKilledIdle:
		return Disconnected, ""
	}
	return Refused, mendOf(code)
}

// mendOf is what to do about a refusal.
func mendOf(code uint16) string {
	switch code {
	case mysql.ER_KEY_NOT_FOUND, errDiff, errDiffCorrupt:
		return "the follower's row differs from the leader's: put the row right" + unlogged + otherwise
	case mysql.ER_DUP_ENTRY, mysql.ER_DUP_KEY, mysql.ER_DUP_ENTRY_WITH_KEY_NAME:
		return "the follower has a row that the leader hasn't: remove it" + unlogged + otherwise
	case mysql.ER_NO_REFERENCED_ROW, mysql.ER_NO_REFERENCED_ROW_2:
		return "the follower lacks a row that the leader has: insert it" + unlogged + otherwise
	case mysql.ER_ROW_IS_REFERENCED, mysql.ER_ROW_IS_REFERENCED_2:
		return "the follower has rows that the leader hasn't, and that refer to this one: remove them" + unlogged + otherwise
	case mysql.ER_NO_SUCH_TABLE, mysql.ER_BAD_DB_ERROR, mysql.ER_BAD_TABLE_ERROR, mysql.ER_DB_DROP_EXISTS,
		mysql.ER_SP_DOES_NOT_EXIST, mysql.ER_BAD_FIELD_ERROR, mysql.ER_CANT_DROP_FIELD_OR_KEY:
		return "the follower lacks what the message names: make it as it was on the leader, a table with its rows" + unlogged + otherwise
	case mysql.ER_TABLE_EXISTS_ERROR, mysql.ER_DB_CREATE_EXISTS, mysql.ER_SP_ALREADY_EXISTS, mysql.ER_DUP_FIELDNAME, mysql.ER_DUP_KEYNAME:
		return "the follower has something by that name that the leader hadn't: drop or rename it" + unlogged + otherwise
	case mysql.ER_CANNOT_USER:
		return "the follower's accounts differ from the leader's: create or drop the one that the message names" + unlogged + otherwise
	case mysql.ER_UNKNOWN_ERROR:
		return "the follower's error log says more (performance_schema.error_log). Where the table has other columns than the leader's, " +
			"ALTER it to what SHOW CREATE TABLE says there" + unlogged + otherwise
	case mysql.ER_SLAVE_CONVERSION_FAILED, mysql.ER_DATA_TOO_LONG, mysql.ER_WARN_DATA_OUT_OF_RANGE, mysql.ER_TRUNCATED_WRONG_VALUE_FOR_FIELD,
		mysql.ER_NO_DEFAULT_FOR_FIELD:
		return "the follower's table has other columns than the leader's: ALTER it to what SHOW CREATE TABLE says there" + unlogged + otherwise
	case mysql.ER_UNKNOWN_STORAGE_ENGINE, errEngineDisabled:
		return "have the follower's server offer that storage engine (disabled_storage_engines, plugins), then `baton resume`; or " + skipByHand
	case mysql.ER_PLUGIN_IS_NOT_LOADED, mysql.ER_FUNCTION_NOT_DEFINED, mysql.ER_CANT_FIND_UDF:
		return "load on the follower what the leader has loaded (INSTALL PLUGIN, INSTALL COMPONENT), then `baton resume`; or " + skipByHand
	case mysql.ER_NET_PACKET_TOO_LARGE:
		return "SET PERSIST max_allowed_packet=1073741824 on the follower, which is the most, then `baton resume`"
	case mysql.ER_BINLOG_CREATE_ROUTINE_NEED_SUPER, mysql.ER_BINLOG_UNSAFE_ROUTINE:
		return "SET GLOBAL log_bin_trust_function_creators=ON on the follower (baton does so when it begins to apply), then `baton resume`"
	case mysql.ER_DISK_FULL, mysql.ER_RECORD_FILE_FULL, mysql.ER_ERROR_ON_WRITE:
		return "free space on the follower's disk; baton goes on by itself"
	case mysql.ER_TABLEACCESS_DENIED_ERROR, mysql.ER_COLUMNACCESS_DENIED_ERROR, mysql.ER_DBACCESS_DENIED_ERROR, mysql.ER_PROCACCESS_DENIED_ERROR,
		mysql.ER_ACCESS_DENIED_ERROR, errAccountLacksRights:
		return "grant baton's account what `baton check` names, then `baton resume`"
	}
	return "mend the cause on the follower, then `baton resume`; or leave the transaction out with `baton skip`"
}
