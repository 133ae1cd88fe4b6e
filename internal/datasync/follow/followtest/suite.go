package followtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/datasync/follow"
	"baton/internal/kept"
)

// Side is one appliance with its database, which is empty at first.
type Side interface {
	follow.Database
	Write(text string) error
	Read() []string
	// Cut cuts the power. The database is there again afterwards, and neither takes
	// writes nor follows until it is promoted or started.
	Cut()
}

// Run runs the tests of the contract.
func Run(t *testing.T, side func(t *testing.T) Side) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Side, Side){
		"AFollowerHasWhatIsWritten":       follows,
		"AFollowerTakesNoWrites":          refusesWrites,
		"APowerCutCostsNothing":           powerCut,
		"APlannedSwitchLosesNothing":      plannedSwitch,
		"AnOldLeaderRejoins":              rejoins,
		"WhatCannotBeKeptIsNotGivenUp":    keepFails,
		"PromotedIsPromoted":              promotedTwice,
		"PositionsOfTwoHistoriesAreApart": positions,
	} {
		t.Run(name, func(t *testing.T) { test(t, side(t), side(t)) })
	}
}

// link leads to the database of the other side.
type link struct {
	ctx context.Context //nolint:containedctx // of the test
	to  follow.Database
}

func (l link) Dial(context.Context) (io.ReadWriteCloser, error) {
	here, there := net.Pipe()
	go func() { _ = l.to.Serve(l.ctx, there) }()
	return here, nil
}

func to(t *testing.T, s Side) follow.Upstream {
	t.Helper()
	return link{t.Context(), s}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func writes(t *testing.T, s Side, texts ...string) {
	t.Helper()
	for _, text := range texts {
		must(t, s.Write(text))
	}
}

// leads has a side lead with some transactions.
func leads(t *testing.T, s Side, texts ...string) {
	t.Helper()
	_, err := s.Promote(t.Context())
	must(t, err)
	writes(t, s, texts...)
}

func position(t *testing.T, s Side) follow.Position {
	t.Helper()
	at, err := s.Position(t.Context())
	must(t, err)
	return at
}

// caughtUp waits until one side has what the other had at a position.
func caughtUp(t *testing.T, s Side, want follow.Position) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !s.Covers(position(t, s), want); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it is at %q, and never at %q", position(t, s).Text, want.Text)
		}
	}
}

func reads(t *testing.T, s Side, want ...string) {
	t.Helper()
	if got := s.Read(); !slices.Equal(got, want) {
		t.Errorf("it holds %q, want %q", got, want)
	}
}

func ends(t *testing.T, sides ...Side) {
	t.Helper()
	for _, s := range sides {
		_, err := s.Stop(t.Context())
		must(t, err)
	}
}

// nothingToKeep fails if something is kept.
func nothingToKeep(context.Context, func(string) ([]kept.DivergedFile, error)) error {
	return errors.New("it gives up what nobody else has")
}

func follows(t *testing.T, a, b Side) {
	t.Helper()
	leads(t, a, "1", "2")
	must(t, b.Start(t.Context(), to(t, a)))
	caughtUp(t, b, position(t, a))
	writes(t, a, "3")
	must(t, b.Start(t.Context(), to(t, a))) // once more
	caughtUp(t, b, position(t, a))
	reads(t, b, "1", "2", "3")
	ends(t, b)
	writes(t, a, "4")
	reads(t, b, "1", "2", "3")
	must(t, b.Start(t.Context(), to(t, a)))
	caughtUp(t, b, position(t, a))
	reads(t, b, "1", "2", "3", "4")
	ends(t, a, b)
}

func refusesWrites(t *testing.T, a, b Side) {
	t.Helper()
	leads(t, a, "1")
	if err := a.Start(t.Context(), to(t, b)); !errors.Is(err, follow.ErrLeads) {
		t.Errorf("a leader follows: %v", err)
	}
	must(t, b.Start(t.Context(), to(t, a)))
	if b.Write("of its own") == nil {
		t.Error("a follower takes a write")
	}
	caughtUp(t, b, position(t, a))
	ends(t, a, b)
	if a.Write("late") == nil {
		t.Error("a stopped database takes a write")
	}
	reads(t, b, "1")
}

// powerCut cuts the power of the follower while it receives, over and over.
func powerCut(t *testing.T, a, b Side) {
	t.Helper()
	leads(t, a)
	var all []string
	for round := range 20 {
		must(t, b.Start(t.Context(), to(t, a)))
		for i := range 5 {
			all = append(all, fmt.Sprint(round, ".", i))
			writes(t, a, all[len(all)-1])
		}
		durable := position(t, b)
		b.Cut()
		if !b.Covers(position(t, b), durable) {
			t.Fatalf("it was at %q, and is at %q", durable.Text, position(t, b).Text)
		}
	}
	must(t, b.Start(t.Context(), to(t, a)))
	caughtUp(t, b, position(t, a))
	reads(t, b, all...)
	ends(t, a, b)
}

func plannedSwitch(t *testing.T, a, b Side) {
	t.Helper()
	leads(t, a, "1", "2")
	must(t, b.Start(t.Context(), to(t, a)))
	last, err := a.Stop(t.Context())
	must(t, err)
	if now := position(t, a); !a.Covers(now, last) || !a.Covers(last, now) {
		t.Errorf("it was stopped at %q, and is at %q", last.Text, now.Text)
	}
	caughtUp(t, b, last)
	begins, err := b.Promote(t.Context())
	must(t, err)
	if !b.Covers(begins, last) {
		t.Errorf("it goes on from %q, and the other ended at %q", begins.Text, last.Text)
	}
	writes(t, b, "3")
	must(t, a.Rejoin(t.Context(), to(t, b), nothingToKeep))
	caughtUp(t, a, position(t, b))
	reads(t, a, "1", "2", "3")
	if a.Write("x") == nil {
		t.Error("the old leader takes a write")
	}
	ends(t, a, b)
}

// rejoins has the leader lose its power while the follower lacks something, and cuts it
// again at each step of coming back.
func rejoins(t *testing.T, a, b Side) {
	t.Helper()
	leads(t, a, "1")
	must(t, b.Start(t.Context(), to(t, a)))
	caughtUp(t, b, position(t, a))
	ends(t, b)
	writes(t, a, "only here", "and this")
	a.Cut()
	_, err := b.Promote(t.Context())
	must(t, err)
	writes(t, b, "2")
	var aside []string
	keep := func(_ context.Context, write func(string) ([]kept.DivergedFile, error)) error {
		into := t.TempDir()
		list, err := write(into)
		for _, f := range list {
			text, readErr := os.ReadFile(filepath.Join(into, f.Path)) //nolint:gosec // of a test
			err = errors.Join(err, readErr)
			aside = append(aside, string(text))
		}
		return err
	}
	for step := 1; ; step++ {
		if cutAt(a, step, func() { err = a.Rejoin(t.Context(), to(t, b), keep) }) {
			must(t, err)
			break
		}
	}
	caughtUp(t, a, position(t, b))
	reads(t, a, "1", "2")
	if text := strings.Join(aside, "\n"); !strings.Contains(text, "only here") || !strings.Contains(text, "and this") || strings.Contains(text, "1") {
		t.Errorf("aside is %q", text)
	}
	must(t, a.Rejoin(t.Context(), to(t, b), nothingToKeep)) // once more
	writes(t, b, "3")
	caughtUp(t, a, position(t, b))
	reads(t, a, "1", "2", "3")
	ends(t, a, b)
}

// hooked is a side whose calls can be stopped between their steps.
type hooked interface{ SetHook(hook func(step string)) }

// cutAt cuts the power of a side before a step of what it does; it reports whether that
// came to its end before, as what has no steps does.
func cutAt(s Side, step int, do func()) (ended bool) {
	h, is := s.(hooked)
	if !is {
		do()
		return true
	}
	const power = "power cut"
	defer func() {
		h.SetHook(func(string) {})
		if r := recover(); r != nil {
			if r != power {
				panic(r)
			}
			s.Cut()
		}
	}()
	h.SetHook(func(string) {
		if step--; step == 0 {
			panic(power)
		}
	})
	do()
	return true
}

func keepFails(t *testing.T, a, b Side) {
	t.Helper()
	leads(t, a, "1")
	must(t, b.Start(t.Context(), to(t, a)))
	caughtUp(t, b, position(t, a))
	ends(t, b)
	writes(t, a, "only here")
	ends(t, a)
	_, err := b.Promote(t.Context())
	must(t, err)
	full := errors.New("no room")
	err = a.Rejoin(t.Context(), to(t, b), func(context.Context, func(string) ([]kept.DivergedFile, error)) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("it rejoined: %v", err)
	}
	reads(t, a, "1", "only here")
	ends(t, a, b)
}

func promotedTwice(t *testing.T, a, _ Side) {
	t.Helper()
	leads(t, a, "1")
	first := position(t, a)
	leads(t, a, "2")
	a.Cut()
	if a.Write("while down") == nil {
		t.Error("it takes a write before it is promoted anew")
	}
	leads(t, a, "3")
	if !a.Covers(position(t, a), first) {
		t.Errorf("%q is no continuation of %q", position(t, a).Text, first.Text)
	}
	reads(t, a, "1", "2", "3")
	ends(t, a)
}

func positions(t *testing.T, a, b Side) {
	t.Helper()
	none := follow.Position{}
	if !a.Covers(none, none) || !a.Covers(position(t, a), none) {
		t.Error("an empty history is not covered")
	}
	leads(t, a, "1")
	must(t, b.Start(t.Context(), to(t, a)))
	caughtUp(t, b, position(t, a))
	ends(t, b)
	before := position(t, a)
	writes(t, a, "2")
	if after := position(t, a); !a.Covers(after, before) || a.Covers(before, after) || a.Covers(none, before) {
		t.Errorf("%q and %q", before.Text, after.Text)
	}
	leads(t, b, "another 2")
	if a.Covers(position(t, a), position(t, b)) || a.Covers(position(t, b), position(t, a)) {
		t.Errorf("%q and %q are of two histories", position(t, a).Text, position(t, b).Text)
	}
	ends(t, a, b)
	if err := b.Start(t.Context(), to(t, a)); !errors.Is(err, follow.ErrLeads) {
		t.Errorf("got %v", err)
	}
}
