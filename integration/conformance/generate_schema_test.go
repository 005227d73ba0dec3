package conformance

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// kind is a type that a column may have.
type kind struct {
	name    string                  // as in CREATE TABLE
	value   func(*rand.Rand) string // a literal
	key     string                  // the length to index; "no" where it can't be
	derived func(col string) string // an expression for a generated column of type VARCHAR(60) over it; nil for none
}

// column of a table.
type column struct {
	name string
	kind kind
	null bool
}

// table is what the generator knows of a table when it makes statements; sessions may have changed it meanwhile, so that
// some statements fail.
type table struct {
	name    string
	columns []column
	parent  string // the table that the column "parent" refers to, "" for none
	key     bool   // it has id as its primary key
}

func oneOf(r *rand.Rand, values ...string) string { return values[r.IntN(len(values))] }

// kinds is all types, each with values at its ends and in the middle.
func kinds() []kind {
	number := func(values ...string) func(*rand.Rand) string {
		return func(r *rand.Rand) string {
			if r.IntN(2) == 0 {
				return oneOf(r, values...)
			}
			return fmt.Sprint(r.IntN(100))
		}
	}
	text := func(most int) func(*rand.Rand) string {
		return func(r *rand.Rand) string {
			switch r.IntN(4) {
			case 0:
				return oneOf(r, "''", "'a'", "'A'", "'ä'", "' '", `'\'\\'`, "'a '")
			case 1:
				return fmt.Sprintf("REPEAT('%c', %d)", 'a'+r.IntN(26), r.IntN(most+1))
			default:
				return fmt.Sprintf("'%x'", r.Uint32N(1000))
			}
		}
	}
	concat := func(col string) string { return "LEFT(CONCAT(" + col + ", 'x'), 50)" }
	all := []kind{
		{"TINYINT", number("-128", "127", "0"), "", concat}, {"SMALLINT UNSIGNED", number("65535", "0"), "", concat}, {"MEDIUMINT", number("-8388608", "8388607"), "", concat},
		{"INT", number("-2147483648", "2147483647"), "", concat}, {"BIGINT UNSIGNED", number("18446744073709551615", "0"), "", concat},
		{"FLOAT", number("0.1", "-3.4e38", "1e-38", "-0e0"), "", nil}, {"DOUBLE", number("0.1", "1.7e308", "4.9e-324"), "", nil},
		{"DECIMAL(30,10)", number("-99999999999999999999.9999999999", "0.0000000001"), "", concat}, {"DECIMAL(3,3)", number("0.999", "-0.001", "0.5"), "", concat},
		{"BIT(1)", number("0", "1"), "", nil}, {"BIT(37)", number("b'1'", "0x1FFFFFFFFF"), "", nil}, {"YEAR", func(r *rand.Rand) string { return oneOf(r, "0", "1901", "2155", "2024") }, "", concat},
		{"DATE", func(r *rand.Rand) string {
			return oneOf(r, "'1000-01-01'", "'9999-12-31'", "'2024-02-29'", "CURRENT_DATE")
		}, "", concat},
		{"TIME(6)", func(r *rand.Rand) string {
			return oneOf(r, "'-838:59:59'", "'-00:00:00.000001'", "'12:34:56.5'", "CURRENT_TIME(6)")
		}, "", concat},
		{"DATETIME(3)", func(r *rand.Rand) string { return oneOf(r, "'1000-01-01'", "'9999-12-31 23:59:59.999'", "NOW(3)") }, "", concat},
		{"TIMESTAMP(6)", func(r *rand.Rand) string {
			return oneOf(r, "'1971-01-01 00:00:01'", "'2038-01-18 03:14:07.999999'", "NOW(6)")
		}, "", nil},
		{"CHAR(20)", text(20), "", concat}, {"VARCHAR(300) CHARACTER SET latin1", text(300), "(20)", concat}, {"VARCHAR(40) COLLATE utf8mb4_bin", text(40), "", concat}, {"CHAR(10) CHARACTER SET utf32", text(10), "", nil},
		{"BINARY(7)", func(r *rand.Rand) string { return oneOf(r, "''", "x'00FF'", "'abc'") }, "", nil},
		{"VARBINARY(300)", func(r *rand.Rand) string { return fmt.Sprintf("REPEAT(x'%02x', %d)", r.IntN(256), r.IntN(300)) }, "(20)", nil},
		{"TINYBLOB", text(200), "(9)", nil}, {"TEXT", text(3000), "(20)", nil}, {"MEDIUMTEXT CHARACTER SET utf16", text(70000), "(9)", nil},
		{"LONGBLOB", func(r *rand.Rand) string { return fmt.Sprintf("REPEAT(RANDOM_BYTES(16), %d)", r.IntN(20000)) }, "(9)", nil},
		{"ENUM('a','b','ü')", func(r *rand.Rand) string { return oneOf(r, "'a'", "'ü'", "2") }, "", concat}, {"SET('x','y','z')", func(r *rand.Rand) string { return oneOf(r, "''", "'x,z'", "7") }, "", concat},
		{"JSON", document, "no", nil},
		{"GEOMETRY", func(r *rand.Rand) string {
			return oneOf(r, fmt.Sprintf("POINT(%d, 1.5)", r.IntN(9)), "ST_GeomFromText('LINESTRING(0 0,1 1,2 0)')", "ST_GeomFromText('POINT(1 2)', 4326)")
		}, "no", nil},
		{"VECTOR(4)", func(r *rand.Rand) string { return fmt.Sprintf("STRING_TO_VECTOR('[%d,0.1,-1e-9,3]')", r.IntN(9)) }, "no", nil},
	}
	return all
}

func document(r *rand.Rand) string {
	switch r.IntN(5) {
	case 0:
		return oneOf(r, "'null'", "'[]'", "'{}'", "'1.0'", `'"text"'`)
	case 1:
		return fmt.Sprintf("JSON_OBJECT('a', %d, 'd', NOW(6), 'l', REPEAT('l', %d))", r.IntN(9), r.IntN(70000))
	default:
		return fmt.Sprintf(`'{"a": [%d, 2.5, {"b": "c"}], "k": "v%d"}'`, r.IntN(9), r.IntN(9))
	}
}

// makeTable makes a table up and the statement that creates it. Earlier tables may become its parent.
func makeTable(r *rand.Rand, name string, earlier []*table) (*table, string) {
	t := &table{name: name, key: r.IntN(4) > 0}
	var parts, keys []string
	if t.key {
		parts = append(parts, "id INT AUTO_INCREMENT")
		keys = append(keys, "PRIMARY KEY (id)")
	}
	all := kinds()
	for i := range 2 + r.IntN(6) {
		k := all[r.IntN(len(all))]
		c := column{name: fmt.Sprint("c", i), kind: k, null: r.IntN(3) > 0}
		definition := c.name + " " + k.name
		switch {
		case c.null:
			definition += " NULL"
		default:
			definition += " NOT NULL"
		}
		if r.IntN(8) == 0 {
			definition += " INVISIBLE"
			if !c.null {
				definition += " DEFAULT (" + k.value(r) + ")"
			}
		}
		parts = append(parts, definition)
		if k.key != "no" {
			switch r.IntN(5) {
			case 0:
				keys = append(keys, fmt.Sprintf("KEY k%d (%s%s %s)", i, c.name, k.key, oneOf(r, "ASC", "DESC")))
			case 1:
				keys = append(keys, fmt.Sprintf("UNIQUE KEY u%d (%s%s)", i, c.name, k.key))
			}
		}
		if k.derived != nil && r.IntN(3) == 0 {
			parts = append(parts, fmt.Sprintf("g%d VARCHAR(60) AS (%s) %s", i, k.derived(c.name), oneOf(r, "VIRTUAL", "STORED", "VIRTUAL INVISIBLE")))
			if r.IntN(2) == 0 {
				keys = append(keys, fmt.Sprintf("KEY kg%d (g%d)", i, i))
			}
		}
		t.columns = append(t.columns, c)
	}
	partitions := ""
	if parent := pickParent(r, earlier); parent != nil {
		t.parent = parent.name
		parts = append(parts, "parent INT")
		keys = append(keys, fmt.Sprintf("FOREIGN KEY (parent) REFERENCES %s (id) ON DELETE %s ON UPDATE %s", parent.name,
			oneOf(r, "CASCADE", "SET NULL", "RESTRICT"), oneOf(r, "CASCADE", "SET NULL", "NO ACTION")))
	} else if t.key && !strings.Contains(strings.Join(keys, " "), "UNIQUE") && !hasGeometry(t) && r.IntN(4) == 0 {
		partitions = oneOf(r, " PARTITION BY HASH (id) PARTITIONS 3",
			" PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (100), PARTITION c VALUES LESS THAN MAXVALUE)")
		t.parent = "none" // nothing may refer to it
	}
	return t, fmt.Sprintf("CREATE TABLE %s (%s)%s", name, strings.Join(append(parts, keys...), ", "), partitions)
}

func pickParent(r *rand.Rand, earlier []*table) *table {
	if len(earlier) == 0 || r.IntN(2) == 0 {
		return nil
	}
	t := earlier[r.IntN(len(earlier))]
	if !t.key || t.parent == "none" {
		return nil
	}
	return t
}

func hasGeometry(t *table) bool {
	for _, c := range t.columns {
		if c.kind.name == "GEOMETRY" {
			return true
		}
	}
	return false
}

// makeTrigger makes a trigger up that changes another table.
func makeTrigger(r *rand.Rand, n int, on, other *table) string {
	what := ""
	switch r.IntN(3) {
	case 0:
		what = "INSERT IGNORE INTO " + insertInto(r, other, 1)
	case 1:
		what = "DELETE FROM " + other.name + " WHERE " + condition(r, other) + " LIMIT 1"
	default:
		what = "UPDATE IGNORE " + other.name + " SET " + assignment(r, other) + " WHERE " + condition(r, other) + " LIMIT 2"
	}
	return fmt.Sprintf("CREATE TRIGGER tr%d %s %s ON %s FOR EACH ROW %s", n, oneOf(r, "BEFORE", "AFTER"), oneOf(r, "INSERT", "UPDATE", "DELETE"), on.name, what)
}
