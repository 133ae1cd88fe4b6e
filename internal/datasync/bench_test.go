package datasync

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkPull measures a first pull of many small files, one with nothing
// changed, and one with a few changed. BATON_BENCH_FILES sets
// the number of files (default 2000), BATON_BENCH_DISKS two directories for the two sides, with a colon between.
func BenchmarkPull(b *testing.B) {
	files := 2000
	_, _ = fmt.Sscan(os.Getenv("BATON_BENCH_FILES"), &files)
	p := newPair(b)
	p.onDisks(b, os.Getenv("BATON_BENCH_DISKS"))
	name := func(i int) string { return fmt.Sprintf("%s/renamed0/d%03d/f%06d", p.primary.tree, i%200, i) }
	for i := range files {
		write(b, name(i), strconv.Itoa(i)+strings.Repeat("0123456789", 1080))
	}
	timed := func(what string, prepare func()) {
		b.Run(what, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				prepare()
				b.StartTimer()
				if _, err := p.tryPull(b, Request{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	timed("first", func() {
		must(b, os.RemoveAll(p.backup.tree))
		must(b, os.RemoveAll(p.backup.opt.Dir))
		p.backup.reopen(b)
	})
	timed("unchanged", func() {})
	round, renamed := 0, 0
	timed("changed", func() {
		round++
		for i := range files / 100 {
			write(b, name(i*100), fmt.Sprint(round, i))
		}
	})
	timed("renamed", func() {
		must(b, os.Rename(fmt.Sprintf("%s/renamed%d", p.primary.tree, renamed), fmt.Sprintf("%s/renamed%d", p.primary.tree, renamed+1)))
		renamed++
	})
}

// BenchmarkLargeFile measures pulls of one large file: the first one, and after changes of it. BATON_BENCH_LARGE sets its MiB
// (default 256); disks are those of BenchmarkPull. Each line tells what rsync takes for the same, if BATON_BENCH_RSYNC
// is the address of the other side as rsync has it, as localhost:.
func BenchmarkLargeFile(b *testing.B) {
	size := int64(256)
	_, _ = fmt.Sscan(os.Getenv("BATON_BENCH_LARGE"), &size)
	size <<= 20
	p := newPair(b)
	p.onDisks(b, os.Getenv("BATON_BENCH_DISKS"))
	path, copied := p.primary.tree+"/large", filepath.Dir(p.backup.tree)+"/rsync"
	for _, row := range []struct {
		what   string
		change func()
	}{
		{"first", func() { grow(b, path, size, 1) }},
		{"one of a hundred blocks changed", func() {
			for at := int64(0); at < size; at += 100 * 4096 {
				edit(b, path, at, noise(4096)[:4095]+"!")
			}
		}},
		{"100 MB appended", func() { grow(b, path, 100<<20, 2) }},
		{"a byte inserted at the front", func() {
			command(b, "sh", "-c", "printf x | cat - "+path+" > "+path+".new && mv "+path+".new "+path)
		}},
	} {
		row.change()
		unix.Sync()
		b.Run(row.what, func(b *testing.B) {
			if _, err := p.tryPull(b, Request{}); err != nil {
				b.Fatal(err)
			}
			ours := b.Elapsed()
			b.StopTimer()
			if to := os.Getenv("BATON_BENCH_RSYNC"); to != "" {
				began := time.Now()
				command(b, "sh", "-c", "rsync -aHAX "+path+" "+to+copied+" && sync -f "+filepath.Dir(copied))
				b.ReportMetric(ours.Seconds()/time.Since(began).Seconds(), "of-rsync")
			}
		})
	}
	same(b, p.primary.tree, p.backup.tree)
}

// grow appends bytes that are like no others to a file.
func grow(b *testing.B, path string, bytes int64, seed byte) {
	b.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	must(b, err)
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{seed}), bytes)
	must(b, err)
	must(b, f.Close())
}

// onDisks has each side on a disk of its own.
func (p *pairOf) onDisks(b *testing.B, disks string) {
	b.Helper()
	primary, backup, two := strings.Cut(disks, ":")
	if !two {
		return
	}
	for _, side := range []struct {
		of  *appliance
		dir string
	}{{p.primary, primary}, {p.backup, backup}} {
		must(b, os.RemoveAll(side.dir+"/bench"))
		side.of.configure(b, side.dir+"/bench", side.dir+"/bench/tree")
		side.of.reopen(b)
	}
	must(b, os.MkdirAll(p.primary.tree, 0o755))
	p.primary.Offer(p.epoch)
	p.server.Config.Handler = p.primary.Handler()
}
