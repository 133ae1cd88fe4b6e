package datasync

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// slowSite takes a while to be looked at.
type slowSite struct {
	fileSite

	takes time.Duration
}

func (s slowSite) Export(ctx context.Context, w io.Writer) error {
	time.Sleep(s.takes)
	return s.fileSite.Export(ctx, w)
}

// TestHowFarApartTheDataWasLookedAtIsKept has a primary on which the last of the data takes a while.
func TestHowFarApartTheDataWasLookedAtIsKept(t *testing.T) {
	const takes = 300 * time.Millisecond
	p := newPair(t)
	p.primary.database = slowSite{p.primary.site, takes}
	p.primary.reopen(t)
	p.primary.Offer(p.epoch)
	p.server.Config.Handler = p.primary.Handler()
	began := time.Now()
	p.pull(t)
	most := time.Since(began)
	for range 2 {
		if skew := p.backup.Skew(); skew < takes || skew > most {
			t.Errorf("it says %v, of %v", skew, most)
		}
		p.backup.reopen(t)
	}
}

// readsLong is a kind of which the first scan reads for long, and meanwhile calls a function.
type readsLong struct {
	source.Kind

	meanwhile func()
	scans     *int
}

func (k readsLong) Open(data pair.Data, purpose source.Purpose) (source.Source, error) {
	s, err := k.Kind.Open(data, purpose)
	return readingSource{s, k}, err
}

type readingSource struct {
	source.Source

	kind readsLong
}

func (s readingSource) Scan(ctx context.Context, scheme manifest.Scheme) (source.Scan, error) {
	scan, err := s.Source.Scan(ctx, scheme)
	if *s.kind.scans++; *s.kind.scans == 1 {
		s.kind.meanwhile()
		scan.Reading = time.Second
	}
	return scan, err
}

// TestALookThatReadsForLongIsRepeated has a directory that is read for long, and is written to meanwhile: what is written is in
// the snapshot, whose data is close together.
func TestALookThatReadsForLongIsRepeated(t *testing.T) {
	p := newPair(t)
	const takes = time.Second
	scans := 0
	p.primary.makeKinds(t)
	p.primary.opt.Kinds[pair.DataDirectory] = readsLong{p.primary.opt.Kinds[pair.DataDirectory], func() {
		must(t, os.WriteFile(filepath.Join(p.primary.tree, "meanwhile"), []byte("new"), 0o600))
		time.Sleep(takes)
	}, &scans}
	e, err := Open(t.Context(), p.primary.opt)
	must(t, err)
	p.primary.Engine = e
	p.primary.Offer(p.epoch)
	p.server.Config.Handler = p.primary.Handler()
	s := p.pull(t)
	if scans != 2 {
		t.Errorf("%d looks, wanted 2", scans)
	}
	if skew := p.backup.Skew(); skew >= takes {
		t.Errorf("the data is %s apart", skew)
	}
	if age := time.Since(time.UnixMilli(s.TakenAt)); age >= takes {
		t.Errorf("the snapshot is said to be %s old: of the first look", age)
	}
}
