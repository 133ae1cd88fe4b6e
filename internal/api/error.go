package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"baton/internal/cause"
	"baton/internal/pair"
)

// Code says what kind of failure an Error is. It selects the HTTP status and,
// on the command line, the exit code.
type Code string

// The codes.
const (
	Failed       Code = "failed"       // it was tried and did not work
	Usage        Code = "usage"        // the question itself is wrong
	Refused      Code = "refused"      // not in this state
	Unreachable  Code = "unreachable"  // the peer, or the appliance asked, does not answer
	Unconfirmed  Code = "unconfirmed"  // it is done here, and the peer has not confirmed it in time
	Unauthorized Code = "unauthorized" // no valid token
	Forbidden    Code = "forbidden"    // the token's role may not do this
	NotFound     Code = "not_found"    // nothing has that name
	Conflict     Code = "conflict"     // somebody else changed it in the meantime
	TooMany      Code = "too_many"     // too many tries in a short time
)

// Error is a failure that a person reads: one sentence that ends with the next
// step.
type Error struct {
	Code   Code
	Text   string
	Fields []pair.FieldError // refused fields, if the question had several
	// Err is the cause, for the log; it never reaches the client.
	Err error
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error. A %w in the format keeps its operand as the cause; the
// sentence has it in words of a person.
func Errorf(code Code, format string, args ...any) *Error {
	plain := slices.Clone(args)
	for i, arg := range args {
		if err, is := arg.(error); is && err != nil {
			plain[i] = told{err}
		}
	}
	err := fmt.Errorf(format, plain...)
	made := &Error{Code: code, Text: err.Error()}
	if operand, is := errors.Unwrap(err).(told); is { //nolint:errorlint // it is the operand itself
		made.Err = operand.error
	}
	return made
}

// told is an error as a person is told of it.
type told struct{ error }

// Error returns the sentence.
func (t told) Error() string {
	if text := t.error.Error(); !cause.Rough(text) {
		return text // also of several lines
	}
	return cause.Of(t.error)
}

// NotYet says that a later version will do what was asked.
func NotYet(what string) *Error {
	return Errorf(Refused, "%s is not available yet in this version", what)
}

// CodeOf returns the code of the Error in err's chain, else Failed.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Failed
}

// httpStatus returns the status under which a code travels.
func (c Code) httpStatus() int {
	switch c {
	case Usage:
		return http.StatusUnprocessableEntity
	case Refused:
		return http.StatusConflict
	case Unreachable:
		return http.StatusBadGateway
	case Unauthorized:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case Conflict:
		return http.StatusPreconditionFailed
	case TooMany:
		return http.StatusTooManyRequests
	case Unconfirmed:
		return http.StatusGatewayTimeout
	case Failed:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// codeOfStatus is the way back, for answers that carry no code.
func codeOfStatus(status int) Code {
	switch status {
	case http.StatusConflict:
		return Refused
	case http.StatusTooManyRequests:
		return TooMany
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return Unreachable
	case http.StatusUnauthorized:
		return Unauthorized
	case http.StatusForbidden:
		return Forbidden
	case http.StatusNotFound:
		return NotFound
	case http.StatusPreconditionFailed:
		return Conflict
	}
	if status >= 400 && status < 500 {
		return Usage
	}
	return Failed
}
