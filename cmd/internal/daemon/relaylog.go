package daemon

import (
	"context"
	"fmt"
	"iter"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/binlog/relay"
	"github.com/batondb/baton/cmd/internal/admin"
)

// RelaySegments implements [admin.RelayLog].
func (d *Daemon) RelaySegments(context.Context) ([]admin.RelaySegment, error) {
	var segments []admin.RelaySegment
	for _, s := range d.relay.Segments() {
		segments = append(segments, admin.RelaySegment{
			Number: s.Number, Name: s.Name, Bytes: s.Bytes, Transactions: &s.Transactions, GTIDs: &s.GTIDs,
			Newest: moment(s.Newest), Current: s.Current,
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
		n := wanted.Count()
		if q.Limit > 0 {
			n = min(n, int64(q.Limit))
		}
		for ; n > 0 && ctx.Err() == nil; n-- {
			tx, err := reader.Next(ctx)
			var shown admin.RelayTransaction
			if err == nil {
				shown, err = admin.Describe(tx, segmentOf(segments, tx.GTID))
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

// segmentOf is the number of the segment that holds g.
func segmentOf(segments []relay.SegmentInfo, g gtid.GTID) uint64 {
	for _, s := range segments {
		if s.GTIDs.Contains(g) {
			return s.Number
		}
	}
	return 0
}
