// Package xattr reads and sets the extended attributes of files that belong to the site: those
// of users, access control lists and file capabilities.
//
// Start reading at Read and Write.
package xattr

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
)

// kept reports whether an extended attribute belongs to the site.
func kept(name string) bool {
	return strings.HasPrefix(name, "user.") || name == "system.posix_acl_access" ||
		name == "system.posix_acl_default" || name == "security.capability"
}

// Read returns the kept attributes of an open file, sorted by name.
func Read(fd int) ([]manifest.XAttr, error) {
	return by(
		func(b []byte) (int, error) { return unix.Flistxattr(fd, b) },
		func(name string, b []byte) (int, error) { return unix.Fgetxattr(fd, name, b) })
}

// at is Read by a path.
func at(path string) ([]manifest.XAttr, error) {
	return by(
		func(b []byte) (int, error) { return unix.Listxattr(path, b) },
		func(name string, b []byte) (int, error) { return unix.Getxattr(path, name, b) })
}

func by(list func([]byte) (int, error), get func(string, []byte) (int, error)) ([]manifest.XAttr, error) {
	names, err := grow(list)
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil || len(names) == 0 {
		return nil, err
	}
	var xattrs []manifest.XAttr
	for raw := range bytes.SplitSeq(names, []byte{0}) {
		name := string(raw)
		if !kept(name) {
			continue
		}
		value, err := grow(func(b []byte) (int, error) { return get(name, b) })
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read attribute %s: %w", name, err)
		}
		xattrs = append(xattrs, manifest.XAttr{Name: name, Value: string(value)})
	}
	slices.SortFunc(xattrs, func(a, b manifest.XAttr) int { return strings.Compare(a.Name, b.Name) })
	return xattrs, nil
}

// grow calls a getter with room for what it says that it needs.
func grow(get func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := get(nil)
		if n == 0 || err != nil {
			return nil, err
		}
		b := make([]byte, n)
		n, err = get(b)
		if errors.Is(err, unix.ERANGE) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return b[:n], nil
	}
}

// Write makes the kept attributes at a path equal to the wanted ones.
func Write(path string, want []manifest.XAttr) error {
	have, err := at(path)
	if err != nil {
		return err
	}
	return change(have, want,
		func(name string) error { return unix.Removexattr(path, name) },
		func(name string, value []byte) error { return unix.Setxattr(path, name, value, 0) })
}

// Set is Write of an open file.
func Set(fd int, want []manifest.XAttr) error {
	have, err := Read(fd)
	if err != nil {
		return err
	}
	return change(have, want,
		func(name string) error { return unix.Fremovexattr(fd, name) },
		func(name string, value []byte) error { return unix.Fsetxattr(fd, name, value, 0) })
}

func change(have, want []manifest.XAttr, remove func(name string) error, set func(name string, value []byte) error) error {
	for _, x := range have {
		if slices.ContainsFunc(want, func(w manifest.XAttr) bool { return w.Name == x.Name }) {
			continue
		}
		if err := remove(x.Name); err != nil {
			return fmt.Errorf("remove attribute %s: %w", x.Name, err)
		}
	}
	for _, w := range want {
		if !kept(w.Name) {
			return fmt.Errorf("attribute %q is not one that is kept", w.Name)
		}
		if slices.Contains(have, w) {
			continue
		}
		if err := set(w.Name, []byte(w.Value)); err != nil {
			return fmt.Errorf("set attribute %s: %w", w.Name, err)
		}
	}
	return nil
}
