package directory

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/blocks"
	"baton/internal/datasync/source/directory/disk"
	"baton/internal/datasync/source/directory/hint"
	"baton/internal/datasync/source/directory/obstacle"
	"baton/internal/datasync/source/directory/scan"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/pair"
	"baton/internal/pinned"
)

// Options are what a Kind is made of.
type Options struct {
	Index string   // directory of its own: what the newest scans found
	Own   []string // directories that no sync may touch: the daemon's own
	// Place returns where this appliance keeps a protected directory, if not at the
	// path that the pair protects; nil: there. Two appliances on one machine need it.
	Place func(pair.Data) string
	// Part returns what of a directory some data is: a few names, of which the first is at its place. nil: all of it.
	Part func(pair.Data) tree.Part
	// Allowed returns the sentence for a directory that may not be protected on this
	// machine, by its place and by its path without links; empty: it may. nil: every one may.
	Allowed func(place, real string) string
	Log     *slog.Logger
	// Boot tells the starts of this machine apart, in one line; empty: the kernel's boot_id.
	Boot string
	Now  func() time.Time // nil: the wall clock
	// Whole is how often the whole of a directory is looked at, whatever is noticed of it; 0: as often as
	// that takes a four-hundredth of the time, at least every 10 minutes and at most every 10 s.
	Whole time.Duration
	// Lock keeps the programs of this machine from data that a sync is about to replace, until it is released; nil: nothing has to be. It fails with ErrUsed if one
	// uses the data. nil: that is not done.
	Lock func(pair.Data) (release func(), err error)
	// Helper is the socket of the process that follows whole file systems; empty: there is none.
	Helper string
}

// Kind is the kind of data that is a directory with all that is in it. It implements
// source.Kind.
type Kind struct {
	opt Options

	mu      sync.Mutex
	indexes map[string]*index // by path of the protected directory

	notifier *hint.Notifier           // nil: none yet
	instance refusal                  // why none could be had
	helper   *hint.Helper             // nil: not connected
	hung     time.Time                // when the helper was found not to answer
	lists    map[string]*blocks.Store // the same
}

// New makes the kind, and its own directory.
func New(opt Options) (*Kind, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Allowed == nil {
		opt.Allowed = func(string, string) string { return "" }
	}
	if opt.Place == nil {
		opt.Place = func(d pair.Data) string { return d.Spec.String() }
	}
	if opt.Boot == "" {
		id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			return nil, fmt.Errorf("ask which start of the machine this is: %w", err)
		}
		opt.Boot = strings.TrimSpace(string(id))
	}
	if err := os.MkdirAll(opt.Index, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of indexes: %w", err)
	}
	return &Kind{opt: opt, indexes: map[string]*index{}, lists: map[string]*blocks.Store{}}, nil
}

// Check implements source.Kind: it refuses what would meet the staging.
func (*Kind) Check(set manifest.Set) error {
	if set.Whole().Kind != manifest.Dir {
		return fmt.Errorf("%w: the directory itself is missing", manifest.ErrMalformed)
	}
	for _, own := range []string{tree.StagingName, tree.PointsName} {
		if _, is := set.Find(own); is {
			return fmt.Errorf("%w: %q is Baton's own", manifest.ErrMalformed, own)
		}
	}
	return nil
}

// Open implements source.Kind. What is there really, without links, must be what a sync
// may touch.
func (k *Kind) Open(data pair.Data, purpose source.Purpose) (source.Source, error) {
	dir, err := k.open(data, purpose)
	if err != nil {
		return nil, err
	}
	return &protected{kind: k, data: data, tree: dir, purpose: purpose}, nil
}

func (k *Kind) open(data pair.Data, purpose source.Purpose) (*tree.Tree, error) {
	place, refused := k.opt.Place(data), error(nil)
	open := tree.Open
	if purpose == source.Receive {
		open = tree.Create
	}
	if k.opt.Part != nil {
		open = k.opening(k.opt.Part(data), purpose)
	}
	dir, err := open(place, func(real string) error {
		refused = k.checkReal(data, real)
		if no := k.opt.Allowed(place, real); refused == nil && purpose != source.Recover && no != "" {
			refused = source.Sentence(source.ErrNotAllowed, "%s.", no)
		}
		return refused
	})
	if refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, explain(err, place)
	}
	dir.Lists, dir.Exclude = k.listsOf(place), data.Spec.Excludes().Matcher()
	return dir, nil
}

// opening opens a part of a directory for a purpose.
func (k *Kind) opening(part tree.Part, purpose source.Purpose) func(path string, check func(real string) error) (*tree.Tree, error) {
	if purpose == source.Receive {
		return func(path string, check func(string) error) (*tree.Tree, error) {
			return tree.CreatePart(path, part, check)
		}
	}
	return func(path string, check func(string) error) (*tree.Tree, error) {
		return tree.OpenPart(path, part, check)
	}
}

// listsOf returns the store of the lists of a protected directory.
func (k *Kind) listsOf(place string) *blocks.Store {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lists[place] == nil {
		from := int64(blocks.KeptFrom)
		if k.opt.Part != nil { // there are few of these
			from = manifest.FromLists
		}
		k.lists[place] = blocks.NewStore(k.indexFile(place, manifest.Whole)+"-blocks", from, k.opt.Log)
	}
	return k.lists[place]
}

// Lists returns the store of the lists of some data.
func (k *Kind) Lists(data pair.Data) *blocks.Store { return k.listsOf(k.opt.Place(data)) }

// Agreed implements source.Kind.
func (k *Kind) Agreed(data pair.Data, listing manifest.Listing) {
	k.listsOf(k.opt.Place(data)).Agreed(listing)
	x := k.indexAt(k.opt.Place(data))
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lacked = nil
	if x.agreed = (manifest.Listing{}); listing.Whole().Note.Ino != 0 { // it was scanned here
		x.agreed = listing
	}
}

// checkReal refuses what is really at a place if a sync must not touch it.
func (k *Kind) checkReal(data pair.Data, real string) error {
	if real != k.opt.Place(data) { // links lead to it
		if err := (pair.Directory{Path: pair.Path(real)}).Check(); err != nil {
			return source.Sentence(source.ErrUnsafe, "Protected data %q: %v.", data.Name, err)
		}
	}
	for _, own := range k.opt.Own {
		at, err := pinned.Resolve(own)
		if err != nil {
			at = own
		}
		if pair.Overlap(own, real) || pair.Overlap(at, real) {
			return source.Sentence(source.ErrUnsafe, "Protected directory %s and Baton's own directory %s overlap: protect another directory.", real, own)
		}
	}
	return nil
}

// Mount implements source.Kind.
func (k *Kind) Mount(data pair.Data) string {
	dir, _, err := pinned.Nearest(k.opt.Place(data))
	if err != nil {
		return ""
	}
	defer func() { _ = dir.Close() }()
	return disk.MountPoint(dir.Fd())
}

// Unmounted implements source.Kind.
func (k *Kind) Unmounted(data pair.Data, mount string) string {
	now := k.Mount(data)
	if mount == "" || now == "" || now == mount || !pair.Within(mount, now) {
		return ""
	}
	return fmt.Sprintf("Protected directory %s lay on a disk mounted at %s, and none is mounted there now: mount it", k.opt.Place(data), mount)
}

// explain turns what the file system or a scan reports into a sentence.
func explain(err error, where string) error {
	if err == nil || pair.RefusalOf(err) != nil {
		return err
	}
	link, byLink := errors.AsType[*pinned.LinkError](err)
	inUse, isInUse := errors.AsType[*scan.InUseError](err)
	blocked, isBlocked := errors.AsType[*obstacle.Error](err)
	switch {
	case byLink:
		return source.Sentence(source.ErrUnsafe, "%v.", link)
	case errors.Is(err, source.ErrMissing):
		return source.Sentence(source.ErrMissing, "Protected directory %s does not exist: mount or restore it, or remove it from the protected data.", where)
	case isBlocked:
		return source.Sentence(source.ErrBlocked, "%s %s, so that a data sync cannot change it: %s; the sync is tried again by itself.", blocked.Path, blocked.Why, blocked.Remedy)
	case errors.Is(err, scan.ErrDeep):
		return source.Sentence(source.ErrUnsafe, "A path in %s is longer than the %d bytes that a data sync takes (%v): shorten the names on the way to it, or move it out of the protected directory.", where, pair.MaxPath, err)
	case isInUse:
		return source.Sentence(source.ErrChanging, "%s uses %s, or was not shut down, so that its files cannot be copied as of one moment: stop it, or leave it out by baton data set NAME --exclude and protect a dump.", inUse.Kind, filepath.Join(where, inUse.Path))
	case errors.Is(err, source.ErrChanging):
		return source.Sentence(source.ErrChanging, "A file in %s cannot be copied (%v): stop its writer during the sync, or do not protect it.", where, err)
	}
	return source.Explain(err, where)
}
