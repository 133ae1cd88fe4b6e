package datasync

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// unrest changes a tree at random, as people and programs do.
type unrest struct {
	*rand.Rand

	dir string
}

// paths are those of a kind below the top.
func (u unrest) paths(dirs bool) (paths []string) {
	_ = filepath.WalkDir(u.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && path != u.dir && e.IsDir() == dirs {
			paths = append(paths, path)
		}
		return nil
	})
	return paths
}

func (u unrest) one(paths []string) string {
	if len(paths) == 0 {
		return u.dir + "/none"
	}
	return paths[u.IntN(len(paths))]
}

// place is a path for something new, which may be taken.
func (u unrest) place() string {
	return filepath.Join(u.one(append(u.paths(true), u.dir)), string(rune('a'+u.IntN(6))))
}

// text is the content of a file: mostly small, at times large, never the same again.
func (u unrest) text() []byte {
	size := u.IntN(300)
	switch u.IntN(12) {
	case 0:
		size = u.IntN(300 << 10)
	case 1:
		size = 1<<20 + u.IntN(1<<20)
	}
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(u.Uint32())
	}
	return b
}

func (u unrest) fill() {
	for range 4 {
		dir := u.place()
		_ = os.Mkdir(dir, 0o755)
		for i := range 1 + u.IntN(4) {
			_ = os.WriteFile(filepath.Join(dir, string(rune('a'+i))), u.text(), 0o644)
		}
	}
}

// act does one thing; what cannot be done is left.
func (u unrest) act() {
	file, dir := u.one(u.paths(false)), u.one(u.paths(true))
	switch u.IntN(16) {
	case 0, 1, 2:
		_ = os.WriteFile(u.place(), u.text(), 0o644)
	case 3:
		_ = os.Mkdir(u.place(), 0o755)
	case 4, 5:
		_ = os.Rename(dir, u.place())
	case 6:
		_ = os.Rename(file, u.place())
	case 7:
		_ = os.RemoveAll(u.one([]string{file, dir}))
	case 8: // two exchange their names
		if other := u.one(u.paths(true)); !strings.HasPrefix(dir+"/", other+"/") && !strings.HasPrefix(other+"/", dir+"/") {
			_ = os.Rename(dir, u.dir+"/between")
			_ = os.Rename(other, dir)
			_ = os.Rename(u.dir+"/between", other)
		}
	case 9:
		_ = os.Link(file, u.place())
	case 10:
		_ = os.Symlink("somewhere", u.place())
	case 11:
		u.overwrite(file)
	case 12:
		u.extend(file)
	case 13:
		_ = os.Truncate(file, int64(u.IntN(200)))
	case 14:
		_ = os.Chmod(u.one([]string{file, dir}), os.FileMode(0o700|u.IntN(0o100)))
	case 15:
		_ = unix.Setxattr(file, "user.colour", fmt.Append(nil, u.IntN(3)), 0)
		_ = os.Lchown(u.one([]string{file, dir}), u.IntN(3), u.IntN(3))
	}
}

// overwrite writes some bytes in the middle of a file.
func (u unrest) overwrite(path string) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	if s, err := f.Stat(); err == nil && s.Size() > 0 {
		_, _ = f.WriteAt(fmt.Append(nil, u.Uint64()), u.Int64N(s.Size()))
	}
}

func (u unrest) extend(path string) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	_, _ = f.Write(u.text())
}
