package pair

import (
	"errors"
	"fmt"
	"strings"
)

// Code says of what kind a Refusal is. It selects the HTTP status and, on the
// command line, the exit code.
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
	Stale        Code = "conflict"     // somebody else changed it in the meantime
	TooMany      Code = "too_many"     // too many tries in a short time
)

// Refusal is the error that a person reads: one sentence that ends with the next
// step.
type Refusal struct {
	Code   Code
	Text   string
	Fields []Field // refused fields, if values are refused
	Cause  error   // for the log and for errors.Is; nobody else reads it
}

// Field is one refused field, with what would be right.
type Field struct {
	Name string // setting key, as primary_timeout
	Text string // one sentence
}

// Error returns the sentence.
func (r *Refusal) Error() string { return r.Text }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// Refuse makes a Refusal. A %w in the format keeps its operand as the cause: an
// error whose text a person can read.
func Refuse(code Code, format string, args ...any) *Refusal {
	err := fmt.Errorf(format, args...)
	return &Refusal{Code: code, Text: err.Error(), Cause: errors.Unwrap(err)}
}

// At says that the value of a field is in the way.
func (r *Refusal) At(field string) *Refusal {
	r.Fields = append(r.Fields, Field{Name: field, Text: r.Text})
	return r
}

// RefuseField refuses one field with the code Usage.
func RefuseField(name, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	return &Refusal{Code: Usage, Text: name + ": " + text, Fields: []Field{{Name: name, Text: text}}}
}

// RefusalOf returns the Refusal in err's chain; several that were joined become
// one with the fields of all. It is nil if there is none.
func RefusalOf(err error) *Refusal {
	all := refusals(err)
	if len(all) < 2 {
		return append(all, nil)[0]
	}
	one := &Refusal{Code: all[0].Code, Cause: err}
	texts := make([]string, len(all))
	for i, r := range all {
		if one.Code == Usage {
			one.Code = r.Code
		}
		texts[i] = r.Text
		one.Fields = append(one.Fields, r.Fields...)
	}
	one.Text = strings.Join(texts, "; ")
	return one
}

// FieldsOf returns the refused fields of an error; nil if it is not about fields.
func FieldsOf(err error) []Field {
	if r := RefusalOf(err); r != nil {
		return r.Fields
	}
	return nil
}

func refusals(err error) (all []*Refusal) {
	switch err := err.(type) { //nolint:errorlint // walks the tree itself
	case nil:
	case *Refusal:
		return []*Refusal{err}
	case interface{ Unwrap() error }:
		return refusals(err.Unwrap())
	case interface{ Unwrap() []error }:
		for _, one := range err.Unwrap() {
			all = append(all, refusals(one)...)
		}
	}
	return all
}

// CodeOf returns the code of the Refusal in err's chain, else Failed.
func CodeOf(err error) Code {
	if r := RefusalOf(err); r != nil {
		return r.Code
	}
	return Failed
}
