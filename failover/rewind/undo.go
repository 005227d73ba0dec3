package rewind

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// How many rows, and bytes of their images, are looked at and undone at once.
const (
	chunkRows  = 500
	chunkBytes = 1 << 20
)

// An undoing is the one transaction that undoes all.
type undoing struct {
	*session
	errant *Errant
	gtid   gtid.GTID // of the transaction at hand
	format binlog.Format
	rows   int64 // undone so far
}

// undo changes the rows back, and commits that with the mark. On an error
// nothing is committed, but for a commit whose answer was lost.
func (e *Errant) undo(ctx context.Context, say Say) error {
	s, err := openSession(ctx, e.deps.Target)
	if err != nil {
		return err
	}
	defer s.close()
	if err := e.undoIn(ctx, s, say); err != nil {
		return interrupted(ctx, err)
	}
	return nil
}

func (e *Errant) undoIn(ctx context.Context, s *session, say Say) error {
	u := &undoing{session: s, errant: e}
	if err := u.dropLeftovers(); err != nil {
		return err
	}
	if err := u.makeMarkTable(); err != nil {
		return err
	}
	if err := u.makeShadows(); err != nil {
		return u.abandon(err)
	}
	say.say(StepUndo, "%d rows of %d transactions, newest first", e.plan.Rows, e.plan.Transactions)
	if err := u.all(ctx); err != nil {
		return u.abandon(err)
	}
	if err := u.mark(); err != nil {
		return u.abandon(err)
	}
	say.say(StepMark, "%d rows are undone; the mark is committed with them", u.rows)
	if err := u.execute("COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// abandon removes what was made, as far as the connection is still good: it is
// of no harm, and the next attempt removes it too.
func (u *undoing) abandon(cause error) error {
	if u.execute("ROLLBACK") != nil || u.dropLeftovers() != nil {
		return cause
	}
	_ = u.dropMarkTable()
	return cause
}

// makeShadows makes one for each table that the server would change rows of
// without comparing them.
func (u *undoing) makeShadows() error {
	for _, c := range u.errant.plan.Tables {
		if c.Inserted+c.Updated == 0 {
			continue
		}
		for _, t := range u.errant.tables {
			if t.String() == c.Table && t.key != nil {
				if err := u.makeShadow(t); err != nil {
					return fmt.Errorf("make a table to compare rows of %s in: %w", t, err)
				}
			}
		}
	}
	return nil
}

func (u *undoing) all(ctx context.Context) error {
	if err := u.tell(u.errant.transactions[0].Format.WithoutChecksum()); err != nil {
		return err
	}
	if err := u.execute("BEGIN"); err != nil {
		return err
	}
	for _, tx := range slices.Backward(u.errant.transactions) {
		if err := u.transaction(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// transaction undoes one, its last event first.
func (u *undoing) transaction(ctx context.Context, tx *binlog.Transaction) error {
	file, err := os.CreateTemp(u.errant.folder, "undo-*")
	if err != nil {
		return err
	}
	defer func() { _ = file.Close(); _ = os.Remove(file.Name()) }()
	var b backlog
	if err := b.write(file, plain(tx)); err != nil {
		return err
	}
	u.gtid, u.format = tx.GTID, tx.Format.WithoutChecksum()
	for _, at := range slices.Backward(b.rows) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := u.event(tx, &b, at); err != nil {
			return fmt.Errorf("undo the transaction %s: %w", tx.GTID, err)
		}
	}
	return nil
}

func (u *undoing) event(tx *binlog.Transaction, b *backlog, at backlogRows) error {
	scanner, err := rowimage.NewScanner(tx.Format)
	if err != nil {
		return err
	}
	mapEvent, err := b.read(at.table)
	if err != nil {
		return err
	}
	if _, err := scanner.TableMap(mapEvent); err != nil {
		return err
	}
	rows, err := b.read(at.rows)
	if err != nil {
		return err
	}
	m, r, err := rowsOf(scanner, rows)
	if err != nil {
		return err
	}
	t := u.errant.tables[m.Name]
	if t == nil || !r.Full {
		return fmt.Errorf("the rows of %s can't be undone", m.Name)
	}
	for left := r.reversed(); len(left) > 0; {
		n := chunk(left)
		if err := u.chunk(m, t, &r, left[:n]); err != nil {
			return err
		}
		left = left[n:]
	}
	return nil
}

// chunk is how many of the rows are undone at once.
func chunk(rows []rowimage.Row) int {
	bytes := 0
	for i, c := range rows {
		bytes += len(c.Before) + len(c.After)
		if i > 0 && (bytes > chunkBytes || i == chunkRows) {
			return i
		}
	}
	return len(rows)
}

// chunk undoes some rows of an event, given in the order in which that is done.
// Where they are not all as the errant transaction left them, that may be since
// it changed one more than once: then halves are looked at, down to single rows.
func (u *undoing) chunk(m *rowimage.Table, t *table, r *rowsEvent, rows []rowimage.Row) error {
	if u.shadows[t.TableName] != "" && r.Kind != rowimage.Deleted {
		same, err := u.check(u.format, m, t, r, rows)
		switch half := len(rows) / 2; {
		case err != nil:
			return err
		case !same && half == 0:
			return u.conflict(m, t, r, rows, nil)
		case !same:
			if err := u.chunk(m, t, r, rows[:half]); err != nil {
				return err
			}
			return u.chunk(m, t, r, rows[half:])
		}
	}
	if err := u.binlog(m.Raw, r.inverse(u.format, rows)); err != nil {
		switch serverCode(err) {
		case mysql.ER_KEY_NOT_FOUND, mysql.ER_DUP_ENTRY, mysql.ER_DUP_KEY, mysql.ER_DUP_ENTRY_WITH_KEY_NAME:
			return u.conflict(m, t, r, rows, err)
		}
		return fmt.Errorf("undo rows of %s: %w", t, err)
	}
	u.rows += int64(len(rows))
	return nil
}

// conflict describes the rows that are not as they were left.
func (u *undoing) conflict(m *rowimage.Table, t *table, r *rowsEvent, rows []rowimage.Row, cause error) error {
	c := &Conflict{GTID: u.gtid, Table: t.String(), Cause: cause}
	e := r.left(u.format, rows)
	if r.Kind == rowimage.Deleted {
		e = r.event(u.format, e.Type(), 1, images(rows, before))
	}
	first, ok := firstOf(u.format, m, e)
	if !ok {
		c.Row = "(unreadable)"
		return c
	}
	var parts []string
	for i, column := range t.columns {
		if t.key == nil || slices.Contains(t.key, column.Name) {
			parts = append(parts, rowimage.QuoteName(column.Name)+"="+column.Literal(first[i]))
		}
	}
	c.Row = shorten([]byte(strings.Join(parts, ", ")))
	if more := len(rows) - 1; more > 0 {
		c.Row += fmt.Sprintf(" or one of %d near it", more)
	}
	return c
}

// firstOf is the first row of an event with one image of each.
func firstOf(f binlog.Format, m *rowimage.Table, e binlog.Event) ([]any, bool) {
	scanner, err := rowimage.NewScanner(f)
	if err == nil {
		_, err = scanner.TableMap(m.Raw)
	}
	if err != nil {
		return nil, false
	}
	for c, err := range scanner.Changes(e) {
		return append(c.Before, c.After...), err == nil
	}
	return nil, false
}

// mark writes the mark into the same transaction.
func (u *undoing) mark() error {
	keep := u.errant.executed.Subtract(u.errant.set)
	err := u.execute(fmt.Sprintf("INSERT INTO %s (id, errant, keep, folder, undone) VALUES (1, '%s', '%s', 0x%x, UTC_TIMESTAMP(6))",
		markTable, u.errant.set, keep, u.errant.folder))
	if err != nil {
		return fmt.Errorf("write the mark: %w", err)
	}
	return nil
}
