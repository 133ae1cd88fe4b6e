//go:build e2e

package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"baton/internal/kept"
)

// compared is what an appliance says of both sides, by the paths that differ.
func (a *appliance) compared(code int) (kept.Comparison, map[string]kept.Difference) {
	a.t.Helper()
	out := a.run("", "data", "compare", "site", "--json")
	var c kept.Comparison
	if err := json.Unmarshal([]byte(out.Out), &c); err != nil || out.Code != code || len(c.Data) != 1 {
		a.t.Fatalf("data compare on %s: exit code %d, wanted %d: %s%s (%v)", a.Name(), out.Code, code, out.Out, out.Errs, err)
	}
	files := map[string]kept.Difference{}
	for _, f := range c.Data[0].Files {
		files[f.Path] = f
	}
	return c, files
}

// A second writer on the backup is found out, on either side, and what the primary changed since the snapshot is told apart; also
// while syncs are off, and in maintenance.
func TestBothSidesAreCompared(t *testing.T) {
	w := steadyPair(t, plan{timeout: moderate, settings: "sync_schedule=daily"})
	w.alpha.baton("sync --wait")
	for _, a := range w.both() {
		if c, files := a.compared(0); !c.Same || len(files) > 0 || c.Since.IsZero() {
			t.Errorf("%s says of a steady pair: %+v", a.Name(), c)
		}
	}
	w.alpha.baton("settings set backup_operations=false")
	w.alpha.baton("maintenance on")
	w.alpha.write(site("new.txt"), "written on the primary")
	for _, a := range w.both() {
		if c, files := a.compared(0); !c.Same || !files["new.txt"].Expected {
			t.Errorf("%s says of what the next sync brings: %+v", a.Name(), c)
		}
	}
	w.beta.write(site("stray.txt"), "written on the backup")
	for _, a := range w.both() {
		c, files := a.compared(1)
		if stray := files["stray.txt"]; c.Same || stray.Expected || !files["new.txt"].Expected || !slices.Contains([]kept.Change{stray.Here, stray.There}, kept.Made) {
			t.Errorf("%s says of a second writer: %+v", a.Name(), c)
		}
	}
	if text := w.alpha.run("", "data", "compare").Out; !strings.Contains(text, "site/stray.txt") || !strings.Contains(text, "the next data sync brings") {
		t.Errorf("alpha says %s", text)
	}
	w.alpha.refused(2, "is not protected", "data compare nothing")
	w.alpha.baton("maintenance off")
	w.alpha.baton("sync --wait")
	if c, _ := w.beta.compared(0); !c.Same {
		t.Errorf("after the next sync: %+v", c)
	}
}

// In a conflict each side tells what only the other has, before one of them is chosen.
func TestTwoPrimariesAreCompared(t *testing.T) {
	w := conflict(t)
	w.alpha.write(site("alpha.txt"), "on alpha")
	w.beta.write(site("beta.txt"), "on beta")
	for _, a := range w.both() {
		own, other := kept.OnlyHere, kept.OnlyThere
		if a == w.beta {
			own, other = other, own
		}
		c, files := a.compared(1)
		if c.Same || c.Backup != kept.Neither || !slices.Equal(files["alpha.txt"].What, []kept.What{own}) || !slices.Equal(files["beta.txt"].What, []kept.What{other}) {
			t.Errorf("%s says %+v", a.Name(), c)
		}
	}
}
