package failover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"baton/internal/failover"
	"baton/internal/pair"
)

const (
	page  = "../../docs/failover.md"
	begin = "<!-- generated from internal/failover/transition.go -->\n"
	end   = "<!-- end of what is generated -->\n"
)

// The page shows the table of transitions as it is.
func TestPageShowsTheTransitions(t *testing.T) {
	text := read(t, page)
	before, rest, found := strings.Cut(text, begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the transitions", page)
	}
	want := before + begin + diagram() + table() + end + after
	if *rewrite {
		write(t, page, want)
	} else if text != want {
		t.Errorf("%s is out of date: go generate ./internal/failover\n%s", page, difference(text, want))
	}
}

// diagram draws the roles and their phases, without the reasons.
func diagram() string {
	var b strings.Builder
	b.WriteString("\n```mermaid\nstateDiagram-v2\n    [*] --> standalone_waiting\n")
	for _, role := range pair.Roles() {
		fmt.Fprintf(&b, "    state %s {\n", role)
		for _, place := range placesOf(role) {
			fmt.Fprintf(&b, "        %s: %s\n", name(place), place.Phase)
		}
		b.WriteString("    }\n")
	}
	for _, t := range failover.Transitions() {
		if t.From != t.To {
			fmt.Fprintf(&b, "    %s --> %s\n", name(t.From), name(t.To))
		}
	}
	b.WriteString("```\n\n")
	return b.String()
}

func placesOf(role pair.Role) []failover.Place {
	var found []failover.Place
	for _, t := range failover.Transitions() {
		for _, place := range []failover.Place{t.From, t.To} {
			if place.Role == role && !slices.Contains(found, place) {
				found = append(found, place)
			}
		}
	}
	return found
}

func name(place failover.Place) string { return strings.ReplaceAll(place.String(), " ", "_") }

// table lists every transition with its reasons, as the history words them.
func table() string {
	var b strings.Builder
	b.WriteString("| from | to | because |\n|---|---|---|\n")
	for _, t := range failover.Transitions() {
		for i, why := range t.Reasons {
			from, to := t.From.String(), t.To.String()
			if i > 0 {
				from, to = "", ""
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", from, to, why)
		}
	}
	return b.String() + "\n"
}
