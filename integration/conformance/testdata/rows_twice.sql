-- A row that a statement changes twice, in tables with BLOBs and without a primary key: a native replica finds the rows of
-- one event all at once, differs without a word, and stops at what comes later.
CREATE DATABASE d;
USE d;
CREATE TABLE b (b BLOB, u INT, UNIQUE KEY (u));
INSERT INTO b VALUES (REPEAT('l', 90), 5), (REPEAT('q', 50), 5), (REPEAT('p', 50), 5) ON DUPLICATE KEY UPDATE b = VALUES(b);
--! native differs b
--! check
DELETE FROM b WHERE b IS NULL;
REPLACE INTO b VALUES (REPEAT('o', 190), 1), ('3d', 1), (REPEAT('k', 9), 1), ('', 1);
CREATE TABLE g (g GEOMETRY, x INT, u INT, UNIQUE KEY (u));
INSERT INTO g VALUES (ST_GeomFromText('LINESTRING(0 0,1 1,2 0)'), 1, 5), (POINT(1, 2), 2, 5), (POINT(7, 1.5), 3, 5) ON DUPLICATE KEY UPDATE g = VALUES(g), x = x + 1;
CREATE TABLE t (t TEXT, j JSON, u INT, KEY (u), UNIQUE KEY v (u));
INSERT INTO t VALUES ('l', '{"a": 1}', 5), ('qq', '[1]', 5), ('ppp', 'null', 5), ('r', '{}', 6), ('s', '[]', 6) ON DUPLICATE KEY UPDATE t = VALUES(t), j = VALUES(j);
SET binlog_row_image = MINIMAL;
INSERT INTO t VALUES ('1', '[1]', 5), ('2', '[2]', 5), ('3', '[3]', 6), ('4', '[4]', 5) ON DUPLICATE KEY UPDATE t = VALUES(t);
SET binlog_row_image = NOBLOB;
INSERT INTO t VALUES ('5', '[5]', 5), ('6', '[6]', 5), ('7', '[7]', 6), ('8', '[8]', 5) ON DUPLICATE KEY UPDATE j = VALUES(j);
REPLACE INTO t VALUES ('a', '[1]', 6), ('bb', '[2]', 6), ('ccc', '[3]', 6);
SET binlog_row_image = FULL;
SET binlog_row_value_options = PARTIAL_JSON;
INSERT INTO t VALUES ('pp', '{}', 5), ('q', '{}', 5), ('rrr', '{}', 5), ('s', '{}', 6) ON DUPLICATE KEY UPDATE t = VALUES(t), j = JSON_SET(j, '$.a', LENGTH(t), '$.b', VALUES(t));
INSERT INTO t VALUES ('1', '{}', 5), ('2', '{}', 5), ('3', '{}', 5) ON DUPLICATE KEY UPDATE j = JSON_SET(j, '$.a', VALUES(t), '$.c', t);
SET binlog_row_value_options = '';
CREATE TABLE v (a INT UNIQUE, n INT, b VECTOR(2), t TEXT);
INSERT INTO v VALUES (1, 0, STRING_TO_VECTOR('[0,0]'), 'x');
REPLACE INTO v VALUES (1, 1, STRING_TO_VECTOR('[1,1]'), 'y'), (1, 2, STRING_TO_VECTOR('[2,2]'), 'z');
CREATE TABLE k (b BLOB, u INT PRIMARY KEY);
INSERT INTO k VALUES (REPEAT('l', 90), 5), (REPEAT('q', 50), 5), (REPEAT('p', 50), 5) ON DUPLICATE KEY UPDATE b = VALUES(b);
BEGIN;
UPDATE b SET b = 'x' WHERE u = 1;
UPDATE b SET b = 'yy' WHERE u = 1;
UPDATE b SET b = 'zzz' WHERE u = 1;
COMMIT;
--! native stops 1032
--! check
DROP TABLE b;
DROP TABLE g;
DROP TABLE t;
DROP TABLE k;
DROP TABLE v;
--! native same
DROP DATABASE d;
