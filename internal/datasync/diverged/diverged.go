// Package diverged keeps the diverged copies of an appliance: what it held that its peer
// has not, set aside before a data sync replaces it.
//
// Start reading at Divergence, then Copies.Make.
package diverged

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/zeebo/blake3"
	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/durable"
	"baton/internal/kept"
	"baton/internal/pair"
)

// ErrNotFound means that there is no such diverged copy.
var ErrNotFound = pair.Refuse(pair.NotFound, "no such diverged copy")

// LatePrefix begins the id of a diverged copy of what was written on an appliance
// after it had given the role away.
const LatePrefix = "late-"

// A diverged copy has a folder of its own, in which copy.json lists it; the rest is what
// each source has set aside. It is made under a name that begins with a dot and renamed
// when whole.
const (
	listFile   = "copy.json"
	halfPrefix = ".half-"
)

// Divergence is what one piece of data has that the common snapshot has not.
type Divergence struct {
	source.Divergence

	Data   pair.Data
	Source source.Source // nil: it is opened to be copied
}

// Options are what Copies are made of.
type Options struct {
	Dir    string // of all copies
	Open   func(data pair.Data, purpose source.Purpose) (source.Source, error)
	Always pair.Data         // small data that every copy has; the zero value: none
	Hook   func(step string) // before each step that a power cut may come between
}

// Copies are the diverged copies of this appliance. Its methods may be called at once,
// Make apart.
type Copies struct {
	opt Options

	mu  sync.Mutex
	ids IDs
}

// IDs are the ids of diverged copies, by what was set aside.
type IDs struct {
	Aside  []string // with files
	Inline []string // with no file: what travels inline alone
	Late   []string // what was written on this appliance after it had given the role away
	Bytes  int64    // of all of them, as far as their lists can be read
}

// Open makes the folder of all copies if it is missing, and removes what a power cut left of a copy.
func Open(opt Options) (*Copies, error) {
	if err := os.MkdirAll(opt.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make what the data sync needs: %w", err)
	}
	c := &Copies{opt: opt}
	halves, _ := filepath.Glob(c.path(halfPrefix + "*")) // the pattern is a good one
	for _, half := range halves {
		_ = os.RemoveAll(half)
	}
	c.count()
	return c, nil
}

func (c *Copies) path(name string) string { return filepath.Join(c.opt.Dir, name) }

// count reads which copies there are.
func (c *Copies) count() {
	paths, err := filepath.Glob(c.path("[^.]*"))
	if err != nil {
		return
	}
	var ids IDs
	for _, path := range paths {
		id := filepath.Base(path)
		one, err := c.One(id)
		ids.Bytes += one.Bytes
		switch {
		case strings.HasPrefix(id, LatePrefix):
			ids.Late = append(ids.Late, id)
		case err == nil && len(one.Files) == 0:
			ids.Inline = append(ids.Inline, id)
		default: // also one that cannot be read
			ids.Aside = append(ids.Aside, id)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids = ids
}

// IDs lists the ids of the copies. It reads no disk.
func (c *Copies) IDs() IDs {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ids
}

// All lists the copies, oldest first.
func (c *Copies) All() ([]kept.DivergedCopy, error) {
	names, err := os.ReadDir(c.opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("list diverged copies: %w", err)
	}
	var copies []kept.DivergedCopy
	for _, name := range names {
		if strings.HasPrefix(name.Name(), ".") {
			continue
		}
		one, err := c.One(name.Name())
		if err != nil {
			return nil, err
		}
		copies = append(copies, one)
	}
	slices.SortFunc(copies, func(a, b kept.DivergedCopy) int { return a.Time.Compare(b.Time) })
	return copies, nil
}

// One returns what a copy holds; ErrNotFound: there is none of this id.
func (c *Copies) One(id string) (kept.DivergedCopy, error) {
	dir := c.path(id)
	_, err := os.Lstat(dir)
	if id == "" || strings.HasPrefix(id, ".") || strings.ContainsAny(id, "/\x00") || errors.Is(err, fs.ErrNotExist) {
		return kept.DivergedCopy{}, source.Sentence(ErrNotFound, "There is no diverged copy %q: baton diverged list shows their names.", id)
	}
	var one kept.DivergedCopy
	list := filepath.Join(dir, listFile)
	found, err := durable.ReadJSON(list, "id", &one)
	if err == nil && !found {
		err = fmt.Errorf("%s is missing", list)
	}
	if err != nil {
		return kept.DivergedCopy{}, fmt.Errorf("%w. It lists the diverged copy, whose files lie in %s: take what is needed from there, then remove %s", err, dir, dir)
	}
	return one, nil
}

// Path returns the folder of a copy.
func (c *Copies) Path(id string) (string, error) {
	_, err := c.One(id)
	return c.path(id), err
}

// Delete removes a copy for good.
func (c *Copies) Delete(id string) error {
	if _, err := c.One(id); err != nil {
		return err
	}
	half := c.path(halfPrefix + "deleted-" + id)
	if err := os.Rename(c.path(id), half); err != nil {
		return fmt.Errorf("delete diverged copy: %w", err)
	}
	c.count()
	if err := os.RemoveAll(half); err != nil {
		return fmt.Errorf("delete diverged copy: %w", err)
	}
	return nil
}

// Make makes a copy of some divergences, whole or not at all. Without room for all of it,
// it fails with source.ErrNoRoom and keeps nothing.
func (c *Copies) Make(ctx context.Context, of kept.DivergedCopy, divergences []Divergence) (kept.DivergedCopy, error) {
	half := c.path(halfPrefix + of.ID)
	whole, err := c.fill(ctx, half, of, divergences)
	if err == nil {
		c.opt.Hook("rename-copy")
		err = os.Rename(half, c.path(of.ID))
	}
	if err != nil {
		_ = os.RemoveAll(half)
		return kept.DivergedCopy{}, fmt.Errorf("set diverged data aside: %w", source.Explain(err, filepath.Dir(c.opt.Dir)))
	}
	c.count()
	return whole, durable.SyncDir(c.opt.Dir)
}

func (c *Copies) fill(ctx context.Context, half string, of kept.DivergedCopy, divergences []Divergence) (kept.DivergedCopy, error) {
	if err := errors.Join(os.RemoveAll(half), os.MkdirAll(half, 0o700)); err != nil {
		return of, err
	}
	if err := c.checkRoom(divergences); err != nil {
		return of, err
	}
	always := Divergence{Data: c.opt.Always}
	if always.Data.Spec != nil && !slices.ContainsFunc(divergences, func(d Divergence) bool { return d.Data == always.Data }) {
		divergences = append(slices.Clip(divergences), always)
	}
	for _, d := range divergences {
		c.opt.Hook("copy-diverged")
		files, err := c.setAside(ctx, d, half)
		if err != nil {
			return of, err
		}
		of.Files = append(of.Files, files...)
	}
	for _, f := range of.Files {
		if !f.Deleted {
			of.Bytes += f.Size
		}
	}
	if err := durable.WriteJSON(filepath.Join(half, listFile), of); err != nil {
		return of, fmt.Errorf("write list: %w", err)
	}
	return of, durable.SyncFS(half)
}

func (c *Copies) setAside(ctx context.Context, d Divergence, half string) ([]kept.DivergedFile, error) {
	src := d.Source
	if src == nil {
		var err error
		if src, err = c.opt.Open(d.Data, source.Recover); err != nil {
			return nil, err
		}
		defer func() { _ = src.Close() }()
	}
	return src.SetAside(ctx, d.Divergence, half)
}

func (c *Copies) checkRoom(divergences []Divergence) error {
	dir := filepath.Dir(c.opt.Dir)
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return fmt.Errorf("measure room at %s: %w", dir, err)
	}
	free := int64(disk.Bavail) * disk.Bsize //nolint:gosec // far below 2^63
	var need int64
	for _, d := range divergences {
		for _, e := range d.Changed {
			if e.Kind == manifest.File {
				need += e.Alloc
			}
		}
	}
	if need > free {
		return source.Sentence(source.ErrNoRoom, "The disk of %s has %s free, and the diverged copy needs %s there: make room, then try again; nothing was lost or replaced.",
			dir, pair.BytesText(free), pair.BytesText(need))
	}
	return nil
}

// NameOf names divergences by what is in them, so that what is tried again makes no
// second copy, and another state of one epoch does.
func NameOf(divergences []Divergence, more []byte) string {
	h := blake3.New()
	_, _ = h.Write(more) // never fails
	for _, d := range divergences {
		b := manifest.AppendString(nil, d.Data.Name)
		for _, e := range d.Changed {
			e.Alloc = 0 // it may be written out meanwhile
			b = manifest.AppendEntry(b, e)
		}
		for _, e := range d.Removed {
			b = manifest.AppendString(b, e.Path)
		}
		_, _ = h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
