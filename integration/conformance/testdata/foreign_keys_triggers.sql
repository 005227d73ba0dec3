-- Triggers and cascades in one statement.
CREATE DATABASE d;
USE d;
CREATE TABLE p (id INT PRIMARY KEY);
CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(50));
CREATE TRIGGER after_p AFTER DELETE ON p FOR EACH ROW INSERT INTO log (what) VALUES (CONCAT('p ', OLD.id));
CREATE TRIGGER before_p BEFORE UPDATE ON p FOR EACH ROW INSERT INTO log (what) VALUES (CONCAT('update ', OLD.id));
CREATE TRIGGER insert_p AFTER INSERT ON p FOR EACH ROW INSERT INTO c VALUES (NEW.id * 100, NEW.id);
-- Not run for rows that a cascade changes.
CREATE TRIGGER after_c AFTER DELETE ON c FOR EACH ROW INSERT INTO log (what) VALUES (CONCAT('c ', OLD.id));
INSERT INTO p VALUES (1), (2), (3);
INSERT INTO c VALUES (1, 1), (2, 2), (3, 2);
DELETE FROM p WHERE id = 1;
UPDATE p SET id = 20 WHERE id = 2;
--! check
-- A trigger that changes the rows which the cascade is about to change.
CREATE TABLE g (id INT PRIMARY KEY, c INT, n INT, FOREIGN KEY (c) REFERENCES c (id) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE parent2 (id INT PRIMARY KEY);
CREATE TABLE child2 (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent2 (id) ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TRIGGER t2 BEFORE UPDATE ON parent2 FOR EACH ROW INSERT INTO child2 VALUES (OLD.id * 10 + 1000, OLD.id);
INSERT INTO parent2 VALUES (1), (2);
INSERT INTO child2 VALUES (1, 1), (2, 2);
UPDATE parent2 SET id = id + 10 ORDER BY id DESC;
DELETE FROM parent2 WHERE id = 11;
INSERT INTO g VALUES (1, 3, 0), (2, 300, 0);
DELETE FROM c WHERE id = 3;
--! check
CREATE TABLE self (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES self (id) ON DELETE CASCADE);
CREATE TRIGGER selft AFTER DELETE ON self FOR EACH ROW INSERT INTO log (what) VALUES (CONCAT('self ', OLD.id));
INSERT INTO self VALUES (1, NULL), (2, 1), (3, 2);
DELETE FROM self WHERE id = 1;
-- A trigger that inserts both a parent and its child.
CREATE TABLE feeds (id INT PRIMARY KEY);
CREATE TRIGGER feeding AFTER INSERT ON feeds FOR EACH ROW BEGIN INSERT INTO parent2 VALUES (NEW.id + 100); INSERT INTO child2 VALUES (NEW.id + 100, NEW.id + 100); DELETE FROM child2 WHERE p = NEW.id + 90; END;
INSERT INTO feeds VALUES (3), (20), (50);
UPDATE feeds SET id = id + 1 ORDER BY id DESC;
INSERT INTO p VALUES (3) ON DUPLICATE KEY UPDATE id = 33;
DELETE FROM c WHERE id = 300;
REPLACE INTO p VALUES (33);
--! check
-- MySQL 9.6 and newer log the rows that a cascade changes. Where the rows of a trigger come first in the same event, it isn't
-- marked as one whose foreign keys must not be checked: a native replica stops.
CREATE TABLE p3 (id INT PRIMARY KEY);
CREATE TABLE c3 (id INT PRIMARY KEY, p INT, n INT DEFAULT 0, FOREIGN KEY (p) REFERENCES p3 (id) ON UPDATE CASCADE);
CREATE TRIGGER t3 BEFORE UPDATE ON p3 FOR EACH ROW UPDATE c3 SET n = n + 1 WHERE p = OLD.id;
INSERT INTO p3 VALUES (1), (2);
INSERT INTO c3 (id, p) VALUES (1, 1), (2, 2);
--! check
UPDATE p3 SET id = 10 WHERE id = 1;
--! native stops 1452
--! check
DROP DATABASE d;
