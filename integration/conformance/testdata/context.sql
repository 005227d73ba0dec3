-- The context of statements, one part of it after the other, and that nothing of it reaches what comes after.
CREATE DATABASE d;
USE d;
-- sql_mode decides what a text means, and is kept with routines.
SET sql_mode = 'ANSI';
CREATE TABLE "m" ("a" INT, "b" VARCHAR(10) DEFAULT 'x' );
CREATE VIEW "mv" AS SELECT 'a' || 'b' AS "c";
SET sql_mode = 'NO_BACKSLASH_ESCAPES';
CREATE TABLE nb (a VARCHAR(10) DEFAULT '\', b INT COMMENT 'c:\n');
INSERT INTO nb VALUES ('\n\', 1);
SET sql_mode = 'NO_ZERO_DATE,STRICT_ALL_TABLES';
--! error 1067
CREATE TABLE zd (a DATE DEFAULT '0000-00-00');
SET sql_mode = '';
CREATE TABLE zd (a DATE NOT NULL DEFAULT '0000-00-00', b TIMESTAMP NOT NULL DEFAULT '0000-00-00 00:00:00', c ENUM('a', 'a') , d TINYINT DEFAULT '5');
ALTER TABLE zd ADD COLUMN e INT NOT NULL, MODIFY d SMALLINT;
INSERT INTO zd (d) VALUES ('abc'), (70000);
ALTER TABLE zd MODIFY d TINYINT;
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
CREATE TABLE az (id INT PRIMARY KEY AUTO_INCREMENT);
INSERT INTO az VALUES (0);
SET sql_mode = '';
INSERT INTO az VALUES (0), (NULL);
SET sql_mode = 'REAL_AS_FLOAT,PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE,TIME_TRUNCATE_FRACTIONAL,NO_UNSIGNED_SUBTRACTION,IGNORE_SPACE,NO_ENGINE_SUBSTITUTION,NO_DIR_IN_CREATE';
CREATE TABLE ra (r REAL, t TIME(0), x INT AS (NOT 1 BETWEEN -5 AND 5), c CHAR(5));
INSERT INTO ra (r, t, c) VALUES (1.1, '10:10:10.9', 'p');
-- A native replica leaves NO_DIR_IN_CREATE out.
--! native differs nu
CREATE FUNCTION nu(a INT UNSIGNED) RETURNS BIGINT DETERMINISTIC RETURN a - 10;
SET sql_mode = DEFAULT;
DROP FUNCTION nu;
--! native same
-- Time: the statement's own, to the microsecond, and the zone.
SET timestamp = 1234567890.987654;
CREATE TABLE tm (id INT PRIMARY KEY);
INSERT INTO tm VALUES (1), (2);
ALTER TABLE tm ADD COLUMN a DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6);
CREATE TABLE tm2 AS SELECT NOW(6) AS n, CURRENT_DATE AS d, UNIX_TIMESTAMP() AS u;
SET time_zone = '-03:30';
ALTER TABLE tm ADD COLUMN b TIMESTAMP NOT NULL DEFAULT '2001-02-03 04:05:06', ADD COLUMN c TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3);
--! native differs EVENT
CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2030-06-01 12:00:00' DISABLE DO SET @a = 1;
DROP EVENT ev;
--! native same
SET time_zone = 'SYSTEM';
ALTER TABLE tm ADD COLUMN e TIMESTAMP NOT NULL DEFAULT '2001-02-03 04:05:06';
SET timestamp = DEFAULT;
SET time_zone = DEFAULT;
SET explicit_defaults_for_timestamp = OFF;
CREATE TABLE ed (a TIMESTAMP, b TIMESTAMP NULL, c INT);
INSERT INTO ed (c) VALUES (1);
INSERT INTO ed VALUES (NULL, NULL, 2);
SET explicit_defaults_for_timestamp = ON;
CREATE TABLE ed2 (a TIMESTAMP, b TIMESTAMP NULL, c INT);
-- Names of months and days.
SET lc_time_names = 'de_DE';
CREATE TABLE lc AS SELECT DATE_FORMAT('2024-03-05', '%W %M') AS t;
CREATE TABLE lcd (id INT PRIMARY KEY, t VARCHAR(30) DEFAULT (DATE_FORMAT('2024-03-05', '%W %M')));
INSERT INTO lcd (id) VALUES (1);
ALTER TABLE lcd ADD COLUMN u VARCHAR(30) DEFAULT (MONTHNAME('2024-03-05'));
SET lc_time_names = DEFAULT;
INSERT INTO lcd (id) VALUES (2);
-- AUTO_INCREMENT settings.
SET auto_increment_increment = 10, auto_increment_offset = 3;
CREATE TABLE ai (id INT AUTO_INCREMENT PRIMARY KEY, a INT);
INSERT INTO ai (a) VALUES (1), (2), (3);
ALTER TABLE tm DROP PRIMARY KEY, ADD COLUMN nid INT AUTO_INCREMENT PRIMARY KEY;
SET auto_increment_increment = DEFAULT, auto_increment_offset = DEFAULT;
INSERT INTO ai (a) VALUES (4);
INSERT INTO ai VALUES (100, 5);
BEGIN;
INSERT INTO ai (a) VALUES (6), (7);
ROLLBACK;
INSERT INTO ai (a) VALUES (8);
DELETE FROM ai WHERE id > 100;
UPDATE ai SET id = 500 WHERE a = 1;
ALTER TABLE ai AUTO_INCREMENT = 1000;
SET insert_id = 2000;
INSERT INTO ai (a) VALUES (9);
--! check
-- Keys and checks.
SET unique_checks = 0;
CREATE TABLE uc (id INT PRIMARY KEY, u INT UNIQUE);
INSERT INTO uc VALUES (1, 1), (2, 2);
SET unique_checks = 1;
SET foreign_key_checks = 0;
CREATE TABLE fc (id INT PRIMARY KEY, x INT, FOREIGN KEY (x) REFERENCES notyet (id));
INSERT INTO fc VALUES (1, 1);
ALTER TABLE uc ADD FOREIGN KEY (u) REFERENCES fc (id);
SET foreign_key_checks = 1;
SET sql_require_primary_key = ON;
--! error 3750
CREATE TABLE nopk (a INT);
CREATE TABLE pk (a INT PRIMARY KEY);
SET sql_require_primary_key = OFF;
CREATE TABLE nopk (a INT);
ALTER TABLE pk DROP PRIMARY KEY;
-- Settings that no event carries, and what they decide.
SET default_week_format = 3, div_precision_increment = 10, group_concat_max_len = 4, sql_safe_updates = 1, sql_select_limit = 1, max_join_size = 1, big_tables = 1;
CREATE TABLE dp AS SELECT 1 / 3 AS third, WEEK('2024-01-01') AS w FROM (SELECT 1) AS one;
CREATE TABLE dg (a DECIMAL(20,15), b DECIMAL(20,15) AS (a / 3) STORED, v DECIMAL(20,15) AS (a / 7) VIRTUAL);
INSERT INTO dg (a) VALUES (1), (2);
SET default_week_format = DEFAULT, div_precision_increment = DEFAULT, group_concat_max_len = DEFAULT, sql_safe_updates = 0, sql_select_limit = DEFAULT, max_join_size = DEFAULT, big_tables = 0;
INSERT INTO dg (a) VALUES (3);
UPDATE dg SET a = 5 WHERE a = 2;
SET completion_type = CHAIN, transaction_isolation = 'SERIALIZABLE', autocommit = 0;
INSERT INTO dg (a) VALUES (4);
COMMIT;
INSERT INTO dg (a) VALUES (5);
ROLLBACK;
SET autocommit = 1, completion_type = DEFAULT, transaction_isolation = DEFAULT;
COMMIT;
SET sql_auto_is_null = 1;
CREATE TABLE an AS SELECT * FROM ai WHERE id IS NULL;
SET sql_auto_is_null = 0;
SET pseudo_thread_id = 4711;
CREATE TABLE ptid (a INT);
SET character_set_filesystem = latin1, old_alter_table = 1;
ALTER TABLE ptid ADD COLUMN b INT;
SET character_set_filesystem = DEFAULT, old_alter_table = 0;
DROP TABLE m, nb;
DROP DATABASE d;
