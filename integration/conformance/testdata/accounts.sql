-- Accounts, passwords, roles and privileges. The hashes are raw bytes in the statement.
--! images differ: statements name the account that CURRENT_USER was
CREATE USER a@'%' IDENTIFIED BY 'secret', b@localhost IDENTIFIED WITH caching_sha2_password BY 'ü😀';
CREATE USER c@'10.0.0.%' IDENTIFIED BY RANDOM PASSWORD REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 5 MAX_USER_CONNECTIONS 3 PASSWORD EXPIRE INTERVAL 90 DAY PASSWORD HISTORY 3 PASSWORD REUSE INTERVAL 10 DAY FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 2 ACCOUNT LOCK;
CREATE USER d@localhost REQUIRE X509 COMMENT 'a "comment"';
CREATE USER e@localhost REQUIRE ISSUER '/C=x/O=y' SUBJECT '/CN=z' ATTRIBUTE '{"k": [1, "ü"]}';
CREATE USER f@localhost IDENTIFIED WITH sha256_password BY 'f';
CREATE USER IF NOT EXISTS a@'%' IDENTIFIED BY 'other', g@'%' IDENTIFIED WITH caching_sha2_password AS '$A$005$\"9\'`;ZaCz2kU1\nA\tb456VCgNOVPi0F1tcYRmVzh8b2lMcxzSK5qbN7G9ILQ5678';
CREATE USER 'odd ''`"name'@'::1', ''@localhost, 'имя'@'%';
--! error 1396
CREATE USER a@'%', h@'%';
ALTER USER a@'%' IDENTIFIED BY 'new' RETAIN CURRENT PASSWORD;
ALTER USER a@'%' DISCARD OLD PASSWORD;
ALTER USER b@localhost, c@'10.0.0.%' ACCOUNT UNLOCK PASSWORD EXPIRE;
ALTER USER c@'10.0.0.%' ATTRIBUTE '{"x": 1}';
ALTER USER b@localhost COMMENT 'b';
SET PASSWORD FOR a@'%' = 'newer';
ALTER USER IF EXISTS nobody@'%', a@'%' PASSWORD REQUIRE CURRENT;
RENAME USER g@'%' TO gg@'192.168.0.0/255.255.0.0', 'имя'@'%' TO 'имя2'@'%';
--! check
CREATE DATABASE d;
CREATE DATABASE `d_x`;
CREATE TABLE d.t (a INT PRIMARY KEY, b INT, c INT);
CREATE PROCEDURE d.p() SELECT 1;
CREATE FUNCTION d.f() RETURNS INT DETERMINISTIC RETURN 1;
GRANT SELECT, INSERT (a, b), UPDATE (c), REFERENCES ON d.t TO a@'%';
GRANT ALL ON `d\_x`.* TO a@'%', b@localhost WITH GRANT OPTION;
GRANT EXECUTE ON PROCEDURE d.p TO a@'%';
GRANT EXECUTE, ALTER ROUTINE ON FUNCTION d.f TO a@'%';
GRANT PROCESS, RELOAD, CREATE USER ON *.* TO b@localhost;
GRANT SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN ON *.* TO b@localhost WITH GRANT OPTION;
REVOKE INSERT (b) ON d.t FROM a@'%';
REVOKE IF EXISTS DROP ON d.t FROM a@'%', nobody@'%' IGNORE UNKNOWN USER;
CREATE ROLE r1, r2@localhost, 'r 3'@'%';
GRANT SELECT ON d.* TO r1;
GRANT r1, r2@localhost TO a@'%' WITH ADMIN OPTION;
GRANT r1 TO 'r 3'@'%';
SET DEFAULT ROLE r1 TO a@'%';
ALTER USER a@'%' DEFAULT ROLE ALL;
CREATE USER h@localhost IDENTIFIED BY 'h' DEFAULT ROLE r1, 'r 3'@'%';
-- Who is meant by CURRENT_USER is not who replays the statement.
GRANT SELECT, EXECUTE, CREATE USER ON *.* TO h@localhost WITH GRANT OPTION;
GRANT ROLE_ADMIN ON *.* TO h@localhost;
--! connection h h h
ALTER USER CURRENT_USER() IDENTIFIED BY 'h2';
ALTER USER USER() IDENTIFIED BY 'h4';
SET PASSWORD = 'h3';
GRANT SELECT ON d.t TO CURRENT_USER;
GRANT r2@localhost TO CURRENT_USER();
ALTER USER CURRENT_USER() DEFAULT ROLE r1;
ALTER USER CURRENT_USER COMMENT 'me';
--! gives 1
SELECT COUNT(*) FROM mysql.role_edges WHERE to_user = 'h' AND from_user = 'r2';
GRANT EXECUTE ON PROCEDURE d.p TO CURRENT_USER(), a@'%';
--! check
REVOKE SELECT ON d.t FROM CURRENT_USER();
RENAME USER CURRENT_USER() TO hh@localhost;
--! end h
--! connection main
REVOKE r1 FROM a@'%';
DROP ROLE r2@localhost;
REVOKE ALL PRIVILEGES, GRANT OPTION FROM b@localhost, a@'%';
GRANT SELECT ON nodb.* TO a@'%';
DROP DATABASE d;
DROP DATABASE `d_x`;
--! check
-- Partial revokes restrict what a global privilege gives.
SET GLOBAL partial_revokes = ON;
--! followers SET GLOBAL partial_revokes = ON
GRANT SELECT, INSERT ON *.* TO a@'%';
REVOKE INSERT ON mysql.* FROM a@'%';
--! check
REVOKE INSERT ON *.* FROM a@'%';
--! check
SET GLOBAL partial_revokes = OFF;
--! followers SET GLOBAL partial_revokes = OFF
--! check
DROP USER a@'%', b@localhost, c@'10.0.0.%', d@localhost, e@localhost, f@localhost, gg@'192.168.0.0/255.255.0.0', 'odd ''`"name'@'::1', ''@localhost, 'имя2'@'%';
DROP USER IF EXISTS hh@localhost, nobody@'%';
DROP ROLE r1, 'r 3'@'%';
FLUSH PRIVILEGES;
