package service

import (
	"errors"
	"regexp"
	"slices"

	"baton/internal/pair"
)

// Document is the name of the site's document that holds the [List].
const Document = "services"

// List are the services of the site, in the order in which they are started; they are stopped in
// the reverse order.
type List []Definition

// most bounds how many there are.
const most = 64

// Sound returns the list without what [List.With] refuses: the peer may have written it, and what
// it names is stopped on a backup before root has allowed it.
func (l List) Sound() List {
	sound := make(List, 0, min(len(l), most))
	for _, one := range l {
		if longer, err := sound.With(one); err == nil {
			sound = longer
		}
	}
	return sound
}

// With returns the list with one more, as the last, or refuses each field that is in the way.
func (l List) With(added Definition) (List, error) {
	var refused []error
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`).MatchString(added.Name) {
		refused = append(refused, pair.RefuseField("name", "%.80q is not a name: use 1 to 40 lower-case letters, digits or dashes", added.Name))
	}
	for _, other := range l {
		switch {
		case other.Name == added.Name:
			refused = append(refused, pair.Refuse(pair.Refused, "there is already a service %s: choose another name", other).At("name"))
		case other.Unit != "" && other.Unit == added.Unit:
			refused = append(refused, pair.Refuse(pair.Refused, "%s is service %s already", other.Unit, other.Name).At("unit"))
		}
	}
	if len(l) >= most {
		refused = append(refused, pair.Refuse(pair.Refused, "there can be %d services: have one unit start several programs", most))
	}
	if err := errors.Join(append(refused, added.Valid())...); err != nil {
		return nil, err
	}
	return append(slices.Clone(l), added), nil
}

// Without returns the list without one.
func (l List) Without(name string) (List, error) {
	if _, err := l.Named(name); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(l), func(d Definition) bool { return d.Name == name }), nil
}

// Checking returns the list with another check of one.
func (l List) Checking(name string, as Definition) (List, error) {
	one, err := l.Named(name)
	if err != nil {
		return nil, err
	}
	one = one.Checked(as)
	if err := one.Valid(); err != nil {
		return nil, err
	}
	longer := slices.Clone(l)
	longer[slices.IndexFunc(l, func(d Definition) bool { return d.Name == name })] = one
	return longer, nil
}

// Moved returns the list with one of them before another; other is empty: as the last.
func (l List) Moved(name, other string) (List, error) {
	moved, err := l.Named(name)
	if err != nil {
		return nil, err
	}
	rest, err := l.Without(name)
	if err != nil || other == "" {
		return append(rest, moved), err
	}
	if name == other {
		return nil, pair.Refuse(pair.Refused, "%s cannot be started before itself: name another service", name).At("before")
	}
	if _, err := l.Named(other); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(rest, func(d Definition) bool { return d.Name == other })
	return slices.Insert(rest, at, moved), nil
}

// WithParked returns the list with one of them parked, or no longer so.
func (l List) WithParked(name string, parked bool) (List, error) {
	if _, err := l.Named(name); err != nil {
		return nil, err
	}
	changed := slices.Clone(l)
	changed[slices.IndexFunc(l, func(d Definition) bool { return d.Name == name })].Parked = parked
	return changed, nil
}

// Named returns one of them.
func (l List) Named(name string) (Definition, error) {
	at := slices.IndexFunc(l, func(d Definition) bool { return d.Name == name })
	if at < 0 {
		return Definition{}, pair.Refuse(pair.Refused, "there is no service %.80q: baton service list shows those that there are", name).At("name")
	}
	return l[at], nil
}
