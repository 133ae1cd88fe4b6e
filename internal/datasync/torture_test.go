package datasync

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"baton/internal/lab/powercut"
	"baton/internal/pair"
)

// seeds are those of a torture: BATON_SEEDS is how many, or FROM-TO.
func seeds(tb testing.TB, usual uint64) (list []uint64) {
	tb.Helper()
	from, to := uint64(1), usual
	if text := os.Getenv("BATON_SEEDS"); text != "" {
		first, last, isRange := strings.Cut(text, "-")
		if !isRange {
			first, last = "1", first
		}
		var err error
		from, err = strconv.ParseUint(first, 10, 64)
		must(tb, err)
		to, err = strconv.ParseUint(last, 10, 64)
		must(tb, err)
	}
	for seed := from; seed <= to; seed++ {
		list = append(list, seed)
	}
	return list
}

// alone runs a test in mount namespaces of its own, a few seeds in each, and reports whether it is there already. It skips the
// test where no disk can lose its power.
func alone(t *testing.T, usual uint64) bool {
	t.Helper()
	if err := powercut.Unavailable(); err != nil {
		t.Skip(err)
	}
	const variable = "BATON_TORTURE=yes"
	if slices.Contains(os.Environ(), variable) {
		return true
	}
	const few = 6 // an engine watches directories as long as its process runs
	for some := range slices.Chunk(seeds(t, usual), few) {
		command := powercut.Alone(t.Name(), variable)
		command.Env = append(command.Env, fmt.Sprintf("BATON_SEEDS=%d-%d", some[0], some[len(some)-1]))
		out, err := command.CombinedOutput()
		if err != nil || testing.Verbose() {
			t.Logf("%s", out)
		}
		if err != nil {
			t.Errorf("seeds %d to %d: %v", some[0], some[len(some)-1], err)
		}
	}
	return false
}

// torture is a pair of which one side has a disk that loses its power, again and again.
type torture struct {
	*rand.Rand

	*pairOf
	disk    *powercut.Disk
	options string // with which the disk is mounted
	starts  int
	holds   map[uint64][]string // what each snapshot holds, by its number
}

func newTorture(t *testing.T, empty []byte, seed uint64) *torture {
	t.Helper()
	dir := t.TempDir()
	w := &torture{Rand: rand.New(rand.NewPCG(seed, 1)), pairOf: &pairOf{epoch: pair.Epoch{Counter: 1, Holder: "a"}}, holds: map[uint64][]string{}}
	var err error
	w.disk, err = powercut.New(dir, slices.Clone(empty), seed)
	must(t, err)
	t.Cleanup(func() { _ = w.disk.Close() })
	w.options = []string{"", "noauto_da_alloc", "data=writeback", "data=writeback,noauto_da_alloc", "data=journal"}[w.IntN(5)]
	w.on(t)
	t.Cleanup(func() { _ = w.disk.Off() })
	return w
}

// on turns the machine of the disk on.
func (w *torture) on(t *testing.T) {
	t.Helper()
	w.starts++
	t.Setenv("BATON_BOOT", strconv.Itoa(w.starts)) // for what is opened there from now on, by whichever process
	must(t, w.disk.Mount(w.options))
}

// changed is what the primary holds after some changes at random.
func (w *torture) changed(t *testing.T) []string {
	t.Helper()
	for range 1 + w.IntN(12) {
		unrest{w.Rand, w.primary.tree}.act()
	}
	if w.IntN(3) == 0 {
		must(t, os.WriteFile(w.primary.site.path, fmt.Append(nil, "settings ", w.Uint64()), 0o600))
	}
	return everything(t, w.primary)
}

// note notes that all snapshots that were offered since one hold the same.
func (w *torture) note(since uint64, held []string) {
	for n := since + 1; n <= w.primary.Offered().Number; n++ {
		w.holds[n] = held
	}
}

// cut has the backup in a process of its own do something, cuts the power of its disk at some moment, and turns it
// on again.
func (w *torture) cut(t *testing.T, url string) {
	t.Helper()
	at := 0
	mode := w.IntN(3)
	if mode == 0 {
		at = 1 + w.IntN(60)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "BATON_CRASH_DIR="+w.backup.dir, "BATON_CRASH_AT="+strconv.Itoa(at), "BATON_CRASH_URL="+url)
	stop := func() {}
	if w.IntN(2) == 0 {
		stop = w.neighbour(t)
	}
	var off <-chan struct{}
	if mode == 1 {
		off = w.disk.CutAfter(1 + w.IntN(80))
	}
	var after <-chan time.Time
	must(t, child.Start())
	if mode == 2 {
		after = time.After(time.Duration(w.IntN(150)) * time.Millisecond)
	}
	ended := make(chan struct{})
	go func() {
		_ = child.Wait()
		close(ended)
	}()
	select {
	case <-off:
	case <-after:
	case <-ended:
	}
	w.disk.Cut()
	_ = child.Process.Kill()
	<-ended
	stop()
	must(t, w.disk.Off())
	w.on(t)
}

// neighbour is another program with the same disk. What it makes durable commits the names that others gave, without
// what is in their files.
func (w *torture) neighbour(t *testing.T) (stop func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(w.disk.Dir, "neighbour"))
	must(t, err)
	ended, end := make(chan struct{}), make(chan struct{})
	pause := time.Duration(w.IntN(10)) * time.Millisecond
	go func() {
		defer close(ended)
		defer func() { _ = f.Close() }()
		for {
			if _, err := f.WriteString("x"); err != nil || f.Sync() != nil {
				return
			}
			select {
			case <-end:
				return
			case <-time.After(pause):
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// start opens the backup's engine in this process.
func (w *torture) start(t *testing.T) {
	t.Helper()
	dir := w.backup.dir
	w.backup = &appliance{}
	w.backup.configure(t, dir, filepath.Join(dir, "tree"))
	w.backup.reopen(t)
}

// TestTortureOfABackup cuts the power of the backup's disk at any moment of data syncs and starts, many times. (BATON_SEEDS=1000 or 17-17: which seeds.)
func TestTortureOfABackup(t *testing.T) {
	if !alone(t, 12) {
		return
	}
	empty, err := powercut.Format(32 << 20)
	must(t, err)
	left := map[string]int{}
	for _, seed := range seeds(t, 12) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { tortureBackup(t, newTorture(t, empty, seed), left) })
	}
	t.Logf("power cuts left: %v", left)
}

func tortureBackup(t *testing.T, w *torture, left map[string]int) {
	t.Helper()
	dir := t.TempDir()
	w.primary = newAppliance(t, filepath.Join(dir, "primary"), filepath.Join(dir, "primary", "tree"))
	must(t, os.MkdirAll(w.primary.tree, 0o755))
	w.primary.Offer(w.epoch)
	w.server = httptest.NewServer(w.primary.Handler())
	defer w.server.Close()
	w.backup = newAppliance(t, filepath.Join(w.disk.Dir, "backup"), filepath.Join(w.disk.Dir, "backup", "tree"))
	unrest{w.Rand, w.primary.tree}.fill()
	held := w.changed(t)
	w.bring(t)
	w.note(0, held)
	for cycle := range 4 {
		before := w.primary.Offered().Number
		held := w.changed(t)
		w.cut(t, w.server.URL)
		w.note(before, held)
		for w.recorded() && w.IntN(2) == 0 {
			left["one that was being put into place"]++
			w.cut(t, "")
		}
		if w.recorded() {
			left["one that was being put into place"]++
		}
		w.start(t)
		w.judge(t, cycle, before, left)
		if w.IntN(4) == 0 {
			continue
		}
		before = w.primary.Offered().Number
		w.bring(t)
		w.note(before, held)
		if diff := difference(held, everything(t, w.backup)); diff != "" {
			t.Fatalf("cycle %d: the next sync ends with\n%s", cycle, diff)
		}
	}
	must(t, w.disk.Off())
	must(t, w.disk.Check())
}

// bring syncs to the end, however much was deleted.
func (w *torture) bring(t *testing.T) {
	t.Helper()
	_, err := w.tryPull(t, Request{AcceptShrink: true})
	must(t, err)
}

// judge looks at what a cut left: the snapshot that the backup says it has, whole, and none older than one that it
// reported complete.
func (w *torture) judge(t *testing.T, cycle int, before uint64, left map[string]int) {
	t.Helper()
	b := w.backup
	must(t, b.Torn())
	number := b.Snapshot().Number
	if number < w.primary.Confirmed().Number {
		t.Fatalf("cycle %d: the backup reported snapshot %d, and has %d", cycle, w.primary.Confirmed().Number, number)
	}
	want, is := topTimeless(w.holds[number]), topTimeless(everything(t, b))
	if number <= before {
		left["the old one"]++
	} else {
		left["the new one"]++
	}
	if diff := difference(want, is); diff != "" || len(want) == 0 {
		t.Fatalf("cycle %d: snapshot %d is not whole (%d were offered before):\n%s", cycle, number, before, diff)
	}
	if w.recorded() {
		t.Fatalf("cycle %d: the journal is left", cycle)
	}
}

// recorded reports whether a snapshot is being put into place.
func (w *torture) recorded() bool {
	_, err := os.Stat(filepath.Join(w.backup.dir, "sync", "journal.json"))
	return err == nil
}

// topTimeless leaves the time of the top directory out: a cut as the staging is made or removed leaves another
// there, until the next sync.
func topTimeless(held []string) []string {
	if len(held) == 0 {
		return nil
	}
	top, _, _ := strings.Cut(held[0], " mtime=")
	return append([]string{top}, held[1:]...)
}
