// Package source is the contract between the data sync and what is copied in snapshots.
// Package datasync is written against it alone; each kind of data is a package below
// this one that implements it, and package app lists the kinds.
//
// The calls come in this order, and the power may be cut between any two of them, or
// within one:
//
//	primary                        backup
//	Kind.Open(Serve), Scan         Kind.Open(Receive), Scan
//	                               Source.Stage, Staging.Missing
//	Content.Open, Reader.Send      Staging.Fill, Incoming.Finish
//	                               Staging.Settle, Change.Sync, Change.Check
//	                               (the journal is written, with Change.Append)
//	                               Change.Apply and Sync, or Undo and Sync
//	                               (the new state is written, the journal removed)
//	                               Change.Done
//
// Before the journal is written, everything that a source holds is the old snapshot, and
// nobody but the next Stage knows of what is staged. Once it is written, each start calls
// Source.Resume, and then Apply or Undo from their beginning.
//
// An error that a person can meet is a sentence, see Sentence; it wraps one of the
// sentinels here if the data sync has to tell it from others.
package source

import (
	"context"
	"io"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/kept"
	"baton/internal/pair"
)

// Purpose says what a source is opened for.
type Purpose uint8

// The purposes.
const (
	Serve   Purpose = iota // to be scanned and read: it exists, and may be protected on this machine
	Final                  // the same, once nothing writes to it any more: a scan looks at all of it
	Receive                // to be replaced by a snapshot: it is made if it is missing, and may be protected on this machine
	Recover                // to finish or look through what was begun: whether it may be protected was asked then
)

// Kind is one kind of data. Its methods may be called at once.
type Kind interface {
	// Check refuses a set of this kind, as the peer or the disk names it, that no scan
	// could have found or that is not safe to be put into place.
	Check(set manifest.Set) error
	// Open opens one piece of data. One that is not there is ErrMissing, one that may
	// not be protected on this machine ErrNotAllowed.
	Open(data pair.Data, purpose Purpose) (Source, error)
	// Changed is closed as soon as something may be other than a scan found it to be, and
	// at once if it is. False: this is not followed, and a scan has to find out.
	Changed(data pair.Data, found manifest.Listing) (<-chan struct{}, bool)
	// Idle returns the byte form of a change by which nothing changes: the source need
	// not be there to finish that.
	Idle() []byte
	// Always returns the one piece of data of this kind that is protected without being
	// defined; the zero value: there is none. Only one kind may have one. It is one manifest.Blob, which travels
	// inline, with the manifest. It is put into place last, so it need not be possible
	// to take it back; it has no diverged copy of its own, but a part in every one.
	Always() pair.Data
	// Mount returns where the disk is mounted on which data lies, or would lie if it
	// were made; empty: it cannot be known, or the data lies on none.
	Mount(data pair.Data) string
	// Agreed hands over what both appliances now have of a piece of data: what is remembered
	// only to tell differences from what they had before can be forgotten.
	Agreed(data pair.Data, listing manifest.Listing)
	// Unmounted says, in a sentence without its full stop, that the disk is not mounted
	// any more that had the mount point; empty: it is, or it does not matter.
	Unmounted(data pair.Data, mount string) string
}

// Source is one piece of data on this appliance, open. Its methods are called one at a time.
type Source interface {
	// String names it to a person, as by its path on this machine.
	String() string
	// Keep has the next Scan leave what keeps changing as the peer has it, which last tells, and name it. Last
	// reports false if that is not known: it is ErrChanging then, as a file is without Keep, or left out.
	Keep(last func() (manifest.Set, bool))
	// Scan finds out what is here, hashed by a scheme, and changes nothing. It lists nothing
	// that the data's spec excludes, and that stays as it is, whatever is staged and applied.
	Scan(ctx context.Context, scheme manifest.Scheme) (Scan, error)
	// Stage begins to turn what the latest Scan found into what is wanted. It returns
	// nil if nothing has to change. What an interrupted sync left in the staging is kept
	// as far as it is of use. Data that cannot be changed is ErrBlocked.
	Stage(want manifest.Listing) (Staging, error)
	// Resume returns the change of which the journal has the byte form. It fails if what
	// the change needs is damaged or gone; then it can be neither applied nor undone.
	Resume(change []byte) (Change, error)
	// DropStaging removes what is staged, if anything is. It is never called while the
	// journal holds a change.
	DropStaging() error
	// SetAside copies what a divergence names into the folder of a diverged copy, and
	// returns its list of files. A power cut leaves a part, which is thrown away.
	SetAside(ctx context.Context, d Divergence, into string) ([]kept.DivergedFile, error)
	// Close releases the source. It leaves what is staged.
	Close() error
}

// Scan is what one piece of data held at one moment.
type Scan struct {
	Name     string           // of the source, for a person
	Listing  manifest.Listing // zero: all of it is left out
	Spec     pair.Spec        // as which it is listed: its definition, but that it excludes what is left out
	Place    Place
	Disk     string        // tells the disk from every other, also after it was mounted anew; empty: not known
	Unstable string        // what was still changing when the scan gave up; empty: nothing
	Skipped  []string      // what is not synced
	Moving   []Moving      // what kept changing, and is listed as the peer has it, or not at all if it has none
	Reading  time.Duration // how long it took to read what is new, which the next scan need not
	Content  Content
}

// Moving is what of a source cannot be copied as it is now.
type Moving struct {
	Path   string
	By     string    // the database server that uses all that is at the path; empty: it is one file that changes each time it is read
	Was    time.Time // when a server wrote what the peer has last; zero: not known, or it is left out
	Locked bool      // it is a database that its program keeps locked
	// LeftOut is set if the peer cannot be given the state that it has, as it has none of a snapshot: it keeps what it has at
	// the path, whatever that is.
	LeftOut bool
}

// Place tells which source it was, whatever its name.
type Place interface {
	// Apart refuses, with a sentence, two that are one and the same, or share a part.
	Apart(other Place) error
}

// Content opens what a scan found, for reading, as often as it is asked.
type Content interface {
	// Open fails with ErrChanging if another source has the name by now.
	Open() (Reader, error)
}

// Reader sends content to the peer. Its methods may be called at once.
type Reader interface {
	// Send hands on the content of one entry of the scan, from the offset on that the backup
	// has, or by its difference from the content that it has, and returns
	// the entry as it is now, hashed by the scheme of the scan. ErrChanging: it was
	// written to meanwhile, or it is not what was scanned and the offset is not 0; what
	// the sink has is worthless, and it may be tried again for a backup that has nothing. fs.ErrNotExist: it is
	// gone. ErrSums: it is to be asked for with the sums of the old content; the sink has
	// nothing. An error of the sink is returned as it is.
	Send(ctx context.Context, e manifest.Entry, have Have, sink Sink) (manifest.Entry, error)
	Close() error
}

// Sink takes content in order.
type Sink interface {
	// Data takes bytes, which are the caller's again afterwards.
	Data(b []byte) error
	// Hole takes zeros, at most MaxHole of them.
	Hole(bytes int64) error
	// Same takes bytes that the old content of a Have has, from an offset in that on.
	Same(from, bytes int64) error
}

// Whole is the part of a Sink that takes whole content only.
type Whole struct{}

// Same implements Sink.
func (Whole) Same(int64, int64) error {
	return Sentence(ErrUnsafe, "The peer sent a difference from content that was not named: nothing was applied; check that both appliances run the same version.")
}

// MaxHole bounds one Hole, in bytes: its zeros are hashed, which takes time.
const MaxHole = 64 << 20

// Staging is the state that a source is to have, while it is prepared beside the one that
// it has, which stays whole. Fill may be called for different entries at once.
type Staging interface {
	// Load is what the staging will take, and what there is for it.
	Load() (Load, error)
	// Missing stages what needs no transfer, and returns what has to come from the
	// primary. It is called again after that came, as content that did not match its
	// hash is missing again. What is wanted is that of Stage, as it turned out to be.
	// Staged is called with files and bytes that are complete.
	Missing(ctx context.Context, want manifest.Listing, staged func(files, bytes int64)) ([]Want, error)
	// Sum has the next Missing give the sums of the old content with the Want of a path.
	Sum(path string)
	// Fill takes the content of one entry, given what is here: nothing, or as its Want says.
	Fill(ctx context.Context, e manifest.Entry, have Have) (Incoming, error)
	// Settle ends the filling, for what is wanted as it turned out to be. Afterwards the
	// change cannot fail for want of content (ErrMismatch), room or permission.
	Settle(want manifest.Listing) (Change, error)
	// Close releases the staging and leaves what is in it.
	Close() error
}

// Load is what a staging takes of its disk.
type Load struct {
	Files, Bytes         int64  // content of the change, for its progress
	Device               uint64 // tells disks apart, as long as they are mounted
	NeedBytes, FreeBytes int64
	NeedFiles, FreeFiles int64
}

// Want is one entry whose content is missing.
type Want struct {
	Have

	Path string // of the wanted entry
}

// Have is what the backup has of some content; the zero value: nothing.
type Have struct {
	Offset int64         // bytes that are staged already
	Old    manifest.Hash // of the content that is to be replaced, if it may be of use; then the offset is 0
	Size   int64         // bytes of that
	Sums   []byte        // of that, in the kind's own form, if the primary asked for them
}

// MaxSums bounds the sums of all Wants together, in bytes.
const MaxSums = 64 << 20

// HasOld reports whether there is old content that may be of use.
func (h Have) HasOld() bool { return h.Size > 0 }

// Incoming is content on its way into a staging. It is used by one goroutine, and ends
// with Finish or Abort.
type Incoming interface {
	Sink
	// Offset returns how many bytes are there.
	Offset() int64
	// Restart throws away what is there.
	Restart() error
	// Finish checks the content against the entry as it turned out to be. ErrMismatch:
	// it is worthless, and thrown away.
	Finish(e manifest.Entry) error
	// Abort leaves what is there, for a later sync to go on from.
	Abort()
}

// Change turns the old state of a source into the new one, and can be taken back.
type Change interface {
	// Append appends the byte form from which Source.Resume makes it again.
	Append(b []byte) []byte
	// Sync makes durable whatever was staged, applied or undone before.
	Sync() error
	// Check is the last look before the journal is written, at a change that was not resumed: it fails if something
	// was written since the latest Scan that must not be replaced before it is kept. It changes nothing.
	Check() error
	// Apply puts the new state into place. Applied again after a power cut, at whatever
	// point, it ends the same; so does Undo. The hook is called before each step that a
	// power cut may come between.
	Apply(ctx context.Context, hook func(step string)) error
	// Final reports whether the new state is in place so that it cannot be taken back
	// any more. A source that may become final is applied last.
	Final(ctx context.Context) bool
	// Undo puts the old state back into place, whatever of the change was applied.
	Undo(hook func(step string)) error
	// ApplyRest puts into place what can be, at the word of an administrator who takes
	// the data as it is, and makes that durable. It returns what is left over, or fails
	// if nothing could be done.
	ApplyRest(ctx context.Context) (Leftover, error)
	// Done is called once the new state is complete. It drops the staging.
	Done() error
}

// Leftover is what of a change could not be put into place.
type Leftover struct {
	Names []string // what is missing, for a person; empty: nothing
	// From holds the content of what is missing, to be set aside and then closed; nil:
	// there is none.
	From Source
	Kept Divergence
}

// Divergence is what one source has that the snapshot it is compared with has not.
type Divergence struct {
	Changed []manifest.Entry // new or other
	Removed []manifest.Entry // as they were in the snapshot
	All     manifest.Listing // everything that is here
	Was     manifest.Listing // the snapshot
	Scheme  manifest.Scheme  // by which the entries are hashed
}

// Holder is a Source whose files may differ though they hold the same, as those of a database do.
type Holder interface {
	// Holds reports whether the source, which differs so, holds what one of some listings has, hashed by the same scheme, and nothing besides.
	Holds(ctx context.Context, d Divergence, of ...manifest.Listing) (bool, error)
}

// Rower is a Kind whose data has rows.
type Rower interface {
	// Rows tells by which rows what a diverged copy has in its folder differs from what is here now. It fails with a sentence if one of the two cannot be read.
	Rows(ctx context.Context, data pair.Data, folder string) ([]kept.TableDifference, error)
}

// Keeper is a Source that keeps content which a change has taken out, as long as restore points need it.
type Keeper interface {
	// Preserve keeps, of what the change of this source has taken out, the content that is wanted, durably; was is
	// what the source held before. It takes renames only, as a rule. It is called between Change.Sync and Change.Done, and
	// again after a power cut in between; the hook is called before each step that a power cut may come between.
	Preserve(ctx context.Context, of Change, was manifest.Listing, wanted func(manifest.Hash) bool, hook func(step string)) error
	// Retain drops what is kept and is neither wanted nor needed by what is. It returns the bytes that the rest takes.
	Retain(ctx context.Context, wanted func(manifest.Hash) bool) (bytes int64, err error)
	// Short reports whether the disk has so little room left that what is kept should give way.
	Short() bool
	// Kept finds the content of an entry, in what is kept, or at a path that has it now as far as is known, as at tells;
	// checks it, and returns what writes it. ErrMismatch: it is nowhere.
	Kept(ctx context.Context, e manifest.Entry, scheme manifest.Scheme, at func(manifest.Hash) []string) (func(io.Writer) error, error)
}

// Restorer is a Source into which single entries can be put back while it is in use.
type Restorer interface {
	// Restore begins to put entries back.
	Restore() (Restoration, error)
}

// Restoration is some entries on their way back. It is used by one goroutine.
type Restoration interface {
	// Take prepares an entry, beside what is there; its parents came before it.
	Take(ctx context.Context, e manifest.Entry, content io.Reader) error
	// Occupied returns the paths of entries at which something else is.
	Occupied(ctx context.Context) ([]string, error)
	// Place puts the entries into place. What is there gets a further suffix to its name, and is
	// returned by that; an entry that is there already is left alone. Nothing is removed.
	Place(suffix string) (kept []string, err error)
	// Close throws away what is not in place.
	Close() error
}
