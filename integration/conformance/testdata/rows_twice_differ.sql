-- A row that a statement changes twice, in a table without a primary key, with values of equal length: a server that
-- applies it writes the second new value over the first, takes it for unchanged, and leaves the first in the row.
--! images differ a fault of MySQL's, which a native replica has too
CREATE DATABASE d;
USE d;
CREATE TABLE t (a INT UNIQUE, n INT, b VECTOR(2));
INSERT INTO t VALUES (1, 0, STRING_TO_VECTOR('[0,0]'));
--! check
REPLACE INTO t VALUES (1, 1, STRING_TO_VECTOR('[1,1]')), (1, 2, STRING_TO_VECTOR('[2,2]'));
--! gives 2 [2.00000e+00,2.00000e+00]
SELECT CONCAT(n, ' ', VECTOR_TO_STRING(b)) FROM t;
--! native differs table `d`.`t` differs
--! differs table `d`.`t` differs
--! check
--! native same
--! differs
DROP TABLE t;
CREATE TABLE t (a INT PRIMARY KEY, n INT, b VECTOR(2));
INSERT INTO t VALUES (1, 0, STRING_TO_VECTOR('[0,0]'));
REPLACE INTO t VALUES (1, 1, STRING_TO_VECTOR('[1,1]')), (1, 2, STRING_TO_VECTOR('[2,2]'));
--! check
DROP TABLE t;
CREATE TABLE t (a INT UNIQUE, b TEXT);
INSERT INTO t VALUES (1, 'x');
REPLACE INTO t VALUES (1, 'y'), (1, 'z');
--! native differs table `d`.`t` differs
--! differs table `d`.`t` differs
--! check
--! native same
--! differs
DROP DATABASE d;
