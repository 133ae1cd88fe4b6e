package datasync

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// BenchmarkPull measures a first pull of many small files, one with nothing
// changed, one with a few changed, and one large file. BATON_BENCH_FILES sets
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
	timed("large", func() {
		round++
		write(b, p.primary.tree+"/large", noise(256<<20)+strconv.Itoa(round))
	})
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
