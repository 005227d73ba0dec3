package mysql

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzGreeting(f *testing.F) {
	greeting := append([]byte("\x0a8.4.0\x00\x01\x00\x00\x0012345678\x00"), 0xff, 0xff)
	require.True(f, offersTLSIn(greeting))
	f.Add(greeting)
	f.Add([]byte{10, 0})
	f.Add([]byte{0xff, 0x15, 0x04})
	f.Fuzz(func(t *testing.T, packet []byte) {
		if len(packet) > 0 {
			offersTLSIn(packet)
		}
	})
}

func FuzzGrants(f *testing.F) {
	f.Add("GRANT SELECT, BACKUP_ADMIN ON *.* TO `baton`@`%` WITH GRANT OPTION")
	f.Add("GRANT `r`@`%` TO `baton`@`%`")
	f.Add("REVOKE INSERT ON `mysql`.* FROM `baton`@`%`")
	f.Add("GRANT SELECT (`a`, `b`) ON `x`.`y` TO `baton`@`%`")
	f.Fuzz(func(t *testing.T, line string) {
		g := parseGrants([]string{line, line})
		require.Equal(t, g, parseGrants([]string{line}))
	})
}

func TestGrantsAreReadLineByLine(t *testing.T) {
	g := parseGrants([]string{
		"GRANT SELECT, CREATE VIEW ON *.* TO `a`@`%` WITH GRANT OPTION", "GRANT BACKUP_ADMIN ON *.* TO `a`@`%`",
		"GRANT INSERT ON `x`.* TO `a`@`%`", "REVOKE SELECT ON `h``r`.* FROM `a`@`%`",
	})
	require.Equal(t, Grants{Global: []string{"BACKUP_ADMIN", "CREATE VIEW", "SELECT"}, Ungrantable: []string{"BACKUP_ADMIN"}, Revoked: []string{"h`r"}}, g)
	require.False(t, g.Has("INSERT"))
	require.True(t, Grants{Global: []string{"ALL PRIVILEGES"}}.Has("INSERT"))
	require.False(t, Grants{Global: []string{"ALL PRIVILEGES"}, Ungrantable: []string{"ALL PRIVILEGES"}}.Has(grantOption))
	require.False(t, Grants{}.Has(grantOption))
}
