package datasync

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"time"

	"baton/internal/datasync/plan"
	"baton/internal/datasync/source/directory"
)

// sendDeltas sends what the backup needs to know m, given base.
func sendDeltas(out *frameWriter, base, m plan.Manifest) error {
	for i, set := range m.Sets {
		delta := plan.Difference(base.Find(set.Data).Entries, set.Entries)
		if err := sendBatches(out, frameRemoved, i, delta.Removed, plan.AppendString); err != nil {
			return err
		}
		if err := sendBatches(out, frameEntries, i, delta.Set, plan.AppendEntry); err != nil {
			return err
		}
	}
	return nil
}

func sendBatches[T any](out *frameWriter, kind frameKind, set int, items []T, appendItem func([]byte, T) []byte) error {
	head := binary.AppendUvarint(nil, uint64(set)) //nolint:gosec // never negative
	batch := append([]byte(nil), head...)
	for _, item := range items {
		batch = appendItem(batch, item)
		if len(batch) < chunk {
			continue
		}
		if err := out.frame(kind, batch); err != nil {
			return err
		}
		batch = append(batch[:0], head...)
	}
	if len(batch) == len(head) {
		return nil
	}
	return out.frame(kind, batch)
}

func sendChunks(out *frameWriter, kind frameKind, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), chunk)
		if err := out.frame(kind, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (e *Engine) serveContent(w http.ResponseWriter, r *http.Request) {
	var s *session
	body := bufio.NewReader(r.Body)
	wants, pack, err := readWants(body, func(id uint64) (plan.Manifest, error) {
		e.mu.Lock()
		s = e.session
		e.mu.Unlock()
		if s == nil || s.id != id {
			s = nil
			return plan.Manifest{}, sentence(ErrNotPrimary, "The data sync that asked for content is over: another began, or the appliance that was asked is no longer primary; it is tried again by itself.")
		}
		s.busy.Lock()
		return s.manifest, nil
	})
	if s != nil {
		defer s.busy.Unlock()
	}
	if err != nil {
		refuse(w, err)
		return
	}
	ctx, stop := joined(r.Context(), s)
	defer stop()
	out := e.stream(r.Context(), ctx, w, packIf(pack == 1))
	if err := e.sendContent(ctx, out, s, wants); err != nil {
		e.fail(ctx, out, err)
	}
}

// smallFile is the size up to which files are read ahead, several at a time.
const (
	smallFile = 128 << 10
	readAhead = 32
	readers   = 4
)

// job is one wanted file on its way out.
type job struct {
	want  want
	entry plan.Entry
	small *recording // read ahead; nil: streamed when its turn comes
	err   error
	ready chan struct{}
}

// sendContent sends the wanted files in their order.
func (e *Engine) sendContent(ctx context.Context, out *frameWriter, s *session, wants []want) error {
	trees, err := e.openTrees(s)
	defer func() {
		for _, t := range trees {
			_ = t.Close()
		}
	}()
	if err != nil {
		return err
	}
	c := &contents{session: s, trees: trees}
	ctx, cancel := context.WithCancel(ctx)
	order := c.readAhead(ctx, wants)
	defer func() {
		cancel()
		for range order { // the readers are done before the trees are closed
		}
	}()
	for j := range order {
		select {
		case <-j.ready:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := c.send(ctx, out, j); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := out.frame(frameEnd, nil); err != nil {
		return err
	}
	return out.flush()
}

func (e *Engine) openTrees(s *session) ([]*directory.Tree, error) {
	var trees []*directory.Tree
	for i, set := range s.manifest.Sets {
		t, err := e.openAllowed(set.Data)
		if err != nil {
			return trees, err
		}
		trees = append(trees, t)
		if now, err := t.Top(); err != nil || !now.Same(s.tops[i]) {
			return trees, sentence(ErrChanging, "%s is another directory than when the data sync began: it is tried again by itself.", t.Path())
		}
	}
	return trees, nil
}

type contents struct {
	session *session
	trees   []*directory.Tree
}

// readAhead returns the jobs in order; small files are read by a few readers.
func (c *contents) readAhead(ctx context.Context, wants []want) <-chan *job {
	order, small := make(chan *job, readAhead), make(chan *job, readAhead)
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for j := range small {
				j.small = &recording{}
				j.err = c.read(ctx, j, j.small)
				close(j.ready)
			}
		})
	}
	go func() {
		defer close(order)
		defer wg.Wait()
		defer close(small)
		for _, w := range wants {
			j := &job{want: w, entry: c.session.entry(w), ready: make(chan struct{})}
			if j.entry.Size <= smallFile {
				small <- j
			} else {
				close(j.ready)
			}
			select {
			case order <- j:
			case <-ctx.Done():
				return
			}
		}
	}()
	return order
}

func (s *session) entry(w want) plan.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.manifest.Sets[w.set].Entries[w.ordinal]
}

// outlet is where a file's content goes: the stream, or a recording of it.
type outlet interface {
	directory.Sink
	restart() error
	done(entry []byte) error
}

// send sends one file: what was read ahead, or now.
func (c *contents) send(ctx context.Context, out *frameWriter, j *job) error {
	direct := &framesOut{out}
	err := j.err
	if j.small == nil {
		err = c.read(ctx, j, direct)
	} else if err == nil {
		err = j.small.play(direct)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return out.frame(frameGone, nil)
	}
	return explain(err, c.trees[j.want.set].Path())
}

// read reads one file to the outlet until nobody changed it meanwhile.
func (c *contents) read(ctx context.Context, j *job, to outlet) error {
	offset := j.want.offset
	for try := range directory.Tries {
		err := c.readOnce(ctx, j, offset, to)
		if !errors.Is(err, directory.ErrChanging) && !errors.Is(err, errMoved) {
			return err
		}
		offset = 0
		if err := errors.Join(to.restart(), sleep(ctx, 5*time.Millisecond<<try)); err != nil {
			return err
		}
	}
	return sentence(ErrChanging, "File %s/%s was written to during each of %d reads: stop its writer during the sync, or do not protect it.",
		c.trees[j.want.set].Path(), j.entry.Path, directory.Tries)
}

// errMoved means that the file is not what the backup has the beginning of.
var errMoved = errors.New("file changed since the scan")

func (c *contents) readOnce(ctx context.Context, j *job, offset int64, to outlet) error {
	tree := c.trees[j.want.set]
	f, before, err := tree.OpenFile(j.entry.Path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	same := c.session.unchanged(j, before)
	if offset > 0 && !same {
		return errMoved
	}
	if before.Size > smallFile {
		if _, ok := to.(*recording); ok { // it grew: no longer one to keep in memory
			j.small = nil
			return nil
		}
	}
	return c.copyOut(ctx, j, f, before, offset, to)
}

func (c *contents) copyOut(ctx context.Context, j *job, f *os.File, before directory.Stamp, offset int64, to outlet) error {
	tee := &hashing{to: to, hash: c.session.manifest.Scheme.Hash(before.Size)}
	now, err := directory.Stream(ctx, f, before, j.entry.Path, offset, tee)
	if err != nil {
		return err
	}
	now.Hash = j.entry.Hash
	if offset == 0 {
		now.Hash = tee.hash.Sum()
	}
	if now.Same(j.entry) {
		return to.done(nil)
	}
	c.session.replace(j.want, now)
	return to.done(plan.AppendEntry(nil, now))
}

// unchanged reports whether the file is still the one that the scan hashed.
func (s *session) unchanged(j *job, stamp directory.Stamp) bool {
	known, ok := s.indexes[j.want.set][j.entry.Path]
	return ok && known.Stamp == withAlloc(stamp, known.Stamp)
}

// withAlloc ignores what may differ without a change of the file itself.
func withAlloc(stamp, like directory.Stamp) directory.Stamp {
	stamp.Dev, stamp.Nlink, stamp.Alloc = like.Dev, like.Nlink, like.Alloc
	return stamp
}

// replace notes what the file was when it was sent, newer than the scan.
func (s *session) replace(w want, now plan.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manifest.Sets[w.set].Entries[w.ordinal] = now
}

// framesOut writes content to the stream.
type framesOut struct{ out *frameWriter }

func (f *framesOut) Data(b []byte) error { return f.out.frame(frameData, b) }
func (f *framesOut) Hole(bytes int64) error {
	return f.out.frame(frameHole, binary.AppendUvarint(nil, uint64(bytes))) //nolint:gosec // never negative
}
func (f *framesOut) restart() error          { return f.out.frame(frameRestart, nil) }
func (f *framesOut) done(entry []byte) error { return f.out.frame(frameDone, entry) }

// recording keeps a small file's content until its turn comes.
type recording struct {
	pieces []func(directory.Sink) error
	end    []byte
}

func (r *recording) Data(b []byte) error {
	kept := append([]byte(nil), b...)
	r.pieces = append(r.pieces, func(to directory.Sink) error { return to.Data(kept) })
	return nil
}

func (r *recording) Hole(bytes int64) error {
	r.pieces = append(r.pieces, func(to directory.Sink) error { return to.Hole(bytes) })
	return nil
}

func (r *recording) restart() error {
	r.pieces = nil
	return nil
}

func (r *recording) done(entry []byte) error {
	r.end = entry
	return nil
}

func (r *recording) play(to outlet) error {
	if err := r.replay(to); err != nil {
		return err
	}
	return to.done(r.end)
}

// replay hands on the content alone.
func (r *recording) replay(to directory.Sink) error {
	for _, piece := range r.pieces {
		if err := piece(to); err != nil {
			return err
		}
	}
	return nil
}

// hashing hashes what passes.
type hashing struct {
	to   directory.Sink
	hash *plan.ContentHash
}

func (h *hashing) Data(b []byte) error {
	_, _ = h.hash.Write(b) // never fails
	return h.to.Data(b)
}

func (h *hashing) Hole(bytes int64) error {
	h.hash.Hole(bytes)
	return h.to.Hole(bytes)
}
