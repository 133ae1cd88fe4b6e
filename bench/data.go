package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	largeSize    = 512 << 20
	treeDir      = "tree"
	copyDir      = "copy" // where rsync puts it
)

// pull is one way to bring alpha's tree to beta.
type pull struct {
	first  func(ctx context.Context, number int) error
	again  func(ctx context.Context) error
	forget func(number int) error // so that the next is a first one
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
	tree := filepath.Join(b.lab.Host("alpha").Dir(), treeDir)
	if err := os.Mkdir(tree, 0o755); err != nil { //nolint:gosec // no secret
		return nil, fmt.Errorf("make the tree: %w", err)
	}
	pulls := []pull{b.byRsync(), p.bySync()}
	small, err := b.small(ctx, tree, pulls)
	if err != nil {
		return nil, err
	}
	large, err := b.large(ctx, tree, pulls)
	return append(small, large...), err
}

// dataRows are the rows of one scenario, rsync's and ours.
func dataRows(scenario string) []row {
	return []row{
		{scenario: scenario, measure: "until it is there", program: "rsync daemon (plain, not durable)"},
		{scenario: scenario, measure: "until it is there", program: "Baton (TLS 1.3, verified, durable)"},
	}
}

func (b *bench) small(ctx context.Context, tree string, pulls []pull) ([]row, error) {
	if err := writeSmall(tree, 0, 1); err != nil {
		return nil, err
	}
	first := dataRows(fmt.Sprintf("%d files of 10 KiB, first time", smallFiles))
	unchanged := dataRows("the same, nothing changed")
	changed := dataRows(fmt.Sprintf("the same, %d changed", smallChanged))
	for number := range b.runs(5) {
		if err := firstPulls(ctx, first, pulls, number); err != nil {
			return nil, err
		}
		if err := nextPulls(ctx, unchanged, pulls); err != nil {
			return nil, err
		}
		if err := writeSmall(tree, number+1, smallFiles/smallChanged); err != nil {
			return nil, err
		}
		if err := nextPulls(ctx, changed, pulls); err != nil {
			return nil, err
		}
		if err := forget(pulls, number); err != nil {
			return nil, err
		}
	}
	return append(append(first, unchanged...), changed...), nil
}

func (b *bench) large(ctx context.Context, tree string, pulls []pull) ([]row, error) {
	if err := empty(tree); err != nil {
		return nil, err
	}
	if err := writeLarge(filepath.Join(tree, "large")); err != nil {
		return nil, err
	}
	rows := dataRows("one file of 512 MiB, first time")
	for number := range b.runs(5) {
		if err := firstPulls(ctx, rows, pulls, 100+number); err != nil {
			return nil, err
		}
		if err := forget(pulls, 100+number); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func firstPulls(ctx context.Context, rows []row, pulls []pull, number int) error {
	for i, pull := range pulls {
		if err := rows[i].time(func() error { return pull.first(ctx, number) }); err != nil {
			return err
		}
	}
	return nil
}

func nextPulls(ctx context.Context, rows []row, pulls []pull) error {
	for i, pull := range pulls {
		if err := rows[i].time(func() error { return pull.again(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

func forget(pulls []pull, number int) error {
	for _, pull := range pulls {
		if err := pull.forget(number); err != nil {
			return err
		}
	}
	return nil
}

// time adds how long f takes. Writes that are owed from before are done first.
func (r *row) time(f func() error) error {
	syncDisks()
	began := time.Now()
	if err := f(); err != nil {
		return err
	}
	r.addTime(time.Since(began))
	return nil
}

// writeSmall writes every so many of the small files, with a text that tells the round.
func writeSmall(tree string, round, every int) error {
	for i := 0; i < smallFiles; i += every {
		dir := filepath.Join(tree, fmt.Sprintf("d%03d", i/smallPerDir))
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
func writeLarge(path string) error {
	file, err := os.Create(path) //nolint:gosec // ours
	if err != nil {
		return fmt.Errorf("make the large file: %w", err)
	}
	if _, err := io.CopyN(file, rand.Reader, largeSize); err != nil {
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
		first:  func(ctx context.Context, _ int) error { return again(ctx) },
		again:  again,
		forget: func(int) error { return os.RemoveAll(filepath.Join(b.lab.Host("beta").Dir(), copyDir)) },
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
		return p.command(ctx, backup, "", "sync", "--accept-shrink", "--wait")
	}
	return pull{
		first: func(ctx context.Context, number int) error {
			if err := p.command(ctx, p.appliances[0], "", "data", "add", "dir", name(number), p.at(treeDir)); err != nil {
				return err
			}
			return again(ctx)
		},
		again: again,
		forget: func(number int) error {
			if err := p.command(context.Background(), p.appliances[0], "", "data", "remove", name(number)); err != nil {
				return err
			}
			if err := again(context.Background()); err != nil {
				return err
			}
			return os.RemoveAll(filepath.Join(p.appliances[1].Dir(), treeDir))
		},
	}
}
