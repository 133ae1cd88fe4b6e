package watch

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"baton/internal/pair"
	"baton/internal/tick"
)

// filesEvery is how often the directory of the public site is looked at.
const filesEvery = 3 * time.Second

// Files watches what Baton itself serves as the public site: its directory here, and whether
// the peer would serve at the same addresses. It is looked at beside the loop, which a disk
// that hangs must not stop.
type Files struct {
	Root   string   // of the files; empty: Baton serves none here
	Listen []string // where it serves them
	Name   string   // of this appliance
	Wanted func() bool
	Fresh  func() *pair.PeerReport // of the peer; nil: none lately

	missing atomic.Bool
}

// Run looks until ctx ends.
func (f *Files) Run(ctx context.Context) error {
	ticker := tick.Every(filesEvery)
	defer ticker.Stop()
	for f.Root != "" {
		f.look()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
	return nil
}

func (f *Files) look() {
	info, err := os.Stat(f.Root)
	f.missing.Store(errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir())
}

// Shown reports whether Baton serves files here, and has them.
func (f *Files) Shown() bool { return f != nil && f.Root != "" && !f.missing.Load() }

// Served is what the peer is told of that; nil: nothing.
func (f *Files) Served() *pair.ServedFiles {
	if f == nil {
		return nil
	}
	return &pair.ServedFiles{Listen: f.Listen}
}

// Conditions tells of a directory that is missing, and of a peer that would serve the site at
// other addresses. Wanted says whether this appliance serves the site, or could.
func (f *Files) Conditions() (found []pair.Condition) {
	if f.missing.Load() && f.Wanted() {
		found = append(found, pair.Condition{
			ID: "site-files-missing", Severity: pair.Critical,
			Text:     "The directory of the public site, " + f.Root + ", is not there on " + f.Name + ": who asks this appliance for the site is told that nothing was found.",
			NextStep: "Put the directory back, or correct root in [site] of the configuration file.",
		})
	}
	report := f.Fresh()
	if report == nil || report.Files == nil || slices.Equal(inOrder(report.Files.Listen), inOrder(f.Listen)) {
		return found
	}
	return append(found, pair.Condition{
		ID: "site-differs", Severity: pair.Warning,
		Text:     "The two appliances serve the public site at different addresses: " + places(f.Listen) + " here, " + places(report.Files.Listen) + " on the peer. After a switch, clients would not find it.",
		NextStep: "Write the same [site] section into the configuration file of both, and restart the daemon where it was changed.",
	})
}

func inOrder(listen []string) []string { return slices.Sorted(slices.Values(listen)) }

func places(listen []string) string {
	if len(listen) == 0 {
		return "nowhere"
	}
	return strings.Join(listen, " and ")
}
