-- Foreign keys with every action, references of a table to itself, cycles, and checks that are off.
CREATE DATABASE d;
USE d;
CREATE TABLE p (id INT PRIMARY KEY, u INT UNIQUE, v VARCHAR(10));
CREATE TABLE cascades (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE nulls (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE SET NULL ON UPDATE SET NULL);
CREATE TABLE restricts (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE RESTRICT ON UPDATE RESTRICT);
CREATE TABLE nothing (id INT PRIMARY KEY, u INT, FOREIGN KEY (u) REFERENCES p (u) ON DELETE NO ACTION ON UPDATE NO ACTION);
CREATE TABLE deeper (id INT PRIMARY KEY, c INT, g INT AS (id * 2) STORED, h INT AS (c + 1) VIRTUAL, KEY (h), FOREIGN KEY (c) REFERENCES cascades (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE keyless (c INT, note VARCHAR(10), KEY (c), FOREIGN KEY (c) REFERENCES cascades (id) ON DELETE CASCADE);
INSERT INTO p VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c'), (4, 40, 'd'), (5, NULL, 'e');
INSERT INTO cascades VALUES (1, 1), (2, 1), (3, 2), (4, NULL), (5, 3);
INSERT INTO nulls VALUES (1, 1), (2, 2), (3, 2), (4, 3);
INSERT INTO restricts VALUES (1, 4);
INSERT INTO nothing VALUES (1, 40), (2, NULL);
INSERT INTO deeper (id, c) VALUES (1, 1), (2, 1), (3, 3), (4, 5);
INSERT INTO keyless VALUES (1, 'x'), (1, 'x'), (1, 'y'), (3, 'x'), (5, 'z'), (5, 'z');
--! error 1451
DELETE FROM p WHERE id = 4;
--! error 1452
INSERT INTO cascades VALUES (9, 99);
DELETE FROM p WHERE id = 1;
UPDATE p SET id = id + 100 WHERE id = 2;
UPDATE p SET id = 103, u = 31 WHERE id = 3;
UPDATE cascades SET id = id + 50 WHERE id = 4;
--! error 1451
DELETE FROM p;
BEGIN;
DELETE FROM restricts;
DELETE FROM nothing;
DELETE FROM p WHERE id IN (4, 102);
INSERT INTO p VALUES (4, 41, 'again');
INSERT INTO cascades VALUES (10, 4), (11, 103);
--! check
COMMIT;
--! check
INSERT INTO p VALUES (4, 43, 'dup') ON DUPLICATE KEY UPDATE id = 44, v = 'updated';
CREATE TABLE self (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES self (id) ON DELETE CASCADE ON UPDATE NO ACTION);
INSERT INTO self VALUES (1, NULL), (2, 1), (3, 2), (4, 3), (5, 1), (6, 6), (7, 6), (8, NULL);
DELETE FROM self WHERE id = 1;
DELETE FROM self WHERE id = 6;
CREATE TABLE selfnull (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES selfnull (id) ON DELETE SET NULL);
INSERT INTO selfnull VALUES (1, NULL), (2, 1), (3, 2);
DELETE FROM selfnull WHERE id IN (1, 2);
-- Two tables that refer to each other.
CREATE TABLE x (id INT PRIMARY KEY, y INT);
CREATE TABLE y (id INT PRIMARY KEY, x INT, FOREIGN KEY (x) REFERENCES x (id) ON DELETE CASCADE);
ALTER TABLE x ADD CONSTRAINT xy FOREIGN KEY (y) REFERENCES y (id) ON DELETE CASCADE;
INSERT INTO x VALUES (1, NULL), (2, NULL);
INSERT INTO y VALUES (1, 1), (2, 2);
UPDATE x SET y = 3 - id;
DELETE FROM y WHERE id = 1;
--! check
-- With checks off, rows and tables come in any order and stay orphans.
SET foreign_key_checks = 0;
INSERT INTO cascades VALUES (70, 7000), (71, 7001);
DELETE FROM p WHERE id = 44;
UPDATE p SET id = 500 WHERE id = 103;
CREATE TABLE early (id INT PRIMARY KEY, l INT, FOREIGN KEY (l) REFERENCES late (id) ON DELETE CASCADE);
INSERT INTO early VALUES (1, 1), (2, 2);
SET foreign_key_checks = 1;
CREATE TABLE late (id INT PRIMARY KEY);
INSERT INTO late VALUES (1);
DELETE FROM late;
UPDATE early SET l = NULL;
SET unique_checks = 0, foreign_key_checks = 0;
INSERT INTO p VALUES (600, 600, 'u');
SET unique_checks = 1, foreign_key_checks = 1;
-- Multi-table statements.
INSERT INTO p VALUES (700, 700, 'm'), (701, 701, 'm');
INSERT INTO cascades VALUES (700, 700), (701, 701);
UPDATE p JOIN nulls SET p.v = 'mm', nulls.p = 701 WHERE p.id = 700 AND nulls.id = 1;
DELETE p, nulls FROM p JOIN nulls ON p.id = nulls.p;
-- A key of several columns, to a key that isn't unique.
SET restrict_fk_on_non_standard_key = OFF;
CREATE TABLE wide (a INT, b VARCHAR(5), c INT, KEY (a, b));
CREATE TABLE narrow (a INT, b VARCHAR(5), FOREIGN KEY (a, b) REFERENCES wide (a, b) ON UPDATE CASCADE ON DELETE CASCADE);
SET restrict_fk_on_non_standard_key = DEFAULT;
INSERT INTO wide VALUES (1, 'a', 1), (1, 'a', 2), (2, 'B', 3), (NULL, 'x', 4);
INSERT INTO narrow VALUES (1, 'A'), (2, 'b'), (2, NULL), (1, 'a');
UPDATE wide SET b = 'c' WHERE a = 2;
DELETE FROM wide WHERE a = 1;
ALTER TABLE narrow DROP FOREIGN KEY narrow_ibfk_1;
RENAME TABLE p TO p2;
DELETE FROM p2 WHERE id = 102;
--! error 3730
DROP TABLE p2;
SET foreign_key_checks = 0;
DROP TABLE p2;
SET foreign_key_checks = 1;
DROP DATABASE d;
