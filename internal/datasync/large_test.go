package datasync

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"baton/internal/datasync/source/directory/blocks"
)

// largeSize is that of a file of which lists are kept; it ends within a block.
const largeSize = blocks.KeptFrom + 5<<20 + 12345

// edit writes some bytes into a file at an offset.
func edit(tb testing.TB, path string, offset int64, with string) {
	tb.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(tb, err)
	_, err = f.WriteAt([]byte(with), offset)
	must(tb, err)
	must(tb, f.Close())
}

// counted counts the bytes of answers.
type counted struct {
	http.Handler

	bytes, asked atomic.Int64 // asked: how often content was
}

func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/content") {
		c.asked.Add(1)
	}
	c.Handler.ServeHTTP(&countedWriter{w, c}, r)
}

type countedWriter struct {
	http.ResponseWriter

	of *counted
}

func (w *countedWriter) Write(b []byte) (int, error) {
	w.of.bytes.Add(int64(len(b)))
	return w.ResponseWriter.Write(b)
}

func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// largeChanges are ways to change the large file of a tree, with how many bytes of it may be sent.
func largeChanges() map[string]func(tb testing.TB, path string) int64 {
	const some = 200 << 10
	return map[string]func(tb testing.TB, path string) int64{
		"some bytes": func(tb testing.TB, path string) int64 {
			tb.Helper()
			edit(tb, path, 0, "first")
			edit(tb, path, 5<<20+1000, "within a block")
			edit(tb, path, 16<<10*700-3, "of two blocks")
			return some
		},
		"appended": func(tb testing.TB, path string) int64 {
			tb.Helper()
			edit(tb, path, largeSize, noise(100_000))
			return some
		},
		"cut off": func(tb testing.TB, path string) int64 {
			tb.Helper()
			must(tb, os.Truncate(path, largeSize-3<<20-17))
			return some
		},
		"a hole": func(tb testing.TB, path string) int64 {
			tb.Helper()
			command(tb, "fallocate", "--punch-hole", "--offset", strconv.Itoa(3<<20+5), "--length", strconv.Itoa(2<<20), path)
			return some
		},
		"a hole at the end": func(tb testing.TB, path string) int64 {
			tb.Helper()
			must(tb, os.Truncate(path, largeSize-3<<20-17))
			must(tb, os.Truncate(path, largeSize+1<<20))
			return some
		},
		"most of it": func(tb testing.TB, path string) int64 {
			tb.Helper()
			edit(tb, path, 0, noise(largeSize/3*2))
			return largeSize/3*2 + some
		},
		"replaced": func(tb testing.TB, path string) int64 {
			tb.Helper()
			b, err := os.ReadFile(path)
			must(tb, err)
			must(tb, os.Remove(path))
			write(tb, path, string(b[:10<<20])+"!"+string(b[10<<20+1:]))
			return some
		},
		"a byte in front": func(tb testing.TB, path string) int64 {
			tb.Helper()
			rewrite(tb, path, func(b string) string { return "x" + b })
			return some
		},
		"inserted": func(tb testing.TB, path string) int64 {
			tb.Helper()
			rewrite(tb, path, func(b string) string { return b[:3<<20] + "inserted" + b[3<<20:18<<20] + b[19<<20:] })
			return some
		},
		"inserted behind the middle": func(tb testing.TB, path string) int64 {
			tb.Helper()
			rewrite(tb, path, func(b string) string { return b[:14<<20+7] + "inserted" + b[14<<20+7:] })
			return some
		},
		"halves exchanged": func(tb testing.TB, path string) int64 {
			tb.Helper()
			rewrite(tb, path, func(b string) string { return b[10<<20+1:] + b[:10<<20+1] })
			return some
		},
		"another mode, too": func(tb testing.TB, path string) int64 {
			tb.Helper()
			edit(tb, path, 12345, "x")
			must(tb, os.Chmod(path, 0o600))
			return some
		},
		"a program with rights": func(tb testing.TB, path string) int64 {
			tb.Helper()
			edit(tb, path, 12345, "x")
			must(tb, os.Chmod(path, 0o755|os.ModeSetuid))
			return some
		},
		"another name, too": func(tb testing.TB, path string) int64 {
			tb.Helper()
			edit(tb, path, 12345, "x")
			must(tb, os.Link(path, filepath.Dir(path)+"/other"))
			return some
		},
		"in a directory that is renamed": func(tb testing.TB, path string) int64 {
			tb.Helper()
			edit(tb, path, 12345, "x")
			must(tb, os.Rename(filepath.Dir(path), filepath.Dir(path)+"-renamed"))
			return some
		},
	}
}

func rewrite(tb testing.TB, path string, to func(string) string) {
	tb.Helper()
	b, err := os.ReadFile(path)
	must(tb, err)
	write(tb, path, to(string(b)))
}

// TestOfALargeFileWhatDiffersIsSentWithoutLists has a file of which no lists are kept, and one whose lists are lost.
func TestOfALargeFileWhatDiffersIsSentWithoutLists(t *testing.T) {
	p := newPair(t)
	content := &counted{Handler: p.primary.Handler()}
	p.server.Config.Handler = content
	small, large := p.primary.tree+"/smaller", p.primary.tree+"/larger"
	write(t, small, noise(5<<20+1))
	write(t, large, noise(largeSize))
	p.pull(t)
	lists, err := filepath.Glob(p.primary.dir + "/*/*/*-blocks/*")
	must(t, err)
	if len(lists) == 0 {
		t.Error("no list is kept")
	}
	for i, list := range lists {
		if i%2 == 0 {
			must(t, os.Remove(list))
		} else {
			must(t, os.WriteFile(list, make([]byte, 1<<10), 0o600))
		}
	}
	edit(t, small, 3<<20, "changed")
	edit(t, large, 3<<20, "changed")
	before := content.bytes.Load()
	p.pull(t)
	if sent := content.bytes.Load() - before; sent > 200<<10 {
		t.Errorf("%d bytes were sent", sent)
	}
}

// TestOfALargeFileWhatDiffersIsSent changes a large file in every way, wherever the backup keeps it.
func TestOfALargeFileWhatDiffersIsSent(t *testing.T) {
	for name, change := range largeChanges() {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			content := &counted{Handler: p.primary.Handler()}
			p.server.Config.Handler = content
			path := p.primary.tree + "/d/large"
			for i := range 20 { // so that a renamed directory is found
				write(t, fmt.Sprintf("%s/d/small-%d", p.primary.tree, i), strconv.Itoa(i))
			}
			write(t, path, noise(largeSize))
			p.pull(t)
			most := change(t, path)
			before, asked := content.bytes.Load(), content.asked.Load()
			p.pull(t)
			if sent := content.bytes.Load() - before; sent > most {
				t.Errorf("%d bytes were sent, at most %d differ", sent, most)
			}
			if again := content.asked.Load() - asked - 1; again > 0 {
				t.Errorf("content was asked for %d times more: the backup had to read its file", again)
			}
			p.pull(t)
		})
	}
}

// largeWorld is a directoryWorld in which large files change.
func largeWorld(t *testing.T, blocked bool) crashWorld {
	t.Helper()
	p := newPair(t)
	root := p.primary.tree
	const size = blocks.KeptFrom + 123_456
	for _, name := range []string{"longer", "shorter", "linked"} {
		write(t, root+"/"+name, name+noise(size))
	}
	must(t, os.Link(root+"/linked", root+"/m-linked"))
	write(t, root+"/small", "small")
	p.pull(t)
	w := crashWorld{server: p.server, after: 5, undone: 5, epoch: p.epoch, old: everything(t, p.backup)}
	edit(t, root+"/longer", 1<<20, "parts")
	edit(t, root+"/longer", 5<<20, noise(1<<20))
	edit(t, root+"/longer", size, noise(1<<20))
	edit(t, root+"/shorter", 5, "x")
	must(t, os.Truncate(root+"/shorter", size-2<<20))
	edit(t, root+"/linked", 5, "x")
	write(t, root+"/small", "smaller")
	w.new = everything(t, p.primary)
	w.victim = func(t *testing.T) victim {
		t.Helper()
		v := &directoryVictim{dir: filepath.Join(t.TempDir(), "b"), url: p.server.URL}
		clone(t, p.backup.dir, v.dir)
		return v
	}
	return w
}

// ino is the number of a file.
func ino(tb testing.TB, path string) uint64 {
	tb.Helper()
	var s syscall.Stat_t
	must(tb, syscall.Stat(path, &s))
	return s.Ino
}

// TestALargeFileIsChangedInItsPlace has a backup without clones write what differs and no more, but where
// somebody would notice.
func TestALargeFileIsChangedInItsPlace(t *testing.T) {
	p := newPair(t)
	root := p.primary.tree
	write(t, root+"/file", noise(largeSize))
	write(t, root+"/linked", noise(largeSize))
	must(t, os.Link(root+"/linked", root+"/other"))
	program, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	program = append(program, bytes.Repeat([]byte("x"), largeSize)...)
	must(t, os.WriteFile(root+"/program", program, 0o755))
	p.pull(t)
	was := map[string]uint64{}
	for _, name := range []string{"file", "linked", "program"} {
		was[name] = ino(t, p.backup.tree+"/"+name)
		edit(t, root+"/"+name, largeSize-500+rand.Int64N(100), "changed")
	}
	running := exec.Command(p.backup.tree + "/program")
	running.Env = append(os.Environ(), "BATON_SLEEP=1")
	must(t, running.Start())
	p.pull(t)
	_ = running.Process.Kill()
	_ = running.Wait()
	if now := ino(t, p.backup.tree+"/file"); now != was["file"] {
		t.Error("the file is another")
	}
	for _, name := range []string{"linked", "program"} {
		if ino(t, p.backup.tree+"/"+name) == was[name] {
			t.Errorf("%s was changed in its place", name)
		}
	}
}
