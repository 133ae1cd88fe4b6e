package datasync

import (
	"os"
	"testing"
	"time"
)

// await waits for a change on the primary.
func (p *pairOf) await(t *testing.T, wait time.Duration) Awaited {
	t.Helper()
	awaited, err := p.backup.Await(t.Context(), p.server.Client(), p.server.URL, p.epoch, wait)
	must(t, err)
	return awaited
}

func TestABackupHearsOfAChange(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/a", "1")
	if awaited := p.await(t, time.Minute); !awaited.Follows || awaited.Same {
		t.Errorf("before the first data sync: %+v", awaited)
	}
	before := p.pull(t)
	awaited := p.await(t, 20*time.Millisecond)
	if !awaited.Follows || !awaited.Same || awaited.Snapshot.Number != before.Number || awaited.Snapshot.TakenAt <= before.TakenAt {
		t.Errorf("nothing changed since %+v: %+v", before, awaited)
	}
	p.await(t, 0)
	if confirmed := p.primary.Confirmed(); confirmed.TakenAt < awaited.Snapshot.TakenAt {
		t.Errorf("the primary knows of %+v only", confirmed)
	}
	began := time.Now()
	write(t, p.primary.tree+".next", "22") // a file that is written to in place could be synced while it is empty
	time.AfterFunc(50*time.Millisecond, func() { must(t, os.Rename(p.primary.tree+".next", p.primary.tree+"/a")) })
	if awaited := p.await(t, time.Minute); !awaited.Follows || awaited.Same || time.Since(began) > 30*time.Second {
		t.Errorf("after a change: %+v, %v", awaited, time.Since(began))
	}
	if snapshot := p.pull(t); snapshot.Number != before.Number+1 {
		t.Errorf("the next snapshot is %+v", snapshot)
	}
	write(t, p.primary.site.path, "other settings")
	if awaited := p.await(t, time.Minute); awaited.Same {
		t.Errorf("after a change of the site database: %+v", awaited)
	}
}

// TestALookThatIsDueIsToldAtOnce has a primary that is to look at the whole of its data again, and one that offers nothing.
func TestALookThatIsDueIsToldAtOnce(t *testing.T) {
	p := newPair(t)
	p.primary.dirs.Whole = time.Nanosecond
	p.primary.reopen(t)
	p.primary.Offer(p.epoch)
	p.server.Config.Handler = p.primary.Handler()
	p.pull(t)
	began := time.Now()
	if awaited := p.await(t, time.Minute); !awaited.Follows || awaited.Same || time.Since(began) > 30*time.Second {
		t.Errorf("after %s: %+v", time.Since(began), awaited)
	}
	p.primary.Withdraw()
	if _, err := p.backup.Await(t.Context(), p.server.Client(), p.server.URL, p.epoch, time.Minute); err == nil {
		t.Error("a primary that offers nothing answers")
	}
}

// TestAWaitEndsWithTheOffer has the primary give the role away while its backup waits.
func TestAWaitEndsWithTheOffer(t *testing.T) {
	p := newPair(t)
	p.pull(t)
	time.AfterFunc(50*time.Millisecond, p.primary.Withdraw)
	began := time.Now()
	if _, err := p.backup.Await(t.Context(), p.server.Client(), p.server.URL, p.epoch, 10*time.Second); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("it ended after %v: %v", time.Since(began), err)
	}
}
