package session

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStatementsNameTheirInvoker(t *testing.T) {
	const utf8mb4, latin1 = 255, 8
	who := &account{[]byte("o`p"), []byte("10.%")}
	for _, c := range []struct {
		mode            uint64
		statement, want string
	}{
		{0, "ALTER EVENT e DISABLE", "ALTER DEFINER=`o``p`@`10.%` EVENT e DISABLE"},
		{0, "/* c */ alter /*!50000 event */ e DO SET @a = CURRENT_USER()", "/* c */ alter DEFINER=`o``p`@`10.%` /*!50000 event */ e DO SET @a = CURRENT_USER()"},
		{0, "ALTER DEFINER = CURRENT_USER() EVENT e DO SELECT CURRENT_USER", "ALTER DEFINER = `o``p`@`10.%` EVENT e DO SELECT CURRENT_USER"},
		{0, "ALTER DEFINER = `a`@`b` EVENT e DO SELECT CURRENT_USER", ""},
		{0, "CREATE DEFINER=`a`@`b` VIEW v AS SELECT CURRENT_USER()", ""},
		{0, "CREATE DEFINER=`a`@`b` PROCEDURE p() GRANT r TO CURRENT_USER", ""},
		{0, "GRANT SELECT ON t.* TO Current_User, x@y, current_user /* () */ ( )", "GRANT SELECT ON t.* TO `o``p`@`10.%`, x@y, `o``p`@`10.%`"},
		{0, `GRANT r TO 'it''s CURRENT_USER', "CURRENT_USER", 'a\'CURRENT_USER' -- CURRENT_USER`, ""},
		{modeNoBackslashEscapes, `GRANT r TO 'a\', CURRENT_USER`, "GRANT r TO 'a\\', `o``p`@`10.%`"},
		{modeANSIQuotes, `GRANT r TO "a\", CURRENT_USER`, "GRANT r TO \"a\\\", `o``p`@`10.%`"},
		{0, "SET DEFAULT ROLE ALL TO CURRENT_USER # CURRENT_USER", "SET DEFAULT ROLE ALL TO `o``p`@`10.%` # CURRENT_USER"},
		{0, "RENAME USER CURRENT_USER() TO a@b", "RENAME USER `o``p`@`10.%` TO a@b"},
		{0, "DROP USER CURRENT_USER", "DROP USER `o``p`@`10.%`"},
		{0, "DROP TABLE `CURRENT_USER`", ""},
		{0, "REVOKE ALL ON d.`CURRENT_USER` FROM x", ""},
		{0, "/* open", ""},
		{0, "GRANT r TO 'open", ""},
		{0, "", ""},
	} {
		if c.want == "" {
			c.want = c.statement
		}
		got, err := asInvoker([]byte(c.statement), statusVars{invoker: who, sqlMode: c.mode, charsets: []uint16{latin1}})
		require.NoError(t, err, c.statement)
		require.Equal(t, c.want, string(got))
	}
	unchanged, err := asInvoker([]byte("ALTER EVENT e DISABLE"), statusVars{})
	require.NoError(t, err)
	require.Equal(t, "ALTER EVENT e DISABLE", string(unchanged), "nobody is named")

	foreign := &account{[]byte("имя"), []byte("%")}
	named, err := asInvoker([]byte("ALTER EVENT e DISABLE"), statusVars{invoker: foreign, charsets: []uint16{utf8mb4}})
	require.NoError(t, err)
	require.Equal(t, "ALTER DEFINER=`имя`@`%` EVENT e DISABLE", string(named))
	_, err = asInvoker([]byte("ALTER EVENT e DISABLE"), statusVars{invoker: foreign, charsets: []uint16{latin1}})
	require.ErrorIs(t, err, errUnsupported, "the name would become another in latin1")
}

func FuzzScan(f *testing.F) {
	f.Add([]byte("GRANT /*! r */ TO 'a\\'', CURRENT_USER() -- x"), uint64(modeANSIQuotes))
	f.Fuzz(func(t *testing.T, statement []byte, mode uint64) {
		at := 0
		for _, token := range scan(statement, mode) {
			require.True(t, at <= token.begin && token.begin < token.end && token.end <= len(statement))
			at = token.end
		}
	})
}
