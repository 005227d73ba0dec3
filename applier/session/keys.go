package session

import (
	"context"

	"github.com/batondb/baton/applier/keys"
	"github.com/batondb/baton/binlog/rowimage"
)

// Keys reads the keys of tables as the follower has them now; nil of each of which
// nothing can be told, as of one that it doesn't want to tell about.
func (s *Session) Keys(ctx context.Context, names []rowimage.TableName) (map[rowimage.TableName]*keys.Table, error) {
	defer s.interruptible(ctx)()
	tables := map[rowimage.TableName]*keys.Table{}
	for _, name := range names {
		t, err := keys.Read(func(query string, row func([]string)) error { return ask(s.conn, query, row) }, name)
		if err != nil && serverError(err) == nil {
			return nil, err
		}
		tables[name] = t
	}
	return tables, nil
}
