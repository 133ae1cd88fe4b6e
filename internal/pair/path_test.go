package pair

import (
	"strings"
	"testing"
)

func TestOneFormOfAPath(t *testing.T) {
	long := "/" + strings.Repeat("n", MaxName)
	for _, text := range []string{"/", "/srv", "/srv/www", "/srv/a b", "/...", "/srv/..data", long, strings.Repeat(long, MaxPath/len(long))} {
		if path, err := ParsePath(text); err != nil || string(path) != text {
			t.Errorf("%.40q is refused: %v", text, err)
		}
	}
	for _, text := range []string{"", ".", "srv", "./srv", "/.", "/..", "/srv/", "//", "//srv", "/srv//www", "/srv/.", "/srv/../etc", "/srv\x00", long + "n", strings.Repeat(long, 1+MaxPath/len(long))} {
		if path, err := ParsePath(text); err == nil || path != "" {
			t.Errorf("%.40q is taken as %.40q", text, path)
		}
	}
}

func TestRelativePaths(t *testing.T) {
	for _, path := range []string{".", "a", "a/b", "..a", "a/.b"} {
		if err := CheckRelative(path); err != nil {
			t.Error(err)
		}
	}
	for _, path := range []string{"", "/", "/a", "a/", "a//b", "..", "../a", "a/..", "a/.", "./a", "a\x00"} {
		if CheckRelative(path) == nil {
			t.Errorf("%q is taken", path)
		}
	}
}

func TestOverlap(t *testing.T) {
	for _, pair := range [][2]string{{"/srv", "/srv"}, {"/srv", "/srv/www"}, {"/", "/srv"}} {
		if !Overlap(pair[0], pair[1]) || !Overlap(pair[1], pair[0]) {
			t.Errorf("%v are said to be apart", pair)
		}
	}
	if Overlap("/srv", "/srv2") || Overlap("/srv/a", "/srv/b") {
		t.Error("neighbours overlap")
	}
}

func TestWhatNoMachineProtects(t *testing.T) {
	for _, path := range []Path{"/", "/proc", "/proc/1", "/sys", "/dev/shm", "/boot", "/usr/lib/systemd", "/etc", "/usr", "/run", "/var"} {
		if CheckProtectable(path) == nil {
			t.Errorf("%s may be protected", path)
		}
	}
	for _, path := range []Path{"/srv", "/etc/nginx", "/var/www", "/usr/share/site", "/processes", "/bin2"} {
		if err := CheckProtectable(path); err != nil {
			t.Error(err)
		}
	}
}
