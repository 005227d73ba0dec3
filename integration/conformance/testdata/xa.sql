-- XA transactions in all forms, prepared ones over restarts of baton, the followers and the leader.
CREATE DATABASE d;
USE d;
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b VARCHAR(20));
CREATE TABLE k (a INT, b VARCHAR(20));
INSERT INTO t (a) VALUES (1), (2), (3);
INSERT INTO k VALUES (1, 'x'), (1, 'x');
XA START 'one';
INSERT INTO t (a) VALUES (10);
UPDATE k SET b = 'y' LIMIT 1;
XA END 'one';
XA PREPARE 'one';
--! check
XA COMMIT 'one';
XA START x'00FF27', 'branch''s', 7;
DELETE FROM t WHERE id = 1;
XA END x'00FF27', 'branch''s', 7;
XA COMMIT x'00FF27', 'branch''s', 7 ONE PHASE;
XA START 'two', '', 2147483647;
INSERT INTO t (a) VALUES (11);
SAVEPOINT s;
INSERT INTO t (a) VALUES (12);
ROLLBACK TO SAVEPOINT s;
XA END 'two', '', 2147483647;
XA PREPARE 'two', '', 2147483647;
XA ROLLBACK 'two', '', 2147483647;
-- Nothing was changed, or all was rolled back before the prepare.
XA START 'empty';
SELECT COUNT(*) FROM t;
XA END 'empty';
XA PREPARE 'empty';
XA COMMIT 'empty';
XA START 'undone';
INSERT INTO t (a) VALUES (13);
XA END 'undone';
XA ROLLBACK 'undone';
SET binlog_transaction_compression = ON;
XA START 'packed';
INSERT INTO t (a, b) SELECT a, REPEAT('p', 20) FROM t;
XA END 'packed';
XA PREPARE 'packed';
XA COMMIT 'packed';
SET binlog_transaction_compression = OFF;
--! check
-- Several prepared at once, ended by other sessions, in another order, with other transactions between.
XA START 'a';
INSERT INTO t (a, b) VALUES (20, 'a');
XA END 'a';
XA PREPARE 'a';
--! connection two
USE d;
XA START 'b';
INSERT INTO t (a, b) VALUES (21, 'b');
XA END 'b';
XA PREPARE 'b';
INSERT INTO k VALUES (2, 'between');
--! connection three
USE d;
XA START 'c';
UPDATE t SET b = 'c' WHERE id = 2;
XA END 'c';
XA PREPARE 'c';
--! check
--! restart daemon
XA ROLLBACK 'b';
INSERT INTO k VALUES (3, 'after');
--! kill follower
XA COMMIT 'c';
--! check
--! restart leader
--! connection main
XA RECOVER;
XA COMMIT 'a';
USE d;
XA START 'd';
INSERT INTO t (a, b) VALUES (22, 'd');
XA END 'd';
XA PREPARE 'd';
--! restart daemon
--! kill leader
--! restart follower
--! connection main
XA COMMIT 'd';
--! check
USE d;
XA START 'last';
INSERT INTO t (a, b) VALUES (23, 'last');
XA END 'last';
XA PREPARE 'last';
--! kill follower
--! check
XA ROLLBACK 'last';
DROP DATABASE d;
