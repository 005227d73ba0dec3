-- REPLACE of a row that others refer to. MySQL 9.7 logs the row's deletion and insertion without a mark that keeps a replica
-- from cascading: the leader's child rows stay, and a native replica's go.
CREATE DATABASE d;
USE d;
CREATE TABLE p (id INT PRIMARY KEY, v INT);
CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE);
CREATE TABLE n (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE SET NULL);
INSERT INTO p VALUES (1, 1), (2, 2);
INSERT INTO c VALUES (1, 1), (2, 2);
INSERT INTO n VALUES (1, 1), (2, 2);
--! check
REPLACE INTO p VALUES (1, 10);
--! gives 2
SELECT COUNT(*) FROM c;
--! native differs table `d`.`c` differs
--! check
DROP DATABASE d;
