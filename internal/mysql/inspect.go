package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

// Inspect reads the facts of a server over one connection of db, in ten
// short statements (the first alone for a server that is no MySQL). It changes
// nothing. What the account may not ask is noted in Facts.Unasked; any other
// error ends it, wrapping a [*Fault], with what was read until then.
func Inspect(ctx context.Context, db *sql.DB) (Facts, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return Facts{}, fmt.Errorf("connect: %w", Classify(err))
	}
	defer func() { _ = conn.Close() }()
	return InspectOn(ctx, conn)
}

// InspectOn is [Inspect] over a connection that the caller keeps.
func InspectOn(ctx context.Context, conn *sql.Conn) (Facts, error) {
	f := Facts{At: time.Now(), Unasked: map[string]*Fault{}}
	err := f.inspect(ctx, conn)
	f.Read = time.Now()
	return f, err
}

func (f *Facts) inspect(ctx context.Context, conn *sql.Conn) error {
	vars, err := namedValues(ctx, conn, "SHOW GLOBAL VARIABLES", slices.Concat(variableNames, semiSyncVariables()))
	if err != nil {
		return fmt.Errorf("read the server's variables: %w", Classify(err))
	}
	f.setVariables(vars)
	if f.Version.Flavour != MySQL || !f.Version.AtLeast(8, 0, 0) {
		return nil
	}
	for _, step := range []struct {
		subject string
		read    func(context.Context, *sql.Conn, *Facts) error
	}{
		{"gtid sets", readSets},
		{"clock", readClock},
		{SubjectChannels, readChannels},
		{SubjectReaders, readReaders},
		{"status", readStatus},
		{SubjectAcknowledgers, readAcknowledgers},
		{SubjectPersisted, readPersisted},
		{SubjectPrivileges, readGrants},
	} {
		err := step.read(ctx, conn, f)
		if err == nil {
			continue
		}
		fault := Classify(err)
		if fault.Kind != PrivilegeMissing {
			return fmt.Errorf("read the server's %s: %w", step.subject, fault)
		}
		f.Unasked[step.subject] = fault
	}
	return nil
}

// readSets asks for the GTID sets by SELECT: SHOW VARIABLES cuts them off at
// 1024 bytes.
func readSets(ctx context.Context, conn *sql.Conn, f *Facts) error {
	var owned, executed, purged string
	err := conn.QueryRowContext(ctx, "SELECT @@GLOBAL.gtid_owned, @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged, CURRENT_USER()").
		Scan(&owned, &executed, &purged, &f.Account)
	if err != nil {
		return err
	}
	if f.GTIDOwned, err = parseOwned(owned); err != nil {
		return err
	}
	f.Account = quoteAccount(f.Account)
	if f.GTIDExecuted, err = gtid.ParseSet(executed); err != nil {
		return fmt.Errorf("gtid_executed: %w", err)
	}
	if f.GTIDPurged, err = gtid.ParseSet(purged); err != nil {
		return fmt.Errorf("gtid_purged: %w", err)
	}
	return nil
}

// askClock asks for the server's clock, in microseconds. SYSDATE, since NOW would
// be the statement's start even where the answer is delayed.
const askClock = "CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)"

// clockOf compares the clocks: the server read its own somewhere between the
// question and the answer.
func clockOf(micros int64, asked, read time.Time) Clock {
	half := read.Sub(asked) / 2
	return Clock{Offset: time.UnixMicro(micros).Sub(asked.Add(half)), Error: half}
}

func readClock(ctx context.Context, conn *sql.Conn, f *Facts) error {
	var micros int64
	asked := time.Now()
	if err := conn.QueryRowContext(ctx, "SELECT "+askClock).Scan(&micros); err != nil {
		return err
	}
	f.Clock = clockOf(micros, asked, time.Now())
	return nil
}

func readStatus(ctx context.Context, conn *sql.Conn, f *Facts) error {
	status, err := namedValues(ctx, conn, "SHOW GLOBAL STATUS", semiSyncStatusNames)
	if err == nil {
		f.setStatus(status)
	}
	return err
}

// readPersisted reads what the server will start with.
func readPersisted(ctx context.Context, conn *sql.Conn, f *Facts) error {
	var value string
	err := conn.QueryRowContext(ctx, "SELECT VARIABLE_VALUE FROM performance_schema.persisted_variables WHERE VARIABLE_NAME = 'super_read_only'").Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	f.BootsFenced = isOn(value)
	return err
}

// values are variables by their name in lower case.
type values map[string]string

func isOn(value string) bool { return strings.EqualFold(value, "ON") || value == "1" }

func (v values) on(name string) bool { return isOn(v[name]) }

func (v values) integer(name string) int64 {
	n, err := strconv.ParseUint(v[name], 10, 64)
	if err != nil {
		return 0
	}
	return int64(min(n, 1<<63-1))
}

func (v values) seconds(name string) time.Duration {
	return time.Duration(min(v.integer(name), int64(1<<62/time.Second))) * time.Second
}

// namedValues asks a SHOW statement of two columns for the rows of the names.
// Unlike SELECT @@name it doesn't fail for a name that the server doesn't have.
func namedValues(ctx context.Context, conn Querier, show string, names []string) (values, error) {
	rows, err := conn.QueryContext(ctx, show+" WHERE Variable_name IN ('"+strings.Join(names, "', '")+"')")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	v := values{}
	for rows.Next() {
		var name string
		var value sql.NullString
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		v[strings.ToLower(name)] = value.String
	}
	return v, rows.Err()
}

// namedRows returns each row as its columns by name; NULL is "".
func namedRows(ctx context.Context, conn Querier, query string) ([]values, error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all []values
	for rows.Next() {
		cells := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := values{}
		for i, c := range columns {
			row[strings.ToLower(c)] = cells[i].String
		}
		all = append(all, row)
	}
	return all, rows.Err()
}
