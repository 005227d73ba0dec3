package rewind_test

import (
	"testing"

	"github.com/batondb/baton/failover/rewind"
	"github.com/stretchr/testify/require"
)

var everything = []string{
	"CREATE DATABASE d",
	`CREATE TABLE d.types (id INT PRIMARY KEY, i TINYINT UNSIGNED, s SMALLINT, m MEDIUMINT UNSIGNED, b BIGINT UNSIGNED, f FLOAT, g DOUBLE,
		n DECIMAL(30,10), c CHAR(20), w CHAR(255) CHARACTER SET utf8mb4, v VARCHAR(50), x VARCHAR(700) CHARACTER SET latin1, bi BINARY(5), vb VARBINARY(300),
		tt TINYTEXT, t TEXT, l LONGBLOB, j JSON, ge GEOMETRY, po POINT SRID 4326, da DATE, ti TIME(6), dt DATETIME(3), ts TIMESTAMP(6) NULL, y YEAR,
		e ENUM('a','b''c','ü'), st SET('x','y','z'), bt BIT(17), gv INT AS (id*2) VIRTUAL, gs VARCHAR(60) AS (CONCAT(v,'!')) STORED,
		inv INT INVISIBLE DEFAULT 3, vec VECTOR(3), UNIQUE KEY fu ((id+s)))`,
	"CREATE TABLE d.nokey (a INT, b VARCHAR(20), l BLOB)",
	"CREATE TABLE d.uniq (a INT NOT NULL, b INT, UNIQUE(a))",
	"CREATE TABLE d.text_key (k VARCHAR(20) COLLATE utf8mb4_0900_ai_ci PRIMARY KEY, n INT)",
	"CREATE TABLE d.parent (id INT PRIMARY KEY, v INT)",
	"CREATE TABLE d.child (id INT PRIMARY KEY AUTO_INCREMENT, p INT, FOREIGN KEY (p) REFERENCES d.parent(id) ON DELETE CASCADE ON UPDATE CASCADE)",
	"CREATE TABLE d.orphan (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES d.parent(id) ON DELETE SET NULL)",
	"CREATE TABLE d.parts (id INT PRIMARY KEY, v INT) PARTITION BY HASH(id) PARTITIONS 4",
	"CREATE TABLE d.log (n INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(40))",
	"CREATE TRIGGER d.tr AFTER UPDATE ON d.parent FOR EACH ROW INSERT INTO d.log (what) VALUES (CONCAT(OLD.v, '>', NEW.v))",
	`INSERT INTO d.types (id,i,s,m,b,f,g,n,c,w,v,x,bi,vb,tt,t,l,j,ge,po,da,ti,dt,ts,y,e,st,bt,inv,vec) VALUES
		(1,255,-3,16777215,18446744073709551615,0.1,-1e300,-12345678901234567890.0123456789,'cc','wörld','v','lätin','b','vb','tiny','text',REPEAT('L',70000),
		'{"a": [1, 2.5, "x"], "d": null}',ST_GeomFromText('LINESTRING(0 0,1 1)'),ST_GeomFromText('POINT(1 2)',4326),'2024-02-29','-12:34:56.123456','2000-01-01 01:02:03.004',
		'2020-10-25 00:30:00.000001',0,'b''c','x,z',b'10000000000000001',7,STRING_TO_VECTOR('[1,2,3]')),
		(2,0,0,0,0,-0.0,0,0,'','','','',x'00',x'00','','','','null',NULL,NULL,'0001-01-01','838:59:59','1000-01-01','1970-01-01 00:00:01',2155,1,'',0,NULL,NULL)`,
	"INSERT INTO d.types (id) VALUES (3),(4)",
	"INSERT INTO d.nokey VALUES (1,'x','l'),(1,'x','l'),(1,'x','l'),(NULL,NULL,NULL),(NULL,NULL,NULL)",
	"INSERT INTO d.uniq VALUES (1,1),(2,2)",
	"INSERT INTO d.text_key VALUES ('a',1),('b',2)",
	"INSERT INTO d.parent VALUES (1,1),(2,2),(3,3),(4,4)",
	"INSERT INTO d.child (p) VALUES (1),(1),(2),(4)",
	"INSERT INTO d.orphan VALUES (1,1),(2,3)",
	"INSERT INTO d.parts VALUES " + "(1,1),(2,2),(3,3),(4,4),(5,5)",
}

func TestErrantTransactionsOfEveryKindAreUndone(t *testing.T) {
	p := newPair(t, everything...)
	p.err(
		"UPDATE d.types SET i=1, s=4, m=5, b=6, f=1.5, g=2, n=3, c='CC', w='x', v='V', x='LÄTIN', bi='z', vb='', tt='T', t='u', l='short', "+
			"j=JSON_SET(j,'$.a[0]',99), ge=ST_GeomFromText('POINT(5 5)'), po=NULL, da='2000-01-01', ti=0, dt=NOW(3), ts=NULL, y=1999, e='ü', st='y', bt=1, inv=8, "+
			"vec=STRING_TO_VECTOR('[4,5,6]') WHERE id=1",
		"DELETE FROM d.types WHERE id IN (1,2,3)",
		"INSERT INTO d.types (id,v,l,j) VALUES (1,'again',REPEAT('x',300000),'[]'),(9,'nine',NULL,'{}')",
		"DELETE FROM d.nokey WHERE a=1 LIMIT 2",
		"DELETE FROM d.nokey WHERE a IS NULL LIMIT 1",
		"INSERT INTO d.nokey VALUES (2,'y',NULL),(2,'y',NULL),(1,'x','l')",
		"UPDATE d.nokey SET b='z' WHERE a=2 LIMIT 1",
		"UPDATE d.uniq SET a=a+1 ORDER BY a DESC",
		"UPDATE d.text_key SET k='A', n=n+1 WHERE k='a'",
		"INSERT INTO d.text_key VALUES ('c',1),('C',2),('c',3) ON DUPLICATE KEY UPDATE n=n+10",
		"REPLACE INTO d.text_key VALUES ('b',7),('B',8),('b',9)",
		"DELETE FROM d.parent WHERE id=1",
		"UPDATE d.parent SET id=20, v=5 WHERE id=2",
		"DELETE FROM d.parent WHERE id=3",
		"UPDATE d.parent SET v=v+1",
		"UPDATE d.parts SET id=id+10, v=0 WHERE id IN (1,2,3)",
		"DELETE FROM d.parts WHERE id=4",
		"SET SESSION binlog_transaction_compression=ON; BEGIN; UPDATE d.parent SET v=100; INSERT INTO d.parts VALUES "+values(2000, "(1000+?,?)")+
			"; DELETE FROM d.child; COMMIT; SET SESSION binlog_transaction_compression=OFF",
		"BEGIN; SAVEPOINT a; UPDATE d.types SET v='multi' WHERE id=4; UPDATE d.uniq SET b=9; UPDATE d.types SET v=NULL WHERE id=4; COMMIT",
		"UPDATE d.parts SET v=v+1 WHERE id >= 1000",
		"FLUSH TABLES", "ANALYZE TABLE d.parts",
		"SET GTID_NEXT='"+p.old.UUID(t)+":5000'; BEGIN; COMMIT; SET GTID_NEXT=AUTOMATIC",
	)
	if p.old.Value(t, "SELECT VERSION() >= '8.3'") == "1" {
		p.err("SET GTID_NEXT='AUTOMATIC:tagged'; INSERT INTO d.log (what) VALUES ('tagged'); SET GTID_NEXT=AUTOMATIC")
	}
	p.fence()
	e := p.read()
	require.Empty(t, e.Plan().Refusals)
	require.EqualValues(t, p.errant().Count(), e.Plan().Transactions)
	var steps []string
	require.NoError(t, e.Rewind(t.Context(), say(&steps)))
	require.Len(t, steps, 7)
	p.requireRewound()

	done, err := rewind.Finish(t.Context(), p.deps(), nil)
	require.NoError(t, err)
	require.False(t, done, "nothing is left to finish")
}
