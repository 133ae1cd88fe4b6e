package pair

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits of a path, in bytes. They bound what a peer can make an appliance hold.
const (
	MaxPath = 16 << 10 // of a whole path
	MaxName = 255      // of one name in it, as on every Linux file system
)

// Path is an absolute path on a machine in its one plain form, as ParsePath accepts it.
type Path string

// ParsePath accepts an absolute path without detours: no empty name, no "." or "..",
// no slash at the end, no zero byte, nothing longer than the limits. The error is one
// sentence for a person, without its full stop.
func ParsePath(text string) (Path, error) {
	below, absolute := strings.CutPrefix(text, "/")
	if text == "/" {
		return "/", nil
	}
	if !absolute || below == "." || CheckRelative(below) != nil {
		return "", fmt.Errorf("%.200q is not an absolute path without detours: write it like /srv/www", text)
	}
	return Path(text), nil
}

// CheckRelative refuses a path that could lead out of the directory that it is relative
// to. "." is that directory itself.
func CheckRelative(path string) error {
	if path == "." {
		return nil
	}
	if len(path) > MaxPath || strings.IndexByte(path, 0) >= 0 {
		return fmt.Errorf("path of %d bytes is too long or holds a zero byte", len(path))
	}
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." || name == ".." || len(name) > MaxName {
			return fmt.Errorf("path %q is not a plain relative path", path)
		}
	}
	return nil
}

// Within reports whether a path is a directory or lies in it.
func Within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// Overlap reports whether two paths are the same, or one lies in the other.
func Overlap(a, b string) bool { return Within(a, b) || Within(b, a) }

// CheckProtectable refuses what no machine protects, whatever root allows there: what a
// sync would replace with the peer's is then the system itself. The error is one sentence
// for a person, without its full stop.
func CheckProtectable(path Path) error {
	if path == "/" {
		return errors.New("the whole machine cannot be protected: name the site's directory, as /srv/www")
	}
	for _, tree := range []string{"/proc", "/sys", "/dev", "/boot", "/bin", "/sbin", "/lib", "/lib64", "/usr/bin", "/usr/sbin", "/usr/lib"} {
		if Within(string(path), tree) {
			return fmt.Errorf("%s belongs to the system: name the site's directory, as /srv/www", path)
		}
	}
	if slices.Contains([]Path{"/etc", "/usr", "/run", "/var"}, path) {
		return fmt.Errorf("%s belongs to the system as a whole: name a directory below it", path)
	}
	return nil
}
