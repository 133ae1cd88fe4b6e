package datasync

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A second store into a page that is dirty already moves no time of the file. It
// must arrive all the same: many programs write so.
func TestWhatIsWrittenThroughAMappingArrives(t *testing.T) {
	for _, others := range []int{0, 400} {
		t.Run(fmt.Sprintf("beside %d changed files", others), func(t *testing.T) {
			p := newPair(t)
			p.primary = newAppliance(t, p.primary.dir, filepath.Join(ownDisk(t), "tree"))
			must(t, os.MkdirAll(p.primary.tree, 0o755))
			p.primary.dirs.Whole = time.Nanosecond // what is written through a mapping is not noticed, and found by a look at the whole
			p.primary.reopen(t)
			p.primary.Offer(p.epoch)
			p.server.Config.Handler = p.primary.Handler()
			path := p.primary.tree + "/mapped.rrd"
			write(t, path, string(make([]byte, 3*4096)))
			p.pull(t)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			must(t, err)
			page, err := unix.Mmap(int(f.Fd()), 0, 3*4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			must(t, err)
			t.Cleanup(func() { _, _ = unix.Munmap(page), f.Close() })
			for round := range 3 {
				page[4096] = byte('a' + round)
				for i := range others {
					write(t, fmt.Sprintf("%s/other%d", p.primary.tree, i), strconv.Itoa(round))
				}
				time.Sleep(60 * time.Millisecond) // longer than the clock of the file system ticks: the file is not read again for being young
				p.pull(t)
				before := ctimeOf(t, path)
				page[4096] = byte('A' + round)
				if after := ctimeOf(t, path); after != before {
					t.Logf("round %d: the second store moved the time by %d ns", round, after-before)
				}
				p.pull(t)
				p.pull(t)
				got, err := os.ReadFile(p.backup.tree + "/mapped.rrd")
				must(t, err)
				if got[4096] != byte('A'+round) {
					t.Fatalf("round %d: the backup has %q, the primary %q", round, got[4096], page[4096])
				}
			}
		})
	}
}

func ctimeOf(tb testing.TB, path string) int64 {
	tb.Helper()
	var s syscall.Stat_t
	must(tb, syscall.Stat(path, &s))
	return s.Ctim.Nano()
}
