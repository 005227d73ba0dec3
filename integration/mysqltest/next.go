package mysqltest

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
)

// next is a table's next AUTO_INCREMENT value; 0 for a table that has none.
type next struct {
	value uint64
	free  bool // it is beyond every value in the table
}

// allows tells whether a follower may have the other. It may lag behind: what the leader took for rows that it didn't
// keep is not in its binlog.
func (n next) allows(other next) bool {
	return n.value == other.value || 0 < other.value && other.value < n.value && other.free
}

var (
	autoIncrementValue  = regexp.MustCompile(` AUTO_INCREMENT=(\d+)`)
	autoIncrementColumn = regexp.MustCompile("(?m)^ +(`(?:[^`]|``)+`) .* AUTO_INCREMENT\\b")
)

func readNext(ctx context.Context, conn querier, table, definition string) (next, error) {
	column := autoIncrementColumn.FindStringSubmatch(definition)
	if column == nil {
		return next{}, nil
	}
	n := next{value: 1}
	if match := autoIncrementValue.FindStringSubmatch(definition); match != nil {
		var err error
		if n.value, err = strconv.ParseUint(match[1], 10, 64); err != nil {
			return next{}, err
		}
	}
	rows, err := textRows(ctx, conn, fmt.Sprintf("SELECT COALESCE(MAX(%s), 0) < %d FROM %s", column[1], n.value, table))
	if err != nil {
		return next{}, err
	}
	n.free = rows[0][0] == "1"
	return n, nil
}
