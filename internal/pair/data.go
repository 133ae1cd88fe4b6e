package pair

import "fmt"

// DataKind is a kind of protected data.
type DataKind string

// The kinds that this version protects.
const (
	DataDirectory DataKind = "dir"
	DataSite      DataKind = "site"
)

// Data is one piece of protected data. Equal values are the same piece.
type Data struct {
	Name string // lower-case letters, digits and dashes
	Spec Spec
}

// Spec says what is protected: one comparable type for each kind.
type Spec interface {
	Kind() DataKind
	// String is the spec in one line, as ParseSpec reads it.
	String() string
	// Check refuses what no appliance may let a sync replace. The error is one
	// sentence for a person, without its full stop.
	Check() error
	// Overlaps reports whether both protect some of the same.
	Overlaps(other Spec) bool
}

// Directory is a directory with all that is in it.
type Directory struct{ Path Path }

// Kind implements Spec.
func (Directory) Kind() DataKind { return DataDirectory }

// String implements Spec.
func (d Directory) String() string { return string(d.Path) }

// Check implements Spec.
func (d Directory) Check() error {
	if _, err := ParsePath(string(d.Path)); err != nil {
		return err
	}
	return CheckProtectable(d.Path)
}

// Overlaps implements Spec.
func (d Directory) Overlaps(other Spec) bool {
	o, is := other.(Directory)
	return is && Overlap(string(d.Path), string(o.Path))
}

// SiteDatabase is the site database, of which an appliance has one: settings, users,
// tokens and the list of protected data.
type SiteDatabase struct{}

// SiteDatabaseName is the name under which every pair protects the site database.
const SiteDatabaseName = "site-database"

// Kind implements Spec.
func (SiteDatabase) Kind() DataKind { return DataSite }

// String implements Spec.
func (SiteDatabase) String() string { return "" }

// Check implements Spec.
func (SiteDatabase) Check() error { return nil }

// Overlaps implements Spec.
func (SiteDatabase) Overlaps(other Spec) bool { return other == Spec(SiteDatabase{}) }

// ParseSpec reads the spec of a kind from its one line.
func ParseSpec(kind DataKind, text string) (Spec, error) {
	switch {
	case kind == DataDirectory:
		path, err := ParsePath(text)
		return Directory{path}, err
	case kind == DataSite && text == "":
		return SiteDatabase{}, nil
	}
	return nil, fmt.Errorf("protected data of kind %q, %.200q, is nothing that this version syncs: update this appliance", kind, text)
}
