package datasync

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

// bomb is a primary that sends little which takes much to hold.
type bomb struct {
	frames func(out *wire.Writer)
	sent   atomic.Int64
}

func (b *bomb) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	pack, _ := wire.NewPacker()
	out := wire.NewWriter(counting{w, &b.sent}, wire.Chunk, pack)
	defer func() { _ = out.Flush() }()
	_ = out.JSON(wire.Head, wire.Header{Version: wire.Version, Epoch: pair.Epoch{Counter: 1, Holder: "a"}, Number: 1, Data: []wire.DataHead{{Name: "files", Kind: pair.DataDirectory, Spec: "/srv/files"}}})
	b.frames(out)
}

type counting struct {
	http.ResponseWriter

	n *atomic.Int64
}

func (c counting) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return c.ResponseWriter.Write(b)
}

// watchHeap returns the most that the heap holds until stop is called, in bytes. What is
// held no more is collected early meanwhile, so that little of it counts.
func watchHeap() (stop func() uint64) {
	const early = 20 // percent
	usual := debug.SetGCPercent(early)
	runtime.GC()
	end, most := make(chan struct{}), make(chan uint64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		var peak uint64
		for {
			metrics.Read(sample)
			peak = max(peak, sample[0].Value.Uint64())
			select {
			case <-end:
				most <- peak
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(end)
		debug.SetGCPercent(usual)
		return <-most
	}
}

// TestALittleThatTakesMuchToHoldIsRefused has a peer send what unpacks to far more than
// came over the wire.
func TestALittleThatTakesMuchToHoldIsRefused(t *testing.T) {
	const (
		unpacked = 768 << 20
		mostHeap = 400 << 20
	)
	set := binary.AppendUvarint(nil, 0)
	many := func(out *wire.Writer, kind wire.Kind, upTo int, entry func(i int) []byte) {
		batch, total := append([]byte(nil), set...), 0
		for i := 0; total < upTo; i++ {
			batch = append(batch, entry(i)...)
			if len(batch) < wire.Chunk {
				continue
			}
			total += len(batch)
			if out.Frame(kind, batch) != nil {
				return
			}
			batch = append(batch[:0], set...)
		}
		_ = out.Frame(wire.End, nil)
	}
	zeros := strings.Repeat("\x00", 60<<10)
	for name, frames := range map[string]func(out *wire.Writer){
		"attributes": func(out *wire.Writer) {
			many(out, wire.Entries, unpacked, func(i int) []byte {
				return manifest.AppendChange(nil, manifest.Change{Entry: manifest.Entry{Path: fmt.Sprintf("d%08d", i), Kind: manifest.Dir, XAttrs: []manifest.XAttr{{Name: "user.a", Value: zeros}, {Name: "user.b", Value: zeros}}}})
			})
		},
		"targets": func(out *wire.Writer) {
			many(out, wire.Entries, unpacked, func(i int) []byte {
				return manifest.AppendChange(nil, manifest.Change{Entry: manifest.Entry{Path: fmt.Sprintf("d%08d", i), Kind: manifest.Symlink, Target: zeros[:4000]}})
			})
		},
		"names": func(out *wire.Writer) {
			many(out, wire.Entries, unpacked/8, func(i int) []byte {
				return manifest.AppendChange(nil, manifest.Change{Entry: manifest.Entry{Path: fmt.Sprintf("d%08d", i), Kind: manifest.Fifo}})
			})
		},
		"removed": func(out *wire.Writer) {
			many(out, wire.Removed, unpacked/8, func(int) []byte { return manifest.AppendString(nil, zeros[:8]) })
		},
		"site": func(out *wire.Writer) {
			for range unpacked / wire.Chunk {
				if out.Frame(wire.Inline, []byte(strings.Repeat("\x00", wire.Chunk))) != nil {
					return
				}
			}
			_ = out.Frame(wire.End, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b := newAppliance(t, dir, filepath.Join(dir, "tree"))
			peer := &bomb{frames: frames}
			server := httptest.NewServer(peer)
			defer server.Close()
			stop := watchHeap()
			_, err := b.Pull(t.Context(), server.Client(), server.URL, Request{Epoch: pair.Epoch{Counter: 1, Holder: "a"}})
			held := stop()
			if !errors.Is(err, source.ErrUnsafe) || !strings.Contains(err.Error(), "more than") {
				t.Errorf("got %v", err)
			}
			if held > mostHeap {
				t.Errorf("held %d MB for %d kB", held>>20, peer.sent.Load()>>10)
			}
		})
	}
}

// TestContentOfNothingIsNotKept has a peer send no bytes without end for a small file.
func TestContentOfNothingIsNotKept(t *testing.T) {
	f := &arrival{entry: manifest.Entry{Path: "f", Kind: manifest.File, Size: 100}}
	if _, err := f.frame(wire.Data, nil); !errors.Is(err, source.ErrUnsafe) {
		t.Errorf("got %v", err)
	}
}

// TestNoMoreIsAskedForThanThereIs has a backup ask for one file again and again.
func TestNoMoreIsAskedForThanThereIs(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/f", "content")
	p.pull(t)
	wants := make([]wire.Want, 1000)
	for i := range wants {
		wants[i] = wire.Want{Path: "f"}
	}
	head, err := asked(t, p.primary.Engine, wire.Question{Version: wire.Version, Epoch: p.epoch, Snapshot: p.backup.Snapshot()})
	must(t, err)
	answer, err := p.server.Client().Post(p.server.URL+wire.Prefix+"content", "", bytes.NewReader(wire.AppendWants(head.Session, 0, wants, manifest.Manifest{Order: manifest.ByBranch})))
	must(t, err)
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusConflict {
		t.Errorf("answered %s", answer.Status)
	}
}
