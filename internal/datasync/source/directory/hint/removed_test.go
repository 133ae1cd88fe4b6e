package hint

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The kernel gives the number of a directory that was removed to the next one that is made: by its number it may seem
// to be there still.
func TestAWatchOfATreeThatWasRemovedIsLost(t *testing.T) {
	top := filepath.Join(t.TempDir(), "top")
	if err := os.Mkdir(top, 0o755); err != nil {
		t.Fatal(err)
	}
	n, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.Close() }()
	w := n.Watch(func(string) bool { return false })
	dir, err := os.Open(top)
	if err != nil {
		t.Fatal(err)
	}
	w.Dir(int(dir.Fd()), ".")
	if err := errors.Join(dir.Close(), os.Remove(top), os.Mkdir(top, 0o755), os.WriteFile(top+"/file", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := w.Take(); errors.Is(err, ErrLost) {
			return
		}
	}
	t.Error("the watch goes on")
}
