package config

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Error is one mistake in the file: where it is and what would be right.
type Error struct {
	File string
	Line int    // from 1; 0: the file as a whole
	Key  string // as shared_ip[0].address; empty if no key is concerned
	Text string // one line: what is wrong and what would be right

	cause error // why the file could not be read
}

// Error renders "baton.toml:3: listen: ...".
func (e *Error) Error() string {
	var where strings.Builder
	where.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&where, ":%d", e.Line)
	}
	if e.Key != "" {
		where.WriteString(": " + e.Key)
	}
	return oneLine(where.String() + ": " + e.Text)
}

// Unwrap returns why the file could not be read, or nil.
func (e *Error) Unwrap() error { return e.cause }

func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

func unreadable(path string, err error) error {
	reason := err
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		reason = pathErr.Err
	}
	return &Error{File: path, Text: "cannot be read: " + reason.Error(), cause: err}
}

// syntaxError turns what the TOML library found into our sentences.
func syntaxError(file string, err error) error {
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		var all []error
		for _, missing := range strict.Errors {
			line, _ := missing.Position()
			all = append(all, &Error{File: file, Line: line, Key: strings.Join(missing.Key(), "."), Text: unknownKey(missing.Key())})
		}
		return errors.Join(all...)
	}
	decode, ok := errors.AsType[*toml.DecodeError](err)
	if !ok {
		return &Error{File: file, Text: err.Error(), cause: err}
	}
	line, _ := decode.Position()
	key := strings.Join(decode.Key(), ".")
	if want, known := schema()[key]; known {
		return &Error{File: file, Line: line, Key: key, Text: "write " + want}
	}
	return &Error{File: file, Line: line, Key: key, Text: "not valid TOML: " + strings.TrimPrefix(decode.Error(), "toml: ")}
}
