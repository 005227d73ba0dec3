-- Rows and transactions larger than the packets that they travel in.
CREATE DATABASE d;
USE d;
CREATE TABLE big (id INT PRIMARY KEY AUTO_INCREMENT, a INT, data LONGBLOB);
-- One statement of many rows.
INSERT INTO big (a, data) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT i, REPEAT(CHAR(65 + i % 26), 20000) FROM n;
-- Many statements of some rows each, in one transaction.
BEGIN;
--! repeat 20
INSERT INTO big (a, data) VALUES (1000, REPEAT(RANDOM_BYTES(1000), 200)), (1001, 'small');
UPDATE big SET a = a + 1 WHERE a >= 1000;
DELETE FROM big WHERE a = 1002;
COMMIT;
-- A row of half the packet's size, and a table without a key.
INSERT INTO big (a, data) VALUES (2000, REPEAT('x', 5000000));
UPDATE big SET data = CONCAT(data, 'y') WHERE a = 2000;
SET binlog_transaction_compression = ON;
UPDATE big SET a = -a;
SET binlog_transaction_compression = OFF;
CREATE TABLE heap (a INT, data LONGTEXT);
INSERT INTO heap VALUES (1, REPEAT('h', 1500000)), (1, REPEAT('h', 1500000)), (2, 'x');
DELETE FROM heap WHERE a = 1 LIMIT 1;
CREATE TABLE many (KEY (i)) AS WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT a.i, b.i AS j FROM n a JOIN n b ON b.i <= 20;
DELETE FROM many WHERE i % 3 = 0;
UPDATE many SET j = j + 1 WHERE i < 50;
DELETE FROM big;
DROP TABLE heap, many;
-- One row of which an update is more than a packet holds in base64: the operator raises max_allowed_packet. (A native
-- replica has replica_max_allowed_packet, 1 GiB.)
INSERT INTO big (id, a, data) VALUES (1, 1, REPEAT('z', 7000000));
UPDATE big SET a = 2;
--! stops max_allowed_packet
--! followers UPDATE d.big SET a = 2
--! check
DROP DATABASE d;
