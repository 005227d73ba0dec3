-- Rows that refer to each other in a circle, and are deleted with ON DELETE CASCADE: MySQL 9.7 logs that one of them was
-- deleted twice, which no follower can do.
CREATE DATABASE d;
USE d;
CREATE TABLE t (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES t (id) ON DELETE CASCADE);
INSERT INTO t VALUES (1, NULL), (2, 1), (3, NULL);
UPDATE t SET up = 2 WHERE id = 1;
--! check
DELETE FROM t WHERE id = 1;
--! gives 1
SELECT COUNT(*) FROM t;
--! stops Can't find record
--! native stops 1032
--! followers DELETE FROM d.t WHERE id IN (1, 2)
--! check
INSERT INTO t VALUES (4, 3);
DROP DATABASE d;
