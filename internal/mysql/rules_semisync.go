package mysql

import (
	"fmt"
	"strings"
)

func judgeSemiSync(c *Cluster, m *Member) verdict {
	s := m.Facts.SemiSync
	switch {
	case !c.SemiSync:
		return verdict{}
	case !s.Source:
		return fine("the semi-sync source plugin is not loaded: baton loads it when the server leads")
	case m.Leader && !s.SourceEnabled:
		variable := "rpl_semi_sync_source_enabled"
		if s.OldNames {
			variable = "rpl_semi_sync_master_enabled"
		}
		return verdict{level: Warn, message: "semi-sync is off on the leader: commits don't wait for baton's acknowledgement",
			mend: "switch it on while baton is running", command: fmt.Sprintf("SET GLOBAL %s = ON", variable)}
	case m.Leader && c.SemiSyncSettings != nil:
		if drift := s.Drift(*c.SemiSyncSettings); len(drift) > 0 {
			return verdict{level: Warn, message: "semi-sync is not set as the config's durability wants it: " + strings.Join(drift, ", "),
				mend: "baton sets it again while it runs; see who changes it"}
		}
	case !m.Leader && s.SourceEnabled:
		return fine("semi-sync is on as if the server led: baton switches it off when it begins to apply")
	}
	return fine("the semi-sync source plugin is loaded")
}

// judgeAcknowledgers looks for replicas whose acknowledgement a commit doesn't
// need to wait for baton's after.
func judgeAcknowledgers(c *Cluster, m *Member) verdict {
	if !c.SemiSync || !m.Leader {
		return verdict{}
	}
	others := m.Facts.OtherAcknowledgers(c.BatonID)
	if len(others) == 0 {
		return verdict{}
	}
	var who []string
	for _, a := range others {
		who = append(who, fmt.Sprintf("%s at %s (server_uuid %s)", a.User, a.Host, a.UUID))
	}
	return verdict{level: Warn, message: "another replica acknowledges the leader's commits: " + strings.Join(who, ", ") + "; a commit that it acknowledges may not be in baton's relay",
		mend:    "switch its semi-sync off, on that replica",
		command: "SET GLOBAL rpl_semi_sync_replica_enabled = OFF; STOP REPLICA IO_THREAD; START REPLICA IO_THREAD"}
}
