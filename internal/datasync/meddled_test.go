package datasync

import (
	"errors"
	"os"
	"testing"
)

// TestWhoMeddlesWithTheBackupsFilesKeepsNothingFromATakeover has somebody remove, exchange
// or make names in a protected directory of the backup while a snapshot is put into place:
// its owner may. The snapshot before stays usable, and the next sync mends all.
func TestWhoMeddlesWithTheBackupsFilesKeepsNothingFromATakeover(t *testing.T) {
	for name, meddle := range map[string]func(tree string) error{
		"a file is removed": func(tree string) error { return os.Remove(tree + "/f") },
		"a file becomes a directory": func(tree string) error {
			return errors.Join(os.Remove(tree+"/f"), os.MkdirAll(tree+"/f/in", 0o700))
		},
		"a file becomes a link": func(tree string) error {
			return errors.Join(os.Remove(tree+"/f"), os.Symlink("/dev/null", tree+"/f"))
		},
		"a directory is removed": func(tree string) error { return os.RemoveAll(tree + "/d") },
		"a directory becomes a file": func(tree string) error {
			return errors.Join(os.RemoveAll(tree+"/d"), os.WriteFile(tree+"/d", nil, 0o600))
		},
		"a directory becomes a link": func(tree string) error {
			return errors.Join(os.Rename(tree+"/d", tree+"/e"), os.Symlink("e", tree+"/d"))
		},
		"what goes comes back as a directory": func(tree string) error {
			return errors.Join(os.RemoveAll(tree+"/goes"), os.MkdirAll(tree+"/goes/in", 0o700))
		},
		"the staging is moved away": func(tree string) error {
			return os.Rename(tree+"/.baton-staging", tree+"/d/was-staging")
		},
		"what comes is there as a directory": func(tree string) error { return os.MkdirAll(tree+"/d/comes/in", 0o700) },
	} {
		for _, at := range []string{"make-staging", "recorded", "apply", "import"} {
			t.Run(name+" at "+at, func(t *testing.T) {
				p := newPair(t)
				root := p.primary.tree
				write(t, root+"/f", "touched")
				write(t, root+"/d/changes", "one")
				write(t, root+"/goes", "goes")
				p.pull(t)
				must(t, errors.Join(os.Chmod(root+"/f", 0o600), os.Remove(root+"/goes")))
				write(t, root+"/d/changes", "other")
				write(t, root+"/d/comes", "comes")
				meddling := true
				p.backup.opt.Hook = func(step string) {
					if step == at && meddling {
						_ = meddle(p.backup.tree)
					}
				}
				p.backup.reopen(t)
				_, err := p.tryPull(t, Request{})
				meddling = false
				if torn := p.backup.Torn(); torn != nil {
					t.Fatalf("torn: %v\npulled: %v", torn, err)
				}
				if err := p.backup.Settle(t.Context()); err != nil {
					t.Fatalf("no takeover: %v", err)
				}
				p.pull(t)
				same(t, root, p.backup.tree)
			})
		}
	}
}
