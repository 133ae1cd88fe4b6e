package datasync

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/datasync/ledger"
	"baton/internal/datasync/refusal"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

// mounted mounts a disk of its own at a place, with some files on it.
func mounted(tb testing.TB, place string, files ...string) (unmount func()) {
	tb.Helper()
	disk := ownDisk(tb)
	must(tb, os.MkdirAll(place, 0o755))
	bind(tb, disk, place)
	must(tb, os.RemoveAll(place+"/lost+found"))
	for _, name := range files {
		write(tb, place+"/"+name, strings.Repeat(name, 1000))
	}
	return func() { command(tb, "umount", place) }
}

func many(prefix string, n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("%s%02d", prefix, i))
	}
	return names
}

func TestAMissingOrOtherDiskIsNotMirrored(t *testing.T) {
	for _, row := range []struct {
		name        string
		first       []string // on the first disk
		then        []string // on the second; nil: none is mounted
		remove, add []string // on the first, which stays
		says        string   // of the refusal; empty: it is mirrored
	}{
		{name: "a few big files, and no disk", first: many("f", 8), says: "has none now"},
		{name: "two files, and no disk", first: many("f", 2), says: "another disk"},
		{name: "another disk with more other files", first: many("f", 30), then: many("g", 40), says: "another disk"},
		{name: "another disk without most of a few", first: many("f", 8), then: many("f", 3), says: "another disk"},
		{name: "a larger disk with the same files", first: many("f", 8), then: many("f", 8)},
		{name: "a larger disk with most of the files", first: many("f", 8), then: append(many("f", 5), "more")},
		{name: "most of a few files removed", first: many("f", 8), remove: many("f", 5)},
		{name: "all of three files removed", first: many("f", 3), remove: many("f", 3), says: "has none now"},
		{name: "both of two files removed", first: many("f", 2), remove: many("f", 2)},
		{name: "all files renamed", first: many("f", 8), remove: many("f", 8), add: many("g", 8)},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newPair(t)
			unmount := mounted(t, p.primary.tree, row.first...)
			p.pull(t)
			if row.remove == nil {
				unmount()
			}
			if row.then != nil {
				mounted(t, p.primary.tree, row.then...)
			}
			for _, name := range row.remove {
				must(t, os.Remove(p.primary.tree+"/"+name))
			}
			for _, name := range row.add {
				write(t, p.primary.tree+"/"+name, "renamed")
			}
			if row.says == "" {
				p.pull(t)
				return
			}
			p.refused(t, Request{}, refusal.ErrShrink)
			if told := p.backup.Progress().Error; !strings.Contains(told, row.says) || !strings.Contains(told, "--accept-shrink") {
				t.Errorf("told: %s", told)
			}
			_, err := p.tryPull(t, Request{AcceptShrink: true})
			must(t, err)
			same(t, p.primary.tree, p.backup.tree)
			p.pull(t)
		})
	}
}

// A disk that is not mounted on the backup must not be replaced by the system's,
// nor be served.
func TestAnUnmountedTargetIsNotFilled(t *testing.T) {
	for _, below := range []string{"", "/disk"} {
		t.Run("mounted at the tree"+below, func(t *testing.T) {
			p := newPair(t)
			at := filepath.Join(p.backup.dir, "mounted")
			unmount := mounted(t, at)
			p.backup = newAppliance(t, p.backup.dir, at+below)
			for _, name := range many("f", 5) {
				write(t, p.primary.tree+"/"+name, "content")
			}
			p.pull(t)
			must(t, p.backup.Torn())
			p.backup.CheckMounts()
			must(t, p.backup.Torn())
			unmount()
			write(t, p.primary.tree+"/f00", "newer content")
			for range 2 {
				p.backup.CheckMounts()
				if err := p.backup.Torn(); err == nil || !strings.Contains(err.Error(), at) {
					t.Errorf("the decision is not told: %v", err)
				}
				if err := p.backup.Settle(t.Context()); !errors.Is(err, ledger.ErrTorn) {
					t.Errorf("it would be served: %v", err)
				}
				epoch := pair.Epoch{Counter: 9, Holder: "b"}
				p.backup.Offer(epoch)
				if _, err := asked(t, p.backup.Engine, wire.Question{Version: wire.Version, Epoch: epoch}); !errors.Is(err, refusal.ErrNotPrimary) {
					t.Errorf("it is offered to the peer: %v", err)
				}
				p.backup.Withdraw()
				if _, err := p.tryPull(t, Request{}); !errors.Is(err, refusal.ErrShrink) || !strings.Contains(err.Error(), at) {
					t.Fatalf("told: %v", err)
				}
				if names, _ := os.ReadDir(at); len(names) != 0 {
					t.Fatalf("the system's disk is filled: %v", names)
				}
				p.backup.reopen(t)
			}
			_, err := p.tryPull(t, Request{AcceptShrink: true})
			must(t, err)
			same(t, p.primary.tree, p.backup.tree)
			must(t, p.backup.Torn())
			p.pull(t)
		})
	}
}

// An administrator who forces a takeover is told that the disk is missing, and is obeyed.
func TestForcedPromotionWithoutTheDiskSaysSo(t *testing.T) {
	p := newPair(t)
	at := filepath.Join(p.backup.dir, "mounted")
	unmount := mounted(t, at)
	p.backup = newAppliance(t, p.backup.dir, at)
	write(t, p.primary.tree+"/f", "content")
	p.pull(t)
	unmount()
	var missing string
	p.backup.opt.Missing = func(_ pair.Snapshot, what string) { missing = what }
	p.backup.reopen(t)
	if err := p.backup.Settle(t.Context()); !errors.Is(err, ledger.ErrTorn) {
		t.Fatalf("not forced: %v", err)
	}
	must(t, p.backup.SettleForced(t.Context()))
	if !strings.Contains(missing, at) {
		t.Errorf("missing: %q", missing)
	}
	must(t, p.backup.Torn())
}

// A recorded snapshot waits for its disk, too.
func TestARecordedSnapshotWaitsForItsDisk(t *testing.T) {
	p := newPair(t)
	at := filepath.Join(p.backup.dir, "mounted")
	disk := ownDisk(t)
	must(t, os.MkdirAll(at, 0o755))
	bind(t, disk, at)
	p.backup = newAppliance(t, p.backup.dir, at)
	furnish(t, p.primary.tree)
	must(t, os.RemoveAll(at+"/lost+found"))
	p.pull(t)
	refurnish(t, p.primary.tree)
	crashed := errors.New("crash")
	p.backup.opt.Hook = func(step string) {
		if step == "apply" {
			panic(crashed)
		}
	}
	p.backup.reopen(t)
	func() {
		defer func() { _ = recover() }()
		_, _ = p.tryPull(t, Request{})
	}()
	p.backup.opt.Hook = nil
	command(t, "umount", "-l", at)
	p.backup.reopen(t)
	if err := p.backup.Torn(); err == nil || !strings.Contains(err.Error(), at) {
		t.Fatalf("told: %v", err)
	}
	must(t, exec.Command("mount", "--bind", disk, at).Run())
	must(t, p.backup.Mend(t.Context()))
	same(t, p.primary.tree, p.backup.tree)
	must(t, p.backup.Torn())
}

// The engine's own disk may be full: the data is whole all the same.
func TestAFullDataDirKeepsNobodyFromTakingOver(t *testing.T) {
	disk := ownDisk(t)
	p := newPair(t)
	p.backup = newAppliance(t, filepath.Join(disk, "backup"), filepath.Join(t.TempDir(), "tree"))
	write(t, p.primary.tree+"/page", "1")
	p.pull(t)
	fill(t, filepath.Join(disk, "ballast"), false)
	must(t, p.backup.Settle(t.Context()))
	write(t, p.primary.tree+"/page", "2")
	if _, err := p.tryPull(t, Request{}); !errors.Is(err, source.ErrNoRoom) {
		t.Fatalf("told: %v", err)
	}
	if got, _ := os.ReadFile(p.backup.tree + "/page"); string(got) != "1" || p.backup.Torn() != nil {
		t.Fatalf("the page is %q, %v", got, p.backup.Torn())
	}
	must(t, p.backup.Settle(t.Context()))
}
