-- Rows whose image holds no column at all: MINIMAL, and nothing was given.
--! images differ: the follower's hold all columns
CREATE DATABASE d;
USE d;
CREATE TABLE t (a INT DEFAULT 5, b VARCHAR(10));
SET binlog_row_image = MINIMAL;
INSERT INTO t () VALUES ();
--! error 1534
INSERT INTO t () VALUES (), ();
DELETE FROM t LIMIT 1;
DROP DATABASE d;
