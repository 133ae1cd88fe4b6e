package table

import (
	"strings"
	"testing"
)

func TestNamesCannotSteerATerminal(t *testing.T) {
	var out strings.Builder
	pg := New(&out, false)
	pg.Row("evil\x1b[2J\nname", "file")
	if err := pg.Flush(); err != nil || out.String() != "evil?[2J?name  file\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
