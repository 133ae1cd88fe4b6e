package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"baton/internal/pair"
)

// show writes what was read: JSON if that was asked for, else what human writes.
func (p *program) show(value any, human func(*page)) error {
	if p.flags.json {
		encoder := json.NewEncoder(p.stdio.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(value)
	}
	pg := p.page()
	human(pg)
	return pg.flush()
}

// line writes one value as one line of JSON.
func (p *program) line(value any) error {
	encoder := json.NewEncoder(p.stdio.Out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// say tells a person what was done; programs have the exit code.
func (p *program) say(format string, args ...any) error {
	if p.flags.json {
		return nil
	}
	_, err := fmt.Fprintf(p.stdio.Out, format+"\n", args...)
	return err
}

// The colours of a terminal.
const (
	plain  = ""
	green  = "32"
	yellow = "33"
	red    = "31"
)

// page is text for a person, in aligned columns. It is written by flush.
type page struct {
	out    io.Writer
	colour bool
	rows   []row
}

// row is one line of cells, the first of them in a colour.
type row struct {
	colour string
	cells  []string
}

func (p *program) page() *page {
	return &page{out: p.stdio.Out, colour: isTerminal(p.stdio.Out) && os.Getenv("NO_COLOR") == ""}
}

// row adds a line.
func (pg *page) row(cells ...string) { pg.marked(plain, cells...) }

// marked adds a line whose first cell has a colour. What could steer a terminal
// (a file's name may hold anything) is replaced.
func (pg *page) marked(colour string, cells ...string) {
	clean := make([]string, len(cells))
	for i, cell := range cells {
		clean[i] = strings.Map(printable, cell)
	}
	pg.rows = append(pg.rows, row{colour: colour, cells: clean})
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}

// flush writes the lines, every column as wide as its widest cell. A line of a
// single cell is a heading and widens nothing.
func (pg *page) flush() error {
	var widths []int
	for _, r := range pg.rows {
		for i, cell := range r.cells[:max(0, len(r.cells)-1)] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var text strings.Builder
	for _, r := range pg.rows {
		pg.write(&text, r, widths)
	}
	pg.rows = nil
	_, err := io.WriteString(pg.out, text.String())
	return err
}

func (pg *page) write(text *strings.Builder, r row, widths []int) {
	for len(r.cells) > 1 && r.cells[len(r.cells)-1] == "" {
		r.cells = r.cells[:len(r.cells)-1] // no blanks at the end of a line
	}
	for i, cell := range r.cells {
		shown := cell
		if i == 0 && pg.colour && r.colour != plain {
			shown = "\x1b[" + r.colour + "m" + cell + "\x1b[0m"
		}
		text.WriteString(shown)
		if i < len(r.cells)-1 {
			text.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
	}
	text.WriteByte('\n')
}

// colourOf is how good the news of a severity is.
func colourOf(severity pair.Severity) string {
	switch severity {
	case pair.Critical:
		return red
	case pair.Warning:
		return yellow
	case pair.Info:
		return plain
	}
	return plain
}

// isTerminal reports whether a person sits behind a stream.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04:05 MST")
}

func optional(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return moment(t)
}

// truth is a fact as a table shows it.
type truth bool

func (t truth) String() string {
	if t {
		return "yes"
	}
	return "no"
}
