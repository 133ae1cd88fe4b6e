//go:build e2e

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// The old primary wrote something that no data sync had brought over when it
// died. It returns, gives way, and keeps that as a diverged copy.
func TestOldPrimaryReturnsWithNewerData(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast, settings: "sync_schedule=daily"})
	w.alpha.write(site("newer.txt"), "only on alpha")
	w.alpha.write(site("index.html"), "<h1>Newer</h1>\n")
	at := w.fault(w.lab.PowerCut(w.alpha.Host))
	w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	w.beta.write(site("after.txt"), "written on beta")
	w.returns(w.alpha, w.beta)
	w.diverged(w.alpha, "newer.txt", "only on alpha")
	w.diverged(w.alpha, "index.html", "<h1>Newer</h1>\n")
	w.beta.baton("sync --wait")
	if !w.alpha.has(site("after.txt"), "written on beta") || !w.alpha.has(site("index.html"), "<h1>The site is up</h1>\n") {
		t.Errorf("alpha does not have beta's data")
	}
	if w.alpha.has(site("newer.txt"), "only on alpha") {
		t.Errorf("alpha's site still has what beta's has not")
	}
	if len(w.alpha.events(pair.KindDiverged)) != 1 {
		t.Errorf("the history does not tell of the diverged copy")
	}
	w.putBack()
}

// putBack has files of alpha's copy go back to beta, the primary, and come from there.
func (w *world) putBack() {
	w.t.Helper()
	copies, err := api.ListDiverged().Call(w.t.Context(), w.alpha.API, api.None{})
	if err != nil {
		w.t.Fatal(err)
	}
	id := copies[0].ID
	if told := w.alpha.baton("diverged show " + id); !strings.Contains(told, "site/newer.txt") {
		w.t.Errorf("newer.txt is not told of:\n%s", told)
	}
	w.alpha.refused(3, "site/index.html", "diverged restore "+id+" site/newer.txt site/index.html")
	if w.beta.has(site("newer.txt"), "only on alpha") {
		w.t.Errorf("a part was restored")
	}
	w.alpha.baton("diverged restore " + id + " site/newer.txt site/index.html --replace")
	if !w.beta.has(site("newer.txt"), "only on alpha") || !w.beta.has(site("index.html"), "<h1>Newer</h1>\n") {
		w.t.Errorf("beta does not have what was restored")
	}
	w.beta.baton("sync --wait")
	if !w.alpha.has(site("index.html"), "<h1>Newer</h1>\n") {
		w.t.Errorf("what was restored did not come back to alpha")
	}
	w.takenOut(w.alpha, "index.html", "<h1>The site is up</h1>\n")
}

// takenOut checks that a file as it was can be taken out of the newest restore point.
func (w *world) takenOut(a *appliance, name, text string) {
	w.t.Helper()
	known, err := api.ListRestorePoints().Call(w.t.Context(), a.API, api.None{})
	if err != nil || len(known.Points) == 0 {
		w.t.Fatalf("restore points of %s: %v %v", a.Name(), known, err)
	}
	a.baton(fmt.Sprintf("restore-point take %d site/%s --to %s", known.Points[0].Number, name, a.OnHost("taken")))
	if !a.has("taken/site/"+name, text) {
		w.t.Errorf("%s was not taken out as it was", name)
	}
}

// diverged checks that a file is listed in the appliance's one diverged copy, with
// its hash, and can be exported.
func (w *world) diverged(a *appliance, name, text string) {
	w.t.Helper()
	copies, err := api.ListDiverged().Call(w.t.Context(), a.API, api.None{})
	if err != nil || len(copies) != 1 {
		w.t.Fatalf("diverged copies of %s: %v %v, wanted one", a.Name(), copies, err)
	}
	listed := false
	for _, file := range copies[0].Files {
		sum := sha256.Sum256([]byte(text))
		listed = listed || file.Path == name && file.Size == int64(len(text)) && file.SHA256 == hex.EncodeToString(sum[:])
	}
	if !listed {
		w.t.Fatalf("%s is not listed with its size and hash: %+v", name, copies[0].Files)
	}
	w.exported(a, copies[0].ID, name, text)
}

func (w *world) exported(a *appliance, id, name, text string) {
	w.t.Helper()
	dir := "export-" + name
	a.baton("diverged export " + id + " " + a.OnHost(dir))
	content, err := os.ReadFile(filepath.Join(a.Path(dir), "files", "site", name))
	if err != nil || string(content) != text {
		w.t.Fatalf("the export has %q (%v), wanted %q", content, err, text)
	}
}
