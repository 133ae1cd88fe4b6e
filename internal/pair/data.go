package pair

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"baton/internal/pair/exclude"
)

// DataKind is a kind of protected data.
type DataKind string

// The kinds that this version protects.
const (
	DataDirectory DataKind = "dir"
	DataSite      DataKind = "site"
	DataSQLite    DataKind = "sqlite"
)

// Data is one piece of protected data, as it is defined. Equal values are the same piece,
// of which the same is protected.
type Data struct {
	Name string // lower-case letters, digits and dashes
	Spec Spec
}

// Same reports whether both are the same piece, whatever of it is protected.
func (d Data) Same(other Data) bool {
	return d.Name == other.Name && d.Spec.Whole() == other.Spec.Whole()
}

// MaxSpec bounds the one line of a spec, in bytes.
const MaxSpec = 128 << 10

// Spec says what is protected: one comparable type for each kind.
type Spec interface {
	Kind() DataKind
	// String says where the data is, for a person.
	String() string
	// Text is the spec in one line, as ParseSpec reads it.
	Text() string
	// Whole is the spec with nothing left out of it.
	Whole() Spec
	// Excludes tells what of it is not protected.
	Excludes() exclude.Patterns
	// Here is the spec as one appliance has it: its place there is the only one.
	Here(id ApplianceID) Spec
	// Check refuses what no appliance may let a sync replace. The error is one
	// sentence for a person, without its full stop.
	Check() error
	// Overlaps reports whether both protect some of the same.
	Overlaps(other Spec) bool
}

// Directory is a directory with all that is in it and not excluded.
type Directory struct {
	Path    Path
	Exclude exclude.Patterns

	// Away is the one appliance on which it lies elsewhere, at Elsewhere; empty: none. It is no
	// matter which of the two is primary.
	Away      ApplianceID
	Elsewhere Path
}

// Here implements Spec.
func (d Directory) Here(id ApplianceID) Spec { return Directory{Path: d.At(id), Exclude: d.Exclude} }

// At returns where it lies on an appliance.
func (d Directory) At(id ApplianceID) Path {
	if d.Away != "" && d.Away == id {
		return d.Elsewhere
	}
	return d.Path
}

// Beyond returns where it lies on the other appliance.
func (d Directory) Beyond(id ApplianceID) Path {
	if d.Away != "" && d.Away != id {
		return d.Elsewhere
	}
	return d.Path
}

// Kind implements Spec.
func (Directory) Kind() DataKind { return DataDirectory }

// String implements Spec.
func (d Directory) String() string { return string(d.Path) }

// Excluding returns the directory with the patterns that a person gives in the place of its
// own. The error is one sentence for a person, without its full stop.
func (d Directory) Excluding(patterns []string) (_ Directory, err error) {
	if d.Exclude, err = exclude.Parse(patterns); err == nil {
		err = d.checkExclude()
	}
	return d, err
}

// What follows the path are options: no path holds this, so a version that does not know them
// refuses them. It would take what is excluded for removed.
const (
	beforeOptions = "//"
	excludeOption = "exclude="
	awayOption    = "on-" // then the id, = and the path
)

// Text implements Spec.
func (d Directory) Text() string {
	var options []string
	for _, pattern := range d.Exclude.List() {
		options = append(options, excludeOption+strconv.Quote(pattern))
	}
	if d.Away != "" {
		options = append(options, awayOption+string(d.Away)+"="+strconv.Quote(string(d.Elsewhere)))
	}
	if len(options) == 0 {
		return string(d.Path)
	}
	return string(d.Path) + beforeOptions + strings.Join(options, " ")
}

// parseDirectory reads what Text wrote.
func parseDirectory(text string) (Directory, error) {
	before, options, _ := strings.Cut(text, beforeOptions)
	path, err := ParsePath(before)
	if err != nil {
		return Directory{}, err
	}
	d := Directory{Path: path}
	var patterns []string
	for rest := options; rest != ""; rest = strings.TrimPrefix(rest, " ") {
		name, quoted, _ := strings.Cut(rest, "=")
		prefix, err := strconv.QuotedPrefix(quoted)
		if err != nil {
			return Directory{}, notDirectory(text)
		}
		value, _ := strconv.Unquote(prefix) // it is quoted
		rest = quoted[len(prefix):]
		id, isAway := strings.CutPrefix(name, awayOption)
		switch {
		case name+"=" == excludeOption:
			patterns = append(patterns, value)
		case isAway:
			d.Away, d.Elsewhere = ApplianceID(id), Path(value)
		default:
			return Directory{}, fmt.Errorf("%.200q is an option of a directory that this version does not know: update this appliance", name)
		}
	}
	if d.Exclude, err = exclude.Parse(patterns); err == nil && d.Text() != text {
		err = notDirectory(text)
	}
	return d, err
}

func notDirectory(text string) error {
	return fmt.Errorf("%.200q is not a directory with its options, as Baton writes them", text)
}

// Whole implements Spec.
func (d Directory) Whole() Spec {
	d.Exclude = ""
	return d
}

// Excludes implements Spec.
func (d Directory) Excludes() exclude.Patterns { return d.Exclude }

// Check implements Spec.
func (d Directory) Check() error {
	if err := d.checkExclude(); err != nil {
		return err
	}
	if (d.Away != "" || d.Elsewhere != "") && !d.Away.Valid() {
		return fmt.Errorf("%.80q is no appliance id", d.Away)
	}
	for _, path := range d.places() {
		_, err := ParsePath(string(path))
		if err == nil {
			err = CheckProtectable(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// places are the paths that it has on the two appliances.
func (d Directory) places() []Path {
	if d.Away == "" {
		return []Path{d.Path}
	}
	return []Path{d.Path, d.Elsewhere}
}

func (d Directory) checkExclude() error {
	for _, pattern := range d.Exclude.List() {
		if slices.ContainsFunc(d.places(), func(path Path) bool { return Within(strings.TrimSuffix(pattern, "/"), string(path)) }) {
			return fmt.Errorf("the exclude pattern %s names a place on the machine: begin at the protected directory, so that / is %s", pattern, d.Path)
		}
	}
	return nil
}

// Overlaps implements Spec.
func (d Directory) Overlaps(other Spec) bool {
	if database, is := other.(SQLite); is {
		return database.Overlaps(d)
	}
	o, is := other.(Directory)
	overlap := func(id ApplianceID) bool { return Overlap(string(d.At(id)), string(o.At(id))) }
	return is && (overlap("") || overlap(d.Away) || overlap(o.Away))
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

// Text implements Spec.
func (SiteDatabase) Text() string { return "" }

// Whole implements Spec.
func (s SiteDatabase) Whole() Spec { return s }

// Here implements Spec.
func (s SiteDatabase) Here(ApplianceID) Spec { return s }

// Excludes implements Spec.
func (SiteDatabase) Excludes() exclude.Patterns { return "" }

// Check implements Spec.
func (SiteDatabase) Check() error { return nil }

// Overlaps implements Spec.
func (SiteDatabase) Overlaps(other Spec) bool { return other == Spec(SiteDatabase{}) }

// ParseSpec reads the spec of a kind from its one line.
func ParseSpec(kind DataKind, text string) (Spec, error) {
	switch {
	case kind == DataDirectory:
		return parseDirectory(text)
	case kind == DataSQLite:
		path, err := ParsePath(text)
		return SQLite{Path: path}, err
	case kind == DataSite && text == "":
		return SiteDatabase{}, nil
	}
	return nil, fmt.Errorf("protected data of kind %q, %.200q, is nothing that this version syncs: update this appliance", kind, text)
}
