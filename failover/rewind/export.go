package rewind

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/google/renameio/v2"
)

// A Label says what the clients of an errant transaction were told.
type Label string

// The labels.
const (
	NeverAcknowledged    Label = "never acknowledged"
	PossiblyAcknowledged Label = "possibly acknowledged"
	AcknowledgedAndLost  Label = "acknowledged and lost"
)

// Files are what [Errant.Export] writes.
type Files struct {
	Folder  string `json:"folder"`
	Binlog  string `json:"binlog"`  // the events themselves, for mysqlbinlog
	SQL     string `json:"sql"`     // for people: statements with the values
	Rows    string `json:"rows"`    // for programs: a line of JSON each row
	Summary string `json:"summary"` // JSON: where they come from, their labels, and what became of them
}

// Files are where they are, or would be.
func (e *Errant) Files() Files {
	in := func(name string) string { return filepath.Join(e.folder, name) }
	return Files{Folder: e.folder, Binlog: in(binlogName), SQL: in("errant.sql"), Rows: in("errant.jsonl"), Summary: in("summary.json")}
}

// summary is the content of Files.Summary.
type summary struct {
	Instance     string               `json:"instance"`
	Address      string               `json:"address"`
	ServerUUID   string               `json:"server_uuid"`
	Read         time.Time            `json:"read"`
	Errant       gtid.Set             `json:"errant"`
	Executed     gtid.Set             `json:"executed"`
	Plan         Plan                 `json:"plan"`
	Transactions []summaryTransaction `json:"transactions,omitempty"`
	Rewound      time.Time            `json:"rewound,omitzero"`
}

type summaryTransaction struct {
	GTID      gtid.GTID `json:"gtid"`
	Label     Label     `json:"label"`
	Committed time.Time `json:"committed,omitzero"`
	Bytes     int64     `json:"bytes"`
}

// Export writes the transactions into the folder, for people and for programs.
// label says of each what its client was told. It may be called again.
func (e *Errant) Export(label func(gtid.GTID) Label) (Files, error) {
	files := e.Files()
	err := e.exportTo(files, label)
	if err != nil {
		return Files{}, fmt.Errorf("export the errant transactions of %s: %w", e.deps.Target.Name, err)
	}
	return files, nil
}

func (e *Errant) exportTo(files Files, label func(gtid.GTID) Label) (err error) {
	x := exporter{errant: e, label: label}
	var all []*renameio.PendingFile
	defer func() {
		for _, f := range all {
			_ = f.Cleanup()
		}
	}()
	for path, out := range map[string]**bufio.Writer{files.SQL: &x.sql, files.Rows: &x.rows} {
		f, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o600))
		if err != nil {
			return err
		}
		all = append(all, f)
		*out = bufio.NewWriterSize(f, 64<<10)
	}
	if err := x.run(); err != nil {
		return err
	}
	if err := errors.Join(x.sql.Flush(), x.rows.Flush()); err != nil {
		return err
	}
	for _, f := range all {
		if err := f.CloseAtomicallyReplace(); err != nil {
			return err
		}
	}
	return e.writeSummary(files.Summary, e.summary(label))
}

func (e *Errant) summary(label func(gtid.GTID) Label) summary {
	s := summary{Instance: e.deps.Target.Name, Address: e.deps.Target.Address, ServerUUID: e.uuid,
		Read: e.read.UTC(), Errant: e.set, Executed: e.executed, Plan: e.plan}
	for _, tx := range e.transactions {
		s.Transactions = append(s.Transactions, summaryTransaction{GTID: tx.GTID, Label: label(tx.GTID), Committed: tx.OriginalCommit.UTC(), Bytes: tx.Size})
	}
	return s
}

func (e *Errant) writeSummary(path string, s summary) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, append(text, '\n'), 0o600)
}

// note writes into the summary that the transactions were undone.
func (e *Errant) note(at time.Time) error {
	path := e.Files().Summary
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // they were not exported
	}
	var s summary
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err == nil {
		s.Rewound = at.UTC()
		err = e.writeSummary(path, s)
	}
	if err != nil {
		return fmt.Errorf("write down that the transactions were undone: %w", err)
	}
	return nil
}

// An exporter writes the transactions one after the other.
type exporter struct {
	errant    *Errant
	label     func(gtid.GTID) Label
	sql, rows *bufio.Writer

	tx      *binlog.Transaction
	scanner *rowimage.Scanner
}

func (x *exporter) run() error {
	e := x.errant
	fmt.Fprintf(x.sql, "-- %d errant transactions of %s (%s), read at %s.\n"+
		"-- No other instance has them. Look at each before you run any of it elsewhere: an UPDATE or DELETE\n"+
		"-- names the row's key and the values that it replaced, and does nothing where these differ.\n"+
		"-- Times are in UTC.\n\nSET time_zone = '+00:00', NAMES utf8mb4;\n",
		len(e.transactions), rowimage.Comment(e.deps.Target.Name), e.uuid, e.read.UTC().Format(time.RFC3339))
	for i, tx := range e.transactions {
		if err := x.transaction(i, tx); err != nil {
			return fmt.Errorf("transaction %s: %w", tx.GTID, err)
		}
	}
	return nil
}

func (x *exporter) transaction(i int, tx *binlog.Transaction) (err error) {
	if x.scanner, err = rowimage.NewScanner(tx.Format); err != nil {
		return err
	}
	x.tx = tx
	fmt.Fprintf(x.sql, "\n-- %d of %d: %s, %s, committed at %s\nSTART TRANSACTION;\n",
		i+1, len(x.errant.transactions), tx.GTID, x.label(tx.GTID), tx.OriginalCommit.UTC().Format("2006-01-02 15:04:05.000000"))
	for e, err := range plain(tx) {
		if err != nil {
			return err
		}
		if err := x.event(e); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(x.sql, "COMMIT;\n")
	return err
}

func (x *exporter) event(e binlog.Event) error {
	switch {
	case binlog.IsRows(e):
		return x.changes(e)
	case e.Type() == replication.TABLE_MAP_EVENT:
		_, err := x.scanner.TableMap(e)
		return err
	case e.Type() == replication.QUERY_EVENT:
		q, err := binlog.ParseQuery(e, x.scanner.Format())
		if err != nil {
			return err
		}
		return x.statement(q)
	}
	return nil
}

// A line is a line of Files.Rows.
type line struct {
	GTID      gtid.GTID `json:"gtid"`
	Label     Label     `json:"label"`
	Kind      string    `json:"kind"` // insert, update, delete or statement
	Table     string    `json:"table,omitempty"`
	Columns   []string  `json:"columns,omitempty"`
	Before    []any     `json:"before,omitempty"`
	After     []any     `json:"after,omitempty"`
	Database  string    `json:"database,omitempty"`
	Statement string    `json:"statement,omitempty"`
}

func (x *exporter) write(l line) error {
	l.GTID, l.Label = x.tx.GTID, x.label(x.tx.GTID)
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = x.rows.Write(append(text, '\n'))
	return err
}

func (x *exporter) statement(q binlog.Query) error {
	switch first, _ := firstWords(q.Statement); first {
	case "BEGIN", "COMMIT", "SAVEPOINT", "RELEASE":
		return nil
	}
	if len(q.Database) > 0 {
		fmt.Fprintf(x.sql, "USE %s;\n", rowimage.QuoteName(string(q.Database)))
	}
	fmt.Fprintf(x.sql, "%s;\n", q.Statement)
	return x.write(line{Kind: "statement", Database: string(q.Database), Statement: string(q.Statement)})
}

func (x *exporter) changes(e binlog.Event) error {
	m, err := x.scanner.TableOf(e)
	if err != nil {
		return err
	}
	c := exported{name: m.Name, table: x.errant.tables[m.Name]}
	c.kind, _ = rowimage.KindOf(e.Type())
	for _, present := range c.columnsOf(m) {
		c.columns = append(c.columns, present.Name)
	}
	for change, err := range x.scanner.Changes(e) {
		if err != nil {
			return err
		}
		c.Change = change
		if err := x.write(line{Kind: string(c.kind), Table: c.name.String(), Columns: c.columns, Before: c.json(c.Before), After: c.json(c.After)}); err != nil {
			return err
		}
		fmt.Fprintf(x.sql, "%s;\n", c.sql())
	}
	return nil
}

// exported is one row on its way into the files.
type exported struct {
	rowimage.Change
	kind      rowimage.Kind
	name      rowimage.TableName
	table     *table
	described []column
	columns   []string
}

// columnsOf describes the columns by what the server says now or, where that
// doesn't fit the event, by what the event says, at worst by their numbers.
func (c *exported) columnsOf(m *rowimage.Table) []column {
	if c.table != nil && len(c.table.columns) == int(m.ColumnCount) {
		c.described = c.table.columns
		return c.described
	}
	names := m.ColumnNameString()
	for i := range int(m.ColumnCount) {
		name := fmt.Sprintf("@%d", i+1)
		if i < len(names) {
			name = names[i]
		}
		described := column{Column: rowimage.Column{Name: name}}
		if m.IsCharacterColumn(i) {
			described.Charset = "utf8mb4"
		}
		c.described = append(c.described, described)
	}
	return c.described
}

func (c *exported) json(row []any) []any {
	if row == nil {
		return nil
	}
	values := make([]any, len(row))
	for i, v := range row {
		values[i] = c.described[i].JSONValue(v)
	}
	return values
}

func (c *exported) sql() string {
	name := c.name.Quoted()
	switch c.kind {
	case rowimage.Inserted:
		var columns, values []string
		for i, d := range c.described {
			if d.computed || isAbsent(c.After[i]) {
				continue
			}
			columns, values = append(columns, rowimage.QuoteName(d.Name)), append(values, d.Literal(c.After[i]))
		}
		return "INSERT INTO " + name + " (" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")"
	case rowimage.Deleted:
		return "DELETE FROM " + name + " WHERE " + c.where(nil) + " LIMIT 1"
	}
	var set []string
	changed := make([]bool, len(c.described))
	for i, d := range c.described {
		if d.computed || isAbsent(c.After[i]) {
			continue
		}
		if is := d.Literal(c.After[i]); isAbsent(c.Before[i]) || d.Literal(c.Before[i]) != is {
			changed[i] = true
			set = append(set, rowimage.QuoteName(d.Name)+" = "+is)
		}
	}
	return "UPDATE " + name + " SET " + strings.Join(set, ", ") + " WHERE " + c.where(changed) + " LIMIT 1"
}

// where finds the row by its key and by the values that were replaced; nil for
// all values.
func (c *exported) where(replaced []bool) string {
	var key []string
	if c.table != nil && len(c.table.columns) == len(c.described) {
		key = c.table.key
	}
	var all []string
	for i, d := range c.described {
		if isAbsent(c.Before[i]) || d.computed {
			continue
		}
		if replaced == nil || replaced[i] || key == nil || slices.Contains(key, d.Name) {
			all = append(all, d.Equals(c.Before[i]))
		}
	}
	return strings.Join(all, " AND ")
}

func isAbsent(v any) bool {
	_, is := v.(rowimage.Absent)
	return is
}
