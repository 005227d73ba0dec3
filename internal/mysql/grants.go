package mysql

import (
	"context"
	"database/sql"
	"slices"
	"strings"
)

// Grants are the privileges that our account has, those of its active roles
// included.
type Grants struct {
	Global      []string // ON *.*, upper case, sorted; ALL PRIVILEGES stays itself
	Ungrantable []string // those of them that it has without GRANT OPTION: each dynamic one has its own
	Revoked     []string // schemas in which some global privilege is revoked again (partial_revokes)
}

// Has tells whether the privilege is granted on everything; GRANT OPTION, whether
// all that is granted on everything may be granted on.
func (g Grants) Has(privilege string) bool {
	if privilege == grantOption {
		return len(g.Global) > 0 && len(g.Ungrantable) == 0
	}
	_, found := slices.BinarySearch(g.Global, privilege)
	return found || slices.Contains(g.Global, "ALL PRIVILEGES")
}

// readGrants reads SHOW GRANTS, which without FOR includes the active roles.
func readGrants(ctx context.Context, conn *sql.Conn, f *Facts) error {
	rows, err := conn.QueryContext(ctx, "SHOW GRANTS")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		lines = append(lines, line)
	}
	f.Grants = parseGrants(lines)
	return rows.Err()
}

func parseGrants(lines []string) Grants {
	var g Grants
	var grantable []string
	for _, line := range lines {
		if rest, ok := strings.CutPrefix(line, "REVOKE "); ok {
			if _, on, ok := strings.Cut(rest, " ON "); ok {
				schema, _, _ := strings.Cut(on, ".* FROM ")
				g.Revoked = append(g.Revoked, strings.ReplaceAll(strings.Trim(schema, "`"), "``", "`"))
			}
			continue
		}
		list, to, ok := strings.Cut(strings.TrimPrefix(line, "GRANT "), " ON *.* TO ")
		if !ok {
			continue
		}
		for p := range strings.SplitSeq(list, ",") {
			p = strings.ToUpper(strings.TrimSpace(p))
			g.Global = append(g.Global, p)
			if strings.HasSuffix(to, " WITH "+grantOption) {
				grantable = append(grantable, p)
			}
		}
	}
	slices.Sort(g.Global)
	g.Global = slices.Compact(g.Global)
	for _, p := range g.Global {
		if !slices.Contains(grantable, p) {
			g.Ungrantable = append(g.Ungrantable, p)
		}
	}
	slices.Sort(g.Revoked)
	g.Revoked = slices.Compact(g.Revoked)
	return g
}

// quoteAccount turns CURRENT_USER()'s user@host into `user`@`host`.
func quoteAccount(account string) string {
	at := strings.LastIndexByte(account, '@')
	if at < 0 {
		return account
	}
	return quoteName(account[:at]) + "@" + quoteName(account[at+1:])
}

// quoteName writes an identifier in backticks.
func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
