package source

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

// Whatever the file system reports becomes a sentence with the file and the next step.
func TestEveryErrorOfTheDiskNamesTheFile(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EROFS, syscall.EPERM, syscall.EBUSY, syscall.ESTALE, syscall.EUCLEAN} {
		text := Explain(&fs.PathError{Op: "read", Path: "/srv/www/logo.png", Err: errno}, "/srv/www").Error()
		if !strings.Contains(text, "/srv/www/logo.png") || !strings.Contains(text, errno.Error()) || !strings.HasSuffix(text, ".") || !strings.Contains(text, ": ") {
			t.Errorf("%v reads %q", errno, text)
		}
	}
}
