package datasync

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/datasync/source"
)

// flipping flips one bit of what the primary answers.
type flipping struct {
	at   int64 // byte of all answers together
	bit  int
	seen int64
}

// RoundTrip implements http.RoundTripper.
func (f *flipping) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		head := 0 // number, epoch and time of a snapshot have no hash: only the channel guards them
		if strings.HasSuffix(r.URL.Path, "manifest") {
			head = 1 << 10
		}
		answer.Body = &flippedBody{answer.Body, f, head}
	}
	return answer, err
}

type flippedBody struct {
	io.ReadCloser

	by   *flipping
	left int // bytes that stay as they are
}

func (b *flippedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	kept := min(n, b.left)
	b.left -= kept
	p, n = p[kept:], n-kept
	if at := b.by.at - b.by.seen; at >= 0 && at < int64(n) {
		p[at] ^= 1 << b.by.bit
	}
	b.by.seen += int64(n)
	return kept + n, err
}

// TestABitThatFlipsOnTheWayHarmsNothing flips a bit of the answers, another each time: the sync fails and leaves the snapshot before, or
// brings what the primary has.
func TestABitThatFlipsOnTheWayHarmsNothing(t *testing.T) {
	flipped, failed := 0, 0
	random := rand.New(rand.NewPCG(1, 1))
	p := newPair(t)
	change := unrest{random, p.primary.tree}
	change.fill()
	p.pull(t)
	for round := range 60 {
		for range 3 {
			change.act()
		}
		write(t, p.primary.tree+"/sent", fmt.Sprint(round, noise(8<<10)))
		before := describe(t, p.backup.tree)
		flip := &flipping{at: random.Int64N(16 << 10), bit: random.IntN(8)}
		_, err := p.backup.Pull(t.Context(), &http.Client{Transport: flip}, p.server.URL, Request{Epoch: p.epoch, AcceptShrink: true})
		if flip.seen > flip.at {
			flipped++
		}
		want := describe(t, p.primary.tree)
		if err != nil {
			failed++
			want = before
		}
		if diff := difference(want, describe(t, p.backup.tree)); diff != "" {
			t.Fatalf("round %d, byte %d bit %d (%v):\n%s", round, flip.at, flip.bit, err, diff)
		}
		_, err = p.tryPull(t, Request{AcceptShrink: true})
		must(t, err)
		same(t, p.primary.tree, p.backup.tree)
	}
	if flipped < 10 {
		t.Errorf("only %d bits were flipped", flipped)
	}
	t.Logf("of 60 syncs with %d flipped bits %d failed, the others asked again", flipped, failed)
}

// TestADiskThatIsFullAtAnyWrite gives the backup's disk a little more room each time, bytes or inodes, until a sync succeeds: until then the snapshot
// before is whole each time, and the sentence names the disk.
func TestADiskThatIsFullAtAnyWrite(t *testing.T) {
	for _, what := range []string{"bytes", "inodes"} {
		t.Run(what, func(t *testing.T) {
			disk := ownDisk(t, "-N", "256")
			p := newPair(t)
			p.backup = newAppliance(t, filepath.Join(disk, "backup"), filepath.Join(disk, "backup", "tree"))
			furnish(t, p.primary.tree)
			write(t, p.primary.tree+"/large", noise(512<<10))
			p.pull(t)
			refurnish(t, p.primary.tree)
			write(t, p.primary.tree+"/large", noise(1 << 20)[512<<10:])
			before := describe(t, p.backup.tree)
			fill(t, disk+"/ballast", what == "inodes")
			ballast := filepath.Join(disk, "ballast", "ballast")
			failed := 0
			for ; ; failed++ {
				_, err := p.tryPull(t, Request{})
				if err == nil {
					break
				}
				if !errors.Is(err, source.ErrNoRoom) {
					t.Errorf("try %d: %v", failed, err)
				}
				if diff := difference(before, describe(t, p.backup.tree)); diff != "" {
					t.Fatalf("try %d (%v):\n%s", failed, err, diff)
				}
				must(t, p.backup.Torn())
				if what == "inodes" {
					must(t, os.Remove(fmt.Sprintf("%s/ballast/%06d", disk, failed)))
					continue
				}
				info, err := os.Stat(ballast)
				must(t, err)
				must(t, os.Truncate(ballast, max(0, info.Size()-8<<10)))
			}
			same(t, p.primary.tree, p.backup.tree)
			if failed < 3 {
				t.Errorf("it failed %d times only", failed)
			}
			t.Logf("%d syncs failed before", failed)
		})
	}
}
