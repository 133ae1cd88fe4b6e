package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"baton/internal/lab"
	"baton/internal/pair"
)

// Sizes of the trees.
const (
	smallFiles   = 20_000
	smallSize    = 10 << 10
	smallPerDir  = 200
	smallChanged = 200
	largeSize    = 512 // MiB
	quicker      = 10  // a quick run takes so much less of each
	treeDir      = "tree"
	copyDir      = "copy" // where rsync puts it
)

// pull is one way to bring alpha's tree to beta.
type pull struct {
	first  func(ctx context.Context, number int) error
	again  func(ctx context.Context) error
	forget func(ctx context.Context, number int) error // so that the next is a first one
}

// dataSync measures Baton's data sync against rsync's daemon, over the lab's
// network and from the same tree.
func dataSync(ctx context.Context, b *bench) ([]row, error) {
	p := b.newBaton(usual())
	p.schedule = "daily" // so that nothing is synced unasked
	defer p.end()
	if err := p.begin(ctx); err != nil {
		return nil, err
	}
	daemon, err := b.startRsync(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = daemon.Stop(time.Second) }()
	t := &trees{bench: b, dir: filepath.Join(b.lab.Host("alpha").Dir(), treeDir), rsync: b.byRsync(), baton: p.bySync(), share: 1}
	if b.opts.quick {
		t.share = quicker
	}
	if err := os.Mkdir(t.dir, 0o755); err != nil { //nolint:gosec // no secret
		return nil, fmt.Errorf("make the tree: %w", err)
	}
	small, err := t.small(ctx)
	if err != nil {
		return nil, err
	}
	large, err := t.large(ctx)
	return append(small, large...), err
}

// trees are what is copied, by both.
type trees struct {
	*bench
	dir          string // alpha's
	rsync, baton pull
	share        int // sizes are divided by it
}

// dataRows are the rows of one scenario.
type dataRows struct{ rsync, durable, baton row }

func newDataRows(scenario string) *dataRows {
	line := func(program string) row {
		return row{scenario: scenario, measure: "until it is there", program: program}
	}
	return &dataRows{
		rsync:   line("rsync daemon (plain, not durable)"),
		durable: line("rsync daemon, then sync (plain, durable)"),
		baton:   line("Baton (TLS 1.3, verified, durable)"),
	}
}

func (r *dataRows) list() []row { return []row{r.rsync, r.durable, r.baton} }

// time adds how long each of the two takes. Writes that the kernel owes from
// before are done first.
func (r *dataRows) time(rsync, baton func() error) error {
	syncDisks()
	began := time.Now()
	if err := rsync(); err != nil {
		return err
	}
	r.rsync.addTime(time.Since(began))
	syncDisks()
	r.durable.addTime(time.Since(began))
	began = time.Now()
	if err := baton(); err != nil {
		return err
	}
	r.baton.addTime(time.Since(began))
	return nil
}

func (t *trees) small(ctx context.Context) ([]row, error) {
	if err := t.writeSmall(0, 1); err != nil {
		return nil, err
	}
	first := newDataRows(fmt.Sprintf("%d files of 10 KiB, first time", smallFiles/t.share))
	unchanged := newDataRows("the same, nothing changed")
	changed := newDataRows(fmt.Sprintf("the same, %d changed", smallChanged/t.share))
	for number := range t.runs(5) {
		if err := t.first(ctx, first, number); err != nil {
			return nil, err
		}
		if err := t.again(ctx, unchanged); err != nil {
			return nil, err
		}
		if err := t.writeSmall(number+1, smallFiles/smallChanged); err != nil {
			return nil, err
		}
		if err := t.again(ctx, changed); err != nil {
			return nil, err
		}
		if err := t.forget(ctx, number); err != nil {
			return nil, err
		}
	}
	return slices.Concat(first.list(), unchanged.list(), changed.list()), nil
}

func (t *trees) large(ctx context.Context) ([]row, error) {
	if err := empty(t.dir); err != nil {
		return nil, err
	}
	size := largeSize / t.share
	if err := writeLarge(filepath.Join(t.dir, "large"), int64(size)<<20); err != nil {
		return nil, err
	}
	rows := newDataRows(fmt.Sprintf("one file of %d MiB, first time", size))
	for run := range t.runs(5) {
		number := 100 + run // not one of the small files' names
		if err := t.first(ctx, rows, number); err != nil {
			return nil, err
		}
		if err := t.forget(ctx, number); err != nil {
			return nil, err
		}
	}
	return rows.list(), nil
}

func (t *trees) first(ctx context.Context, rows *dataRows, number int) error {
	return rows.time(func() error { return t.rsync.first(ctx, number) }, func() error { return t.baton.first(ctx, number) })
}

func (t *trees) again(ctx context.Context, rows *dataRows) error {
	return rows.time(func() error { return t.rsync.again(ctx) }, func() error { return t.baton.again(ctx) })
}

func (t *trees) forget(ctx context.Context, number int) error {
	return errors.Join(t.rsync.forget(ctx, number), t.baton.forget(ctx, number))
}

// writeSmall writes every so many of the small files, with a text that tells the round.
func (t *trees) writeSmall(round, every int) error {
	for i := 0; i < smallFiles/t.share; i += every {
		dir := filepath.Join(t.dir, fmt.Sprintf("d%03d", i/smallPerDir))
		if i%smallPerDir == 0 {
			if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // no secret
				return fmt.Errorf("make the tree: %w", err)
			}
		}
		text := fmt.Sprintf("file %d in round %d\n", i, round)
		text = strings.Repeat(text, smallSize/len(text)+1)[:smallSize]
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%05d", i)), []byte(text), 0o644); err != nil { //nolint:gosec // no secret
			return fmt.Errorf("make the tree: %w", err)
		}
	}
	return nil
}

// writeLarge writes a file that nothing can compress.
func writeLarge(path string, size int64) error {
	file, err := os.Create(path) //nolint:gosec // ours
	if err != nil {
		return fmt.Errorf("make the large file: %w", err)
	}
	if _, err := io.CopyN(file, rand.Reader, size); err != nil {
		_ = file.Close()
		return fmt.Errorf("make the large file: %w", err)
	}
	return file.Close()
}

// startRsync offers alpha's tree by rsync's own protocol.
func (b *bench) startRsync(ctx context.Context) (*lab.Process, error) {
	alpha := b.lab.Host("alpha")
	text := fmt.Sprintf("use chroot = no\nuid = %d\ngid = %d\n[tree]\npath = %s\n", os.Getuid(), os.Getgid(), filepath.Join(b.lab.Disk(), treeDir))
	if err := os.WriteFile(filepath.Join(alpha.Dir(), "rsyncd.conf"), []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration of rsync: %w", err)
	}
	p, err := alpha.Start(ctx, lab.Cmd{Path: "rsync", Args: []string{"--daemon", "--no-detach", "--config", filepath.Join(b.lab.Disk(), "rsyncd.conf")}})
	if err != nil {
		return nil, err
	}
	return p, await(ctx, "rsync listens", func() bool {
		conn, err := b.lab.Host("beta").DialContext(ctx, "tcp", rsyncAddress(alpha))
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
}

func rsyncAddress(host *lab.Host) string { return host.Addr4().String() + ":873" }

// byRsync keeps what Baton keeps: hard links, access control lists, extended
// attributes, numeric owners; and deletes what is gone.
func (b *bench) byRsync() pull {
	again := func(ctx context.Context) error {
		_, err := b.lab.Host("beta").Output(ctx, lab.Cmd{Path: "rsync", Args: []string{
			"-aHAX", "--numeric-ids", "--delete",
			"rsync://" + rsyncAddress(b.lab.Host("alpha")) + "/tree/", filepath.Join(b.lab.Disk(), copyDir) + "/",
		}})
		return err
	}
	return pull{
		first: func(ctx context.Context, _ int) error { return again(ctx) },
		again: again,
		forget: func(context.Context, int) error {
			return os.RemoveAll(filepath.Join(b.lab.Host("beta").Dir(), copyDir))
		},
	}
}

// bySync adds the tree to the protected data under a new name each time, so that
// nothing is known of it.
func (p *baton) bySync() pull {
	name := func(number int) string { return fmt.Sprintf("tree-%d", number) }
	again := func(ctx context.Context) error {
		backup, err := p.find(ctx, pair.Backup)
		if err != nil {
			return err
		}
		return backup.Do(ctx, "", "sync", "--accept-shrink", "--wait")
	}
	return pull{
		first: func(ctx context.Context, number int) error {
			if err := p.appliances[0].Do(ctx, "", "data", "add", "dir", name(number), p.appliances[0].OnHost(treeDir)); err != nil {
				return err
			}
			return again(ctx)
		},
		again: again,
		forget: func(ctx context.Context, number int) error {
			if err := p.appliances[0].Do(ctx, "", "data", "remove", name(number)); err != nil {
				return err
			}
			if err := again(ctx); err != nil {
				return err
			}
			return os.RemoveAll(p.appliances[1].Path(treeDir))
		},
	}
}
