package mysql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"syscall"

	protocol "github.com/go-mysql-org/go-mysql/mysql"
	driver "github.com/go-sql-driver/mysql"
)

// errNotMySQL is returned when what answers doesn't speak MySQL's protocol.
var errNotMySQL = errors.New("what answers there doesn't speak the MySQL protocol")

// A FaultKind says why a connection to an instance can't be had, or was lost.
type FaultKind string

// The kinds of faults.
const (
	Refused            FaultKind = "refused"              // the host answers, nothing listens at the port
	Unreachable        FaultKind = "unreachable"          // no way to the host, or nothing answers there
	HostUnknown        FaultKind = "host-unknown"         // the name has no address
	Silent             FaultKind = "silent"               // the server doesn't answer in time
	Lost               FaultKind = "lost"                 // the connection broke
	AccessDenied       FaultKind = "access-denied"        // wrong account or password
	PasswordExpired    FaultKind = "password-expired"     //
	TooManyConnections FaultKind = "too-many-connections" //
	HostBlocked        FaultKind = "host-blocked"         // the server refuses the machine baton runs on
	TLSFailed          FaultKind = "tls-failed"           //
	ShuttingDown       FaultKind = "shutting-down"        //
	PrivilegeMissing   FaultKind = "privilege-missing"    // logged in, but not allowed to ask or set this
	DiskFull           FaultKind = "disk-full"            // the server has no room to write
	DiskReadOnly       FaultKind = "disk-read-only"       // the server's file system refuses writes
	DiskFailing        FaultKind = "disk-failing"         // the server's disk gives errors
	WriteHangs         FaultKind = "write-hangs"          // writes don't come to an end, for another reason than an acknowledgement
	NotMySQL           FaultKind = "not-mysql"            // another protocol answers
	Canceled           FaultKind = "canceled"             // baton itself gave the attempt up
	Other              FaultKind = "other"                // a server's or client's error of another kind
)

// A Fault is a classified error of connecting to an instance or asking it.
type Fault struct {
	Kind    FaultKind
	Message string // what happened, one line without the instance's name
	Mend    string // what to do about it, one line; empty when there is nothing to do
	Code    uint16 // the server's error number, 0 when it sent none
	Err     error  // the error that was classified
}

// Error returns the message.
func (f *Fault) Error() string { return f.Message }

// Unwrap returns the error that was classified.
func (f *Fault) Unwrap() error { return f.Err }

// Down tells whether the fault says that the server itself, rather than an
// account or a setting, is not there for anybody.
func (f *Fault) Down() bool {
	switch f.Kind {
	case Refused, Unreachable, Silent, Lost, ShuttingDown:
		return true
	}
	return false
}

// Classify says what an error of either client library means. It returns nil
// for nil, and a Fault that is in err already as it stands.
func Classify(err error) *Fault {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	f := classify(err)
	f.Err = err
	return f
}

func classify(err error) *Fault {
	if code, text, ok := serverError(err); ok {
		return classifyCode(code, text)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &Fault{Kind: Canceled, Message: "the attempt was given up"}
	case errors.Is(err, errNotMySQL), errors.Is(err, driver.ErrOldProtocol), errors.Is(err, driver.ErrMalformPkt):
		return &Fault{Kind: NotMySQL, Message: errNotMySQL.Error(), Mend: "check the port of the instance's address: MySQL's X protocol (33060) does not serve"}
	}
	if f := classifyTLS(err); f != nil {
		return f
	}
	return classifyNetwork(err)
}

// serverError returns the number and text of an ERR packet.
func serverError(err error) (uint16, string, bool) {
	if e, ok := errors.AsType[*driver.MySQLError](err); ok {
		return e.Number, e.Message, true
	}
	if e, ok := errors.AsType[*protocol.MyError](err); ok {
		return e.Code, e.Message, true
	}
	return 0, "", false
}

// classifyCode goes by the numbers of the manual's "Server Error Message
// Reference".
func classifyCode(code uint16, text string) *Fault {
	f := &Fault{Kind: Other, Code: code, Message: fmt.Sprintf("the server answered error %d: %s", code, text)}
	set := func(kind FaultKind, mend string) *Fault {
		f.Kind, f.Mend = kind, mend
		return f
	}
	switch code {
	case 1045, 1698:
		return set(AccessDenied, "check mysql.user and its password in the config, and on the server that the account exists for the host baton connects from")
	case 1820, 1862:
		return set(PasswordExpired, "ALTER USER … IDENTIFIED BY … for baton's account, with PASSWORD EXPIRE NEVER")
	case 1040, 1203, 1226:
		return set(TooManyConnections, "raise max_connections (or the account's limit), or find what holds the connections: SHOW PROCESSLIST")
	case 1129:
		return set(HostBlocked, "TRUNCATE TABLE performance_schema.host_cache on the server, and raise max_connect_errors")
	case 1130:
		return set(HostBlocked, "create baton's account for the host it connects from: CREATE USER 'baton'@'<host>' …")
	case 1053, 1927, 3169, 4031:
		if code == 1053 {
			return set(ShuttingDown, "start the server again if it was not meant to stop")
		}
		return set(Lost, "")
	case 1044, 1142, 1227:
		return set(PrivilegeMissing, "grant what baton needs: `baton check` prints the statement")
	case 3159:
		return set(TLSFailed, "the server wants TLS (require_secure_transport): set tls.mode to required or stricter")
	case 1021, 1114, 3675:
		return set(DiskFull, mendDiskFull)
	case 1036:
		return set(DiskReadOnly, mendDisk)
	case 1026, 1030, 1598:
		switch osError(text) {
		case syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG:
			return set(DiskFull, mendDiskFull)
		case syscall.EROFS:
			return set(DiskReadOnly, mendDisk)
		}
		return set(DiskFailing, mendDisk)
	}
	return f
}

const (
	mendDiskFull = "make room on the server's disk; writes go on by themselves"
	mendDisk     = "look at the server's kernel log and its disk, and hand the leadership over"
)

// osErrorNumber is how the server's messages give the operating system's.
var osErrorNumber = regexp.MustCompile(`(?:errno:?|error:?) (\d+)`)

func osError(text string) syscall.Errno {
	if m := osErrorNumber.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1])
		return syscall.Errno(n)
	}
	return 0
}

func classifyTLS(err error) *Fault {
	mend := "check tls.mode, ca, cert and key of the config against the server's certificate (SHOW GLOBAL VARIABLES LIKE 'ssl_%')"
	var what string
	switch {
	case errors.Is(err, driver.ErrNoTLS):
		return &Fault{Kind: TLSFailed, Message: "the server offers no TLS and tls.mode requires it",
			Mend: "give the server a certificate (ssl_cert, ssl_key), or set tls.mode to preferred"}
	case isType[*x509.HostnameError](err), isType[x509.HostnameError](err):
		what = "the server's certificate is not for this host"
	case isType[x509.UnknownAuthorityError](err):
		what = "the server's certificate is not signed by the ca of the config"
	case isType[x509.CertificateInvalidError](err):
		what = "the server's certificate is not valid"
	case isType[*tls.CertificateVerificationError](err), isType[tls.RecordHeaderError](err), isType[tls.AlertError](err):
		what = "the TLS handshake failed"
	default:
		return nil
	}
	return &Fault{Kind: TLSFailed, Message: fmt.Sprintf("%s: %v", what, err), Mend: mend}
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func classifyNetwork(err error) *Fault {
	op, _ := errors.AsType[*net.OpError](err)
	dialing := op != nil && op.Op == "dial"
	timeout := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || op != nil && op.Timeout()
	dns, unknown := errors.AsType[*net.DNSError](err)
	switch {
	case unknown && dns.IsNotFound:
		return &Fault{Kind: HostUnknown, Message: fmt.Sprintf("the host %s is not known", dns.Name),
			Mend: "check the instance's address in the config, and the name service"}
	case unknown:
		return &Fault{Kind: Unreachable, Message: fmt.Sprintf("the name service doesn't answer for %s", dns.Name), Mend: "check the name service of this machine"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Fault{Kind: Refused, Message: "the host refuses the connection", Mend: "start mysqld there, or correct the port of the instance's address"}
	case dialing && timeout, errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN), errors.Is(err, syscall.EHOSTDOWN):
		return &Fault{Kind: Unreachable, Message: "nothing answers at the address", Mend: "check that the host is up, and the network and firewalls between"}
	case timeout:
		return &Fault{Kind: Silent, Message: "the server doesn't answer in time", Mend: "look at the server: its disk, memory and load, and whether the process is stopped"}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), errors.Is(err, driver.ErrInvalidConn), errors.Is(err, sqldriver.ErrBadConn), errors.Is(err, protocol.ErrBadConn):
		return &Fault{Kind: Lost, Message: "the connection broke", Mend: ""}
	}
	return &Fault{Kind: Other, Message: err.Error()}
}
