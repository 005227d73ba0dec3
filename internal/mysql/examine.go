package mysql

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

const (
	// clockTolerance is the difference of clocks that lag in seconds doesn't
	// show.
	clockTolerance = time.Second
	// shortRetention is what a maintenance of this machine may take: a leader
	// that forgets sooner cuts the stream.
	shortRetention = 24 * time.Hour
	// manyConnectErrors is more than a port scanner or a monitor makes between two
	// logins that succeed.
	manyConnectErrors = 1000000
	// shownSet is how many bytes of a GTID set a message shows.
	shownSet = 200
)

// A verdict is a finding before it has an instance and a subject.
type verdict struct {
	level         Level
	message       string
	mend, command string
}

func fine(format string, args ...any) verdict {
	return verdict{level: OK, message: fmt.Sprintf(format, args...)}
}

// A rule judges one subject of one member that answers. A verdict without a
// level means that there is nothing to judge.
type rule struct {
	subject string
	judge   func(*Cluster, *Member) verdict
}

// rules are all rules, in the order of the findings. Those after the first need
// a MySQL that is new enough.
func rules() []rule {
	return []rule{
		{SubjectVersion, judgeVersion},
		{SubjectServerUUID, judgeServerUUID},
		{SubjectServerID, judgeServerID},
		{SubjectPrivileges, judgePrivileges},
		{SubjectGTIDMode, judgeGTIDMode},
		{SubjectBinlog, judgeBinlog},
		{SubjectFormat, judgeFormat},
		{SubjectRowImage, judgeRowImage},
		{SubjectChecksum, judgeChecksum},
		{SubjectRetention, judgeRetention},
		{SubjectChannels, judgeChannels},
		{SubjectReaders, judgeBinlogReaders},
		{SubjectErrant, judgeErrant},
		{SubjectSeed, judgeSeed},
		{SubjectReadOnly, judgeReadOnly},
		{SubjectPersisted, judgePersisted},
		{SubjectCommitSync, judgeCommitSync},
		{SubjectSemiSync, judgeSemiSync},
		{SubjectAcknowledgers, judgeAcknowledgers},
		{SubjectFunctions, judgeFunctions},
		{SubjectPacket, judgePacket},
		{SubjectHostBlocking, judgeHostBlocking},
		{SubjectLetterCase, judgeLetterCase},
		{SubjectClock, judgeClock},
		{SubjectPrimaryKeys, judgePrimaryKeys},
		{SubjectEngines, judgeEngines},
		{SubjectEvents, judgeEvents},
	}
}

// Examine judges everything that must be true for baton to replicate in the
// cluster. The findings are sorted by instance, then in the order of the
// Subject constants, at most one of each.
func Examine(c Cluster) []Finding {
	var findings []Finding
	for i := range c.Members {
		findings = append(findings, examine(&c, &c.Members[i])...)
	}
	slices.SortStableFunc(findings, func(a, b Finding) int { return strings.Compare(a.Instance, b.Instance) })
	return findings
}

func examine(c *Cluster, m *Member) []Finding {
	var findings []Finding
	add := func(subject string, v verdict) {
		if v.level != "" {
			findings = append(findings, Finding{
				Instance: m.Name, Subject: subject, Level: v.level, Message: v.message, Mend: v.mend, SQL: v.command,
			})
		}
	}
	switch {
	case m.Fault != nil:
		add(SubjectConnection, verdict{level: Error, message: fmt.Sprintf("%s: %s", m.Address, m.Fault.Message), mend: m.Fault.Mend})
		return findings
	case m.Facts == nil:
		return nil
	}
	add(SubjectConnection, fine("%s answers", m.Address))
	for _, r := range rules() {
		v := r.judge(c, m)
		add(r.subject, v)
		if r.subject == SubjectVersion && v.level == Error {
			// Nothing that such a server says can be relied on.
			break
		}
	}
	return findings
}

// show writes a GTID set for a message: the number of its transactions and as
// much of it as fits a line.
func show(s gtid.Set) string {
	text := s.String()
	if len(text) > shownSet {
		text = text[:shownSet] + "…"
	}
	if n := s.Count(); n != 1 {
		return fmt.Sprintf("%d transactions (%s)", n, text)
	}
	return fmt.Sprintf("transaction %s", text)
}

func onOff(on bool) string {
	if on {
		return "ON"
	}
	return "OFF"
}

// span writes a duration of whole days as days.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}
