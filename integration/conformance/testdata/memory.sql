-- MEMORY tables are empty after a restart: what the leader does about it, it logs.
CREATE DATABASE d;
USE d;
CREATE TABLE m (id INT PRIMARY KEY, v VARCHAR(10)) ENGINE = MEMORY;
INSERT INTO m VALUES (1, 'one'), (2, 'two');
CREATE TABLE i (id INT PRIMARY KEY);
INSERT INTO i VALUES (1);
--! check
--! kill leader
INSERT INTO d.i VALUES (2);
--! gives 0
SELECT COUNT(*) FROM d.m;
INSERT INTO d.m VALUES (4, 'four');
UPDATE d.m SET v = 'four!' WHERE id = 4;
--! check
DROP DATABASE d;
