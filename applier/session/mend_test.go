package session

import (
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/stretchr/testify/require"
)

// What is refused for want of a privilege, a grant mends, and `baton check` knows which.
func TestWhatIsNotGrantedIsMendedByAGrant(t *testing.T) {
	for _, code := range []uint16{mysql.ER_TABLEACCESS_DENIED_ERROR, mysql.ER_COLUMNACCESS_DENIED_ERROR, mysql.ER_DBACCESS_DENIED_ERROR,
		mysql.ER_PROCACCESS_DENIED_ERROR, mysql.ER_ACCESS_DENIED_ERROR, errAccountLacksRights} {
		kind, mend := classifyCode(code)
		require.Equal(t, Refused, kind, code)
		require.Contains(t, mend, "`baton check`", code)
	}
}
