package datasync

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/datasync/refusal"
	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

// What testdata/previous holds was recorded from version 0c38c17: two data syncs between
// its primary and its backup, each request with its answer, and what four backups had
// on disk whose power was cut during the second. Want.txt is the tree after that.

func recorded(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "previous", name))
	must(t, err)
	return b
}

func wantTree(t *testing.T) []string {
	t.Helper()
	return strings.Split(string(recorded(t, "want.txt")), "\n")
}

func mustBeRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: the files of the recording are root's")
	}
}

// TestASyncOfThePreviousVersionIsFinished is an upgrade after a power cut.
func TestASyncOfThePreviousVersionIsFinished(t *testing.T) {
	mustBeRoot(t)
	for name, finished := range map[string]bool{"staged": false, "recorded": true, "halfway": true, "imported": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			archive, err := filepath.Abs(filepath.Join("testdata", "previous", name+".tar.gz"))
			must(t, err)
			if out, err := exec.CommandContext(t.Context(), "tar", "-xzpf", archive, "-C", dir).CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
			b := &appliance{}
			b.configure(t, dir, filepath.Join(dir, "tree"))
			b.reopen(t)
			must(t, b.Torn())
			database := siteOf(t, b)
			if !finished {
				if b.Snapshot().Number != 1 || database != "settings of the primary" {
					t.Errorf("snapshot %d, site database %q", b.Snapshot().Number, database)
				}
				return
			}
			if diff := difference(wantTree(t), describe(t, b.tree)); diff != "" {
				t.Errorf("the tree differs:\n%s", diff)
			}
			if b.Snapshot().Number < 2 || database != "newer settings" {
				t.Errorf("snapshot %d, site database %q", b.Snapshot().Number, database)
			}
			for _, name := range []string{"journal.json", "state.next.json"} {
				if _, err := os.Lstat(filepath.Join(b.opt.Dir, name)); err == nil {
					t.Errorf("%s is left", name)
				}
			}
			if made, err := b.SetAside(t.Context(), pair.Epoch{Counter: 2, Holder: "a"}, pair.AnySnapshot); err != nil || made.ID != "" {
				t.Errorf("the snapshot is not known as it is: set aside %+v, %v", made, err)
			}
		})
	}
}

// TestThePreviousPrimaryIsUnderstood has the primary of the previous version answer, and
// its backup ask: what this version asks is the same to the byte, but for the scheme of hashing and the version that it names.
func TestThePreviousPrimaryIsUnderstood(t *testing.T) {
	mustBeRoot(t)
	questions := []string{"1-manifest", "2-content", "3-done", "4-manifest", "5-content", "6-done"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, err := io.ReadAll(r.Body)
		if err != nil || len(questions) == 0 || !strings.HasSuffix(questions[0], filepath.Base(r.URL.Path)) {
			t.Errorf("asked for %s, %v; left are %v", r.URL.Path, err, questions)
			return
		}
		asked = bytes.Replace(asked, []byte(`"scheme":2,"version":3`), []byte(`"scheme":1`), 1)
		if want := recorded(t, questions[0]+".request"); !bytes.Equal(asked, want) {
			t.Errorf("%s: asked\n%q, the previous version asks\n%q", questions[0], asked, want)
		}
		_, _ = w.Write(recorded(t, questions[0]+".answer"))
		questions = questions[1:]
	}))
	defer server.Close()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "site"), []byte("settings of the backup"), 0o600))
	b := newAppliance(t, dir, filepath.Join(dir, "tree"))
	for range 2 {
		_, err := b.Pull(t.Context(), server.Client(), server.URL, Request{Epoch: pair.Epoch{Counter: 1, Holder: "a"}})
		must(t, err)
	}
	if diff := difference(wantTree(t), describe(t, b.tree)); diff != "" {
		t.Errorf("the tree differs:\n%s", diff)
	}
	if database := siteOf(t, b); database != "newer settings" || len(questions) > 0 {
		t.Errorf("site database %q; not asked: %v", database, questions)
	}
}

// TestThePreviousBackupIsAnswered has this version answer the questions of the previous
// backup: with the same frames, and with what it knows in the header.
func TestThePreviousBackupIsAnswered(t *testing.T) {
	p := newPair(t)
	p.primary.database = slowSite{p.primary.site, 5 * time.Millisecond} // whatever it knows is told
	p.primary.reopen(t)
	p.primary.Offer(p.epoch)
	p.server.Config.Handler = p.primary.Handler()
	must(t, os.WriteFile(p.primary.site.path, []byte("settings of the primary"), 0o600))
	write(t, p.primary.tree+"/page", "first")
	write(t, p.primary.tree+"/gone", "gone")
	write(t, p.primary.tree+"/sub/letter", "first letter")
	must(t, os.Symlink("page", p.primary.tree+"/link"))
	must(t, os.Link(p.primary.tree+"/page", p.primary.tree+"/twin"))
	answer, err := p.server.Client().Post(p.server.URL+wire.Prefix+"manifest", "application/json", bytes.NewReader(recorded(t, "1-manifest.request")))
	must(t, err)
	defer func() { _ = answer.Body.Close() }()
	got, gotKeys := shape(t, answer.Body)
	want, wantKeys := shape(t, bytes.NewReader(recorded(t, "1-manifest.answer")))
	if !slices.Equal(got, want) || !slices.Equal(gotKeys, wantKeys) {
		t.Errorf("frames %v with %v, the previous version answers %v with %v", got, gotKeys, want, wantKeys)
	}
}

// shape returns the kinds of the frames of a stream, and the keys of its header.
func shape(t *testing.T, from io.Reader) (kinds []wire.Kind, keys []string) {
	t.Helper()
	in, err := wire.NewReader(from, 8<<10, refusal.Read)
	must(t, err)
	defer in.Close()
	for {
		kind, payload, err := in.Next()
		must(t, err)
		kinds = append(kinds, kind)
		if kind == wire.End {
			return kinds, keys
		}
		if kind == wire.Head {
			var head map[string]json.RawMessage
			must(t, json.Unmarshal(payload, &head))
			delete(head, "disks") // where it is known
			keys = slices.Sorted(maps.Keys(head))
		}
	}
}
