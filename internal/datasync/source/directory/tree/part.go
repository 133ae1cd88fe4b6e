package tree

import "path/filepath"

// IsOwn reports whether a name at the top of a protected directory is Baton's own.
func IsOwn(name string) bool { return name == StagingName || name == PointsName }

// Part is what of a directory a tree is: a few names right in it. What else is there belongs to others, and so does
// the directory itself, with its owner, mode and time. The zero value: all of it.
type Part struct {
	Names  []string
	Prefix string // of Baton's own names beside them
}

// IsWhole reports whether all of the directory is the tree.
func (p Part) IsWhole() bool { return len(p.Names) == 0 }

// own is the name of a directory of Baton's own beside what is protected.
func (p Part) own(name string) string { return p.Prefix + name }

// inStaging is the path in the tree of a name in the staging.
func (p Part) inStaging(name string) string { return p.own(StagingName) + "/" + name }

// OpenPart is Open for a part of the directory in which the first of its names lies, at the path.
func OpenPart(path string, part Part, check func(real string) error) (*Tree, error) {
	t, err := Open(filepath.Dir(path), below(path, check))
	return reduced(t, path, part, err)
}

// CreatePart is Create in the same way.
func CreatePart(path string, part Part, check func(real string) error) (*Tree, error) {
	t, err := Create(filepath.Dir(path), below(path, check))
	return reduced(t, path, part, err)
}

// below has a check look at the path with its last name, not at the directory in which that lies.
func below(path string, check func(real string) error) func(real string) error {
	if check == nil {
		return nil
	}
	return func(real string) error { return check(filepath.Join(real, filepath.Base(path))) }
}

func reduced(t *Tree, path string, part Part, err error) (*Tree, error) {
	if err == nil {
		t.path, t.part = path, part
	}
	return t, err
}
