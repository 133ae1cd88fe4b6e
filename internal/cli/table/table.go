// Package table writes text for a person in aligned columns.
//
// Start reading at Page.
package table

import (
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The colours of a terminal.
const (
	Plain  = ""
	Green  = "32"
	Yellow = "33"
	Red    = "31"
)

// Page is text for a person, in aligned columns. It is written by Flush.
type Page struct {
	out    io.Writer
	colour bool
	rows   []row
}

// row is one line of cells, the first of them in a colour.
type row struct {
	colour string
	cells  []string
}

// New returns an empty page for a stream.
func New(out io.Writer, colour bool) *Page { return &Page{out: out, colour: colour} }

// Coloured reports whether a person sees colours.
func (pg *Page) Coloured() bool { return pg.colour }

// Row adds a line.
func (pg *Page) Row(cells ...string) { pg.Marked(Plain, cells...) }

// Marked adds a line whose first cell has a colour. What could steer a terminal
// (a file's name may hold anything) is replaced.
func (pg *Page) Marked(colour string, cells ...string) {
	clean := make([]string, len(cells))
	for i, cell := range cells {
		clean[i] = strings.Map(Printable, cell)
	}
	pg.rows = append(pg.rows, row{colour: colour, cells: clean})
}

// Printable is a character as a terminal can show it without being steered by it.
func Printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}

// Flush writes the lines, every column as wide as its widest cell. A line of a
// single cell is a heading and widens nothing.
func (pg *Page) Flush() error {
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

func (pg *Page) write(text *strings.Builder, r row, widths []int) {
	for len(r.cells) > 1 && r.cells[len(r.cells)-1] == "" {
		r.cells = r.cells[:len(r.cells)-1] // no blanks at the end of a line
	}
	for i, cell := range r.cells {
		shown := cell
		if i == 0 && pg.colour && r.colour != Plain {
			shown = "\x1b[" + r.colour + "m" + cell + "\x1b[0m"
		}
		text.WriteString(shown)
		if i < len(r.cells)-1 {
			text.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
	}
	text.WriteByte('\n')
}

// Moment is a time as a person reads it here; the zero time: never.
func Moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04:05 MST")
}
