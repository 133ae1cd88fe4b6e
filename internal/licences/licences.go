// Package licences holds the licence of Baton and those of everything that is
// linked into it or served by it. It decides nothing; its test writes notices.txt
// anew from what is linked, and fails while the two differ.
//
// Start reading at List.
package licences

import (
	_ "embed"
	"strings"
)

//go:generate go test -run TestNoticesAreThoseOfWhatIsLinked . -rewrite

//go:embed notices.txt
var notices string

// Mark begins the heading of a licence in notices.txt; what has the same text shares it.
const mark = "=== "

// Licence is that of one piece of software.
type Licence struct {
	Name    string // of the module or file
	Version string // empty for what comes with the compiler
	Kind    string // SPDX identifier
	Text    string
}

// Notices returns all of it as one text.
func Notices() string { return notices }

// List returns Baton's own licence first, then the others by name.
func List() []Licence {
	var all, sharing []Licence
	var text strings.Builder
	end := func() {
		for i := range sharing {
			sharing[i].Text = strings.TrimSpace(text.String()) + "\n"
		}
		all, sharing = append(all, sharing...), nil
		text.Reset()
	}
	for line := range strings.Lines(notices) {
		heading, isHeading := strings.CutPrefix(line, mark)
		if !isHeading {
			text.WriteString(line)
			continue
		}
		if strings.TrimSpace(text.String()) != "" {
			end()
		}
		words := strings.Split(strings.TrimSpace(heading), " | ")
		sharing = append(sharing, Licence{Name: words[0], Version: words[1], Kind: words[2]})
	}
	end()
	return all
}
