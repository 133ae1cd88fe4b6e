package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"text/template"
)

//go:embed page.md.tmpl
var pageText string

// show prints the table and, after a full run, writes the page.
func (b *bench) show(ctx context.Context, rows []row) error {
	table := table(rows)
	b.say("\n%s", table)
	b.say("%d of %d bounds missed", missed(rows), bounded(rows))
	if b.opts.partial() {
		b.say("%s is left as it was: only a full run writes it", b.opts.out)
		return nil
	}
	machine, err := look(ctx)
	if err != nil {
		return err
	}
	page, err := template.New("page").Parse(pageText)
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	var text bytes.Buffer
	if err := page.Execute(&text, map[string]any{"Machine": machine, "Table": table, "Stall": b.record.Stall.Milliseconds()}); err != nil {
		return fmt.Errorf("fill in the page: %w", err)
	}
	if err := writeFile(b.opts.out, text.Bytes()); err != nil {
		return err
	}
	b.say("written: %s", b.opts.out)
	return nil
}

func bounded(rows []row) (n int) {
	for _, r := range rows {
		if r.boundText() != "" {
			n++
		}
	}
	return n
}

// table renders the rows for people, in Markdown.
func table(rows []row) string {
	var text bytes.Buffer
	text.WriteString("| scenario | measured | program | runs | median | worst | min | Baton ÷ it | must reach | |\n")
	text.WriteString("|---|---|---|--:|--:|--:|--:|--:|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&text, "| %s | %s | %s | %d | %s | %s | %s | %s | %s | %s |\n", r.scenario, r.measure, r.program, len(r.values),
			r.text(r.median()), r.text(r.worst()), r.text(r.min()), ratio(rows, r), r.boundText(), r.result())
	}
	return text.String()
}

// ratio divides Baton's median by that of another program in the same scenario.
func ratio(rows []row, r row) string {
	for _, ours := range rows {
		if ours.scenario != r.scenario || ours.measure != r.measure || !ours.ours() || r.ours() || r.median().number == 0 {
			continue
		}
		text := strconv.FormatFloat(ours.median().number/r.median().number, 'g', 2, 64)
		if r.median().more && ours.median().number > 0 {
			return "≤ " + text
		}
		return text
	}
	return ""
}

// writeFile writes a page or a picture of the documentation.
func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // documentation
		return fmt.Errorf("make a place for the page: %w", err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // documentation
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
