-- What a leader took with innodb_strict_mode=OFF, which no event carries, a follower takes.
CREATE DATABASE d;
USE d;
SET innodb_strict_mode = OFF;
CREATE TABLE lax (a INT PRIMARY KEY) ROW_FORMAT = DYNAMIC KEY_BLOCK_SIZE = 3;
INSERT INTO lax VALUES (1);
--! native stops 1031
--! check
DROP DATABASE d;
