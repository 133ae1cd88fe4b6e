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
	"baton/internal/datasync/wire"
	"baton/internal/kept"
	"baton/internal/pair"
)

// furnish fills the primary's tree with what the tests below change.
func furnish(tb testing.TB, root string) {
	tb.Helper()
	for i := range 5 {
		write(tb, fmt.Sprintf("%s/a%d", root, i), "old")
	}
	write(tb, root+"/locked/inside", "old")
	write(tb, root+"/m-file", "old")
	write(tb, root+"/m-dir/f", "old")
	write(tb, root+"/z-gone/f", "old")
}

// refurnish changes it so that names on both sides of a blocked one change too.
func refurnish(tb testing.TB, root string) {
	tb.Helper()
	for i := range 5 {
		write(tb, fmt.Sprintf("%s/a%d", root, i), "new and longer")
	}
	write(tb, root+"/locked/inside", "new and longer")
	write(tb, root+"/locked/more", "new")
	write(tb, root+"/m-file", "new and longer")
	write(tb, root+"/m-dir/f", "new and longer")
	must(tb, os.RemoveAll(root+"/z-gone"))
	write(tb, root+"/z-new/f", "new")
}

// What can be known to stand in the way of a snapshot is found before anything of
// the one before it is touched, and named with the next step.
func TestSnapshotThatCannotBeAppliedLeavesTheOneBefore(t *testing.T) {
	flag := func(flag, path string) func(testing.TB, string) func() {
		return func(tb testing.TB, tree string) func() {
			tb.Helper()
			flagged(tb, "+"+flag, tree+path)
			return func() { command(tb, "chattr", "-"+flag, tree+path) }
		}
	}
	mounted := func(path string) func(testing.TB, string) func() {
		return func(tb testing.TB, tree string) func() {
			tb.Helper()
			other := filepath.Join(filepath.Dir(tree), "other")
			if info, err := os.Stat(tree + path); err == nil && info.IsDir() {
				command(tb, "cp", "-a", tree+path, other)
			} else {
				write(tb, other, "old")
				command(tb, "touch", "-r", tree+path, other)
			}
			bind(tb, other, tree+path)
			return func() { command(tb, "umount", tree+path) }
		}
	}
	full := func(inodes bool) func(testing.TB, string) func() {
		return func(tb testing.TB, tree string) func() {
			tb.Helper()
			ballast := filepath.Join(filepath.Dir(tree), "ballast")
			fill(tb, ballast, inodes)
			return func() { must(tb, os.RemoveAll(ballast)) }
		}
	}
	for _, row := range []struct {
		name, names, remedy string
		block               func(testing.TB, string) func()
	}{
		{"immutable file to replace", "/a3", "chattr -i", flag("i", "/a3")},
		{"append-only file to replace", "/a3", "chattr -a", flag("a", "/a3")},
		{"immutable file to remove", "/z-gone/f", "chattr -i", flag("i", "/z-gone/f")},
		{"append-only file to remove", "/z-gone/f", "chattr -a", flag("a", "/z-gone/f")},
		{"immutable directory", "/locked", "chattr -i", flag("i", "/locked")},
		{"append-only directory", "/locked", "chattr -a", flag("a", "/locked")},
		{"immutable top", "/tree", "chattr -i", flag("i", "")},
		{"bind mount of a file", "/m-file", "unmount it", mounted("/m-file")},
		{"bind mount of a directory", "/m-dir", "unmount it", mounted("/m-dir")},
		{"bind mount of a directory to remove", "/z-gone", "unmount it", mounted("/z-gone")},
		{"no inodes", "/tree", "df -i", full(true)},
		{"no room", "/tree", "make room", full(false)},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := pairOnDisk(t, "-N", "128")
			furnish(t, p.primary.tree)
			p.pull(t)
			unblock := row.block(t, p.backup.tree)
			before, number := describe(t, p.backup.tree), p.backup.Snapshot()
			refurnish(t, p.primary.tree)
			_, err := p.tryPull(t, Request{})
			if err == nil || !strings.Contains(err.Error(), p.backup.tree) || !strings.Contains(err.Error(), row.names) || !strings.Contains(err.Error(), row.remedy) {
				t.Errorf("told: %v", err)
			}
			expectWhole(t, p.backup, before, number)
			must(t, p.backup.Settle(t.Context())) // a takeover goes on with it
			expectWhole(t, p.backup, before, number)
			unblock()
			p.pull(t)
		})
	}
}

// expectWhole wants the tree and the number of a snapshot, and nothing half done.
func expectWhole(tb testing.TB, a *appliance, tree []string, number pair.Snapshot) {
	tb.Helper()
	if diff := difference(tree, describe(tb, a.tree)); diff != "" {
		tb.Errorf("the tree is another:\n%s", diff)
	}
	if a.Snapshot() != number {
		tb.Errorf("snapshot is %+v, want %+v", a.Snapshot(), number)
	}
	if err := a.Torn(); err != nil {
		tb.Error(err)
	}
	if _, err := os.Stat(filepath.Join(a.opt.Dir, "journal.json")); err == nil {
		tb.Error("the journal is left")
	}
}

// What could not be known before is taken back.
func TestSnapshotIsTakenBackWhenAStepFails(t *testing.T) {
	p := pairOnDisk(t)
	furnish(t, p.primary.tree)
	p.pull(t)
	before, number := describe(t, p.backup.tree), p.backup.Snapshot()
	refurnish(t, p.primary.tree)
	p.backup.opt.Hook = func(step string) {
		if step == "recorded" {
			flagged(t, "+i", p.backup.tree+"/m-file")
		}
	}
	p.backup.reopen(t)
	_, err := p.tryPull(t, Request{})
	if !errors.Is(err, errApply) || !strings.Contains(err.Error(), p.backup.tree+"/m-file") || !strings.Contains(err.Error(), "chattr -i") {
		t.Errorf("told: %v", err)
	}
	expectWhole(t, p.backup, before, number)
	p.backup.opt.Hook = nil
	p.backup.reopen(t)
	expectWhole(t, p.backup, before, number)
	must(t, p.backup.Settle(t.Context()))
	flagged(t, "-i", p.backup.tree+"/m-file")
	p.pull(t)
}

// tornPair has a snapshot half in place on the backup that can be neither finished
// nor taken back: m-file cannot be replaced, and a0, in place already, is locked
// as soon as it is to be taken back.
func tornPair(t *testing.T) *pairOf {
	t.Helper()
	p := pairOnDisk(t)
	furnish(t, p.primary.tree)
	p.pull(t)
	refurnish(t, p.primary.tree)
	p.backup.opt.Hook = func(step string) {
		switch step {
		case "recorded":
			flagged(t, "+i", p.backup.tree+"/m-file")
		case "undo":
			_ = exec.Command("chattr", "+i", p.backup.tree+"/a0").Run()
		}
	}
	t.Cleanup(func() { _ = exec.Command("chattr", "-i", p.backup.tree+"/a0").Run() })
	p.backup.reopen(t)
	if _, err := p.tryPull(t, Request{}); !errors.Is(err, ledger.ErrTorn) {
		t.Fatalf("told: %v", err)
	}
	p.backup.opt.Hook = nil
	return p
}

func TestTornDataIsToldAndOfferedToNobody(t *testing.T) {
	p := tornPair(t)
	for range 2 {
		err := p.backup.Torn()
		if err == nil || !strings.Contains(err.Error(), p.backup.tree+"/m-file") || !strings.Contains(err.Error(), "/a0") {
			t.Fatalf("told: %v", err)
		}
		if err := p.backup.Settle(t.Context()); !errors.Is(err, ledger.ErrTorn) {
			t.Fatalf("a takeover would go on with it: %v", err)
		}
		p.backup.Offer(p.epoch)
		if _, err := asked(t, p.backup.Engine, wire.Question{Version: wire.Version, Epoch: p.epoch}); !errors.Is(err, refusal.ErrNotPrimary) {
			t.Fatalf("it is offered: %v", err)
		}
		p.backup.Withdraw()
		if _, err := p.tryPull(t, Request{}); !errors.Is(err, ledger.ErrTorn) {
			t.Fatalf("pulled: %v", err)
		}
		p.backup.ledger.Clean() // as whatever ends a sync does
		p.backup.reopen(t)
	}
	flagged(t, "-i", p.backup.tree+"/a0")
	must(t, ignoreApply(p.backup.Mend(t.Context()))) // taken back now
	if err := p.backup.Torn(); err != nil {
		t.Fatal(err)
	}
	flagged(t, "-i", p.backup.tree+"/m-file")
	p.pull(t)
}

func ignoreApply(err error) error {
	if errors.Is(err, errApply) {
		return nil
	}
	return err
}

func TestTornDataIsFinishedOnceItCanBe(t *testing.T) {
	p := tornPair(t)
	flagged(t, "-i", p.backup.tree+"/m-file")
	flagged(t, "-i", p.backup.tree+"/a0")
	must(t, p.backup.Mend(t.Context()))
	same(t, p.primary.tree, p.backup.tree)
	if p.backup.Torn() != nil || p.backup.Snapshot().Number < 2 {
		t.Fatal(p.backup.Torn(), p.backup.Snapshot())
	}
}

func TestForcedPromotionOfTornDataSaysWhatIsMissing(t *testing.T) {
	p := tornPair(t)
	var missing string
	p.backup.opt.Missing = func(_ pair.Snapshot, what string) { missing = what }
	p.backup.reopen(t)
	must(t, p.backup.SettleForced(t.Context()))
	if !strings.Contains(missing, p.backup.tree+"/m-file") || strings.Contains(missing, "a2") {
		t.Errorf("missing: %s", missing)
	}
	if p.backup.Torn() != nil {
		t.Error(p.backup.Torn())
	}
	for name, want := range map[string]string{"a0": "new and longer", "m-dir/f": "new and longer", "z-new/f": "new", "m-file": "old"} {
		if got, _ := os.ReadFile(p.backup.tree + "/" + name); string(got) != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	copies, err := p.backup.Diverged.All()
	if err != nil || len(copies) != 1 || len(copies[0].Files) != 1 || copies[0].Files[0].Path != "m-file" {
		t.Fatalf("set aside: %+v, %v", copies, err)
	}
	p.backup.reopen(t)
	p.backup.Offer(p.epoch)
	_, err = asked(t, p.backup.Engine, wire.Question{Version: wire.Version, Epoch: p.epoch})
	must(t, err)
}

// What is needed to finish may be damaged. Then the next data sync heals.
func TestTornDataWhoseStepsAreDamagedIsHealedByASync(t *testing.T) {
	p := tornPair(t)
	names, err := filepath.Glob(filepath.Join(p.backup.opt.Dir, "steps", "*"))
	must(t, err)
	for _, name := range names {
		must(t, os.WriteFile(name, []byte("rotten"), 0o600))
	}
	for range 2 {
		p.backup.reopen(t)
		if err := p.backup.Settle(t.Context()); !errors.Is(err, ledger.ErrTorn) {
			t.Fatal(err)
		}
	}
	flagged(t, "-i", p.backup.tree+"/m-file")
	flagged(t, "-i", p.backup.tree+"/a0")
	p.pull(t)
	if err := p.backup.Torn(); err != nil {
		t.Fatal(err)
	}
	must(t, p.backup.Settle(t.Context()))
}

// TestForcedPromotionIsCutShort cuts the power while what cannot be put into place is set aside. It is not lost, whether the administrator
// gives his word again, or the cause is gone.
func TestForcedPromotionIsCutShort(t *testing.T) {
	for _, at := range []string{"copy-diverged", "rename-copy", "set aside"} {
		for _, again := range []string{"forced again", "unblocked"} {
			t.Run(at+" "+again, func(t *testing.T) {
				p := tornPair(t)
				cut := func(step string) {
					if step == at {
						panic("power cut")
					}
				}
				p.backup.opt.Hook = cut
				p.backup.opt.Aside = func(kept.DivergedCopy) { cut("set aside") }
				p.backup.reopen(t)
				func() {
					defer func() { _ = recover() }()
					_ = p.backup.SettleForced(t.Context())
					t.Error("it was not cut short")
				}()
				p.backup.opt.Hook, p.backup.opt.Aside = nil, nil
				if again == "unblocked" {
					flagged(t, "-i", p.backup.tree+"/m-file")
					flagged(t, "-i", p.backup.tree+"/a0")
				}
				p.backup.reopen(t)
				must(t, p.backup.SettleForced(t.Context()))
				must(t, p.backup.Torn())
				if again == "unblocked" {
					same(t, p.primary.tree, p.backup.tree)
					return
				}
				if kept := keeps(t, p.backup); len(kept) != 1 || content(kept[0]+"/m-file") != "new and longer" {
					t.Errorf("set aside: %q", kept)
				}
			})
		}
	}
}
