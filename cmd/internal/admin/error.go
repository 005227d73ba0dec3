package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/batondb/baton/failover"
)

// Code says what kind of an error it is.
type Code string

// The codes of errors, and how each reads over HTTP.
const (
	BadRequest   Code = "bad-request"  // 400: the request makes no sense
	Unauthorized Code = "unauthorized" // 401: who asks is not known
	Forbidden    Code = "forbidden"    // 403: whoever asks may not do this
	NotFound     Code = "not-found"    // 404: there is no such thing
	Refused      Code = "refused"      // 409: not in this state, or not here
	Failed       Code = "failed"       // 500: it was tried
	TooMany      Code = "too-many"     // 503: the daemon has its hands full
	TimedOut     Code = "timed-out"    // 504: it took too long; it may still happen
	Stopping     Code = "stopping"     // 503: the daemon stops; it ends what is streamed
)

// Error is an error that is meant for an operator. It is the body of every
// answer that is no success.
type Error struct {
	Message string `json:"error"` // what happened, to whom
	Mend    string `json:"mend"`  // what to do next
	Code    Code   `json:"code"`
}

// Error returns the message, without the mend.
func (e *Error) Error() string { return e.Message }

// status returns the code of HTTP.
func (e *Error) status() int {
	switch e.Code {
	case BadRequest:
		return http.StatusBadRequest
	case Unauthorized:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case Refused:
		return http.StatusConflict
	case TooMany, Stopping:
		return http.StatusServiceUnavailable
	case TimedOut:
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}

// asError finds the *Error in err, or makes one of it.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if refused, ok := errors.AsType[*failover.Refused](err); ok {
		return &Error{Code: Refused, Message: refused.Reason, Mend: refused.Mend}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{
			Code: TimedOut, Message: fmt.Sprintf("not done in time: %v", err),
			Mend: "it may still happen: look at `baton status` and `baton events`",
		}
	}
	return &Error{Code: Failed, Message: err.Error(), Mend: "look at `baton status` and `baton events`"}
}

// NoDaemonError says that no daemon answered on a socket.
type NoDaemonError struct {
	Socket string
	Err    error
}

// Error names the socket and why it didn't answer.
func (e *NoDaemonError) Error() string {
	return fmt.Sprintf("no daemon answers on %s: %v", e.Socket, e.Err)
}

// Unwrap returns why.
func (e *NoDaemonError) Unwrap() error { return e.Err }
