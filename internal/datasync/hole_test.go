package datasync

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/wire"
)

// sparse makes a file of a size that holds but a few bytes, at its begin, in its midst
// and at its end.
func sparse(tb testing.TB, path string, size int64) {
	tb.Helper()
	f, err := os.Create(path)
	must(tb, err)
	must(tb, f.Truncate(size))
	for _, at := range []int64{0, size/2 + 17, size - 5} {
		_, err := f.WriteAt([]byte("bytes"), at)
		must(tb, err)
	}
	must(tb, f.Close())
}

// TestAHoleCostsNothing syncs a file of 8 TiB that is a hole, changes it, renames it and
// sets it aside.
func TestAHoleCostsNothing(t *testing.T) {
	const size = 8 << 40
	p := newPair(t)
	path := p.primary.tree + "/disk"
	sparse(t, path, size)
	pull := func(what string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		began := time.Now()
		if _, err := p.backup.Pull(ctx, p.server.Client(), p.server.URL, Request{Epoch: p.epoch}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		t.Logf("%s: %s", what, time.Since(began).Round(time.Millisecond))
		for _, f := range []string{"disk", "renamed"} {
			info, err := os.Stat(p.primary.tree + "/" + f)
			if err != nil {
				continue
			}
			there, err := os.Open(p.backup.tree + "/" + f)
			must(t, err)
			got, _ := there.Stat()
			b := make([]byte, 5)
			_, err = there.ReadAt(b, size/2+17)
			if err != nil || got.Size() != info.Size() || string(b) != "bytes" {
				t.Fatalf("%s: %d bytes, %q, %v", what, got.Size(), b, err)
			}
			_ = there.Close()
		}
	}
	pull("first")
	pull("unchanged")
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("more"), 5<<40)
	must(t, err)
	must(t, f.Close())
	pull("changed")
	must(t, os.Rename(path, p.primary.tree+"/renamed"))
	pull("renamed")
	must(t, os.Truncate(p.backup.tree+"/renamed", size+1))
	pull("changed on the backup")
	must(t, os.Truncate(p.primary.tree+"/renamed", size+1))
	began := time.Now()
	made, err := p.primary.SetAside(t.Context(), p.epoch, 1<<40)
	if err != nil || len(made.Files) != 1 || time.Since(began) > 30*time.Second {
		t.Errorf("set aside: %+v, %v after %s", made, err, time.Since(began))
	}
}

// TestAHoleThatIsNoneIsFound has a primary call a hole what is none, and the other way round.
func TestAHoleThatIsNoneIsFound(t *testing.T) {
	const size = 128 << 20
	p := newPair(t)
	sparse(t, p.primary.tree+"/disk", size)
	p.pull(t)
	if sum := manifest.Blocks.Hash(size); true {
		sum.Hole(size)
		for e := range p.backup.mustManifest(t).Sets[0].All() {
			if e.Path == "disk" && e.Hash == sum.Sum() {
				t.Error("a file with bytes in it has the hash of a hole")
			}
		}
	}
	must(t, os.Truncate(p.backup.tree+"/disk", 0))
	p.server.Config.Handler = altered(p.primary.Handler(), "content", func(http.ResponseWriter) io.Writer { return io.Discard }, func(w io.Writer) {
		out := wire.NewWriter(w, wire.Chunk, nil)
		_ = (wire.ContentWriter{Out: out}).Hole(64 << 20)
		_ = (wire.ContentWriter{Out: out}).Hole(64 << 20)
		_ = out.Frame(wire.Done, nil)
		_ = out.Frame(wire.End, nil)
		_ = out.Flush()
	})
	if _, err := p.tryPull(t, Request{AcceptShrink: true}); err == nil || !strings.Contains(err.Error(), "did not match its hash") {
		t.Errorf("got %v", err)
	}
}

// altered answers one kind of request otherwise.
func altered(real http.Handler, kind string, to func(http.ResponseWriter) io.Writer, instead func(io.Writer)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, kind) {
			real.ServeHTTP(w, r)
			return
		}
		_, _ = io.Copy(to(w), r.Body)
		instead(w)
	})
}

func (a *appliance) mustManifest(tb testing.TB) manifest.Manifest {
	tb.Helper()
	m, err := a.ledger.Manifest(a.ledger.State().Newest())
	must(tb, err)
	return m
}

// TestAVersionThatHashesOtherwiseIsMet has a backup that knows no blocks, or no lists of them, before and
// after it is upgraded: nothing is sent again, and nothing set aside.
func TestAVersionThatHashesOtherwiseIsMet(t *testing.T) {
	for _, scheme := range []manifest.Scheme{manifest.Whole, manifest.Blocks} {
		t.Run(fmt.Sprint(scheme), func(t *testing.T) { meetScheme(t, scheme) })
	}
}

func meetScheme(t *testing.T, scheme manifest.Scheme) {
	t.Helper()
	p := newPair(t)
	sparse(t, p.primary.tree+"/disk", 128<<20)
	write(t, p.primary.tree+"/small", "small")
	handler := p.primary.Handler()
	old := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		b = bytes.Replace(b, []byte(`"scheme":2`), []byte(fmt.Sprintf(`"scheme":%d`, scheme)), 1)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		handler.ServeHTTP(w, r)
	})
	p.server.Close()
	p.server = httptest.NewServer(old)
	t.Cleanup(p.server.Close)
	p.pull(t)
	if m := p.backup.mustManifest(t); m.Scheme != scheme {
		t.Errorf("hashed by %d", m.Scheme)
	}
	p.server.Config.Handler = handler
	p.pull(t)
	if m := p.backup.mustManifest(t); m.Scheme != manifest.Newest {
		t.Errorf("hashed by %d", m.Scheme)
	}
	if got := p.backup.Progress(); got.Received > 100_000 {
		t.Errorf("received %d bytes anew", got.Received)
	}
	p.server.Config.Handler = old
	p.pull(t)
	if made, err := p.primary.SetAside(t.Context(), p.epoch, 1<<40); err != nil || made.ID != "" {
		t.Errorf("set aside %+v, %v", made, err)
	}
	var s unix.Stat_t
	must(t, unix.Stat(p.backup.tree+"/disk", &s))
	if s.Blocks*512 > 1<<20 {
		t.Errorf("the hole takes %d bytes", s.Blocks*512)
	}
}
