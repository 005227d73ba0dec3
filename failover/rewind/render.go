package rewind

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// literal is a value of the column, as go-mysql decodes it, as SQL.
func (c column) literal(v any) string {
	switch v := c.named(v).(type) {
	case nil:
		return "NULL"
	case string:
		if c.dataType == "json" {
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

// equals is the condition that the column holds a value.
func (c column) equals(v any) string {
	name := quoteName(c.name)
	switch v := v.(type) {
	case []byte:
		if c.exact() == "HEX(%s)" {
			return "HEX(" + name + ") = '" + strings.ToUpper(hex.EncodeToString(v)) + "'"
		}
	case float32:
		return name + " = CAST(" + c.literal(v) + " AS FLOAT)"
	case nil:
		return name + " IS NULL"
	}
	return name + " <=> " + c.literal(v)
}

// jsonValue is a value of the column for JSON: bytes that are no text are {"hex": "…"}, what
// the image leaves out {"absent": true},
// numbers beyond what a reader of JSON keeps exactly, and DECIMAL, are strings.
func (c column) jsonValue(v any) any {
	switch v := c.named(v).(type) {
	case absent:
		return map[string]bool{"absent": true}
	case string:
		if c.isText(v) {
			if c.dataType == "json" && json.Valid([]byte(v)) {
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
func (c column) named(v any) any {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	n, ok := v.(int64)
	if !ok {
		return v
	}
	switch c.dataType {
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
		if n < 0 && (c.dataType == "bit" || strings.Contains(c.typeText, "unsigned")) {
			return uint64(n)
		}
	}
	return v
}

// members are the names in enum('a','b”c').
func (c column) members() []string {
	_, list, ok := strings.Cut(c.typeText, "('")
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
func (c column) isText(v string) bool {
	switch c.dataType {
	case "decimal", "date", "time", "datetime", "timestamp", "year", "json", "enum", "set":
		return true
	}
	if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
		return false
	}
	switch {
	case strings.HasPrefix(c.charset, "utf8"), c.charset == "ascii":
		return true
	case c.charset == "":
		return false
	}
	// In other character sets ASCII is the same in all but those with wide units.
	return !strings.HasPrefix(c.charset, "ucs2") && !strings.HasPrefix(c.charset, "utf16") && !strings.HasPrefix(c.charset, "utf32") &&
		strings.IndexFunc(v, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// introducer says in which character set the bytes behind it are.
func (c column) introducer() string {
	if c.charset == "" {
		return ""
	}
	return "_" + c.charset + " "
}

// quoteText is a string literal that reads the same whatever sql_mode says of
// backslashes, and takes one line where it can.
func quoteText(v string) string {
	if strings.ContainsAny(v, "\\\n\r\x1a") {
		return "_utf8mb4 X'" + hex.EncodeToString([]byte(v)) + "' /* " + comment(v) + " */"
	}
	return "'" + strings.ReplaceAll(v, "'", "''") + "'"
}

// comment is text that can stand in a comment of one line.
func comment(v string) string {
	const most = 60
	line := strings.Join(strings.Fields(v), " ")
	line = strings.NewReplacer("*/", "* /", "/*", "/ *", "\x1a", " ").Replace(line)
	if len(line) > most {
		return strings.ToValidUTF8(line[:most], "") + "…"
	}
	return line
}
