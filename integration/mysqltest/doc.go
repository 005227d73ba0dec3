// Package mysqltest runs real MySQL servers for tests, benchmarks and the demo.
//
// Start (in a test) and Launch (elsewhere) find a server or fetch one (the script find-mysqld beside this file), copy an
// initialized data directory, and start it on a free port of 127.0.0.1, ready to lead or to follow: GTIDs, row format,
// its own binary log. A Server can be stopped, killed, frozen and restarted, and keeps its port and its data meanwhile.
// StartCluster starts a leader and its followers. Proxy stands between a client and a server and breaks the connection
// in the ways that networks do. AssertSameData and CompareAll compare what servers hold.
//
// The package promises that nothing stays behind: servers and folders go with the test, even if it fails or panics, and
// if the process that started them is killed, a watcher of each server ends it and removes its folder. A machine without
// a MySQL server fails the tests that need one; it never skips them.
package mysqltest
