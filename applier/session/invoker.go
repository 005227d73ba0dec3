package session

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// An account is one that a status variable names.
type account struct{ user, host []byte }

// String is the account as statements name it.
func (a account) String() string {
	quote := func(name []byte) []byte { return bytes.ReplaceAll(name, []byte("`"), []byte("``")) }
	return fmt.Sprintf("`%s`@`%s`", quote(a.user), quote(a.host))
}

// asInvoker is a statement that depends on who runs it with that account in
// words: there is no setting of a session for it, as a replication thread has.
// The server itself writes the definers of views, routines, triggers and new
// events into the binlog. What is left are CURRENT_USER in account statements,
// and ALTER EVENT, which makes whoever runs it the event's definer.
func asInvoker(statement []byte, v statusVars) ([]byte, error) {
	if v.invoker == nil {
		return statement, nil
	}
	tokens := scan(statement, v.sqlMode)
	edits := currentUsers(invokedPart(tokens), v.invoker.String())
	if is(tokens, 0, "ALTER") && is(tokens, 1, "EVENT") {
		end := tokens[0].end
		edits = []edit{{end, end, " DEFINER=" + v.invoker.String()}}
	}
	if len(edits) == 0 {
		return statement, nil
	}
	whole := replace(statement, edits)
	if !ascii(whole) && v.charsets != nil && !isUTF8(v.charsets[0]) {
		return nil, fmt.Errorf("%w: it depends on the account %s that ran it, and its text isn't in UTF-8", errUnsupported, v.invoker)
	}
	return whole, nil
}

// invokedPart is the part of a statement in which CURRENT_USER is an account
// rather than a part of something that is kept.
func invokedPart(tokens []token) []token {
	switch {
	case is(tokens, 0, "GRANT"), is(tokens, 0, "REVOKE"), is(tokens, 0, "SET"),
		is(tokens, 1, "USER"), is(tokens, 1, "ROLE"):
		return tokens
	case is(tokens, 0, "ALTER") && is(tokens, 1, "DEFINER"):
		for i := range tokens {
			if is(tokens, i, "EVENT") {
				return tokens[:i]
			}
		}
	}
	return nil
}

// currentUsers replaces CURRENT_USER and CURRENT_USER().
func currentUsers(tokens []token, by string) []edit {
	var edits []edit
	for i, t := range tokens {
		if !is(tokens, i, "CURRENT_USER") {
			continue
		}
		end := t.end
		if is(tokens, i+1, "(") && is(tokens, i+2, ")") {
			end = tokens[i+2].end
		}
		edits = append(edits, edit{t.begin, end, by})
	}
	return edits
}

// An edit puts a text in the place of another.
type edit struct {
	begin, end int
	by         string
}

func replace(statement []byte, edits []edit) []byte {
	var b []byte
	from := 0
	for _, e := range edits {
		b = append(append(b, statement[from:e.begin]...), e.by...)
		from = e.end
	}
	return append(b, statement[from:]...)
}

func ascii(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r >= utf8.RuneSelf })
}

// isUTF8 tells whether a collation, by its number in information_schema.collations,
// is one of utf8mb3 or utf8mb4.
func isUTF8(collation uint16) bool {
	switch {
	case collation == 33, collation == 45, collation == 46, collation == 76, collation == 83:
		return true
	}
	return collation >= 192 && collation <= 247 || collation >= 255 && collation <= 323
}
