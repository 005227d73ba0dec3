package mysql

import "strings"

const grantOption = "GRANT OPTION"

// A Privilege is one that baton's account needs ON *.*.
type Privilege struct {
	Name string
	For  string // what it is for, after "needed to"
	// Required tells whether baton can't replicate at all without it. Without
	// one of the others it can, until a transaction of the kind named in For
	// comes along and stops the follower.
	Required bool
	since    [3]int // first version that has it; zero for all
	until    [3]int // first version that hasn't it any more; zero for none
}

// Privileges returns what baton's account needs on a server of that version,
// and no more.
func Privileges(v Version) []Privilege {
	var needed []Privilege
	for _, p := range allPrivileges() {
		if v.AtLeast(p.since[0], p.since[1], p.since[2]) &&
			(p.until == [3]int{} || !v.AtLeast(p.until[0], p.until[1], p.until[2])) {
			needed = append(needed, p)
		}
	}
	return needed
}

// Grant returns the statement that grants an account, written as `user`@`host`,
// all that baton needs on a server of that version.
func Grant(v Version, account string) string { return grantOf(Privileges(v), account) }

// isDynamic tells the dynamic privileges, each of which has a GRANT OPTION of its
// own, from the static ones, which share one: their names have no underscores.
func isDynamic(privilege string) bool { return strings.Contains(privilege, "_") }

// grantOf grants privileges, each so that it may be granted on where that is
// needed. ungrantable are those that the account has without.
func grantOf(privileges []Privilege, account string, ungrantable ...string) string {
	var names []string
	option := ""
	for _, p := range privileges {
		if p.Name == grantOption {
			option = " WITH " + grantOption
			for _, name := range ungrantable {
				if isDynamic(name) {
					names = append(names, name)
				}
			}
			continue
		}
		names = append(names, p.Name)
		if isDynamic(p.Name) {
			option = " WITH " + grantOption
		}
	}
	if len(names) == 0 {
		names = []string{"USAGE"}
	}
	return "GRANT " + strings.Join(names, ", ") + " ON *.* TO " + account + option
}

func allPrivileges() []Privilege {
	const (
		tables   = "replay DDL on tables"
		accounts = "replay account statements"
		routines = "replay DDL on views, routines, triggers and events"
		schemas  = "replay GRANT ALL on a schema"
	)
	return []Privilege{
		{Name: "REPLICATION SLAVE", For: "read the leader's binlog", Required: true},
		{Name: "REPLICATION CLIENT", For: "see replication channels and binlogs", Required: true},
		{Name: "REPLICATION_APPLIER", For: "apply rows (BINLOG)", Required: true},
		{Name: "TRANSACTION_GTID_TAG", For: "apply transactions whose GTIDs have a tag", since: [3]int{8, 3, 0}},
		{Name: "CONNECTION_ADMIN", For: "write to followers, which are read_only, and end connections", Required: true},
		// It includes SESSION_VARIABLES_ADMIN, which the session context of a
		// transaction needs.
		{Name: "SYSTEM_VARIABLES_ADMIN", For: "set read_only, semi-sync, sql_log_bin, gtid_purged and the session context of each transaction", Required: true},
		{Name: "SELECT", For: "read baton's own tables, and replay CREATE TABLE … LIKE and views", Required: true},
		{Name: "INSERT", For: "write baton's own tables, load the semi-sync plugin, and replay RENAME TABLE", Required: true},
		{Name: "UPDATE", For: "write baton's own tables", Required: true},
		{Name: "DELETE", For: "write baton's own tables", Required: true},
		{Name: "CREATE", For: tables, Required: true},
		{Name: "DROP", For: tables, Required: true},
		{Name: "ALTER", For: tables, Required: true},
		{Name: "INDEX", For: tables, Required: true},
		{Name: "REFERENCES", For: tables, Required: true},
		{Name: "PROCESS", For: "see the open transactions of a leader that is fenced, and who reads a follower's binlog"},
		{Name: "PERSIST_RO_VARIABLES_ADMIN", For: "have every server start fenced (SET PERSIST_ONLY super_read_only)"},
		{Name: "CREATE VIEW", For: routines},
		{Name: "CREATE ROUTINE", For: routines},
		{Name: "ALTER ROUTINE", For: routines},
		{Name: "EVENT", For: routines},
		{Name: "TRIGGER", For: routines},
		{Name: "EXECUTE", For: schemas},
		{Name: "SHOW VIEW", For: schemas},
		{Name: "LOCK TABLES", For: schemas},
		{Name: "CREATE TEMPORARY TABLES", For: schemas},
		{Name: "SET_USER_ID", For: "replay what has another definer", until: [3]int{8, 2, 0}},
		{Name: "SET_ANY_DEFINER", For: "replay what has another definer", since: [3]int{8, 2, 0}},
		{Name: "ALLOW_NONEXISTENT_DEFINER", For: "replay what has a definer that is gone", since: [3]int{8, 2, 0}},
		{Name: "CREATE_SPATIAL_REFERENCE_SYSTEM", For: "replay DDL on spatial reference systems", since: [3]int{9, 2, 0}},
		{Name: "CREATE TABLESPACE", For: "replay DDL on tablespaces"},
		{Name: "RELOAD", For: "fence a leader that answers, and replay FLUSH statements"},
		{Name: "XA_RECOVER_ADMIN", For: "find XA transactions that were left prepared"},
		{Name: "CREATE USER", For: accounts},
		{Name: "ROLE_ADMIN", For: accounts},
		{Name: "SYSTEM_USER", For: "replay statements on accounts that have SYSTEM_USER, and end their connections"},
		{Name: grantOption, For: "replay GRANT and REVOKE of the privileges that it has itself"},
	}
}
