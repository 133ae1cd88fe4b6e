package program

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// Output has a program write into a file, and returns the last bytes that it wrote once run returns: at most so many.
func Output(most int, run func(out *os.File) error) ([]byte, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("read what a program writes: %w", err)
	}
	written := make(chan []byte, 1)
	go func() { written <- lastOf(read, most) }()
	err = run(write)
	const rest = 100 * time.Millisecond // for what it has written and nobody has read; some other program may still hold the pipe
	_ = errors.Join(write.Close(), read.SetReadDeadline(time.Now().Add(rest)))
	defer func() { _ = read.Close() }()
	return <-written, err
}

// lastOf reads to the end, however much that is, and returns the last bytes of it.
func lastOf(from *os.File, most int) (last []byte) {
	for chunk := make([]byte, 32<<10); ; {
		n, err := from.Read(chunk)
		last = append(last, chunk[:n]...)
		if len(last) > most {
			last = append(last[:0], last[len(last)-most:]...)
		}
		if err != nil {
			return last
		}
	}
}

// LastLine is the last line that is not empty, as one may show it.
func LastLine(text []byte, most int) string {
	text = bytes.TrimSpace(text)
	text = bytes.TrimSpace(text[bytes.LastIndexByte(text, '\n')+1:])
	return printable(string(text[max(0, len(text)-most):]))
}

// printable is a text in which nothing could steer a terminal or break a line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// mostLine bounds a line of a log, in bytes.
const mostLine = 4 << 10

// Shown is a line of a log as one may show it: cut, and without what could steer a terminal.
func Shown(text string) string {
	return printable(escapes().ReplaceAllString(text[:min(len(text), mostLine)], ""))
}

// escapes are what colours a terminal, moves its cursor or sets its title.
func escapes() *regexp.Regexp {
	return regexp.MustCompile("\x1b\\[[0-9;:<=>?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|\x1b[@-_]?")
}
