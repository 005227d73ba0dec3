-- Views, routines, triggers and events: their text, their definers and the context in which they were defined.
--! images differ: ALTER EVENT names the account that ran it
CREATE USER 'maker'@'localhost' IDENTIFIED BY 'secret';
GRANT ALL ON d.* TO 'maker'@'localhost';
GRANT SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER, SYSTEM_USER ON *.* TO 'maker'@'localhost';
CREATE USER 'other'@'%';
GRANT TRIGGER, UPDATE, SELECT ON d.* TO 'other'@'%';
CREATE DATABASE d;
USE d;
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b VARCHAR(20));
INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y');
--! connection maker maker secret
USE d;
CREATE VIEW v AS SELECT id, b FROM t;
CREATE SQL SECURITY INVOKER VIEW vi AS SELECT * FROM t WITH CHECK OPTION;
CREATE DEFINER = 'other'@'%' VIEW vo (x, y) AS SELECT a, COUNT(*) FROM t GROUP BY a;
CREATE OR REPLACE ALGORITHM = MERGE VIEW v AS SELECT x.a FROM vi AS x JOIN t USING (id);
CREATE DEFINER = CURRENT_USER VIEW vc AS SELECT CURRENT_USER() AS u;
ALTER VIEW vc AS SELECT USER() AS u;
ALTER VIEW vo AS SELECT a FROM t;
--! delimiter //
CREATE PROCEDURE p(IN x INT, OUT y VARCHAR(20), INOUT z DECIMAL(10,2))
  COMMENT 'two; statements' MODIFIES SQL DATA
BEGIN
  DECLARE n INT DEFAULT 0; -- a comment; with a semicolon
  DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SET n = -1;
  START TRANSACTION;
  INSERT INTO t (a, b) VALUES (x, 'in p');
  SELECT MAX(b) INTO y FROM t;
  SET z = z * 2;
  COMMIT;
END//
CREATE DEFINER = 'nobody'@'nowhere' FUNCTION f(x INT) RETURNS INT READS SQL DATA SQL SECURITY INVOKER
BEGIN
  RETURN (SELECT COUNT(*) FROM t WHERE a > x);
END//
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW BEGIN
  IF NEW.b IS NULL THEN SET NEW.b = CONCAT('tr', NEW.a); END IF;
  SET @seen = 1;
END//
--! delimiter ;
CREATE DEFINER = 'other'@'%' TRIGGER tr2 BEFORE INSERT ON t FOR EACH ROW PRECEDES tr SET NEW.a = NEW.a + 1;
CREATE TRIGGER IF NOT EXISTS tr AFTER DELETE ON t FOR EACH ROW SET @x = 1;
SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES';
CREATE TRIGGER "tr3" AFTER UPDATE ON "t" FOR EACH ROW SET @s = 'a\' || 'b';
CREATE FUNCTION "f2"() RETURNS VARCHAR(10) DETERMINISTIC RETURN 'x\' || "f"(1);
CREATE PROCEDURE "p2"() SELECT "a" FROM "t";
CREATE VIEW "v2" AS SELECT 'a' || "b" AS "c" FROM "t";
SET sql_mode = DEFAULT;
SET @y = '', @z = 1.5;
CALL p(5, @y, @z);
SELECT f(0);
INSERT INTO t (a) VALUES (7);
UPDATE t SET a = a + f(1) WHERE id = 1;
ALTER PROCEDURE p COMMENT 'changed' SQL SECURITY INVOKER;
ALTER FUNCTION f SQL SECURITY DEFINER;
CREATE PROCEDURE IF NOT EXISTS p() SELECT 1;
-- Whoever creates a routine may run and alter it: MySQL grants that by itself, where the right isn't there already. On
-- baton's followers it has to be granted by a GRANT of the leader's.
--! connection main
CREATE USER limited@localhost IDENTIFIED BY 'l';
GRANT CREATE ROUTINE ON d.* TO limited@localhost;
--! connection limited limited l
CREATE PROCEDURE d.own() SELECT 1;
--! end limited
--! connection main
--! differs privileges on routines
--! check
GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE d.own TO limited@localhost;
--! differs
--! check
DROP USER limited@localhost;
-- Events: the scheduler of a follower must not run them.
--! connection main
USE d;
SET GLOBAL event_scheduler = ON;
SET time_zone = '+03:00', sql_mode = 'ANSI';
CREATE EVENT e ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2036-01-01 00:00:00' ENDS '2037-01-01 00:00:00' ON COMPLETION PRESERVE COMMENT 'e; e' DO INSERT INTO t (a) VALUES (100);
SET time_zone = DEFAULT, sql_mode = DEFAULT;
CREATE EVENT once ON SCHEDULE AT '2037-12-31 23:59:59' ON COMPLETION PRESERVE DISABLE DO SET @a = 1;
CREATE EVENT IF NOT EXISTS once ON SCHEDULE EVERY 1 DAY DO SET @a = 2;
--! native differs EVENT
--! check
-- Whoever alters an event becomes its definer.
--! connection maker
ALTER EVENT e COMMENT 'altered';
ALTER EVENT once ON COMPLETION NOT PRESERVE DISABLE;
--! gives maker@localhost
SELECT definer FROM information_schema.events WHERE event_name = 'e';
ALTER DEFINER = 'other'@'%' EVENT e RENAME TO e2;
ALTER /* a comment */ EVENT `d`.`once` DO SET @b = 'CURRENT_USER()';
ALTER EVENT e2 DISABLE;
--! check
CREATE EVENT runs ON SCHEDULE EVERY 1 SECOND DO INSERT INTO d.t (a, b) VALUES (200, 'event');
--! until 1
SELECT COUNT(*) > 1 FROM t WHERE b = 'event';
--! check
DROP EVENT runs;
-- One that drops itself is dropped on the followers by the leader's binlog.
CREATE EVENT soon ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 SECOND DO INSERT INTO d.t (a, b) VALUES (300, 'soon');
--! until 1
SELECT COUNT(*) FROM t WHERE b = 'soon';
--! until 0
SELECT COUNT(*) FROM information_schema.events WHERE event_name = 'soon';
DROP EVENT e2;
DROP EVENT once;
--! native same
DROP TRIGGER tr;
DROP PROCEDURE p;
DROP FUNCTION IF EXISTS f;
DROP FUNCTION IF EXISTS f;
DROP VIEW v, vi;
DROP VIEW IF EXISTS vo, nothing;
DROP DATABASE d;
--! connection main
DROP USER 'maker'@'localhost', 'other'@'%';
