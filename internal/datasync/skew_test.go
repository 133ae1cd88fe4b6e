package datasync

import (
	"context"
	"io"
	"testing"
	"time"
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
