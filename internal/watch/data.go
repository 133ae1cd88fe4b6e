package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"baton/internal/cause"
	"baton/internal/datasync/source/directory"
	"baton/internal/pair"
	"baton/internal/tick"
)

// dataEvery is the time between two probes of the disks that hold protected data.
const dataEvery = 3 * time.Second

// How little room the disk of protected data may have before that is told.
const (
	leastDataRoom   = 1 << 30 // bytes
	leastDataInodes = 10_000
)

// DataDisks finds out whether the file systems that hold protected data take writes, and how full
// they are. A write that hangs keeps nobody waiting, and no other is begun meanwhile.
type DataDisks struct {
	List  func(ctx context.Context) ([]pair.Data, error) // what is protected
	Probe func(data pair.Data, tried map[uint64]bool) (disk directory.Disk, is bool)
	Leads func() bool // this appliance is no backup
	Log   *slog.Logger

	mu     sync.Mutex
	disks  map[string]*dataDisk // by the protected directory through which one is tried
	tries  string               // the directory whose disk is tried now
	began  time.Time            // when that began; zero: none is tried
	judged bool                 // each was tried
}

// dataDisk is what is known of one.
type dataDisk struct {
	directory.Disk
	since time.Time // it fails; zero: it does not
	wrote bool      // something was written there since this daemon started
}

// fails says why nothing can be written there; empty: it can, or that is how it is meant. Who has never
// written to a read-only disk does not miss it.
func (d *dataDisk) fails() string {
	switch {
	case d.Full:
		return "it is full"
	case d.ReadOnly && d.wrote:
		return "it has become read-only"
	case d.Failed != nil:
		return cmp.Or(cause.Why(d.Failed), cause.Of(d.Failed))
	}
	return ""
}

// Run probes until ctx ends. A probe that hangs then is left behind.
func (w *DataDisks) Run(ctx context.Context) error {
	ticker := tick.Every(dataEvery)
	defer ticker.Stop()
	ended := make(chan struct{}, 1)
	ended <- struct{}{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		select {
		case <-ended:
			go func() { w.round(ctx); ended <- struct{}{} }()
		default: // the one before has not ended
		}
	}
}

// round probes each file system once.
func (w *DataDisks) round(ctx context.Context) {
	all, err := w.List(ctx)
	if err != nil {
		return // the disk of data_dir, which is watched for itself
	}
	tried, found := map[uint64]bool{}, map[string]bool{}
	for _, data := range all {
		w.begin(data.Spec.String())
		disk, is := w.Probe(data, tried)
		w.mu.Lock()
		if is {
			w.note(disk)
			found[disk.Place] = true
		}
		w.began = time.Time{}
		w.mu.Unlock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.judged = true
	maps.DeleteFunc(w.disks, func(place string, _ *dataDisk) bool { return !found[place] })
}

func (w *DataDisks) begin(place string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tries, w.began = place, time.Now()
}

// note takes in what a probe found, which fails since that began. The lock is held.
func (w *DataDisks) note(disk directory.Disk) {
	known := w.disks[disk.Place]
	if known == nil {
		known = &dataDisk{}
		if w.disks == nil {
			w.disks = map[string]*dataDisk{}
		}
		w.disks[disk.Place] = known
	}
	known.Disk = disk
	known.wrote = known.wrote || !disk.Full && !disk.ReadOnly && disk.Failed == nil
	switch why := known.fails(); {
	case why == "":
		known.since = time.Time{}
	case known.since.IsZero():
		known.since = w.began
		w.Log.Warn("nothing can be written to the disk of protected data", slog.String("data", disk.Place), slog.String("why", why))
	}
}

// hangs reports whether a write has not ended for long. The lock is held.
func (w *DataDisks) hangs() bool { return !w.began.IsZero() && time.Since(w.began) >= diskSlow }

// Hangs reports whether a write has not ended for long.
func (w *DataDisks) Hangs() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hangs()
}

// trouble is that nothing can be written to a disk.
func trouble(place, why string) string {
	return fmt.Sprintf("nothing can be written to the disk of %s: %s", place, why)
}

// slow is why nothing can be written to a disk that hangs.
const slow = "a write has not ended for 10 s"

// Verdict implements Part.
func (w *DataDisks) Verdict() (sick error, judged bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hangs() {
		return errors.New(trouble(w.tries, slow)), true
	}
	judged = w.judged && (w.began.IsZero() || time.Since(w.began) < dataEvery)
	for _, place := range slices.Sorted(maps.Keys(w.disks)) {
		disk := w.disks[place]
		why := disk.fails()
		if why != "" && time.Since(disk.since) >= diskSlow {
			return errors.New(trouble(place, why)), true
		}
		judged = judged && why == ""
	}
	return nil, judged
}

// Fit reports whether all take writes, as far as is known: one that does not takes no data sync either.
func (w *DataDisks) Fit() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, disk := range w.disks {
		if disk.ReadOnly || disk.fails() != "" && time.Since(disk.since) >= diskSlow {
			return false
		}
	}
	return !w.hangs()
}

// Conditions tells of disks that take no writes, or soon may not.
func (w *DataDisks) Conditions() (all []pair.Condition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hangs() {
		all = append(all, unwritable(w.tries, slow))
	}
	for _, place := range slices.Sorted(maps.Keys(w.disks)) {
		all = append(all, w.disks[place].conditions(w.Leads)...)
	}
	return all
}

func (d *dataDisk) conditions(leads func() bool) []pair.Condition {
	why, lack := d.fails(), lacks(d.Room, leastDataRoom, leastDataInodes)
	room := "Make room there, or remove files if there are too many (df -i " + d.Place + ")."
	switch {
	case d.Full:
		return []pair.Condition{{
			ID: "data-disk-full", Severity: pair.Critical,
			Text: "The disk of " + d.Place + " is full: programs of the site cannot write there.", NextStep: room,
		}}
	case why != "":
		return []pair.Condition{unwritable(d.Place, why)}
	case d.ReadOnly && leads():
		return []pair.Condition{{
			ID: "data-disk-read-only", Severity: pair.Info,
			Text:     "The disk of " + d.Place + " is read-only, and has been since Baton started here.",
			NextStep: "If that is not meant so, look at that disk, and at the log of the kernel: journalctl -k.",
		}}
	case d.ReadOnly:
		return []pair.Condition{unwritable(d.Place, "it is read-only")}
	case lack != nil:
		return []pair.Condition{{
			ID: "data-disk-nearly-full", Severity: pair.Warning,
			Text: "The disk of " + d.Place + " is nearly full: " + *lack + ".", NextStep: room,
		}}
	}
	return nil
}

func unwritable(place, why string) pair.Condition {
	return pair.Condition{
		ID: "data-disk-unwritable", Severity: pair.Critical,
		Text:     "Nothing can be written to the disk of " + place + ": " + why + ".",
		NextStep: "Look at that disk, and at the log of the kernel: journalctl -k.",
	}
}
