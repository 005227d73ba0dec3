// Package rowimage reads the rows in Table_map and Rows events: where each row
// and each value begins, what a value is, and how it is written as SQL.
//
// It promises to come to an end with any bytes, in memory that they bound: what
// is no event is an error that wraps [binlog.ErrMalformed]. Values are decoded by
// go-mysql, which by itself panics, runs for ever, recurses without end or puts
// the rows into its errors where the bytes are bad enough.
package rowimage
