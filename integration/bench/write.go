package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/batondb/baton/integration/mysqltest"
)

// Sizes of the loads that are written here.
const (
	hotRows    = 10
	wideRows   = 500  // that are there before, to be updated
	largeRows  = 1000 // of a large transaction
	largeParts = 8    // of so many rows that are there before, to be updated
	manyTables = 300
	bulkRows   = 10000
	ddlEvery   = 200
)

// createTables creates the tables of the loads that are written here, in a database that they have to themselves.
func createTables(ctx context.Context, s *mysqltest.Server) error {
	wide := []string{"id BIGINT AUTO_INCREMENT PRIMARY KEY"}
	for i := range 20 {
		wide = append(wide, fmt.Sprintf("n%d INT NOT NULL DEFAULT %d", i, i))
	}
	for i := range 10 {
		wide = append(wide, fmt.Sprintf("t%d VARCHAR(200) NOT NULL", i))
	}
	wide = append(wide, "price DECIMAL(12,2) NOT NULL", "at DATETIME(6) NOT NULL", "body BLOB NOT NULL")
	statements := []string{
		"CREATE DATABASE loads",
		"CREATE TABLE loads.hot (id INT PRIMARY KEY, hits INT NOT NULL, text CHAR(60) NOT NULL)",
		"CREATE TABLE loads.wide (" + strings.Join(wide, ", ") + ")",
		"CREATE TABLE loads.large (id BIGINT AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL, c CHAR(120) NOT NULL, KEY (k))",
		"CREATE TABLE loads.bulk (id BIGINT AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL, c VARCHAR(120) NOT NULL, KEY (k))",
		"CREATE TABLE loads.changing (id BIGINT AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL, c CHAR(120) NOT NULL)",
	}
	for i := range hotRows {
		statements = append(statements, fmt.Sprintf("INSERT INTO loads.hot VALUES (%d, 0, 'what a counter is called')", i))
	}
	for range largeParts {
		statements = append(statements, insertLarge())
	}
	for i := range wideRows {
		statements = append(statements, insertWide(i))
	}
	for i := range manyTables {
		statements = append(statements, fmt.Sprintf("CREATE TABLE %s (id BIGINT AUTO_INCREMENT PRIMARY KEY, n INT NOT NULL, text VARCHAR(60) NOT NULL); "+
			"INSERT INTO %[1]s (n, text) VALUES (0, 'the first row')", small(i)))
	}
	conn, err := s.DB().Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("create the tables of the loads: %.60s: %w", statement, err)
		}
	}
	return nil
}

func updateHot(i int) string {
	return fmt.Sprintf("UPDATE loads.hot SET hits = hits + 1 WHERE id = %d", i%hotRows)
}

// writeWide inserts and updates by turns. Only rows that are there before are updated, so that each is found.
func writeWide(i int) string {
	if i%2 == 0 {
		return insertWide(i)
	}
	return fmt.Sprintf("UPDATE loads.wide SET n7 = n7 + 1, price = price + 0.01 WHERE id = %d", 1+i*7919%wideRows)
}

func insertWide(i int) string {
	var columns, values []string
	for t := range 10 {
		columns = append(columns, fmt.Sprintf("t%d", t))
		values = append(values, fmt.Sprintf("'%s'", strings.Repeat(fmt.Sprintf("%d word %d ", i, t), 12)))
	}
	// Random bytes, since what is stored in blobs mostly is compressed.
	return fmt.Sprintf("INSERT INTO loads.wide (%s, price, at, body) VALUES (%s, %d.25, '2026-01-02 03:04:05.678901', "+
		"CONCAT(RANDOM_BYTES(1024), RANDOM_BYTES(1024), RANDOM_BYTES(1024), RANDOM_BYTES(1024)))",
		strings.Join(columns, ", "), strings.Join(values, ", "), i%10000)
}

// writeLarge inserts and updates by turns. Updated are rows that are there before: without gaps between their keys, and
// away from the end, where the others insert.
func writeLarge(i int) string {
	if i%2 == 0 {
		return insertLarge()
	}
	first := i/2%largeParts*largeRows + 1
	return fmt.Sprintf("UPDATE loads.large SET k = k + 1 WHERE id BETWEEN %d AND %d", first, first+largeRows-1)
}

func insertLarge() string {
	var rows []string
	for i := range largeRows {
		rows = append(rows, fmt.Sprintf("(%d, '%s')", i*7919%100003, strings.Repeat(fmt.Sprintf("%03d-", i), 30)))
	}
	return "INSERT INTO loads.large (k, c) VALUES " + strings.Join(rows, ",")
}

func small(i int) string { return fmt.Sprintf("loads.small%d", i%manyTables) }

func writeMany(i int) string {
	return fmt.Sprintf("BEGIN; UPDATE %s SET n = n + 1 WHERE id = 1; INSERT INTO %s (n, text) VALUES (%d, 'one more row'); COMMIT",
		small(i*7919), small(i*7919+1), i)
}

// loadData lets the server read a file, once a transaction.
func loadData(ctx context.Context, leader *mysqltest.Server, transactions, threads int) error {
	f, err := os.CreateTemp("", "baton-bench-bulk-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	w := bufio.NewWriter(f)
	for i := range bulkRows {
		fmt.Fprintf(w, "%d\tline %d of a file that somebody exported elsewhere and now loads here\n", i*7919%100003, i)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil { // the server may run as somebody else
		return err
	}
	statement := fmt.Sprintf("LOAD DATA INFILE '%s' INTO TABLE loads.bulk (k, c)", f.Name())
	return each(func(int) string { return statement })(ctx, leader, transactions, threads)
}

// writeWithDDL inserts rows, and changes their table or creates and drops others in between.
func writeWithDDL(ctx context.Context, leader *mysqltest.Server, transactions, threads int) error {
	changes := []string{
		"ALTER TABLE loads.changing ADD COLUMN extra INT",
		"CREATE INDEX k ON loads.changing (k)",
		"CREATE TABLE loads.beside (id INT PRIMARY KEY)",
		"DROP INDEX k ON loads.changing",
		"DROP TABLE loads.beside",
		"ALTER TABLE loads.changing DROP COLUMN extra",
	}
	var mu sync.Mutex // one after the other: each needs what the one before left
	done := 0
	return onConnections(ctx, leader, transactions, threads, func(ctx context.Context, conn *sql.Conn, i int) error {
		statement := fmt.Sprintf("INSERT INTO loads.changing (k, c) VALUES (%d, 'a row between changes of its table')", i)
		if i%ddlEvery == ddlEvery-1 {
			mu.Lock()
			defer mu.Unlock()
			statement = changes[done%len(changes)]
			done++
		}
		_, err := conn.ExecContext(ctx, statement)
		return err
	})
}
