package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"baton/bench/tree"
	"baton/internal/lab"
)

// Of the trees that are copied.
const (
	smallFiles = 50_000
	smallSize  = 10 << 10
	largeSize  = int64(2) << 30
	appended   = int64(100) << 20
	quicker    = 10 // a quick run takes so much less of each
	treeDir    = "tree"
	diskSize   = int64(44) << 30 // of each appliance; what is not used takes no memory
)

// onDisks runs a study on hosts whose disks are their own, with a pair of appliances that syncs when it is asked to.
func onDisks(with lab.FileSystem, schedule string, run func(ctx context.Context, t *trees) ([]row, error)) func(ctx context.Context, b *bench) ([]row, error) {
	return func(ctx context.Context, b *bench) (rows []row, err error) {
		cast := lab.Cast()
		for i := range cast[:2] {
			cast[i].Disk, cast[i].FileSystem = diskSize, with
		}
		hosts, err := lab.New(ctx, lab.Options{Prefix: "bdisk", Hosts: cast})
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, hosts.Close()) }()
		own := *b
		own.lab = hosts
		p := own.newBaton(usual())
		p.schedule = schedule
		defer p.end()
		if err := p.begin(ctx); err != nil {
			return nil, err
		}
		t := &trees{bench: &own, tree: tree.Tree{Dir: filepath.Join(hosts.Host("alpha").Dir(), treeDir)}, baton: p, share: 1}
		if b.opts.quick {
			t.share = quicker
		}
		if err := os.MkdirAll(t.tree.Dir, 0o755); err != nil { //nolint:gosec // no secret
			return nil, fmt.Errorf("make the tree: %w", err)
		}
		return run(ctx, t)
	}
}

// trees are what is copied, by each program in its own way.
type trees struct {
	*bench

	tree  tree.Tree
	baton *baton
	ways  []way
	share int // sizes are divided by it
}

// way is one way to bring alpha's tree to beta.
type way struct {
	program string
	bring   func(ctx context.Context) error
	forget  func(ctx context.Context) error // so that the next is a first one
}

// begin starts what the programs need.
func (t *trees) begin(ctx context.Context) (end func(), err error) {
	byDaemon, endDaemon, err := t.byRsyncDaemon(ctx)
	if err != nil {
		return nil, err
	}
	overSSH, endSSH, err := t.byRsyncOverSSH(ctx)
	if err != nil {
		endDaemon()
		return nil, err
	}
	t.ways = []way{byDaemon, overSSH, t.bySync()}
	if only := t.opts.only.program; only != nil {
		t.ways = slices.DeleteFunc(t.ways, func(w way) bool { return !only.MatchString(w.program) })
	}
	return func() { endDaemon(); endSSH() }, nil
}

// work is one row's work, and how much of rsync's time over ssh Baton may take for it.
type work struct {
	scenario string
	share    float64 // 0: no bound
	change   func(round int) error
	ready    func(ctx context.Context) error // before each program; nil: nothing
}

// timed has every program bring the tree after each of the works, a number of times from the start. There is one copy of the
// tree at a time, so that each program has the memory for itself.
func (t *trees) timed(ctx context.Context, runs int, works []work) ([]row, error) {
	rows := make([][]row, len(works))
	for i, w := range works {
		rows[i] = t.rowsOf(w)
	}
	for round := range t.runs(runs) {
		for i, way := range t.ways {
			if err := t.alone(ctx, way, round, works, func(n int) *row { return &rows[n][i] }); err != nil {
				return nil, err
			}
		}
	}
	return slices.Concat(rows...), nil
}

// alone has one program bring the tree after each of the works, and forgets all of it.
func (t *trees) alone(ctx context.Context, way way, round int, works []work, rowOf func(work int) *row) error {
	for i, w := range works {
		if err := w.change(round); err != nil {
			return fmt.Errorf("%s: %w", w.scenario, err)
		}
		if err := t.time(ctx, rowOf(i), w, way); err != nil {
			return fmt.Errorf("%s: %s: %w", w.scenario, way.program, err)
		}
	}
	return t.forget(ctx, way)
}

// forget removes the tree and a program's copy of it.
func (t *trees) forget(ctx context.Context, way way) error {
	if err := way.forget(ctx); err != nil {
		return fmt.Errorf("%s: %w", way.program, err)
	}
	return t.tree.Empty()
}

func (t *trees) rowsOf(w work) []row {
	rows := make([]row, len(t.ways))
	for i, way := range t.ways {
		rows[i] = row{scenario: w.scenario, measure: "until it is on disk", program: way.program}
	}
	if ours := len(rows) - 1; w.share > 0 && ours > 0 && t.ways[ours-1].program == overSSH {
		rows[ours].share, rows[ours].against = w.share, &rows[ours-1]
	}
	return rows
}

// time adds how long a program takes. What the kernel owes the disks from before is written first.
func (t *trees) time(ctx context.Context, to *row, w work, way way) error {
	if w.ready != nil {
		if err := w.ready(ctx); err != nil {
			return err
		}
	}
	if err := t.syncDisks(); err != nil {
		return err
	}
	began := time.Now()
	if err := way.bring(ctx); err != nil {
		return err
	}
	to.addTime(time.Since(began))
	return nil
}

// syncDisks has the kernel write what it owes the disks of both.
func (t *trees) syncDisks() error {
	return errors.Join(syncDisk(t.lab.Host("alpha")), syncDisk(t.lab.Host("beta")))
}

func syncDisk(host *lab.Host) error {
	dir, err := os.Open(host.Dir())
	if err != nil {
		return fmt.Errorf("write the disk: %w", err)
	}
	defer func() { _ = dir.Close() }()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("write the disk: %w", err)
	}
	return nil
}

// smallWorks are those with many small files.
func smallWorks(ctx context.Context, t *trees) ([]row, error) {
	end, err := t.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	files := smallFiles / t.share
	return t.timed(ctx, 3, []work{
		{fmt.Sprintf("%d files of 10 KiB, first time", files), 0.8, func(round int) error { return t.tree.Write(files, smallSize, 1, round) }, nil},
		{"the same, nothing changed, daemons just started", 0.3, func(int) error { return nil }, t.baton.restart},
		{fmt.Sprintf("the same, %d changed", files/100), 0.35, func(round int) error { return t.tree.Write(files, smallSize, 100, round+1) }, nil},
		{fmt.Sprintf("the same, directory of %d files renamed", files), 0.05, func(int) error { return t.tree.Rename("small", "renamed") }, nil},
	})
}

// largeWorks are those with one large file.
func largeWorks(ctx context.Context, t *trees) ([]row, error) {
	end, err := t.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	size, more := largeSize/int64(t.share), appended/int64(t.share)
	return t.timed(ctx, 3, []work{
		{fmt.Sprintf("one file of %d MiB, first time", size>>20), 0.6, func(int) error { return t.tree.WriteLarge(size) }, nil},
		{"the same, 1 % of its blocks changed (ext4)", 0.15, func(int) error { return t.tree.ChangeBlocks(size, 100) }, nil},
		{fmt.Sprintf("the same, %d MiB appended", more>>20), 0.1, func(int) error { return t.tree.WriteLarge(more) }, nil},
		{"the same, a byte inserted at the front", 0.3, func(int) error { return t.tree.InsertByte() }, nil},
	})
}

// sharedWorks are those with one large file on a file system on which files may share blocks.
func sharedWorks(ctx context.Context, t *trees) ([]row, error) {
	end, err := t.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	size := largeSize / int64(t.share)
	return t.timed(ctx, 3, []work{
		{fmt.Sprintf("one file of %d MiB, first time (XFS)", size>>20), 0, func(int) error { return t.tree.WriteLarge(size) }, nil},
		{"the same, 1 % of its blocks changed (XFS, reflinks)", 0.06, func(int) error { return t.tree.ChangeBlocks(size, 100) }, nil},
	})
}
