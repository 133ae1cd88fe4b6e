package datasync

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/kept"
)

func TestFirstSyncSetsAsideWhatItReplaces(t *testing.T) {
	p := newPair(t)
	var told []kept.DivergedCopy
	p.backup.opt.Aside = func(made kept.DivergedCopy) { told = append(told, made) }
	p.backup.reopen(t)
	write(t, p.primary.tree+"/page", "new")
	write(t, p.primary.tree+"/same", "both")
	write(t, p.backup.tree+"/page", "precious")
	write(t, p.backup.tree+"/same", "both")
	write(t, p.backup.tree+"/sub/letters", "love")
	must(t, os.Symlink("sub/letters", p.backup.tree+"/link"))

	p.pull(t)

	copies, err := p.backup.Diverged.All()
	must(t, err)
	if len(copies) != 1 || len(told) != 1 || len(copies[0].Files) != 2 {
		t.Fatalf("copies %+v, told of %d", copies, len(told))
	}
	out := t.TempDir()
	must(t, p.backup.export(copies[0].ID, out))
	for path, want := range map[string]string{"page": "precious", "sub/letters": "love", "link": "love"} {
		if got, err := os.ReadFile(filepath.Join(out, "files", "files", path)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(out, "files", "files", "same")); err == nil {
		t.Error("what both sides have was copied as well")
	}
}

func TestLaterSyncsAndSeededBackupsMakeNoCopy(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "one")
	write(t, p.backup.tree+"/page", "one")
	p.pull(t)
	write(t, p.primary.tree+"/page", "two")
	write(t, p.backup.tree+"/stray", "x")
	p.pull(t)
	if copies, err := p.backup.Diverged.All(); err != nil || len(copies) != 0 {
		t.Fatalf("copies %v, %v", copies, err)
	}
}

func TestFirstSyncThatCannotSetAsideReplacesNothing(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "new")
	write(t, p.backup.tree+"/page", "precious")
	must(t, os.WriteFile(filepath.Join(p.backup.dir, "sync", "diverged-away"), nil, 0o600))
	must(t, os.Remove(filepath.Join(p.backup.dir, "sync", "diverged")))
	must(t, os.Symlink("diverged-away", filepath.Join(p.backup.dir, "sync", "diverged")))
	if _, err := p.tryPull(t, Request{}); err == nil {
		t.Fatal("pulled without setting aside")
	}
	if got, _ := os.ReadFile(p.backup.tree + "/page"); string(got) != "precious" {
		t.Fatalf("replaced by %q", got)
	}
}

func TestCrashWhileSettingAsideKeepsWhatWasFound(t *testing.T) {
	for _, step := range []string{"copy-diverged", "copy-diverged again", "rename-copy", "sync-staging", "write-record", "recorded", "apply", "journal-removed"} {
		t.Run(step, func(t *testing.T) {
			p := newPair(t)
			write(t, p.primary.tree+"/page", "new")
			write(t, p.backup.tree+"/page", "precious")
			write(t, p.backup.tree+"/other", "too")
			crash := errors.New("crash")
			step, again := strings.CutSuffix(step, " again")
			p.backup.opt.Hook = func(at string) {
				switch {
				case at != step:
				case again: // the next time
					again = false
				default:
					panic(crash)
				}
			}
			p.backup.reopen(t)
			func() {
				defer func() {
					if r := recover(); r != crash { //nolint:errorlint // the very value
						t.Fatalf("recovered %v", r)
					}
				}()
				_, _ = p.tryPull(t, Request{})
			}()
			p.backup.opt.Hook = nil
			p.backup.reopen(t)
			p.pull(t)
			copies, err := p.backup.Diverged.All()
			if err != nil || len(copies) != 1 || len(copies[0].Files) != 2 {
				t.Fatalf("copies %+v, %v", copies, err)
			}
		})
	}
}
