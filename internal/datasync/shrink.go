package datasync

import (
	"context"
	"maps"
	"strings"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/protected"
	"baton/internal/datasync/refusal"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// The shrink guard keeps a disk that is not mounted, another disk in its place, or
// a slip of the hand on the primary from emptying the backup, and a disk that is
// not mounted on the backup from being filled into the disk below it.

// checkShrink compares what the primary has with what both had.
func (p *pull) checkShrink() error {
	if p.req.AcceptShrink {
		return nil
	}
	_, of := p.engine.ledger.State().Common()
	before, err := p.engine.ledger.Manifest(of)
	if err != nil {
		return err
	}
	for _, l := range manifest.Losses(before, p.manifest, p.place) {
		return lossSentence(l)
	}
	return nil
}

func lossSentence(l manifest.Loss) error {
	switch l.Kind {
	case manifest.Emptied:
		return source.Sentence(refusal.ErrShrink, "Protected data %q had %d files (%s) on the primary and has none now: look whether a disk is missing there; %s.",
			l.Name, l.FilesBefore, pair.BytesText(l.BytesBefore), protected.AcceptIt)
	case manifest.Moved:
		return source.Sentence(refusal.ErrShrink, "Protected data %q lies on another disk of the primary than before, and %d of its %d names are gone: look whether the right disk is mounted there; %s.",
			l.Name, l.NamesGone, l.NamesBefore, protected.AcceptIt)
	case manifest.Replaced:
		return source.Sentence(refusal.ErrShrink, "Protected data %q is another file on the primary than before, of %s instead of %s, as if a program had found none and begun a new one: look whether a disk is missing there; %s.",
			l.Name, pair.BytesText(l.BytesNow), pair.BytesText(l.BytesBefore), protected.AcceptIt)
	case manifest.Shrunk, manifest.NoLoss:
	}
	return source.Sentence(refusal.ErrShrink, "Protected data %q shrank on the primary from %d files (%s) to %d files (%s): look whether a disk is missing there; %s.",
		l.Name, l.FilesBefore, pair.BytesText(l.BytesBefore), l.FilesNow, pair.BytesText(l.BytesNow), protected.AcceptIt)
}

// place tells whether the primary has some data where it had it when that was last pulled from there.
func (p *pull) place(data pair.Data) manifest.Place {
	was := p.engine.ledger.State().Disks[p.diskKey(data)]
	for i, s := range p.manifest.Sets {
		switch {
		case s.Data != data || i >= len(p.head.Disks) || p.head.Disks[i] == was:
		case was == "":
			return manifest.UnknownPlace
		default:
			return manifest.OtherPlace
		}
	}
	return manifest.SamePlace
}

// diskKey tells the disks of the two appliances apart.
func (p *pull) diskKey(data pair.Data) string {
	return string(p.head.Epoch.Holder) + " " + data.Spec.String()
}

// maxDisk bounds what names a disk, in bytes.
const maxDisk = 128

// disks are those of the state once this pull is complete.
func (p *pull) disks(ctx context.Context) map[string]string {
	disks := maps.Clone(p.engine.ledger.State().Disks)
	if disks == nil {
		disks = map[string]string{}
	}
	protected := map[string]bool{}
	for _, d := range p.data(ctx) { // what is left out keeps its disk
		protected[d.Spec.String()] = true
	}
	for i, s := range p.manifest.Sets {
		d := s.Data
		if i < len(p.head.Disks) && len(p.head.Disks[i]) <= maxDisk && p.head.Disks[i] != "" {
			disks[p.diskKey(d)] = p.head.Disks[i]
		}
	}
	maps.DeleteFunc(disks, func(key, _ string) bool {
		_, spec, _ := strings.Cut(key, " ")
		return !protected[spec]
	})
	return disks
}

// checkMounts refuses to fill the disk below one that is not mounted here.
func (p *pull) checkMounts(ctx context.Context) error {
	if p.req.AcceptShrink {
		return nil
	}
	noted := p.engine.ledger.State().Mounts
	for _, d := range p.data(ctx) {
		if err := p.engine.mounts.Unmounted(d, noted[d.Spec.String()], refusal.ErrShrink); err != nil {
			return err
		}
	}
	return nil
}
