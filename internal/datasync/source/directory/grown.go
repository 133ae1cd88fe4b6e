package directory

import (
	"context"
	"errors"
	"fmt"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/inode"
)

// sendBeginning sends a file that was appended to since it was scanned as it was scanned, and checks that its beginning is
// that still.
func (r *reader) sendBeginning(ctx context.Context, file inode.Reading, e manifest.Entry, have source.Have, sink source.Sink) (manifest.Entry, error) {
	check := &beginning{to: sink, changing: fmt.Errorf("%w: %q is not what was scanned", source.ErrChanging, e.Path)}
	var err error
	if list, is := r.tree.Lists.Get(e.Hash, e.Size); is && have.HasOld() {
		check.list = list
		if err = r.difference(ctx, file, e, have, check); err == nil {
			err = check.settle()
		}
	} else {
		tee := &hashing{to: sink, hash: r.tree.Scheme.Hash(e.Size)}
		if err = file.Pass(ctx, 0, e.Size, tee); err == nil && tee.hash.Sum() != e.Hash {
			err = check.changing
		}
	}
	if errors.Is(err, source.ErrChanging) {
		r.other.Store(e.Path, true)
	}
	return e, err
}

// beginning is a sink of a difference that checks each block that it passes on.
type beginning struct {
	to       source.Sink
	list     manifest.List
	at       int64            // bytes so far
	from     int64            // where the blocks that are being checked begin
	lister   *manifest.Lister // of these; nil: none are
	changing error
}

func (b *beginning) checked() *manifest.Lister {
	if b.lister == nil {
		b.lister, b.from = manifest.NewLister(manifest.BlockSize(b.list.Size)), b.at
	}
	return b.lister
}

// Data implements source.Sink.
func (b *beginning) Data(data []byte) error {
	_ = b.checked().Data(data) // never fails
	b.at += int64(len(data))
	return b.to.Data(data)
}

// Hole implements source.Sink.
func (b *beginning) Hole(n int64) error {
	_ = b.checked().Hole(n) // never fails
	b.at += n
	return b.to.Hole(n)
}

// Same implements source.Sink. What was found elsewhere tells nothing of the blocks here.
func (b *beginning) Same(offset, n int64) error {
	if offset != b.at {
		return b.changing
	}
	if err := b.settle(); err != nil {
		return err
	}
	b.at += n
	return b.to.Same(offset, n)
}

// settle checks the blocks that were passed on.
func (b *beginning) settle() error {
	if b.lister == nil {
		return nil
	}
	first := int(b.from / manifest.BlockSize(b.list.Size))
	for i, block := range b.lister.Blocks() {
		if first+i >= len(b.list.Blocks) || b.list.Blocks[first+i] != block {
			return b.changing
		}
	}
	b.lister = nil
	return nil
}
