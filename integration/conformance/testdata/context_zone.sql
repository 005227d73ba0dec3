-- Named time zones: their tables are rows like others, and statements carry the name.
CREATE DATABASE d;
USE d;
INSERT INTO mysql.time_zone VALUES (1, 'N');
INSERT INTO mysql.time_zone_name VALUES ('Baton/Summer', 1), ('Baton/East', 1);
INSERT INTO mysql.time_zone_transition_type VALUES (1, 0, 5400, 0, 'BST'), (1, 1, 9000, 1, 'BDT');
INSERT INTO mysql.time_zone_transition VALUES (1, 0, 0), (1, 1000000000, 1);
SET time_zone = 'Baton/Summer';
CREATE TABLE t (id INT PRIMARY KEY, at TIMESTAMP(6) NOT NULL, late DATETIME DEFAULT (FROM_UNIXTIME(1000000000)));
INSERT INTO t (id, at) VALUES (1, '2001-09-09 01:00:00'), (2, '2020-01-01 00:00:00.5');
CREATE TABLE defaults (a INT, at TIMESTAMP DEFAULT '2001-09-09 01:00:00', until TIMESTAMP DEFAULT '2020-01-01 00:00:00');
INSERT INTO defaults (a) VALUES (1);
ALTER TABLE t ADD added TIMESTAMP NOT NULL DEFAULT '2015-05-05 05:05:05';
CREATE EVENT e ON SCHEDULE AT '2037-01-01 00:00:00' DO DO 1;
CREATE EVENT every_day ON SCHEDULE EVERY 1 DAY STARTS '2036-01-01 00:00:00' DISABLE DO DO 1;
--! native differs EVENT
--! check
DROP EVENT e;
DROP EVENT every_day;
--! native same
CREATE TABLE s AS SELECT CAST('2020-06-01 12:00:00' AS DATETIME) AS at, UNIX_TIMESTAMP('2020-06-01 12:00:00') AS n;
SET time_zone = 'Baton/East';
CREATE TABLE u (a INT, at TIMESTAMP DEFAULT '2020-02-02 02:02:02');
INSERT INTO u (a) VALUES (1);
SET time_zone = DEFAULT;
DROP DATABASE d;
DELETE FROM mysql.time_zone_transition;
DELETE FROM mysql.time_zone_transition_type;
DELETE FROM mysql.time_zone_name;
DELETE FROM mysql.time_zone;
