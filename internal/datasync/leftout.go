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

// LeftOut names what is protected here and no part of the newest snapshot here, as the primary could not copy it for this backup: that stays as
// this appliance had it, and a takeover goes on with it. Of one that offers its data it names nothing.
func (e *Engine) LeftOut() (left []string) {
	if e.server.Offers() {
		return nil
	}
	for _, one := range e.ledger.State().LeftOut {
		left = append(left, one.String())
	}
	return left
}

// ForgetLeftOut is called once a primary goes on with what was left out.
func (e *Engine) ForgetLeftOut() error {
	return e.ledger.Save(func(s *ledger.State) { s.LeftOut = nil })
}

// noteLeftOut remembers what the newest snapshot lacks, now that the definitions are those of it as well.
func (e *Engine) noteLeftOut(ctx context.Context) {
	left := notIn(e.sources.WithInline(e.ledger.Data()), e.sources.With(ctx, nil))
	if slices.Equal(left, e.ledger.State().LeftOut) {
		return
	}
	if err := e.ledger.Save(func(s *ledger.State) { s.LeftOut = left }); err != nil {
		e.opt.Log.Warn("what the newest snapshot leaves out was not noted", slog.Any("error", err))
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
		l := manifest.LossOf(set.Data, p.targets[i].have.Only(told), set.Only(told), p.moved)
		if l.Kind != manifest.NoLoss {
			return source.Sentence(refusal.ErrShrink, "A database server's directory in protected data %q, of which this backup has a state of its own (%d files), has %d files on the primary now: look whether a disk is missing there; %s.",
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
