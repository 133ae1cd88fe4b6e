package powercut

import (
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
)

const (
	sector = 512  // bytes that a disk writes as a whole or not at all
	block  = 4096 // bytes that the file system writes at once
)

// image is the disk itself, with its cache.
type image struct {
	mu         sync.Mutex
	random     *rand.Rand
	generation int     // counts the cuts: what was opened before one reads and writes nothing any more
	platter    []byte  // what is durable
	cache      []byte  // what is read: with all that was written
	unflushed  []write // what is in the cache alone, in its order
	flushes    int
	left       int // writes that are still accepted before the power fails by itself; negative: any number
	off        chan struct{}
}

// write is at most one block that was written, within a block of the disk.
type write struct {
	at   int64
	data []byte
}

func newImage(content []byte, seed uint64) *image {
	return &image{
		random:  rand.New(rand.NewPCG(seed, 0x6469736b)), //nolint:gosec // reproducible, no secret
		platter: content, cache: slices.Clone(content), left: -1, off: make(chan struct{}),
	}
}

// on reports whether the power is on for what was opened in a generation. It is called with mu held.
func (i *image) on(generation int) bool { return i.generation == generation && i.left != 0 }

func (i *image) read(generation int, b []byte, at int64) (int, syscall.Errno) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.on(generation) {
		return 0, syscall.EIO
	}
	return copy(b, i.cache[min(at, int64(len(i.cache))):]), 0
}

func (i *image) write(generation int, b []byte, at int64) syscall.Errno {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.on(generation) || at+int64(len(b)) > int64(len(i.cache)) {
		return syscall.EIO
	}
	copy(i.cache[at:], b)
	for b = slices.Clone(b); len(b) > 0; {
		n := min(int64(len(b)), block-at%block)
		i.unflushed = append(i.unflushed, write{at, b[:n]})
		b, at = b[n:], at+n
	}
	if i.left > 0 {
		if i.left--; i.left == 0 {
			close(i.off)
		}
	}
	return 0
}

func (i *image) flush(generation int) syscall.Errno {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.on(generation) {
		return syscall.EIO
	}
	i.flushes++
	for _, w := range i.unflushed {
		copy(i.platter[w.at:], w.data)
	}
	i.unflushed = nil
	return 0
}

// cut ends the generation. Of what was not flushed, none, all or any part reaches the disk.
func (i *image) cut() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.generation++
	i.left, i.off = -1, make(chan struct{})
	shares := []float64{0, 0.1, 0.5, 0.9, 1}
	share := shares[i.random.IntN(len(shares))]
	i.random.Shuffle(len(i.unflushed), func(a, b int) { i.unflushed[a], i.unflushed[b] = i.unflushed[b], i.unflushed[a] })
	for _, w := range i.unflushed {
		if i.random.Float64() >= share {
			continue
		}
		torn := w.at >= block && i.random.IntN(8) == 0 // in the first lies ext4's superblock, which must be whole
		for at := 0; at < len(w.data); at += sector {
			if !torn || i.random.IntN(2) == 0 {
				copy(i.platter[w.at+int64(at):], w.data[at:min(at+sector, len(w.data))])
			}
		}
	}
	i.unflushed = nil
	copy(i.cache, i.platter)
}
