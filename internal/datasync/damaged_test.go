package datasync

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/pair"
)

// damages are ways in which a file can be no longer what was written.
func damages() map[string]func(path string) error {
	with := func(content string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(content), 0o600) }
	}
	return map[string]func(string) error{
		"empty": with(""),
		"truncated": func(path string) error {
			b, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, b[:len(b)/2], 0o600))
		},
		"not JSON":    with("\x00\x01 no JSON\n"),
		"null":        with("null\n"),
		"nothing":     with("{}\n"),
		"wrong types": with(`{"snapshot": 7, "manifest": [], "id": {}}`),
		"a directory": func(path string) error {
			return errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "in"), 0o700))
		},
	}
}

// content is what is at a path, to be compared.
func content(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// TestADamagedFileOfTheSyncIsNamed has each file of the sync directory damaged in each
// way: what it means and the next step are said, and nothing is written over it.
func TestADamagedFileOfTheSyncIsNamed(t *testing.T) {
	for file, step := range map[string]string{"state.json": "put it back from a backup, or remove it and", "journal.json": "put it back from a backup, or rename it to"} {
		for name, damage := range damages() {
			t.Run(file+" "+name, func(t *testing.T) {
				p := newPair(t)
				write(t, p.primary.tree+"/f", "content")
				cutAt(t, p, "recorded")
				path := filepath.Join(p.backup.opt.Dir, file)
				if file == "state.json" {
					p.backup.reopen(t)
				}
				must(t, damage(path))
				was := content(path)
				_, err := Open(t.Context(), p.backup.opt)
				if err == nil || !strings.Contains(err.Error(), path+" is damaged") || !strings.Contains(err.Error(), step) {
					t.Errorf("got %v", err)
				}
				if content(path) != was {
					t.Errorf("%s was written over: %q", path, content(path))
				}
			})
		}
	}
}

// TestALostStateIsNoFirstStart has the state of the data sync vanish.
func TestALostStateIsNoFirstStart(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/f", "content")
	p.pull(t)
	path := filepath.Join(p.backup.opt.Dir, "state.json")
	must(t, os.Remove(path))
	if _, err := Open(t.Context(), p.backup.opt); err == nil || !strings.Contains(err.Error(), path+" is missing, but was here before") {
		t.Errorf("got %v", err)
	}
	must(t, os.Remove(path+".mark")) // as it says
	p.backup.reopen(t)
	p.pull(t)
}

// TestTheNextStateIsNotTakenOnTrust has the state damaged that is to follow once the
// recorded snapshot is in place.
func TestTheNextStateIsNotTakenOnTrust(t *testing.T) {
	for name, damage := range damages() {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			write(t, p.primary.tree+"/f", "content")
			cutAt(t, p, "recorded")
			must(t, damage(filepath.Join(p.backup.opt.Dir, "state.next.json")))
			p.backup.reopen(t)
			if err := p.backup.Torn(); err != nil && name != "a directory" {
				t.Error(err)
			}
			p.backup.reopen(t)
			if p.backup.Snapshot().IsZero() {
				t.Error("the snapshot that is in place is not known")
			}
		})
	}
}

// TestADamagedListOfADivergedCopyIsNamed has the list of one copy damaged.
func TestADamagedListOfADivergedCopyIsNamed(t *testing.T) {
	for name, damage := range damages() {
		p := newPair(t)
		write(t, p.primary.tree+"/f", "content")
		made, err := p.primary.SetAside(t.Context(), pair.Epoch{Counter: 2, Holder: "b"}, 1<<40)
		must(t, err)
		path := filepath.Join(p.primary.opt.Dir, "diverged", made.ID, "copy.json")
		must(t, damage(path))
		if _, err := p.primary.Diverged.All(); err == nil || !strings.Contains(err.Error(), path+" is damaged") || !strings.Contains(err.Error(), "files lie in") {
			t.Errorf("%s: %v", name, err)
		}
		must(t, os.RemoveAll(path))
		if _, err := p.primary.Diverged.All(); err == nil || !strings.Contains(err.Error(), path+" is missing") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// cutAt pulls, and cuts the power of the backup at a step.
func cutAt(t *testing.T, p *pairOf, at string) {
	t.Helper()
	p.backup.opt.Hook = func(step string) {
		if step == at {
			panic(step)
		}
	}
	p.backup.reopen(t)
	func() {
		defer func() { _ = recover() }()
		_, _ = p.tryPull(t, Request{})
	}()
	p.backup.opt.Hook = func(string) {}
}
