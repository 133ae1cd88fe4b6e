package datasync

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/kept"
	"baton/internal/pair"
)

// compared is what the backup says of both sides.
func (p *pairOf) compared(tb testing.TB, backup kept.Side) kept.Comparison {
	tb.Helper()
	c, err := p.backup.Sides.Compare(tb.Context(), p.server.Client(), p.server.URL, backup)
	must(tb, err)
	return c
}

// differing lists the differences of the directory in a few words each.
func differing(tb testing.TB, c kept.Comparison) (lines []string) {
	tb.Helper()
	at := slices.IndexFunc(c.Data, func(d kept.ComparedData) bool { return d.Name == "files" })
	if at < 0 {
		tb.Fatalf("the directory is not among %v", c.Data)
	}
	for _, f := range c.Data[at].Files {
		lines = append(lines, fmt.Sprintf("%s %v %s/%s %v", f.Path, f.What, f.Here, f.There, f.Expected))
	}
	for _, problem := range c.Data[at].Problems {
		lines = append(lines, "problem: "+problem)
	}
	slices.Sort(lines)
	return lines
}

func wantDiffering(tb testing.TB, c kept.Comparison, want ...string) {
	tb.Helper()
	if got := differing(tb, c); !slices.Equal(got, want) {
		tb.Fatalf("differ:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// sameTimes sets the times of the directories themselves, which change with what is in them.
func (p *pairOf) sameTimes(tb testing.TB) {
	tb.Helper()
	for _, tree := range []string{p.primary.tree, p.backup.tree} {
		must(tb, os.Chtimes(tree, time.Unix(1, 0), time.Unix(1, 0)))
	}
}

func TestBothSidesAreCompared(t *testing.T) {
	p := newPair(t)
	for _, name := range []string{"same", "page", "owned", "gone", "gone-there"} {
		write(t, p.primary.tree+"/"+name, "first")
	}
	p.pull(t)
	p.sameTimes(t)
	p.pull(t)
	if c := p.compared(t, kept.Here); !c.Same || c.Since.Number != 2 || len(c.Data) != 2 {
		t.Fatalf("after a sync: %+v", c)
	}
	write(t, p.primary.tree+"/page", "second")
	write(t, p.primary.tree+"/new", "new")
	must(t, os.Remove(p.primary.tree+"/gone"))
	p.sameTimes(t)
	expected := []string{
		"gone [only-here] unchanged/removed true",
		"new [only-there] unchanged/made true",
		"page [content time] unchanged/changed true",
	}
	c := p.compared(t, kept.Here)
	wantDiffering(t, c, append([]string{}, expected...)...)
	if !c.Same || c.Data[0].Expected != 3 {
		t.Errorf("what the primary alone changed: %+v", c)
	}
	write(t, p.backup.tree+"/stray\xff\n", "written here")
	must(t, os.Chmod(p.backup.tree+"/owned", 0o600))
	must(t, os.Remove(p.backup.tree+"/gone-there"))
	p.sameTimes(t)
	c = p.compared(t, kept.Here)
	wantDiffering(t, c,
		expected[0],
		"gone-there [only-there] removed/unchanged false",
		expected[1],
		"owned [mode] changed/unchanged false",
		expected[2],
		`stray\xff\n [only-here] made/unchanged false`)
	if d := c.Data[0]; c.Same || d.Expected != 3 || d.OnlyHere != 2 || d.OnlyThere != 2 || d.Content != 1 || d.Metadata != 1 || d.Files[5].Path != "page" {
		t.Errorf("counted: %+v", d)
	}
	// the same, of two primaries: nothing is expected, and each side's changes are told
	if c = p.compared(t, kept.Neither); c.Same || c.Data[0].Expected != 0 || len(differing(t, c)) != 6 {
		t.Errorf("in a conflict: %+v", c)
	}
	p.pull(t)
	if c := p.compared(t, kept.Here); !c.Same || c.Data[0].Differences() != 0 {
		t.Errorf("after the next sync: %+v", c)
	}
}

// TestThePrimaryCompares asks from the other side.
func TestThePrimaryCompares(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "first")
	p.pull(t)
	server := httptest.NewServer(p.backup.Handler())
	defer server.Close()
	write(t, p.primary.tree+"/page", "second")
	write(t, p.backup.tree+"/stray", "stray")
	p.sameTimes(t)
	c, err := p.primary.Sides.Compare(t.Context(), server.Client(), server.URL, kept.There)
	must(t, err)
	wantDiffering(t, c, "page [content time] changed/unchanged true", "stray [only-there] unchanged/made false")
}

func TestComparingNeedsNoPrimary(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "first")
	p.pull(t)
	p.primary.Withdraw()
	write(t, p.primary.tree+"/page", "there")
	write(t, p.backup.tree+"/page", "here")
	must(t, os.Chtimes(p.backup.tree+"/page", time.Unix(2, 0), time.Unix(2, 0)))
	p.sameTimes(t)
	wantDiffering(t, p.compared(t, kept.Neither), "page [content time] changed/changed false")
}

func TestComparingHonoursWhatIsExcluded(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "first")
	p.pull(t)
	dir, err := pair.Directory{Path: "/srv/files"}.Excluding([]string{"*.tmp"})
	must(t, err)
	p.primary.data.Spec = dir
	write(t, p.backup.tree+"/a.tmp", "left out by one of the two")
	p.sameTimes(t)
	wantDiffering(t, p.compared(t, kept.Here))
}

func TestComparingNamesWhatItCannotLookAt(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "first")
	p.pull(t)
	must(t, os.Rename(p.primary.tree, p.primary.tree+"-elsewhere"))
	c := p.compared(t, kept.Here)
	got := differing(t, c)
	if c.Same || len(got) != 1 || !strings.Contains(got[0], "There: Protected directory") || !strings.Contains(got[0], "does not exist") {
		t.Errorf("says %q", got)
	}
}

func TestManyDifferencesAreCounted(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "first")
	p.pull(t)
	for i := range 1500 {
		write(t, fmt.Sprintf("%s/%04d", p.backup.tree, i), "")
	}
	p.sameTimes(t)
	if d := p.compared(t, kept.Here).Data[0]; d.OnlyHere != 1500 || len(d.Files) != 1000 || d.More != 500 {
		t.Errorf("%d, of which %d are listed and %d more", d.OnlyHere, len(d.Files), d.More)
	}
}

func TestOneComparisonAtATimeWhichEndsWithWhoAsks(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "first")
	p.pull(t)
	began, ended := make(chan struct{}), make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		close(began)
		<-r.Context().Done()
		close(ended)
	}))
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := p.backup.Sides.Compare(ctx, silent.Client(), silent.URL, kept.Here)
		done <- err
	}()
	<-began
	if _, err := p.backup.Sides.Compare(t.Context(), p.server.Client(), p.server.URL, kept.Here); pair.CodeOf(err) != pair.Refused || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second comparison: %v", err)
	}
	cancel()
	<-ended
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	p.compared(t, kept.Here)
}

func TestAnOlderPeerCannotCompare(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "first")
	p.pull(t)
	old := httptest.NewServer(http.NotFoundHandler())
	defer old.Close()
	_, err := p.backup.Sides.Compare(t.Context(), old.Client(), old.URL, kept.Here)
	if pair.CodeOf(err) != pair.Refused || !strings.Contains(err.Error(), "update Baton there") {
		t.Errorf("says %v", err)
	}
}

// TestAHostilePeerIsNotCompared sends what no side of this version has.
func TestAHostilePeerIsNotCompared(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "first")
	p.pull(t)
	top := manifest.Entry{Path: ".", Kind: manifest.Dir, Mode: 0o755}
	file := func(path string) manifest.Entry { return manifest.Entry{Path: path, Kind: manifest.File} }
	for name, c := range map[string]struct {
		entries []manifest.Entry
		alter   func(*wire.SideHead)
		raw     string
	}{
		"outside":          {entries: []manifest.Entry{top, file("../secret")}},
		"out of order":     {entries: []manifest.Entry{top, file("b"), file("a")}},
		"the staging":      {entries: []manifest.Entry{top, file(".baton-staging")}},
		"another digest":   {entries: []manifest.Entry{top}, alter: func(h *wire.SideHead) { h.Digest[0]++ }},
		"a base not asked": {entries: []manifest.Entry{top}, alter: func(h *wire.SideHead) { h.Base[0]++ }},
		"a newer version":  {entries: []manifest.Entry{top}, alter: func(h *wire.SideHead) { h.Version++ }},
		"too much data":    {entries: []manifest.Entry{top}, alter: func(h *wire.SideHead) { h.Data = make([]wire.DataHead, 300) }},
		"too many left":    {entries: []manifest.Entry{top}, alter: func(h *wire.SideHead) { h.Left = make([]wire.Left, 20000) }},
		"a huge frame":     {raw: "\x02\xff\xff\xff\xff"},
		"nothing":          {raw: ""},
		"noise":            {raw: strings.Repeat("noise", 100)},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.entries == nil {
				_, _ = w.Write([]byte(c.raw))
				return
			}
			out := wire.NewWriter(w, wire.Chunk, nil)
			head := wire.SideHead{Header: wire.Header{Version: wire.Version, Scheme: manifest.Newest, Digest: lists{p.backup.data, c.entries}.digest(), Data: []wire.DataHead{wire.HeadOf(p.backup.data)}}}
			if c.alter != nil {
				c.alter(&head)
			}
			_ = out.JSON(wire.Head, head)
			_ = wire.Batches(out, wire.Entries, 0, c.entries, func(b []byte, e manifest.Entry) []byte {
				return manifest.AppendChange(b, manifest.Change{Entry: e})
			})
			_ = errors.Join(out.Frame(wire.End, nil), out.Flush())
		}))
		_, err := p.backup.Sides.Compare(t.Context(), server.Client(), server.URL, kept.Here)
		if err == nil || (c.entries != nil && !errors.Is(err, source.ErrUnsafe)) {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
	same(t, p.primary.tree, p.backup.tree)
}

// TestComparingWhileSyncsRun finds what is on the backup as of a snapshot, whenever it looks.
func TestComparingWhileSyncsRun(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "0")
	p.pull(t)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			_ = os.WriteFile(p.primary.tree+"/page", []byte(strings.Repeat("x", i%100)), 0o644)
			_, _ = p.tryPull(t, Request{})
		}
	}()
	for range 20 {
		if c := p.compared(t, kept.Here); !c.Same {
			t.Errorf("differs: %+v", c)
		}
	}
	close(stop)
	<-stopped
}
