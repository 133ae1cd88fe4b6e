package datasync

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"baton/internal/durable"
	"baton/internal/lab/powercut"
	"baton/internal/pair"
)

// newest is the highest number with a mark that the files of a name have below some directories; 0: none.
func newest(mark, name string, dirs ...string) (number int) {
	for _, dir := range dirs {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			text, is := strings.CutPrefix(strings.TrimSpace(line), mark)
			if n, err := strconv.Atoi(text); is && err == nil {
				number = max(number, n)
			}
		}
	}
	return number
}

// owes names what of a program's acknowledged numbers none of the directories has, and was not had before.
func (w *writer) owes(had map[string]int, dirs ...string) (owes []string) {
	for name, number := range w.acknowledged {
		name = filepath.Base(name)
		if got := max(newest(w.mark, name, dirs...), had[name]); got < number {
			owes = append(owes, fmt.Sprintf("%s: %s%08d was acknowledged, the newest is %s%08d", name, w.mark, number, w.mark, got))
		}
	}
	return owes
}

// keeps are the directories with what an appliance has set aside of its tree.
func keeps(t *testing.T, a *appliance) (dirs []string) {
	t.Helper()
	copies, err := a.Diverged.All()
	must(t, err)
	for _, one := range copies {
		dirs = append(dirs, filepath.Join(a.opt.Dir, "diverged", one.ID, "files", a.data.Name))
	}
	return dirs
}

// split is a pair of which both sides are primary for a time; a is on the disk that loses its power.
type split struct {
	*torture

	a, b   *writer
	had    map[string]int // by name: what of a's numbers b went on from, and may replace
	copies int
}

// TestTortureOfTwoPrimaries has a backup take over from a primary that goes on writing, and cuts the power of the disk of that one, whenever, until it has set
// aside what only it has, and has pulled. What a program on either was told to be durable is then in the data of both, or in a diverged copy;
// and what was so when the last data sync began is in the data that the backup took over with.
func TestTortureOfTwoPrimaries(t *testing.T) {
	if !alone(t, 8) {
		return
	}
	empty, err := powercut.Format(32 << 20)
	must(t, err)
	writes, copies := 0, 0
	for _, seed := range seeds(t, 8) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			s := newSplit(t, newTorture(t, empty, seed))
			defer s.server.Close()
			for cycle := range 3 {
				s.diverge(t, cycle)
				s.returns(t, cycle)
				s.handBack(t)
			}
			must(t, s.disk.Off())
			must(t, s.disk.Check())
			writes, copies = writes+s.a.number+s.b.number, copies+s.copies
		})
	}
	t.Logf("%d writes were acknowledged, and %d copies made", writes, copies)
}

// newSplit is a pair in step. As in every torture, what is on the disk is the backup, whatever its role.
func newSplit(t *testing.T, w *torture) *split {
	t.Helper()
	w.backup = newAppliance(t, filepath.Join(w.disk.Dir, "a"), filepath.Join(w.disk.Dir, "a", "tree"))
	dir := t.TempDir()
	w.primary = newAppliance(t, filepath.Join(dir, "b"), filepath.Join(dir, "b", "tree"))
	s := &split{
		torture: w,
		a:       &writer{torture: w, tree: w.backup.tree, mark: "a", acknowledged: map[string]int{}},
		b:       &writer{torture: w, tree: w.primary.tree, mark: "b", acknowledged: map[string]int{}},
	}
	must(t, os.MkdirAll(filepath.Join(s.a.tree, "others"), 0o755))
	s.others(s.a).fill()
	w.backup.Offer(w.epoch)
	w.server = httptest.NewServer(w.backup.Handler())
	return s
}

func (*split) others(of *writer) unrest { return unrest{of.Rand, filepath.Join(of.tree, "others")} }

// work has a program write so often at most, and others beside it.
func (s *split) work(t *testing.T, of *writer, most int) {
	t.Helper()
	for range s.IntN(most + 1) {
		name, err := of.write()
		must(t, err)
		of.acknowledged[name] = of.number
		if s.IntN(3) == 0 {
			s.others(of).act()
		}
	}
}

// sync has the primary of the torture, which is off that disk, pull from the other.
func (s *split) sync(t *testing.T, req Request) {
	t.Helper()
	req.Epoch, req.AcceptShrink = s.epoch, true
	_, err := s.primary.Pull(t.Context(), s.server.Client(), s.server.URL, req)
	must(t, err)
}

// diverge has b take over from a, and both write.
func (s *split) diverge(t *testing.T, cycle int) {
	t.Helper()
	s.work(t, s.a, 12)
	acknowledged := maps.Clone(s.a.acknowledged)
	s.sync(t, Request{})
	s.work(t, s.a, 12) // the data age
	must(t, s.primary.Settle(t.Context()))
	young := *s.a
	young.acknowledged = acknowledged
	if owes := young.owes(nil, s.b.tree); owes != nil {
		t.Fatalf("cycle %d: the snapshot lacks\n%s", cycle, strings.Join(owes, "\n"))
	}
	s.had = map[string]int{}
	for name := range s.a.acknowledged {
		name = filepath.Base(name)
		s.had[name] = newest("a", name, s.b.tree)
	}
	s.epoch = s.epoch.Next("b")
	s.primary.Offer(s.epoch)
	s.server.Config.Handler = s.primary.Handler()
	for range 3 {
		s.work(t, s.a, 6)
		s.work(t, s.b, 6)
	}
}

// returns has a become backup, with its power cut as often as not.
func (s *split) returns(t *testing.T, cycle int) {
	t.Helper()
	since, had := s.primary.Snapshot().Number, s.had
	s.backup.Withdraw()
	t.Setenv("BATON_CRASH_ASIDE", strconv.FormatUint(since, 10))
	t.Setenv("BATON_CRASH_EPOCH", fmt.Sprintf("%d %s", s.epoch.Counter, s.epoch.Holder))
	for range s.IntN(4) {
		s.cut(t, s.server.URL)
		s.start(t)
		if s.backup.Snapshot().Epoch != s.epoch && s.IntN(3) == 0 { // by a server that is still stopping
			s.work(t, s.a, 3)
			must(t, durable.SyncFS(s.disk.Dir))
		}
		if owes := s.a.owes(had, append(keeps(t, s.backup), s.a.tree)...); owes != nil {
			t.Fatalf("cycle %d: the disk has lost\n%s", cycle, strings.Join(owes, "\n"))
		}
		s.work(t, s.b, 3)
	}
	_, err := s.backup.SetAside(t.Context(), s.epoch, since)
	must(t, err)
	_, err = s.backup.Pull(t.Context(), s.server.Client(), s.server.URL, Request{Epoch: s.epoch, AcceptShrink: true})
	must(t, err)
	must(t, s.backup.Torn())
	same(t, s.b.tree, s.a.tree)
	kept := keeps(t, s.backup)
	s.copies = len(kept)
	if owes := append(s.a.owes(had, append(kept, s.a.tree)...), s.b.owes(nil, s.a.tree)...); owes != nil {
		t.Fatalf("cycle %d: neither the data nor a copy has\n%s", cycle, strings.Join(owes, "\n"))
	}
}

// handBack makes a the primary again, by a planned switch.
func (s *split) handBack(t *testing.T) {
	t.Helper()
	_, err := s.backup.Pull(t.Context(), s.server.Client(), s.server.URL, Request{Epoch: s.epoch, Final: true, AcceptShrink: true})
	must(t, err)
	must(t, s.backup.Settle(t.Context()))
	s.primary.Withdraw()
	s.epoch = s.epoch.Next("a")
	s.backup.Offer(s.epoch)
	s.server.Config.Handler = s.backup.Handler()
	s.sync(t, Request{})
	if kept := keeps(t, s.primary); len(kept) > 0 {
		t.Fatalf("b has set aside %q, and wrote nothing alone", kept)
	}
	s.a.acknowledged, s.b.acknowledged = map[string]int{}, map[string]int{} // of the next split
}

// TestTortureOfAForcedTakeover has a snapshot come that can be neither put into place nor taken back, as files cannot be replaced, and an administrator who takes the data
// as it is, with the power of that disk cut whenever. What the snapshot before has is in the data, or in a copy; and what the recorded one has, unless it
// was taken back. Then both write, and the old primary returns.
func TestTortureOfAForcedTakeover(t *testing.T) {
	if !alone(t, 8) {
		return
	}
	empty, err := powercut.Format(32 << 20)
	must(t, err)
	left := map[string]int{}
	for _, seed := range seeds(t, 8) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { tortureForced(t, newTorture(t, empty, seed), left) })
	}
	t.Logf("before the takeover: %v", left)
}

func tortureForced(t *testing.T, w *torture, left map[string]int) {
	t.Helper()
	dir := t.TempDir()
	w.primary = newAppliance(t, filepath.Join(dir, "a"), filepath.Join(dir, "a", "tree"))
	w.backup = newAppliance(t, filepath.Join(w.disk.Dir, "b"), filepath.Join(w.disk.Dir, "b", "tree"))
	s := &split{
		torture: w,
		a:       &writer{torture: w, tree: w.primary.tree, mark: "a", acknowledged: map[string]int{}},
		b:       &writer{torture: w, tree: w.backup.tree, mark: "b", acknowledged: map[string]int{}},
	}
	must(t, os.MkdirAll(filepath.Join(s.a.tree, "others"), 0o755))
	s.others(s.a).fill()
	w.primary.Offer(w.epoch)
	w.server = httptest.NewServer(w.primary.Handler())
	defer w.server.Close()
	s.work(t, s.a, 40)
	had := maps.Clone(s.a.acknowledged)
	w.bring(t)
	old := w.backup.Snapshot().Number
	s.work(t, s.a, 40)
	t.Setenv("BATON_CRASH_TORN", w.backup.tree)
	for range 4 {
		if w.cut(t, w.server.URL); w.recorded() {
			break
		}
	}
	if w.recorded() {
		left["recorded"]++
	}
	t.Setenv("BATON_CRASH_FORCE", "yes")
	for range w.IntN(4) {
		w.cut(t, "")
	}
	w.start(t)
	torn := w.backup.Torn() != nil
	must(t, w.backup.SettleForced(t.Context()))
	switch whole := w.backup.Snapshot().Number > old; {
	case torn:
		left["torn"]++
		had = maps.Clone(s.a.acknowledged)
	case whole:
		left["the new one"]++
		had = maps.Clone(s.a.acknowledged)
	default:
		left["the old one"]++
	}
	must(t, w.backup.Torn())
	_ = exec.Command("chattr", "-R", "-f", "-i", s.b.tree).Run() // not of links
	before := *s.a
	before.acknowledged = had
	if owes := before.owes(nil, append(keeps(t, w.backup), s.b.tree)...); owes != nil {
		t.Fatalf("neither the data nor a copy has\n%s", strings.Join(owes, "\n"))
	}

	s.had = map[string]int{}
	for name := range s.a.acknowledged {
		name = filepath.Base(name)
		s.had[name] = newest("a", name, s.b.tree)
	}
	w.primary.Withdraw()
	w.epoch = w.epoch.Next("b")
	w.backup.Offer(w.epoch)
	w.server.Config.Handler = w.backup.Handler()
	s.work(t, s.a, 6)
	s.work(t, s.b, 6)
	_, err := w.primary.SetAside(t.Context(), w.epoch, w.backup.Snapshot().Number)
	must(t, err)
	s.sync(t, Request{})
	same(t, s.b.tree, s.a.tree)
	if owes := append(s.a.owes(s.had, append(keeps(t, w.primary), s.a.tree)...), s.b.owes(nil, s.a.tree)...); owes != nil {
		t.Fatalf("neither the data nor a copy has\n%s", strings.Join(owes, "\n"))
	}
	must(t, w.disk.Off())
	must(t, w.disk.Check())
}

// tear keeps the files of a tree from being put into place once a snapshot is recorded, and those that are from being taken back.
func tear(tree, step string) {
	names := map[string]string{"recorded": "m*", "undo": "[k-l]*"}[step]
	if files, err := filepath.Glob(filepath.Join(tree, names)); err == nil && names != "" {
		_ = exec.Command("chattr", append([]string{"-f", "+i"}, files...)...).Run()
	}
}

// crashEpoch is that of the primary from which the child pulls: 1/a, or what the variable says.
func crashEpoch() pair.Epoch {
	e := pair.Epoch{Counter: 1, Holder: "a"}
	if text := os.Getenv("BATON_CRASH_EPOCH"); text != "" {
		_, _ = fmt.Sscanf(text, "%d %s", &e.Counter, &e.Holder)
	}
	return e
}
