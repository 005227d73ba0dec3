-- A row that refers to itself and is deleted: the leader logs it as it was before its own reference was set to NULL.
--! images differ: the follower logs it as it found it
CREATE DATABASE d;
USE d;
CREATE TABLE t (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES t (id) ON DELETE SET NULL);
INSERT INTO t VALUES (1, 1), (2, 1), (3, 2);
DELETE FROM t WHERE id = 1;
DELETE FROM t WHERE id IN (1, 2);
DROP DATABASE d;
