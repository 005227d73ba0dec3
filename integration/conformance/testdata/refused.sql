-- What stops baton's followers, each with its mend; some of it stops a native replica too.
CREATE DATABASE d;
USE d;
CREATE TABLE t (id INT PRIMARY KEY, a INT);
INSERT INTO t VALUES (1, 1);
-- A statement instead of rows.
SET binlog_format = STATEMENT;
INSERT INTO t VALUES (2, 2);
--! stops STATEMENT format
--! followers REPLACE INTO d.t VALUES (2, 2)
--! check
SET binlog_format = ROW;
-- A privilege that baton's account hasn't, and so can't give.
CREATE USER x@localhost;
GRANT FILE ON *.* TO x@localhost;
--! stops Access denied
--! followers GRANT FILE ON *.* TO x@localhost
--! check
GRANT PROXY ON ''@'' TO x@localhost;
--! stops Access denied
--! followers GRANT PROXY ON ''@'' TO x@localhost
--! check
DROP USER x@localhost;
-- default_table_encryption takes a privilege that baton's account is not given by default.
SET default_table_encryption = ON;
CREATE DATABASE enc;
--! stops TABLE_ENCRYPTION_ADMIN
--! followers GRANT TABLE_ENCRYPTION_ADMIN ON *.* TO baton
--! followers CREATE DATABASE IF NOT EXISTS enc ENCRYPTION 'Y'
--! check
CREATE DATABASE enc2;
SET default_table_encryption = OFF;
CREATE DATABASE plain;
--! gives YES
SELECT default_encryption FROM information_schema.schemata WHERE schema_name = 'enc2';
ALTER DATABASE enc ENCRYPTION = 'N';
DROP DATABASE enc;
DROP DATABASE enc2;
DROP DATABASE plain;
--! followers REVOKE TABLE_ENCRYPTION_ADMIN ON *.* FROM baton
-- A file that only the leader has.
CREATE TABLE imp (a INT PRIMARY KEY);
INSERT INTO imp VALUES (1), (2);
FLUSH TABLES imp FOR EXPORT;
SELECT LOAD_FILE(CONCAT(@@datadir, 'd/imp.ibd')) INTO DUMPFILE '$DIR/imp.ibd';
UNLOCK TABLES;
ALTER TABLE imp DISCARD TABLESPACE;
SELECT LOAD_FILE('$DIR/imp.ibd') INTO DUMPFILE 'd/imp.ibd';
ALTER TABLE imp IMPORT TABLESPACE;
--! gives 2
SELECT COUNT(*) FROM imp;
--! stops ablespace
--! native stops 1812
--! differs imp
DROP TABLE imp;
--! differs
DROP DATABASE d;
