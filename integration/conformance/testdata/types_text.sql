-- Character sets and collations of columns, tables, schemas and sessions; names in other scripts.
CREATE DATABASE d CHARACTER SET latin1 COLLATE latin1_german2_ci;
USE d;
SET NAMES utf8mb4;
CREATE TABLE texts (
  id INT PRIMARY KEY AUTO_INCREMENT,
  dflt VARCHAR(20), c CHAR(10) CHARACTER SET utf8mb4, l1 VARCHAR(300) CHARACTER SET latin1, l2 VARCHAR(20) CHARACTER SET latin2, cp VARCHAR(20) CHARACTER SET cp1251,
  gbk VARCHAR(20) CHARACTER SET gbk, gb18 VARCHAR(20) CHARACTER SET gb18030, sj VARCHAR(20) CHARACTER SET sjis, uj VARCHAR(20) CHARACTER SET ujis, b5 VARCHAR(20) CHARACTER SET big5, ek VARCHAR(20) CHARACTER SET euckr,
  u16 VARCHAR(20) CHARACTER SET utf16, u16le VARCHAR(20) CHARACTER SET utf16le, u32 VARCHAR(20) CHARACTER SET utf32, ucs VARCHAR(20) CHARACTER SET ucs2, u3 VARCHAR(20) CHARACTER SET utf8mb3, asc_ VARCHAR(20) CHARACTER SET ascii,
  bin_ VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, cs VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_cs, de VARCHAR(20) COLLATE utf8mb4_de_pb_0900_ai_ci,
  tt TINYTEXT, tx TEXT CHARACTER SET utf16, mt MEDIUMTEXT, lt LONGTEXT CHARACTER SET utf8mb4
);
INSERT INTO texts VALUES (1, 'äöü', 'ä😀', 'éßÿ€', 'ąęů', 'Привет', '你好', '你好😀', 'こんにちは', 'こんにちは', '中文', '안녕', 'a😀', 'b😀', 'c😀', 'ü', '€', '~', 'A', 'a', 'Ä',
  REPEAT('ü', 100), REPEAT('😀', 50), 'ß', '\0\'"\\\n\r\Z');
INSERT INTO texts (l1, c) VALUES (REPEAT('ü', 300), ''), ('', '          '), ('  x  ', 'x  ');
INSERT INTO texts (bin_, cs, de) VALUES ('a', 'A', 'ä'), ('A', 'a', 'AE'), ('a ', 'a ', 'a ');
-- Comparisons under the column's collation find more or less than the row itself.
UPDATE texts SET lt = 'found' WHERE cs = 'a';
UPDATE texts SET tx = UPPER(dflt), l1 = CONCAT(l1, 'é') WHERE id = 1;
DELETE FROM texts WHERE bin_ = 'a ';
SET NAMES latin1;
-- Bytes of utf8mb4 that the server takes for latin1.
INSERT INTO texts (dflt, lt) VALUES ('ä', 'ü');
CREATE TABLE `ü` (`ö` INT DEFAULT 1 COMMENT 'ß') COMMENT 'ä';
SET NAMES utf8mb4;
INSERT INTO `Ã¼` VALUES (1);
CREATE TABLE `表;``'"` (`カラム` INT PRIMARY KEY, `имя` VARCHAR(10) CHARACTER SET utf8mb4 DEFAULT 'знач') COMMENT 'a;b''c"d\\e';
INSERT INTO `表;``'"` (`カラム`) VALUES (1), (2);
UPDATE `表;``'"` SET `имя` = 'x' WHERE `カラム` = 2;
CREATE DATABASE `база;``данных`;
USE `база;``данных`;
CREATE TABLE `т` (a INT);
INSERT INTO `т` VALUES (1), (1);
CREATE VIEW `вид` AS SELECT a AS `а` FROM `т`;
DROP DATABASE `база;``данных`;
USE d;
-- Literals and names in the client's own character set.
SET NAMES gbk;
CREATE TABLE g (a VARCHAR(10) CHARACTER SET gbk DEFAULT x'C4E3') COMMENT 'x';
SET NAMES cp1251;
ALTER TABLE g COMMENT 'ab';
SET NAMES sjis;
CREATE TABLE s (a VARCHAR(10) DEFAULT 'x\'y' COMMENT 'z');
SET NAMES binary;
CREATE TABLE b (a VARCHAR(10) DEFAULT 'x');
SET NAMES utf8mb4 COLLATE utf8mb4_turkish_ci;
CREATE TABLE tr AS SELECT 'i' AS a, CONCAT('I', 'x') AS b;
CREATE VIEW trv AS SELECT 'i' = 'I' AS same, CONCAT('a', 'b') AS c;
SET character_set_client = latin1, collation_connection = utf8mb4_bin, character_set_results = NULL;
CREATE TABLE mix AS SELECT 'ä' AS a;
CREATE VIEW mixv AS SELECT 'ä' AS a;
CREATE PROCEDURE mixp(a VARCHAR(10), b CHAR(5) CHARACTER SET utf16) SELECT 'ä', a, b;
SET NAMES utf8mb4;
-- A schema's collation, which statements in it inherit, and what a later change of it does.
ALTER DATABASE d COLLATE utf8mb4_0900_as_cs;
CREATE TABLE inherits (a CHAR(3), b TEXT);
SET collation_database = latin1_bin;
CREATE TABLE inherits2 (a CHAR(3));
CREATE PROCEDURE inherits3(a CHAR(3)) SELECT a;
SET collation_server = ucs2_bin;
CREATE DATABASE d2;
CREATE TABLE d2.t (a CHAR(3));
SET collation_server = DEFAULT, collation_database = DEFAULT;
SET default_collation_for_utf8mb4 = utf8mb4_general_ci;
CREATE TABLE general (a CHAR(3) CHARACTER SET utf8mb4, b VARCHAR(3)) CHARACTER SET utf8mb4;
CREATE DATABASE d3 CHARACTER SET utf8mb4;
CREATE PROCEDURE d3.p(a CHAR(3) CHARACTER SET utf8mb4) SELECT a;
SET default_collation_for_utf8mb4 = DEFAULT;
ALTER TABLE texts CONVERT TO CHARACTER SET utf8mb4;
ALTER TABLE general MODIFY a CHAR(3) CHARACTER SET latin1;
DROP DATABASE d3;
DROP DATABASE d2;
DROP DATABASE d;
