package manifest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestAPatchedListingCountsAndNotes has listings that are patched say the same of themselves as those that are made of their entries.
func TestAPatchedListingCountsAndNotes(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for range 300 {
		was, is := randomChildren(random), randomChildren(random)
		from, to := Listing{NewBranch([]Child{{Entry: Entry{Path: ".", Kind: Dir}, Below: NewBranch(was)}})}, Listing{NewBranch([]Child{{Entry: Entry{Path: ".", Kind: Dir}, Below: NewBranch(is)}})}
		patched, err := Patch(from, Difference(from, to))
		if err != nil {
			t.Fatal(err)
		}
		if patched.Digest() != to.Digest() || patched.Sum() != to.Sum() {
			t.Fatalf("patched %+v, made %+v", patched.Sum(), to.Sum())
		}
		for i := range to.Whole().Below.Len() {
			got, want := patched.Whole().Below.At(i), to.Whole().Below.At(i)
			if _, stayed := slices.BinarySearchFunc(was, got.Path, func(c Child, name string) int { return strings.Compare(c.Path, name) }); !stayed && got.Note != want.Note {
				t.Fatalf("%q: note %+v, want %+v", got.Path, got.Note, want.Note)
			}
		}
	}
}

// randomChildren are files, directories and symlinks, some of them with notes.
func randomChildren(random *rand.Rand) (children []Child) {
	for i := range 40 {
		if random.IntN(3) == 0 {
			continue
		}
		c := Child{Entry: Entry{Path: fmt.Sprintf("%03d%s", i, strings.Repeat("x", i%7)), Kind: File, Mode: 0o600, ModTime: random.Int64N(3) << 40, Size: random.Int64N(3) << 20}}
		switch random.IntN(4) {
		case 0:
			c.Kind, c.Size = Symlink, 0
			c.Target = "there"
		case 1:
			c.Kind, c.Size = Dir, 0
			c.Below = NewBranch([]Child{{Entry: Entry{Path: "in", Kind: File, Size: random.Int64N(3)}}})
		}
		if random.IntN(2) == 0 {
			c.Note = Note{Ino: 1 + random.Uint64N(100), CTime: 5}
		}
		children = append(children, c)
	}
	return children
}
