package offer

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"sync"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/pace"
	"baton/internal/datasync/refusal"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

func (v *Server) serveContent(w http.ResponseWriter, r *http.Request) {
	var s *session
	body := bufio.NewReader(r.Body)
	wants, pack, err := wire.ReadWants(body, func(id uint64) (manifest.Manifest, error) {
		v.mu.Lock()
		s = v.session
		v.mu.Unlock()
		if s == nil || s.id != id {
			s = nil
			return manifest.Manifest{}, source.Sentence(refusal.ErrNotPrimary, "The data sync that asked for content is over: another began, or the appliance that was asked is no longer primary; it is tried again by itself.")
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
	out := v.stream(r.Context(), ctx, w, wire.Chunk, packIf(pack == 1))
	if err := sendContent(ctx, out, s, wants); err != nil {
		v.fail(ctx, out, err)
	}
}

// wire.SmallFile is the size up to which files are read ahead, several at a time.
const (
	readAhead = 32
	atOnce    = 4
)

// job is one wanted file on its way out.
type job struct {
	want  wire.Want
	entry manifest.Entry
	small *wire.Recording // read ahead; nil: streamed when its turn comes
	err   error
	ready chan struct{}
}

// sendContent sends the wanted files in their order.
func sendContent(ctx context.Context, out *wire.Writer, s *session, wants []wire.Want) error {
	readers, err := s.open()
	defer func() {
		for _, r := range readers {
			_ = r.Close()
		}
	}()
	if err != nil {
		return err
	}
	c := &contents{session: s, readers: readers}
	ctx, cancel := context.WithCancel(ctx)
	order := c.readAhead(ctx, wants)
	defer func() {
		cancel()
		for range order { // nobody reads any more when the readers are closed
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
	if err := out.Frame(wire.End, nil); err != nil {
		return err
	}
	return out.Flush()
}

// open opens what was scanned, by set.
func (s *session) open() ([]source.Reader, error) {
	var readers []source.Reader
	for i := range s.manifest.Listed() {
		r, err := s.scans[i].Content.Open()
		if err != nil {
			return readers, err
		}
		readers = append(readers, r)
	}
	return readers, nil
}

type contents struct {
	session *session
	readers []source.Reader
	rooms   wire.Rooms
}

// readAhead returns the jobs in order; small files are read by a few readers.
func (c *contents) readAhead(ctx context.Context, wants []wire.Want) <-chan *job {
	order, small := make(chan *job, readAhead), make(chan *job, readAhead)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for j := range small {
				j.small = &wire.Recording{Most: wire.SmallFile, Rooms: &c.rooms}
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
			if j.entry.Size <= wire.SmallFile {
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

func (s *session) entry(w wire.Want) manifest.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if newer, sent := s.newer[w.Set][w.Path]; sent {
		return newer
	}
	c, _ := s.manifest.Sets[w.Set].Find(w.Path) // it was asked for by the manifest
	return c.Entry
}

// send sends one file: what was read ahead, or now.
func (c *contents) send(ctx context.Context, out *wire.Writer, j *job) error {
	direct := wire.ContentWriter{Out: out}
	err := j.err
	if j.small == nil {
		err = c.read(ctx, j, direct)
	} else if err == nil {
		err = j.small.Play(direct)
		j.small.Release()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return out.Frame(wire.Gone, nil)
	case errors.Is(err, source.ErrSums):
		return out.Frame(wire.Sums, nil)
	}
	return err
}

// tries bounds how often a file that is written to meanwhile is read.
const tries = 8

// read reads one file to the outlet until nobody changed it meanwhile.
func (c *contents) read(ctx context.Context, j *job, to wire.Outlet) error {
	have := j.want.Have
	var err error
	for try := range tries {
		var now manifest.Entry
		now, err = c.readers[j.want.Set].Send(ctx, j.entry, have, to)
		switch {
		case err == nil:
			return c.done(j, now, to)
		case errors.Is(err, wire.ErrGrown):
			j.small = nil
			return nil
		case !errors.Is(err, source.ErrChanging):
			return err
		}
		have = source.Have{}
		if err := errors.Join(to.Restart(), pace.Sleep(ctx, 5*time.Millisecond<<try)); err != nil {
			return err
		}
	}
	if pair.RefusalOf(err) != nil { // it says more
		return err
	}
	return source.Sentence(source.ErrChanging, "File %s/%s was written to during each of %d reads: stop its writer during the sync, or do not protect it.",
		c.session.scans[j.want.Set].Name, j.entry.Path, tries)
}

// done ends a file, which may be newer than the scan.
func (c *contents) done(j *job, now manifest.Entry, to wire.Outlet) error {
	if now.Same(j.entry) {
		return to.Done(nil)
	}
	c.session.replace(j.want, now)
	return to.Done(manifest.AppendEntry(nil, now))
}

// replace notes what the file was when it was sent, newer than the scan.
func (s *session) replace(w wire.Want, now manifest.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newer.Set(w.Set, now)
}
