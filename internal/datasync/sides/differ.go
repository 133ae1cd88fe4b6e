package sides

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/wire"
	"baton/internal/kept"
)

const (
	mostFiles = 1000      // differences that are listed, of one piece of data
	mostText  = 128 << 10 // bytes of their paths
)

// differences is what two sides have, and had in common.
type differences struct {
	here, there state
	since       since
	backup      kept.Side
}

// all compares all data, in order of name; what only one side protects is a problem.
func (d differences) all() []kept.ComparedData {
	var all []kept.ComparedData
	for _, h := range d.here.manifest.Sets {
		one := kept.ComparedData{Name: h.Data.Name}
		at := slices.IndexFunc(d.there.manifest.Sets, func(t manifest.Set) bool { return t.Data.Same(h.Data) })
		switch {
		case at >= 0:
			one = d.data(h, d.there.manifest.Sets[at])
		case !named(d.there.left, h.Data.Name):
			one.Problems = append(one.Problems, "Only this appliance protects it.")
		}
		all = append(all, one)
	}
	for _, t := range d.there.manifest.Sets {
		known := slices.ContainsFunc(d.here.manifest.Sets, func(h manifest.Set) bool { return h.Data.Same(t.Data) })
		if !known && !named(d.here.left, t.Data.Name) {
			all = append(all, kept.ComparedData{Name: shown(t.Data.Name), Problems: []string{"Only the other appliance protects it."}})
		}
	}
	all = told(all, d.here.left, "Here: ")
	return told(all, d.there.left, "There: ")
}

// named reports whether a side could not look at a piece of data.
func named(left []wire.Left, data string) bool {
	return slices.ContainsFunc(left, func(l wire.Left) bool { return l.Data == data && l.Path == "" })
}

// told adds what a side could not look at.
func told(all []kept.ComparedData, left []wire.Left, side string) []kept.ComparedData {
	for _, l := range left {
		problem := side + shown(l.Why)
		if l.Path != "" {
			problem = side + shown(l.Path) + " changed each time it was read."
			if l.Why != "" {
				problem = side + shown(l.Why) + " uses " + shown(l.Path) + ", which was not compared."
			}
		}
		at := slices.IndexFunc(all, func(one kept.ComparedData) bool { return one.Name == shown(l.Data) })
		if at < 0 {
			at, all = len(all), append(all, kept.ComparedData{Name: shown(l.Data)})
		}
		all[at].Problems = append(all[at].Problems, problem)
	}
	return all
}

// data compares one piece of data, as far as both definitions protect it.
func (d differences) data(h, t manifest.Set) kept.ComparedData {
	was := d.since.manifest.Find(h.Data)
	one := comparison{ComparedData: kept.ComparedData{Name: h.Data.Name}, of: d, was: was.Listing, left: map[string]bool{}}
	for _, l := range slices.Concat(d.here.left, d.there.left) {
		if l.Data == h.Data.Name {
			one.left[l.Path] = true
		}
	}
	manifest.Walk(
		h.As(t.Data), t.As(h.Data),
		func(e manifest.Entry) { one.add(e, manifest.Entry{}, kept.OnlyHere) },
		func(e manifest.Entry) { one.add(manifest.Entry{}, e, kept.OnlyThere) },
		func(h, t manifest.Entry) { one.add(h, t, whatDiffers(h, t)...) },
	)
	one.Files = append(one.Files, one.expected...)
	one.Files = one.Files[:min(len(one.Files), mostFiles)]
	one.More = one.Differences() - int64(len(one.Files))
	return one.ComparedData
}

// comparison is one piece of data, while it is compared.
type comparison struct {
	kept.ComparedData

	of       differences
	was      manifest.Listing
	left     map[string]bool   // paths that a side could not read
	expected []kept.Difference // to be listed after the others
	text     int               // bytes of all paths
}

func (c *comparison) add(h, t manifest.Entry, what ...kept.What) {
	e := h
	if h.Kind == 0 {
		e = t
	}
	if len(what) == 0 || c.left[e.Path] {
		return
	}
	one := kept.Difference{Path: shownEntry(e), What: what, Here: c.changed(e.Path, h), There: c.changed(e.Path, t), HereIs: version(h), ThereIs: version(t)}
	one.Expected = (c.of.backup == kept.Here && one.Here == kept.Unchanged) || (c.of.backup == kept.There && one.There == kept.Unchanged)
	switch {
	case h.Kind == 0:
		c.OnlyThere++
	case t.Kind == 0:
		c.OnlyHere++
	case slices.Contains(what, kept.Content) || slices.Contains(what, kept.Kind):
		c.Content++
	default:
		c.Metadata++
	}
	list := &c.Files
	if one.Expected {
		c.Expected++
		list = &c.expected
	}
	if c.text += len(one.Path); len(*list) < mostFiles && c.text <= mostText {
		*list = append(*list, one)
	}
}

// changed tells what became of a path since the common snapshot.
func (c *comparison) changed(path string, is manifest.Entry) kept.Change {
	if c.of.since.snapshot.IsZero() {
		return kept.Unknown
	}
	was, had := c.was.Find(path)
	switch {
	case !had && is.Kind == 0:
		return kept.Unchanged
	case !had:
		return kept.Made
	case is.Kind == 0:
		return kept.Removed
	case was.Same(is):
		return kept.Unchanged
	}
	return kept.Changed
}

// whatDiffers says what of two entries at one path differs.
func whatDiffers(h, t manifest.Entry) (what []kept.What) {
	if h.Kind != t.Kind {
		return []kept.What{kept.Kind}
	}
	if !h.SameContent(t) {
		what = append(what, kept.Content)
	}
	if h.SameMeta(t) {
		return what
	}
	if h.UID != t.UID || h.GID != t.GID {
		what = append(what, kept.Owner)
	}
	if h.Mode != t.Mode {
		what = append(what, kept.Mode)
	}
	if h.ModTime != t.ModTime {
		what = append(what, kept.ModTime)
	}
	if !slices.Equal(h.XAttrs, t.XAttrs) {
		what = append(what, kept.Attributes)
	}
	return what
}

func version(e manifest.Entry) *kept.FileVersion {
	if e.Kind != manifest.File {
		return nil
	}
	return &kept.FileVersion{Size: e.Size, ModTime: time.Unix(0, e.ModTime).UTC(), Hash: hex.EncodeToString(e.Hash[:])}
}

func shownEntry(e manifest.Entry) string {
	if e.Kind == manifest.Dir {
		return shown(e.Path) + "/"
	}
	return shown(e.Path)
}

// shown is a text of any bytes as a person can read it.
func shown(text string) string {
	unreadable := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if utf8.ValidString(text) && strings.IndexFunc(text, unreadable) < 0 {
		return text
	}
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}
