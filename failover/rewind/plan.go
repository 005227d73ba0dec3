package rewind

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/go-mysql-org/go-mysql/replication"
)

// A Plan says what there is to undo, and whether it can be.
type Plan struct {
	Transactions int           `json:"transactions"`
	Rows         int64         `json:"rows"`
	Bytes        int64         `json:"bytes"`  // of binlog
	Tables       []TableChange `json:"tables"` // by name
	// Refusals are the reasons why it can't be undone; none: it can.
	Refusals []Refusal `json:"refusals,omitempty"`
}

// Possible tells whether the transactions can be undone, as far as their events
// and the tables' definitions tell. Rows that somebody changed since are found
// when they are undone.
func (p Plan) Possible() bool { return len(p.Refusals) == 0 }

// A TableChange is how many rows of a table the transactions changed.
type TableChange struct {
	Table    string `json:"table"` // schema.table
	Inserted int64  `json:"inserted"`
	Updated  int64  `json:"updated"`
	Deleted  int64  `json:"deleted"`
}

// A Refusal is a reason why a transaction can't be undone.
type Refusal struct {
	GTID      gtid.GTID `json:"gtid"`
	Reason    string    `json:"reason"`
	Statement string    `json:"statement,omitempty"` // shortened
}

// String says it in one line.
func (r Refusal) String() string {
	text := fmt.Sprintf("transaction %s: %s", r.GTID, r.Reason)
	if r.Statement != "" {
		text += fmt.Sprintf(" (%q)", r.Statement)
	}
	return text
}

// A judge goes through the transactions and collects the plan.
type judge struct {
	tables tables
	plan   Plan
	counts map[rowimage.TableName]*TableChange

	first binlog.Format // of the first transaction

	tx      *binlog.Transaction // at hand
	scanner *rowimage.Scanner
	told    map[string]bool // reasons that were given for it
}

func (e *Errant) judge(ctx context.Context) (Plan, error) {
	j := judge{tables: e.tables, counts: map[rowimage.TableName]*TableChange{}}
	for _, tx := range e.transactions {
		if err := ctx.Err(); err != nil {
			return Plan{}, context.Cause(ctx)
		}
		if err := j.transaction(tx); err != nil {
			return Plan{}, fmt.Errorf("look at the transaction %s: %w", tx.GTID, err)
		}
	}
	for _, c := range j.counts {
		j.plan.Tables = append(j.plan.Tables, *c)
	}
	slices.SortFunc(j.plan.Tables, func(a, b TableChange) int { return strings.Compare(a.Table, b.Table) })
	return j.plan, nil
}

func (j *judge) transaction(tx *binlog.Transaction) (err error) {
	if j.scanner, err = rowimage.NewScanner(tx.Format); err != nil {
		return err
	}
	j.tx, j.told = tx, map[string]bool{}
	j.plan.Transactions++
	j.plan.Bytes += tx.Size
	if len(j.first.Event) == 0 {
		j.first = tx.Format
	}
	if !j.first.SameAs(tx.Format) {
		// The server takes another format only between transactions.
		j.refuse(nil, "it was written in another format than those before: the server was upgraded, or its binlog_checksum changed, in between")
	}
	for e, err := range plain(tx) {
		if err != nil {
			return err
		}
		if err := j.event(e); err != nil {
			return err
		}
	}
	return nil
}

func (j *judge) refuse(statement []byte, format string, args ...any) {
	r := Refusal{GTID: j.tx.GTID, Reason: fmt.Sprintf(format, args...), Statement: shorten(statement)}
	if id := r.String(); !j.told[id] {
		j.told[id] = true
		j.plan.Refusals = append(j.plan.Refusals, r)
	}
}

func (j *judge) event(e binlog.Event) error {
	if binlog.IsRows(e) {
		return j.rows(e)
	}
	switch t := e.Type(); t {
	case replication.GTID_EVENT, replication.GTID_TAGGED_LOG_EVENT, replication.XID_EVENT,
		replication.ROWS_QUERY_EVENT, replication.IGNORABLE_EVENT:
	case replication.TABLE_MAP_EVENT:
		_, err := j.scanner.TableMap(e)
		return err
	case replication.QUERY_EVENT:
		q, err := binlog.ParseQuery(e, j.scanner.Format())
		if err != nil {
			return err
		}
		j.statement(q)
	case replication.XA_PREPARE_LOG_EVENT:
		j.refuseXA(nil)
	case replication.INTVAR_EVENT, replication.RAND_EVENT, replication.USER_VAR_EVENT:
		j.refuse(nil, "it holds a statement instead of its rows")
	case replication.INCIDENT_EVENT:
		j.refuse(nil, "the server logged an incident: events may be missing from its binlog")
	default:
		if e.Flags()&binlog.FlagIgnorable == 0 {
			j.refuse(nil, "it holds an event of type %d (%s) that baton doesn't know", byte(t), t)
		}
	}
	return nil
}

func (j *judge) refuseXA(statement []byte) {
	j.refuse(statement, "it is part of an XA transaction, and its rows took effect elsewhere than where they were logged")
}

// statement judges a Query_event.
func (j *judge) statement(q binlog.Query) {
	first, second := firstWords(q.Statement)
	switch first {
	case "BEGIN", "COMMIT", "SAVEPOINT", "RELEASE":
	case "FLUSH", "ANALYZE":
		// They change nothing that is replicated.
	case "DROP", "CREATE":
		if second != "TEMPORARY" {
			j.refuse(q.Statement, "a statement (DDL) can't be undone")
		}
	case "XA":
		j.refuseXA(q.Statement)
	case "ROLLBACK":
		j.refuse(q.Statement, "it was rolled back in part, and its binlog doesn't tell what of it is there")
	default:
		j.refuse(q.Statement, "a statement (DDL, or what was logged instead of its rows) can't be undone")
	}
}

func (j *judge) rows(e binlog.Event) error {
	m, r, err := rowsOf(j.scanner, e)
	if err != nil {
		return err
	}
	if j.refuseRows(e, m, &r) {
		return nil
	}
	c := j.counts[m.Name]
	if c == nil {
		c = &TableChange{Table: m.Name.String()}
		j.counts[m.Name] = c
	}
	j.plan.Rows += int64(len(r.Rows))
	switch r.Kind {
	case rowimage.Inserted:
		c.Inserted += int64(len(r.Rows))
	case rowimage.Updated:
		c.Updated += int64(len(r.Rows))
	case rowimage.Deleted:
		c.Deleted += int64(len(r.Rows))
	}
	j.cascades(m, &r)
	return nil
}

// refuseRows tells whether the rows can't be looked into.
func (j *judge) refuseRows(e binlog.Event, m *rowimage.Table, r *rowsEvent) bool {
	t := j.tables[m.Name]
	switch {
	case !r.Full && e.Type() == replication.PARTIAL_UPDATE_ROWS_EVENT:
		j.refuse(nil, "it holds only what changed in JSON values of %s (binlog_row_value_options=PARTIAL_JSON)", m.Name)
		return true
	case !r.Full:
		j.refuse(nil, "its images of rows of %s lack columns (binlog_row_image was not FULL)", m.Name)
		return true
	case t == nil || len(t.columns) == 0:
		j.refuse(nil, "the table %s is no longer there", m.Name)
	case t.engine != "InnoDB":
		j.refuse(nil, "the table %s has the engine %s, and only InnoDB undoes all or nothing", m.Name, t.engine)
	case len(t.columns) != int(m.ColumnCount):
		j.refuse(nil, "the table %s has %d columns now, and had %d", m.Name, len(t.columns), m.ColumnCount)
	}
	return false
}

// cascades refuses rows that changed others by foreign keys without a trace in
// the binlog: InnoDB did that by itself in servers before 9.6, and does with
// innodb_native_foreign_keys=ON.
func (j *judge) cascades(m *rowimage.Table, r *rowsEvent) {
	t := j.tables[m.Name]
	if t == nil || r.Flags&(binlog.RowsLoggedCascades|binlog.RowsNoForeignKeyChecks) != 0 || r.Kind == rowimage.Inserted {
		return
	}
	for _, k := range t.parents {
		if r.Kind == rowimage.Deleted && k.onDelete || r.Kind == rowimage.Updated && k.onUpdate && r.changes(m, t, k.columns) {
			j.refuse(nil, "it changed rows of %s that rows of %s refer to, and what the foreign key did there is not in the binlog", m.Name, k.child)
		}
	}
}

// changes tells whether a row's values of the columns changed.
func (r *rowsEvent) changes(m *rowimage.Table, t *table, columns []string) bool {
	for _, c := range r.Rows {
		before, after := c.Before.Values(m.TableMapEvent), c.After.Values(m.TableMapEvent)
		for _, name := range columns {
			i := t.index(name)
			if i < 0 || i >= len(before) || !bytes.Equal(before[i], after[i]) {
				return true
			}
		}
	}
	return false
}

// firstWords are the first two words of a statement in upper case, comments
// before them left out.
func firstWords(statement []byte) (first, second string) {
	rest := bytes.TrimLeft(statement, " \t\r\n")
	for bytes.HasPrefix(rest, []byte("/*")) && !bytes.HasPrefix(rest, []byte("/*!")) {
		_, after, ok := bytes.Cut(rest, []byte("*/"))
		if !ok {
			break
		}
		rest = bytes.TrimLeft(after, " \t\r\n")
	}
	words := bytes.FieldsFunc(rest[:min(len(rest), 100)], func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' })
	for len(words) < 2 {
		words = append(words, nil)
	}
	return string(bytes.ToUpper(words[0])), string(bytes.ToUpper(words[1]))
}

// shorten makes a statement fit into one line of a message.
func shorten(statement []byte) string {
	const most = 200
	line := bytes.Join(bytes.Fields(statement), []byte(" "))
	if len(line) > most {
		return string(bytes.ToValidUTF8(line[:most], nil)) + "…"
	}
	return string(line)
}
