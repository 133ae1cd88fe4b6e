// Package prompt asks the person at the terminal, or reads standard input: secrets without echo, and consent.
//
// Start reading at Person.
package prompt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"baton/internal/cause"
	"baton/internal/pair"
)

// Person is asked on Out, and answers on In.
type Person struct {
	In  io.Reader
	Out io.Writer
}

// IsTerminal reports whether a person sits behind a stream.
func IsTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// maxSecret is the longest password or key that is read, in bytes.
const maxSecret = 1024

// Secret asks a person without echo, or takes the first line of standard input.
func (p Person) Secret(ctx context.Context, what string) (string, error) {
	if terminal, ok := p.In.(*os.File); ok && IsTerminal(terminal) {
		return p.prompt(ctx, terminal, what)
	}
	text, err := readLine(p.In)
	if err != nil {
		return "", pair.Refuse(pair.Usage, "no usable %s on standard input: %w", what, cause.Plain(err))
	}
	return text, nil
}

// NewSecret is Secret, asked twice of a person.
func (p Person) NewSecret(ctx context.Context, what string) (string, error) {
	first, err := p.Secret(ctx, what)
	if err != nil || !IsTerminal(p.In) {
		return first, err
	}
	again, err := p.Secret(ctx, "the same again")
	if err != nil {
		return "", err
	}
	if again != first {
		return "", pair.Refuse(pair.Usage, "the two are not the same: try again")
	}
	return first, nil
}

// prompt reads without echo, and gives the terminal back if ctx ends first.
func (p Person) prompt(ctx context.Context, terminal *os.File, what string) (string, error) {
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("prepare terminal: %w", err)
	}
	if _, err := fmt.Fprintf(p.Out, "%s: ", what); err != nil {
		return "", err
	}
	type typed struct {
		text []byte
		err  error
	}
	answer := make(chan typed, 1)
	go func() { // cannot be interrupted; ends with the line or the program
		text, err := term.ReadPassword(fd)
		answer <- typed{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	case got := <-answer:
		_, _ = fmt.Fprintln(p.Out) // the line end that was not echoed
		text, err := checkSecret(string(got.text), got.err)
		if err != nil {
			return "", pair.Refuse(pair.Usage, "no usable %s: %w", what, cause.Plain(err))
		}
		return text, nil
	}
}

// Confirm has a person type a name before something is forced.
func (p Person) Confirm(name, consequence string) error {
	if _, err := fmt.Fprintf(p.Out, "%s\nType the appliance's name, %s, to go on: ", consequence, name); err != nil {
		return err
	}
	typed, err := readLine(p.In)
	if err != nil || typed != name {
		return pair.Refuse(pair.Refused, "not confirmed: nothing was done")
	}
	return nil
}

// Agree has a person say yes to what loses nothing.
func (p Person) Agree(consequence string) error {
	if _, err := fmt.Fprintf(p.Out, "%s\nGo on? [y/N] ", consequence); err != nil {
		return err
	}
	said, err := readLine(p.In)
	if err != nil || !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(said))) {
		return pair.Refuse(pair.Refused, "not confirmed: nothing was done")
	}
	return nil
}

func readLine(in io.Reader) (string, error) {
	text, err := bufio.NewReader(io.LimitReader(in, maxSecret+2)).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return checkSecret(strings.TrimRight(text, "\r\n"), err)
}

// checkSecret refuses what cannot be sent as it is. The byte-order mark of a file is
// no part of what the file holds.
func checkSecret(text string, err error) (string, error) {
	text = strings.TrimPrefix(text, "\ufeff")
	switch {
	case err != nil:
		return "", err
	case !utf8.ValidString(text):
		return "", fmt.Errorf("its byte %d is not UTF-8: convert the file to UTF-8, or type it", len(validPart(text))+1)
	case text == "":
		return "", errors.New("it is empty")
	case len(text) > maxSecret:
		return "", fmt.Errorf("it is longer than %d bytes", maxSecret)
	}
	return text, nil
}

// validPart is the beginning of a text that is UTF-8.
func validPart(text string) string {
	for at, r := range text {
		if _, size := utf8.DecodeRuneInString(text[at:]); r == utf8.RuneError && size <= 1 {
			return text[:at]
		}
	}
	return text
}
