package mysql

import (
	"cmp"
	"fmt"
	"strings"
)

// A Flavour is the kind of server.
type Flavour string

// What a server that speaks MySQL's protocol may be. Builds of MySQL such as
// Percona Server are MySQL.
const (
	MySQL   Flavour = "MySQL"
	MariaDB Flavour = "MariaDB"
	TiDB    Flavour = "TiDB"
)

// A Version is what a server says it is.
type Version struct {
	Flavour             Flavour
	Major, Minor, Patch int
	Text                string // what VERSION() returns
}

// ParseVersion reads the results of VERSION() and @@version_comment. Parts that
// are missing or no numbers are 0.
func ParseVersion(text, comment string) Version {
	v := Version{Flavour: MySQL, Text: text}
	switch both := text + " " + comment; {
	case strings.Contains(both, "MariaDB"):
		v.Flavour = MariaDB
		// What a MariaDB puts before its version to pass as a MySQL.
		text = strings.TrimPrefix(text, "5.5.5-")
	case strings.Contains(both, "TiDB"):
		v.Flavour = TiDB
	}
	_, _ = fmt.Sscanf(text, "%d.%d.%d", &v.Major, &v.Minor, &v.Patch)
	return v
}

// Compare orders versions of one flavour by their numbers.
func (v Version) Compare(o Version) int {
	return cmp.Or(v.compareSeries(o), cmp.Compare(v.Patch, o.Patch))
}

// compareSeries leaves the patch level out.
func (v Version) compareSeries(o Version) int {
	return cmp.Or(cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor))
}

// AtLeast tells whether v is major.minor.patch or newer.
func (v Version) AtLeast(major, minor, patch int) bool {
	return v.Compare(Version{Major: major, Minor: minor, Patch: patch}) >= 0
}

// String is the flavour and the server's own text.
func (v Version) String() string { return string(v.Flavour) + " " + v.Text }
