package rowimage

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Column is what the server says of a table's column in
// information_schema.COLUMNS.
type Column struct {
	Name     string
	DataType string // varchar, bigint …
	TypeText string // the whole type, such as bigint unsigned
	Charset  string // empty for what is no text
}

// A TableName is a table's schema and name.
type TableName struct{ Schema, Table string }

// String is schema.table.
func (n TableName) String() string { return n.Schema + "." + n.Table }

// Quoted is the name as SQL.
func (n TableName) Quoted() string { return QuoteName(n.Schema) + "." + QuoteName(n.Table) }

// QuoteName is an identifier as SQL.
func QuoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// Exact is how a value is turned into one that <=> compares exactly; empty where
// it does so by itself.
func (c Column) Exact() string {
	switch c.DataType {
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		return "CAST(%s AS BINARY)"
	case "enum", "set":
		return "CAST(%s AS UNSIGNED)"
	case "json":
		return "CAST(CAST(%s AS CHAR) AS BINARY)"
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
		"geomcollection", "geometrycollection", "vector":
		return "HEX(%s)"
	}
	return ""
}

// Literal is a value of the column, as go-mysql decodes it, as SQL.
func (c Column) Literal(v any) string {
	switch v := c.named(v).(type) {
	case nil:
		return "NULL"
	case string:
		if c.DataType == "json" {
			return "CAST(" + quoteText(v) + " AS JSON)"
		}
		if c.isText(v) {
			return quoteText(v)
		}
		return c.introducer() + "X'" + hex.EncodeToString([]byte(v)) + "'"
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 32)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}

// Equals is the condition that the column holds a value.
func (c Column) Equals(v any) string {
	name := QuoteName(c.Name)
	switch v := v.(type) {
	case []byte:
		if c.Exact() == "HEX(%s)" {
			return "HEX(" + name + ") = '" + strings.ToUpper(hex.EncodeToString(v)) + "'"
		}
	case float32:
		return name + " = CAST(" + c.Literal(v) + " AS FLOAT)"
	case nil:
		return name + " IS NULL"
	}
	return name + " <=> " + c.Literal(v)
}

// JSONValue is a value of the column for JSON: bytes that are no text are {"hex": "…"}, what
// the image leaves out {"absent": true},
// numbers beyond what a reader of JSON keeps exactly, and DECIMAL, are strings.
func (c Column) JSONValue(v any) any {
	switch v := c.named(v).(type) {
	case Absent:
		return map[string]bool{"absent": true}
	case string:
		if c.isText(v) {
			if c.DataType == "json" && json.Valid([]byte(v)) {
				return json.RawMessage(v)
			}
			return v
		}
		return map[string]string{"hex": hex.EncodeToString([]byte(v))}
	case int64:
		if v > 1<<53 || v < -1<<53 {
			return strconv.FormatInt(v, 10)
		}
		return v
	case uint64:
		if v > 1<<53 {
			return strconv.FormatUint(v, 10)
		}
		return v
	case float32:
		return json.Number(strconv.FormatFloat(float64(v), 'g', -1, 32))
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
		return v
	default:
		return v
	}
}

// named makes bytes a string, and the numbers of an ENUM or SET its names, where
// the column's type tells them.
func (c Column) named(v any) any {
	switch b := v.(type) {
	case []byte:
		return string(b)
	case string:
		return c.padded(b)
	}
	n, ok := v.(int64)
	if !ok {
		return v
	}
	switch c.DataType {
	case "enum":
		if names := c.members(); n >= 1 && int(n) <= len(names) {
			return names[n-1]
		}
	case "set":
		var in []string
		names := c.members()
		for i, name := range names {
			if n>>i&1 != 0 {
				in = append(in, name)
			}
		}
		if len(names) > 0 {
			return strings.Join(in, ",")
		}
	case "bigint", "bit":
		if n < 0 && (c.DataType == "bit" || strings.Contains(c.TypeText, "unsigned")) {
			return uint64(n)
		}
	}
	return v
}

// padded gives a BINARY value the zeros at its end back, which the binlog leaves
// out.
func (c Column) padded(v string) string {
	if c.DataType != "binary" {
		return v
	}
	size := 1
	// A type that can't be read leaves the size as it is.
	_, _ = fmt.Sscanf(c.TypeText, "binary(%d)", &size)
	return v + strings.Repeat("\x00", max(0, size-len(v)))
}

// members are the names in enum('a','b”c').
func (c Column) members() []string {
	_, list, ok := strings.Cut(c.TypeText, "('")
	if !ok {
		return nil
	}
	list = strings.TrimSuffix(list, "')")
	var all []string
	var name strings.Builder
	for i := 0; i < len(list); i++ {
		if list[i] != '\'' {
			name.WriteByte(list[i])
			continue
		}
		if i+1 < len(list) && list[i+1] == '\'' {
			name.WriteByte('\'')
			i++
			continue
		}
		// The end of a name: ','
		all = append(all, name.String())
		name.Reset()
		i += 2
	}
	return append(all, name.String())
}

// isText tells whether the bytes of a value can be shown as they are: numbers,
// times and the like, which go-mysql gives as text, and text in UTF-8.
func (c Column) isText(v string) bool {
	switch c.DataType {
	case "decimal", "date", "time", "datetime", "timestamp", "year", "json", "enum", "set":
		return true
	}
	if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
		return false
	}
	switch {
	case strings.HasPrefix(c.Charset, "utf8"), c.Charset == "ascii":
		return true
	case c.Charset == "":
		return false
	}
	// In other character sets ASCII is the same in all but those with wide units.
	return !strings.HasPrefix(c.Charset, "ucs2") && !strings.HasPrefix(c.Charset, "utf16") && !strings.HasPrefix(c.Charset, "utf32") &&
		strings.IndexFunc(v, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// introducer says in which character set the bytes behind it are.
func (c Column) introducer() string {
	if c.Charset == "" {
		return ""
	}
	return "_" + c.Charset + " "
}

// quoteText is a string literal that reads the same whatever sql_mode says of
// backslashes, and takes one line where it can.
func quoteText(v string) string {
	if strings.ContainsAny(v, "\\\n\r\x1a") {
		return "_utf8mb4 X'" + hex.EncodeToString([]byte(v)) + "' /* " + Comment(v) + " */"
	}
	return "'" + strings.ReplaceAll(v, "'", "''") + "'"
}

// Comment is text that can stand in a comment of one line.
func Comment(v string) string {
	const most = 60
	line := strings.Join(strings.Fields(v), " ")
	line = strings.NewReplacer("*/", "* /", "/*", "/ *", "\x1a", " ").Replace(line)
	if len(line) > most {
		return strings.ToValidUTF8(line[:most], "") + "…"
	}
	return line
}
