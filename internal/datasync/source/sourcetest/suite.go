package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// Side is one appliance that holds a piece of data of a kind.
type Side interface {
	// Start returns the kind, as after a start of the program, and the data.
	Start(t *testing.T) (source.Kind, pair.Data)
	// Put gives the data the files, by name; Files returns them. A kind whose data has no
	// names keeps one file.
	Put(t *testing.T, files map[string]string)
	Files(t *testing.T) map[string]string
}

// Run runs the tests of the contract. Side makes an appliance whose data is empty.
func Run(t *testing.T, side func(t *testing.T) Side) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Side, Side){
		"AScanTellsStatesApart":         scanTellsStatesApart,
		"ASnapshotArrives":              arrives,
		"WhatIsStagedIsInNobodysWay":    stagedIsHidden,
		"ContentThatIsWrongIsNotTaken":  wrongContent,
		"AnythingDoneTwiceEndsTheSame":  doneTwice,
		"AChangeIsTakenBack":            takenBack,
		"AChangeStopsAnywhere":          stopsAnywhere,
		"WhatIsKeptIsListed":            setAside,
		"ASourceIsNotApartFromItself":   apart,
		"WhatNoScanFindsIsRefused":      check,
		"AReaderStartsWhereItIsAsked":   offset,
		"WithoutAStagingThereIsNoError": noStaging,
		"TheRestIsPutIntoPlace":         applyRest,
	} {
		t.Run(name, func(t *testing.T) { test(t, side(t), side(t)) })
	}
}

func before() map[string]string {
	return map[string]string{"page": "old", "same": "same", "gone": "gone"}
}

func after() map[string]string {
	return map[string]string{"page": "new and longer", "same": "same", "more": "more"}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens the data of a side as after a start.
func open(t *testing.T, s Side, purpose source.Purpose) source.Source {
	t.Helper()
	kind, data := s.Start(t)
	src, err := kind.Open(data, purpose)
	must(t, err)
	t.Cleanup(func() { _ = src.Close() })
	return src
}

func scan(t *testing.T, src source.Source) source.Scan {
	t.Helper()
	found, err := src.Scan(t.Context(), manifest.Newest)
	must(t, err)
	return found
}

func want(t *testing.T, s Side, files map[string]string) {
	t.Helper()
	if got := s.Files(t); !maps.Equal(got, files) {
		t.Errorf("it holds %q, want %q", got, files)
	}
}

// holds puts files on a side, and returns them as that side has them.
func holds(t *testing.T, s Side, files map[string]string) map[string]string {
	t.Helper()
	s.Put(t, files)
	return s.Files(t)
}

// passedOn passes content on, as the link does.
type passedOn struct{ to source.Incoming }

func (in passedOn) Data(b []byte) error          { return in.to.Data(bytes.Clone(b)) }
func (in passedOn) Hole(bytes int64) error       { return in.to.Hole(bytes) }
func (in passedOn) Same(from, bytes int64) error { return in.to.Same(from, bytes) }

// stage brings what one side holds into the staging of the other.
func stage(t *testing.T, from source.Scan, to source.Source) source.Staging {
	t.Helper()
	scan(t, to)
	staging, err := to.Stage(from.Listing)
	must(t, err)
	if staging == nil {
		t.Fatal("nothing has to change")
	}
	t.Cleanup(func() { _ = staging.Close() })
	load, err := staging.Load()
	must(t, err)
	if load.NeedBytes > load.FreeBytes || load.NeedFiles > load.FreeFiles {
		t.Fatalf("no room: %+v", load)
	}
	reader, err := from.Content.Open()
	must(t, err)
	defer func() { must(t, reader.Close()) }()
	missing, err := staging.Missing(t.Context(), from.Listing, func(int64, int64) {})
	must(t, err)
	for _, w := range missing {
		e := entry(t, from, w.Path)
		in, err := staging.Fill(t.Context(), e, w.Have)
		must(t, err)
		now, err := reader.Send(t.Context(), e, w.Have, passedOn{in})
		must(t, err)
		must(t, in.Finish(now))
	}
	missing, err = staging.Missing(t.Context(), from.Listing, func(int64, int64) {})
	must(t, err)
	if len(missing) > 0 {
		t.Fatalf("still missing: %+v", missing)
	}
	return staging
}

// prepared is a change that turns what one side holds into what the other does.
func prepared(t *testing.T, from, to Side) (source.Source, source.Change) {
	t.Helper()
	found := scan(t, open(t, from, source.Serve))
	src := open(t, to, source.Receive)
	change, err := stage(t, found, src).Settle(found.Listing)
	must(t, err)
	must(t, change.Sync())
	return src, change
}

func noHook(string) {}

func entry(t *testing.T, of source.Scan, path string) manifest.Entry {
	t.Helper()
	e, found := of.Listing.Find(path)
	if !found {
		t.Fatalf("%q is not in the scan", path)
	}
	return e.Entry
}

func scanTellsStatesApart(t *testing.T, a, b Side) {
	t.Helper()
	a.Put(t, before())
	b.Put(t, before())
	one, other := slices.Collect(scan(t, open(t, a, source.Serve)).Listing.All()), slices.Collect(scan(t, open(t, b, source.Serve)).Listing.All())
	if len(one) == 0 || len(one) != len(other) {
		t.Fatalf("%d and %d entries", len(one), len(other))
	}
	for i, e := range one {
		if !e.SameContent(other[i]) {
			t.Errorf("%+v and %+v are of the same files", e, other[i])
		}
		if i > 0 && manifest.ComparePaths(one[i-1].Path, e.Path) >= 0 {
			t.Errorf("%q comes after %q", e.Path, one[i-1].Path)
		}
	}
	b.Put(t, after())
	changed := manifest.Difference(scan(t, open(t, a, source.Serve)).Listing, scan(t, open(t, b, source.Serve)).Listing)
	if len(changed.Set) == 0 {
		t.Error("other files are scanned as the same")
	}
}

func arrives(t *testing.T, a, b Side) {
	t.Helper()
	files := holds(t, a, after())
	b.Put(t, before())
	src, change := prepared(t, a, b)
	must(t, change.Apply(t.Context(), noHook))
	must(t, change.Sync())
	must(t, change.Done())
	want(t, b, files)
	found := scan(t, open(t, a, source.Serve))
	scan(t, src)
	if staging, err := src.Stage(found.Listing); err != nil || staging != nil {
		t.Errorf("afterwards there is more to do: %v, %v", staging, err)
	}
}

func stagedIsHidden(t *testing.T, a, b Side) {
	t.Helper()
	a.Put(t, after())
	files := holds(t, b, before())
	entries := scan(t, open(t, b, source.Serve)).Listing
	prepared(t, a, b)
	want(t, b, files)
	now := scan(t, open(t, b, source.Serve)).Listing
	if d := manifest.Difference(entries, now); len(d.Set)+len(d.Removed) > 0 {
		t.Errorf("a scan finds what is staged: %+v", d)
	}
	must(t, open(t, b, source.Recover).DropStaging())
	want(t, b, files)
}

func wrongContent(t *testing.T, a, b Side) {
	t.Helper()
	a.Put(t, after())
	files := holds(t, b, before())
	found := scan(t, open(t, a, source.Serve))
	src := open(t, b, source.Receive)
	scan(t, src)
	staging, err := src.Stage(found.Listing)
	must(t, err)
	defer func() { _ = staging.Close() }()
	missing, err := staging.Missing(t.Context(), found.Listing, func(int64, int64) {})
	must(t, err)
	if len(missing) == 0 {
		t.Fatal("nothing is missing")
	}
	e := entry(t, found, missing[0].Path)
	in, err := staging.Fill(t.Context(), e, source.Have{})
	must(t, err)
	must(t, in.Data([]byte("something else")))
	if err := in.Finish(e); !errors.Is(err, source.ErrMismatch) {
		t.Errorf("content that does not match: %v", err)
	}
	if again, err := staging.Missing(t.Context(), found.Listing, func(int64, int64) {}); err != nil || len(again) != len(missing) {
		t.Errorf("then %d of %d are missing, %v", len(again), len(missing), err)
	}
	if _, err := staging.Settle(found.Listing); !errors.Is(err, source.ErrMismatch) {
		t.Errorf("settled: %v", err)
	}
	want(t, b, files)
}

func doneTwice(t *testing.T, a, b Side) {
	t.Helper()
	files := holds(t, a, after())
	b.Put(t, before())
	_, change := prepared(t, a, b)
	journal := change.Append(nil)
	kind, _ := b.Start(t)
	if bytes.Equal(journal, kind.Idle()) {
		t.Error("the journal says that nothing changes")
	}
	for range 2 {
		resumed, err := open(t, b, source.Recover).Resume(journal)
		must(t, err)
		if !bytes.Equal(resumed.Append(nil), journal) {
			t.Error("the byte form is another after it was read")
		}
		must(t, resumed.Apply(t.Context(), noHook))
		must(t, resumed.Sync())
		want(t, b, files)
	}
	if err := errors.Join(change.Done(), change.Done()); err != nil {
		t.Error(err)
	}
}

func takenBack(t *testing.T, a, b Side) {
	t.Helper()
	a.Put(t, after())
	files := holds(t, b, before())
	_, change := prepared(t, a, b)
	must(t, change.Undo(noHook)) // before it was applied
	want(t, b, files)
	must(t, change.Apply(t.Context(), noHook))
	if change.Final(t.Context()) {
		return
	}
	for range 2 {
		must(t, change.Undo(noHook))
		must(t, change.Sync())
		want(t, b, files)
	}
	must(t, change.Apply(t.Context(), noHook))
	want(t, b, a.Files(t))
}

// stopsAnywhere ends an apply, and an undo, before each step, and goes on as a start does.
func stopsAnywhere(t *testing.T, a, b Side) {
	t.Helper()
	newFiles := holds(t, a, after())
	oldFiles := holds(t, b, before())
	for stop := 1; ; stop++ {
		b.Put(t, before())
		_, change := prepared(t, a, b)
		journal := change.Append(nil)
		ended := stopped(stop, func(hook func(string)) { must(t, change.Apply(t.Context(), hook)) })
		again, err := open(t, b, source.Recover).Resume(journal)
		must(t, err)
		if !again.Final(t.Context()) {
			stopped(stop, func(hook func(string)) { must(t, again.Undo(hook)) })
			must(t, again.Undo(noHook))
			want(t, b, oldFiles)
		}
		must(t, again.Apply(t.Context(), noHook))
		must(t, again.Sync())
		want(t, b, newFiles)
		must(t, again.Done())
		if ended {
			return
		}
	}
}

// stopped ends something before a step; it reports whether it came to its end before.
func stopped(step int, do func(hook func(string))) (ended bool) {
	const stop = "stopped here"
	defer func() {
		if r := recover(); r != nil && r != stop {
			panic(r)
		}
	}()
	do(func(string) {
		if step--; step == 0 {
			panic(stop)
		}
	})
	return true
}

// applyRest has nothing in the way.
func applyRest(t *testing.T, a, b Side) {
	t.Helper()
	files := holds(t, a, after())
	b.Put(t, before())
	_, change := prepared(t, a, b)
	journal := change.Append(nil)
	stopped(2, func(hook func(string)) { must(t, change.Apply(t.Context(), hook)) })
	resumed, err := open(t, b, source.Recover).Resume(journal)
	must(t, err)
	left, err := resumed.ApplyRest(t.Context())
	if err != nil || len(left.Names) > 0 || left.From != nil {
		t.Errorf("left over: %+v, %v", left, err)
	}
	want(t, b, files)
	must(t, resumed.Done())
}

func setAside(t *testing.T, a, _ Side) {
	t.Helper()
	a.Put(t, before())
	old := scan(t, open(t, a, source.Serve)).Listing
	a.Put(t, after())
	src := open(t, a, source.Serve)
	now := scan(t, src).Listing
	delta := manifest.Difference(old, now)
	d := source.Divergence{All: now}
	for _, c := range delta.Set {
		d.Changed = append(d.Changed, c.Entry)
	}
	for _, path := range delta.Removed {
		d.Removed = slices.AppendSeq(d.Removed, old.Below(path))
	}
	into := t.TempDir()
	list, err := src.SetAside(t.Context(), d, into)
	must(t, err)
	kept := 0
	must(t, filepath.WalkDir(into, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			kept++
		}
		return err
	}))
	deleted := 0
	for _, f := range list {
		if f.Deleted {
			deleted++
		}
	}
	if kept == 0 || deleted != len(d.Removed) || (len(list) > 0 && len(list)-deleted != kept) {
		t.Errorf("%d files are kept, listed are %+v", kept, list)
	}
	want(t, a, a.Files(t))
}

func apart(t *testing.T, a, _ Side) {
	t.Helper()
	a.Put(t, before())
	one, again := scan(t, open(t, a, source.Serve)).Place, scan(t, open(t, a, source.Serve)).Place
	if one.Apart(again) == nil {
		t.Error("a source is said to be apart from itself")
	}
	if err := one.Apart(elsewhere{}); err != nil {
		t.Errorf("a source of another kind: %v", err)
	}
}

type elsewhere struct{}

func (elsewhere) Apart(source.Place) error { return nil }

func check(t *testing.T, a, _ Side) {
	t.Helper()
	a.Put(t, before())
	kind, data := a.Start(t)
	listing := scan(t, open(t, a, source.Serve)).Listing
	if err := kind.Check(manifest.Set{Data: data, Listing: listing}); err != nil {
		t.Errorf("what a scan found is refused: %v", err)
	}
	if kind.Check(manifest.Set{Data: data, Listing: manifest.NewListing(manifest.Child{Entry: manifest.Entry{Kind: manifest.Fifo}})}) == nil {
		t.Error("data that is a pipe is taken")
	}
}

// text is a sink that keeps what it gets.
type text struct {
	source.Whole
	bytes.Buffer
}

func (s *text) Data(b []byte) error {
	_, err := s.Write(b)
	return err
}
func (s *text) Hole(n int64) error { return s.Data(make([]byte, n)) }

func offset(t *testing.T, a, _ Side) {
	t.Helper()
	a.Put(t, after())
	found := scan(t, open(t, a, source.Serve))
	reader, err := found.Content.Open()
	must(t, err)
	defer func() { must(t, reader.Close()) }()
	sent := 0
	var last manifest.Entry
	for e := range found.Listing.All() {
		if e.Kind != manifest.File && e.Kind != manifest.Blob {
			continue
		}
		sent++
		last = e
		var whole, rest text
		_, err := reader.Send(t.Context(), e, source.Have{}, &whole)
		must(t, err)
		now, err := reader.Send(t.Context(), e, source.Have{Offset: 1}, &rest)
		must(t, err)
		if !now.SameContent(e) || !bytes.Equal(whole.Bytes()[1:], rest.Bytes()) {
			t.Errorf("%q: from the second byte %q of %q", e.Path, rest.String(), whole.String())
		}
	}
	if sent == 0 {
		t.Error("nothing has content")
	}
	full := errors.New("no room")
	if _, err := reader.Send(t.Context(), last, source.Have{}, refuses{err: full}); !errors.Is(err, full) {
		t.Errorf("the sink's error came back as %v", err)
	}
	over, end := context.WithCancel(t.Context())
	end()
	if _, err := reader.Send(over, last, source.Have{}, &text{}); err == nil {
		t.Error("it goes on after it was ended")
	}
}

type refuses struct {
	source.Whole

	err error
}

func (r refuses) Data([]byte) error { return r.err }
func (r refuses) Hole(int64) error  { return r.err }

func noStaging(t *testing.T, a, _ Side) {
	t.Helper()
	a.Put(t, before())
	src := open(t, a, source.Recover)
	must(t, src.DropStaging())
	if src.String() == "" {
		t.Error("it has no name for a person")
	}
}
