-- A row that a statement changes twice, which REPLACE of several rows does: on a replica the second of its images in the
-- replica's own binlog has the new BLOB written over the old one, where the table has no primary key. The rows are right.
--! images differ a fault of MySQL's, which a native replica has too
CREATE DATABASE d;
USE d;
CREATE TABLE twice (b TINYBLOB, u INT, UNIQUE KEY (u));
INSERT INTO twice VALUES (REPEAT('y', 190), 1);
REPLACE INTO twice VALUES (REPEAT('o', 190), 1), ('3d', 1);
--! check
DROP TABLE twice;
DROP DATABASE d;
