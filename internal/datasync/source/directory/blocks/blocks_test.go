package blocks

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"

	"baton/internal/datasync/manifest"
)

func random(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func listOf(content []byte) manifest.List {
	h := manifest.Lists.Hash(int64(len(content)))
	_, _ = h.Write(content)
	list, _ := h.List()
	return list
}

// rebuilt puts a content together as a backup does.
type rebuilt struct {
	old, now []byte
	sent     int
}

func (r *rebuilt) Data(b []byte) error {
	r.now, r.sent = append(r.now, b...), r.sent+len(b)
	return nil
}

func (r *rebuilt) Hole(n int64) error {
	r.now = append(r.now, make([]byte, n)...)
	return nil
}

func (r *rebuilt) Same(from, n int64) error {
	r.now = append(r.now, r.old[from:from+n]...)
	return nil
}

func allSums(content []byte) []byte {
	var sums []byte
	for _, block := range wholeBlocks(content) {
		list := manifest.NewLister(int64(len(block)))
		_ = list.Data(block)
		sums = AppendSum(sums, block, list.Blocks()[0])
	}
	return sums
}

func wholeBlocks(content []byte) [][]byte {
	size := int(manifest.BlockSize(int64(len(content))))
	return slices.Collect(slices.Chunk(content[:len(content)/size*size], size))
}

// TestWhatIsElsewhereIsFound searches what was inserted into, cut and moved.
func TestWhatIsElsewhereIsFound(t *testing.T) {
	old := random(1, 3<<20+777)
	for name, one := range map[string]struct {
		now  []byte
		sent int // at most
	}{
		"the same":          {old, 1 << 14},
		"a byte in front":   {append([]byte{1}, old...), 1 << 15},
		"a byte less":       {old[1:], 1 << 15},
		"inserted":          {slices.Concat(old[:1<<20+5], random(2, 100_000), old[1<<20+5:]), 100_000 + 1<<16},
		"halves exchanged":  {slices.Concat(old[1<<20+9:], old[:1<<20+9]), 1 << 16},
		"twice":             {slices.Concat(old, old), 1 << 16},
		"nothing of it":     {random(3, 2<<20), 2 << 20},
		"zeros in it":       {slices.Concat(old[:1<<20], make([]byte, 1<<20), old[1<<20:]), 1<<20 + 1<<16},
		"shorter than that": {old[5:1000], 1000},
	} {
		sums, err := ReadSums(allSums(old), int64(len(old)))
		if err != nil {
			t.Fatal(err)
		}
		for kind, by := range map[string]*Sums{"sums": sums, "marks": sumsOf(listOf(old), marksOf(old))} {
			to := &rebuilt{old: old}
			search := NewSearch(by, to)
			for piece := range slices.Chunk(one.now, 100_001) {
				_ = search.Data(piece)
			}
			_ = search.Close()
			if !bytes.Equal(to.now, one.now) || to.sent > one.sent {
				t.Errorf("%s, by %s: %d bytes, want %d; sent were %d, at most %d", name, kind, len(to.now), len(one.now), to.sent, one.sent)
			}
		}
	}
}

// marksOf makes the marks of a content in stretches, each of pieces of any size.
func marksOf(content []byte) Marks {
	size := int64(len(content))
	marks := NewMarks(size)
	const stretch = 1 << 19
	for at := int64(0); at < size; at += stretch {
		m := MarkerFrom(at, size, marks)
		for piece := range slices.Chunk(content[at:min(at+stretch, size)], 10_007) {
			m.Data(piece)
		}
	}
	return marks
}

// TestAHoleIsMarkedAsItsZeros marks content with zeros, some of which come as holes.
func TestAHoleIsMarkedAsItsZeros(t *testing.T) {
	content := random(1, 4<<20)
	clear(content[2<<20+1000 : 3<<20+100])
	marks := NewMarks(4 << 20)
	m := MarkerFrom(0, 4<<20, marks)
	m.Data(content[:2<<20+1000])
	m.Hole(1<<20 - 900)
	m.Data(content[3<<20+100:])
	if want := marksOf(content); !slices.Equal(marks, want) || len(want) != 4 {
		t.Errorf("marks %v, want %v", marks, want)
	}
}

func TestSumsOfAnotherSizeAreRefused(t *testing.T) {
	if _, err := ReadSums(allSums(random(1, 2<<20))[1:], 2<<20); err == nil {
		t.Error("a part was taken")
	}
}

// TestWhatDiffersIsFound compares the lists of contents that differ in some bytes.
func TestWhatDiffersIsFound(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		old := random(byte(seed), manifest.FromLists+r.IntN(200_000))
		now := slices.Clone(old)
		for range r.IntN(4) {
			now[r.IntN(len(now))]++
		}
		switch r.IntN(3) {
		case 0:
			now = now[:manifest.FromLists+r.IntN(len(now)-manifest.FromLists+1)]
		case 1:
			now = append(now, random(7, r.IntN(100_000))...)
		}
		differ, comparable := Compare(listOf(old), listOf(now))
		if !comparable {
			t.Fatal("they cannot be compared")
		}
		got := slices.Clone(now)
		for _, s := range Rest(differ, int64(len(now))) {
			copy(got[s.Offset:s.End()], bytes.Repeat([]byte{0}, int(s.Bytes)))
			copy(got[s.Offset:s.End()], old[s.Offset:s.End()])
		}
		if !bytes.Equal(got, now) {
			t.Fatalf("seed %d: what is the same is not", seed)
		}
	}
	a, b := listOf(random(1, 2<<20)), manifest.List{Size: 1 << 40}
	if _, comparable := Compare(a, b); comparable {
		t.Error("blocks of two sizes are compared")
	}
}

// TestAListIsKeptUntilBothHaveANewerOne is what a store holds, and after a start.
func TestAListIsKeptUntilBothHaveANewerOne(t *testing.T) {
	dir := t.TempDir() + "/lists"
	store := func() *Store { return NewStore(dir, KeptFrom, slog.New(slog.DiscardHandler)) }
	version := func(i byte) manifest.List {
		return manifest.List{Size: KeptFrom, Blocks: slices.Repeat([]manifest.Hash{{i}}, int(manifest.BlockCount(KeptFrom)))}
	}
	has := func(s *Store, want ...byte) {
		t.Helper()
		var got []byte
		for i := range byte(6) {
			if list, is := s.Get(version(i).Hash(), KeptFrom); is && list.Hash() == version(i).Hash() {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("it has %v, want %v", got, want)
		}
	}
	listing := func(i byte) manifest.Listing {
		l, err := manifest.ListingOf([]manifest.Entry{
			{Path: ".", Kind: manifest.Dir}, {Path: "f", Kind: manifest.File, Size: KeptFrom, Hash: version(i).Hash()}, {Path: "g", Kind: manifest.Link, Target: "f"},
		})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	s := store()
	s.Put("f", version(0), nil)
	s.Put("g", version(0), nil)
	s.Agreed(listing(0))
	s.Put("f", version(1), nil) // and nobody got it
	s.Put("f", version(2), nil)
	has(s, 0, 2)
	s.Agreed(listing(2))
	has(s, 2)
	s = store()
	s.Put("f", version(3), nil)
	has(s, 2, 3)
	s.Agreed(listing(3))
	has(s, 3)
	var none *Store
	none.Put("f", version(1), nil)
	none.Agreed(listing(1))
	if _, is := none.Get(version(1).Hash(), KeptFrom); is {
		t.Error("a list of nobody's")
	}
}
