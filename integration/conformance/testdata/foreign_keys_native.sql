-- A leader whose foreign keys are InnoDB's own, as before 9.6: cascades are not in the binlog, and each follower does its own.
--! restart leader innodb_native_foreign_keys=ON
CREATE DATABASE d;
USE d;
CREATE TABLE p (id INT PRIMARY KEY, v INT);
CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE n (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE SET NULL ON UPDATE SET NULL);
CREATE TABLE g (id INT PRIMARY KEY, c INT, FOREIGN KEY (c) REFERENCES c (id) ON DELETE CASCADE);
CREATE TABLE self (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES self (id) ON DELETE CASCADE);
INSERT INTO p VALUES (1, 1), (2, 2), (3, 3);
INSERT INTO c VALUES (1, 1), (2, 2), (3, 2);
INSERT INTO n VALUES (1, 1), (2, 2);
INSERT INTO g VALUES (1, 1), (2, 2);
INSERT INTO self VALUES (1, NULL), (2, 1), (3, 2);
DELETE FROM p WHERE id = 1;
UPDATE p SET id = 20 WHERE id = 2;
DELETE FROM self WHERE id = 1;
--! check
REPLACE INTO p VALUES (20, 5);
--! gives 0
SELECT COUNT(*) FROM c;
--! check
DROP DATABASE d;
--! restart leader innodb_native_foreign_keys=OFF
