package daemon

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/binlog/relay"
	"github.com/batondb/baton/cmd/internal/admin"
)

// maxQuery is how many bytes of a statement are shown.
const maxQuery = 500

// RelaySegments implements [admin.RelayLog].
func (d *Daemon) RelaySegments(context.Context) ([]admin.RelaySegment, error) {
	var segments []admin.RelaySegment
	for _, s := range d.relay.Segments() {
		segments = append(segments, admin.RelaySegment{
			Number: s.Number, Name: s.Name, Bytes: s.Bytes, Transactions: &s.Transactions, GTIDs: &s.GTIDs,
			Current: s.Current,
		})
	}
	return segments, nil
}

// RelayTransactions implements [admin.RelayLog].
func (d *Daemon) RelayTransactions(ctx context.Context, q admin.RelayQuery) iter.Seq2[admin.RelayTransaction, error] {
	return func(yield func(admin.RelayTransaction, error) bool) {
		segments := d.relay.Segments()
		wanted, err := wantedOf(segments, q)
		if err != nil {
			yield(admin.RelayTransaction{}, err)
			return
		}
		// A reader that has all the rest gives just what is wanted.
		reader, err := d.relay.NewReader(d.relay.Durable().Union(d.relay.Base()).Subtract(wanted))
		if err != nil {
			yield(admin.RelayTransaction{}, err)
			return
		}
		defer func() { _ = reader.Close() }()
		for n := wanted.Count(); n > 0 && ctx.Err() == nil; n-- {
			tx, err := reader.Next(ctx)
			var shown admin.RelayTransaction
			if err == nil {
				shown, err = show(tx, segments)
			}
			if !yield(shown, err) || err != nil {
				return
			}
		}
	}
}

// wantedOf returns which of the relay's transactions are asked for.
func wantedOf(segments []relay.SegmentInfo, q admin.RelayQuery) (gtid.Set, error) {
	var wanted gtid.Set
	found := q.Segment == 0
	for _, s := range segments {
		if q.Segment == 0 || q.Segment == s.Number {
			found = true
			wanted.AddSet(s.GTIDs)
		}
	}
	if !found {
		return wanted, &admin.Error{Code: admin.NotFound, Message: fmt.Sprintf("the relay has no segment %d", q.Segment), Mend: "`baton relay ls` lists the segments"}
	}
	if q.GTIDs != nil {
		wanted = wanted.Intersect(*q.GTIDs)
		if wanted.IsEmpty() {
			return wanted, &admin.Error{Code: admin.NotFound, Message: fmt.Sprintf("the relay doesn't hold %s", *q.GTIDs), Mend: "`baton relay ls` lists what it holds"}
		}
	}
	return wanted, nil
}

// show makes a transaction readable.
func show(tx *binlog.Transaction, segments []relay.SegmentInfo) (admin.RelayTransaction, error) {
	t := admin.RelayTransaction{GTID: tx.GTID.String(), Time: moment(tx.OriginalCommit), Bytes: tx.Size,
		LastCommitted: tx.LastCommitted, SequenceNumber: tx.SequenceNumber}
	for _, s := range segments {
		if s.GTIDs.Contains(tx.GTID) {
			t.Segment = s.Number
		}
	}
	for e, err := range tx.Body {
		if err != nil {
			return t, err
		}
		if e.Type() != replication.TRANSACTION_PAYLOAD_EVENT {
			if t.Events, err = appendShown(t.Events, e, tx.Format); err != nil {
				return t, err
			}
			continue
		}
		t.Events = append(t.Events, admin.RelayEvent{Type: e.Type().String(), Bytes: int64(len(e))})
		for inner, err := range binlog.Unwrap(e, tx.Format) {
			if err == nil {
				t.Events, err = appendShown(t.Events, inner, tx.Format.WithoutChecksum())
			}
			if err != nil {
				return t, err
			}
		}
	}
	return t, nil
}

func appendShown(events []admin.RelayEvent, e binlog.Event, f binlog.Format) ([]admin.RelayEvent, error) {
	shown := admin.RelayEvent{Type: strings.TrimSuffix(e.Type().String(), "Event"), Bytes: int64(len(e))}
	switch {
	case e.Type() == replication.TABLE_MAP_EVENT:
		schema, table, err := binlog.TableName(e)
		if err != nil {
			return events, err
		}
		shown.Table = schema + "." + table
	case e.Type() == replication.QUERY_EVENT:
		q, err := binlog.ParseQuery(e, f)
		if err != nil {
			return events, err
		}
		shown.Query = string(q.Statement[:min(len(q.Statement), maxQuery)])
	case binlog.IsRows(e) && len(events) > 0:
		shown.Table = events[len(events)-1].Table
	}
	return append(events, shown), nil
}
