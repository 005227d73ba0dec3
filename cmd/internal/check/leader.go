package check

import (
	"fmt"
	"strings"

	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/mysql"
)

// subjectLeader is the subject of the finding that nobody is known to lead.
const subjectLeader = "leader"

// leaderOf returns the index of the leader: whom the daemon knows, else whom
// the configuration names, else the only instance that can be written to. When
// it is none of these, the index is -1 and the finding, which is of no instance,
// says what is needed.
func leaderOf(cfg config.Config, daemon *admin.Status, members []mysql.Member) (int, *mysql.Finding) {
	named := cfg.Leader
	if daemon != nil && daemon.Leader != "" {
		named = string(daemon.Leader)
	}
	var writable []string
	last := -1
	for i, m := range members {
		if m.Name == named {
			return i, nil
		}
		if m.Facts != nil && !m.Facts.ReadOnly {
			writable = append(writable, m.Name)
			last = i
		}
	}
	finding := mysql.Finding{Subject: subjectLeader, Level: mysql.Error}
	switch len(writable) {
	case 1:
		return last, nil
	case 0:
		finding.Message = "no instance can be written to, so that none looks like the leader"
	default:
		finding.Message = fmt.Sprintf("%s can be written to, so that any of them may be the leader", strings.Join(writable, ", "))
	}
	finding.Mend = "name the leader in the configuration: leader: NAME"
	return -1, &finding
}
