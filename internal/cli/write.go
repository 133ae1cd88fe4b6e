package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"baton/internal/cli/prompt"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

// show writes what was read: JSON if that was asked for, else what human writes.
func (p *program) show(value any, human func(*table.Page)) error {
	if p.flags.json {
		encoder := json.NewEncoder(p.stdio.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(value)
	}
	pg := p.page()
	human(pg)
	return pg.Flush()
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

func (p *program) page() *table.Page {
	return table.New(p.stdio.Out, prompt.IsTerminal(p.stdio.Out) && os.Getenv("NO_COLOR") == "")
}

// colourOf is how good the news of a severity is.
func colourOf(severity pair.Severity) string {
	switch severity {
	case pair.Critical:
		return table.Red
	case pair.Warning:
		return table.Yellow
	case pair.Info:
		return table.Plain
	}
	return table.Plain
}

func optional(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return table.Moment(t)
}

// truth is a fact as a table shows it.
type truth bool

func (t truth) String() string {
	if t {
		return "yes"
	}
	return "no"
}
