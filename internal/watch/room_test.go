package watch

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAFileSystemThatIsNearlyFullIsTold(t *testing.T) {
	const block = 4096
	for name, c := range map[string]struct {
		disk unix.Statfs_t
		want string
	}{
		"room":                {unix.Statfs_t{Bsize: block, Blocks: 1 << 20, Bavail: 1 << 18, Files: 1 << 16, Ffree: 1 << 15}, ""},
		"few blocks":          {unix.Statfs_t{Bsize: block, Blocks: 1 << 20, Bavail: 256, Files: 1 << 16, Ffree: 1 << 15}, "MB are left"},
		"few inodes":          {unix.Statfs_t{Bsize: block, Blocks: 1 << 20, Bavail: 1 << 18, Files: 1 << 16, Ffree: 7}, "room for 7 more files"},
		"no count of inodes":  {unix.Statfs_t{Bsize: block, Blocks: 1 << 20, Bavail: 1 << 18}, ""},
		"small but half free": {unix.Statfs_t{Bsize: block, Blocks: 4096, Bavail: 2048, Files: 100, Ffree: 50}, ""},
	} {
		got := lacks(c.disk, leastRoom, leastInodes)
		if (got == nil) != (c.want == "") || got != nil && !strings.Contains(*got, c.want) {
			t.Errorf("%s: %v, want %q", name, got, c.want)
		}
	}
	full := &Room{Dir: "/var/lib/baton", Copies: func() int64 { return 3 << 30 }}
	full.lack.Store(new("nothing is left"))
	if got := full.Conditions(); len(got) != 1 || !strings.Contains(got[0].Text, "/var/lib/baton") {
		t.Errorf("%+v", got)
	}
}
