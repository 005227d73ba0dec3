-- A leader that can't write into its binlog what it has done to a table without transactions logs an incident instead.
CREATE DATABASE d;
USE d;
CREATE TABLE m (id INT PRIMARY KEY, b TEXT) ENGINE=MyISAM;
CREATE TABLE t (id INT PRIMARY KEY);
--! restart leader max_binlog_stmt_cache_size=4096 binlog_stmt_cache_size=4096
USE d;
--! error 1705
INSERT INTO m VALUES (1, REPEAT('x', 20000)), (2, REPEAT('y', 20000)), (3, REPEAT('z', 20000));
--! stops the leader logged an incident
--! native stops 13119
--! differs m
INSERT INTO t VALUES (1);
--! check
--! followers TRUNCATE d.m
TRUNCATE m;
--! differs
DROP DATABASE d;
