package datasync

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"baton/internal/datasync/ledger"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/protected"
	"baton/internal/datasync/refusal"
	"baton/internal/datasync/source"
	"baton/internal/pair"
	"baton/internal/pair/exclude"
)

// LeftOut is what is protected here and no part of the newest snapshot here, as the primary could not copy it for this backup: that stays as
// this appliance had it, and a takeover goes on with it.
type LeftOut struct {
	ledger  *ledger.Ledger
	sources protected.Sources
	log     *slog.Logger
	offers  func() bool
}

// List names it. Of an appliance that offers its data it names nothing.
func (l *LeftOut) List() (left []string) {
	if l.offers() {
		return nil
	}
	for _, one := range l.ledger.State().LeftOut {
		left = append(left, one.String())
	}
	return left
}

// Forget is called once a primary goes on with it.
func (l *LeftOut) Forget() error {
	return l.ledger.Save(func(s *ledger.State) { s.LeftOut = nil })
}

// note remembers it, now that the definitions are those of the newest snapshot as well.
func (l *LeftOut) note(ctx context.Context) {
	left := notIn(l.sources.WithInline(l.ledger.Data()), l.sources.With(ctx, nil))
	if slices.Equal(left, l.ledger.State().LeftOut) {
		return
	}
	if err := l.ledger.Save(func(s *ledger.State) { s.LeftOut = left }); err != nil {
		l.log.Warn("what the newest snapshot leaves out was not noted", slog.Any("error", err))
	}
}

// notIn lists what a snapshot lacks of what is protected as now defined.
func notIn(listed, defined []pair.Data) (left []ledger.LeftOut) {
	for _, d := range defined {
		at := slices.IndexFunc(listed, d.Same)
		if at < 0 {
			left = append(left, ledger.LeftOut{Data: d.Name})
			continue
		}
		for _, pattern := range listed[at].Spec.Excludes().List() {
			if !slices.Contains(d.Spec.Excludes().List(), pattern) {
				left = append(left, ledger.LeftOut{Data: d.Name, Pattern: pattern})
			}
		}
	}
	return left
}

// checkReturned is the shrink guard of what was left out so far: the primary lists it now, or would have it removed, and what this appliance
// has there was in no snapshot that could be compared.
func (p *pull) checkReturned() error {
	if p.req.AcceptShrink {
		return nil
	}
	for i, set := range p.manifest.Listed() {
		told, was := returned(p.engine.ledger.State().LeftOut, set.Data)
		if !was {
			continue
		}
		l := manifest.LossOf(set.Data, p.targets[i].have.Only(told), set.Only(told), p.place(set.Data))
		if l.Kind != manifest.NoLoss {
			return source.Sentence(refusal.ErrShrink, "What this backup has of protected data %q in a state of its own, %d files, has %d files on the primary now: look whether a disk is missing there; %s.",
				l.Name, l.FilesBefore, l.FilesNow, protected.AcceptIt)
		}
	}
	return nil
}

// returned tells which paths of some data were left out, and are not any more. It reports false if none were.
func returned(left []ledger.LeftOut, data pair.Data) (told func(path string) bool, were bool) {
	var patterns []string
	for _, one := range left {
		switch {
		case one.Data != data.Name:
		case one.Pattern == "":
			return func(string) bool { return true }, true
		case !slices.Contains(data.Spec.Excludes().List(), one.Pattern):
			patterns = append(patterns, one.Pattern)
		}
	}
	return exclude.Patterns(strings.Join(patterns, "\n")).Matcher().Excludes, len(patterns) > 0
}
