package datasync

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"baton/internal/datasync/wire"
)

// TestABackupThatLiesOfWhatItHasIsNotBelieved has a backup report complete what it was not sent.
func TestABackupThatLiesOfWhatItHasIsNotBelieved(t *testing.T) {
	for name, lie := range map[string]func(*wire.Report){
		"other content":     func(r *wire.Report) { r.Manifest[0]++ },
		"a higher number":   func(r *wire.Report) { r.Snapshot.Number++ },
		"a later moment":    func(r *wire.Report) { r.Snapshot.TakenAt++ },
		"another epoch":     func(r *wire.Report) { r.Snapshot.Epoch.Counter++ },
		"another data sync": func(r *wire.Report) { r.Session++ },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			write(t, p.primary.tree+"/a", "1")
			before := p.pull(t)
			write(t, p.primary.tree+"/a", "2")
			p.server.Config.Handler = reporting(t, p.primary.Handler(), lie)
			after := p.pull(t)
			if confirmed := p.primary.Confirmed(); confirmed != before {
				t.Errorf("it believes in %+v", confirmed)
			}
			p.server.Config.Handler = p.primary.Handler()
			if p.pull(t); p.primary.Confirmed().Compare(after) < 0 {
				t.Errorf("it does not believe a backup that tells the truth: %+v", p.primary.Confirmed())
			}
		})
	}
}

// reporting changes what a backup reports.
func reporting(t *testing.T, to http.Handler, change func(*wire.Report)) http.Handler {
	t.Helper()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == wire.Prefix+"done" {
			var report wire.Report
			must(t, json.NewDecoder(r.Body).Decode(&report))
			change(&report)
			body, err := json.Marshal(report)
			must(t, err)
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		to.ServeHTTP(w, r)
	})
}
