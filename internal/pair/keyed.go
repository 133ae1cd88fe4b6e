package pair

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Keyed are values that people set by key: on the command line, through the API and
// on a page. As text they are kept in the site database and told to the peer.
type Keyed[V any] interface {
	// Keys lists every key, in the order in which they are shown.
	Keys() []Key[V]
}

// Key is one of the values, by the name that people give it.
type Key[V any] struct {
	Name  string
	Label string // what the console calls it
	// Secret: the history only says that it was changed.
	Secret bool
	Print  func(V) string         // as Parse reads it back
	Parse  func(*V, string) error // one sentence if the text is no such value
	// Check returns a sentence, or several joined, if the value cannot be; nil: it
	// always can. It may look at the other values.
	Check func(V) error
}

// Names lists the keys of values, in the order in which they are shown.
func Names[V Keyed[V]](v V) []string {
	var names []string
	for _, key := range v.Keys() {
		names = append(names, key.Name)
	}
	return names
}

// Texts returns all values as text, by key.
func Texts[V Keyed[V]](v V) map[string]string {
	all := map[string]string{}
	for _, key := range v.Keys() {
		all[key.Name] = key.Print(v)
	}
	return all
}

// With returns the values with some of them changed: all of the changes or none, with
// a Refusal of every field that is in the way.
func With[V Keyed[V]](v V, changes map[string]string) (V, error) {
	changed, unknown, err := parse(v, changes)
	var refused []error
	for _, name := range unknown {
		refused = append(refused, RefuseField(name, "unknown key: use one of %s", strings.Join(Names(v), ", ")))
	}
	if err = one(append(refused, err)); err == nil {
		err = Check(changed)
	}
	if err != nil {
		return v, err
	}
	return changed, nil
}

// Read returns the values with those that were saved or told as text. What another
// version of Baton has besides is left out. What cannot be read stays as it was, and
// is in the error; Check judges the rest.
func Read[V Keyed[V]](v V, texts map[string]string) (V, error) {
	read, _, err := parse(v, texts)
	return read, err
}

// parse reads what it can, and lists the unknown keys.
func parse[V Keyed[V]](v V, texts map[string]string) (_ V, unknown []string, _ error) {
	var names []string
	for name := range texts {
		names = append(names, name)
	}
	slices.Sort(names)
	var refused []error
	keys := v.Keys()
	for _, name := range names {
		i := slices.IndexFunc(keys, func(k Key[V]) bool { return k.Name == name })
		if i < 0 {
			unknown = append(unknown, name)
			continue
		}
		if err := keys[i].Parse(&v, strings.TrimSpace(texts[name])); err != nil {
			refused = append(refused, RefuseField(name, "%s", err))
		}
	}
	return v, unknown, one(refused)
}

// one makes a single Refusal of several.
func one(refused []error) error {
	if r := RefusalOf(errors.Join(refused...)); r != nil {
		return r
	}
	return nil
}

// Check returns a Refusal of every field that is wrong; nil if none is.
func Check[V Keyed[V]](v V) error {
	var refused []error
	for _, key := range v.Keys() {
		if key.Check == nil {
			continue
		}
		err := key.Check(v)
		all := []error{err}
		if joined, several := err.(interface{ Unwrap() []error }); several {
			all = joined.Unwrap()
		}
		for _, err := range all {
			if err != nil {
				refused = append(refused, RefuseField(key.Name, "%s", err))
			}
		}
	}
	return one(refused)
}

// Changes lists what differs between two sets of values, in the order of their keys.
func Changes[V Keyed[V]](before, after V) []Change {
	var changes []Change
	was, is := Texts(before), Texts(after)
	for _, key := range append(before.Keys(), after.Keys()...) {
		if was[key.Name] != is[key.Name] {
			changes = append(changes, Change{Key: key.Name, Label: key.Label, Before: was[key.Name], After: is[key.Name], Secret: key.Secret})
			delete(was, key.Name)
			delete(is, key.Name)
		}
	}
	return changes
}

// keyOf is the key of a field.
func keyOf[V, T any](name, label string, field func(*V) *T, print func(T) string, parse func(string) (T, error)) Key[V] {
	return Key[V]{
		Name: name, Label: label,
		Print: func(v V) string { return print(*field(&v)) },
		Parse: func(v *V, text string) error {
			value, err := parse(text)
			if err == nil {
				*field(v) = value
			}
			return err
		},
	}
}

// checked is the key of a value that has to pass a check.
func (k Key[V]) checked(check func(V) error) Key[V] {
	k.Check = check
	return k
}

// within is the key of a value for which ok holds; otherwise the text says what would.
func (k Key[V]) within(ok func(V) bool, text string) Key[V] {
	return k.checked(func(v V) error {
		if ok(v) {
			return nil
		}
		return errors.New(text)
	})
}

func textKey[V any, T ~string](name, label string, field func(*V) *T) Key[V] {
	return keyOf(name, label, field, func(t T) string { return string(t) }, func(text string) (T, error) { return T(text), nil })
}

func boolKey[V any](name, label string, field func(*V) *bool) Key[V] {
	return keyOf(name, label, field, strconv.FormatBool, parseBool)
}

func durationKey[V any](name, label string, field func(*V) *time.Duration) Key[V] {
	return keyOf(name, label, field, DurationText, ParseDuration)
}

func timeKey[V any](name, label string, field func(*V) *TimeOfDay) Key[V] {
	return keyOf(name, label, field, TimeOfDay.String, ParseTimeOfDay)
}

// numberKey is the key of a whole number; usual says which numbers are.
func numberKey[V any](name, label, usual string, field func(*V) *int) Key[V] {
	return keyOf(name, label, field, strconv.Itoa, func(text string) (int, error) {
		number, err := strconv.Atoi(text)
		if err != nil {
			return 0, fmt.Errorf("%q is not a number: use %s", text, usual)
		}
		return number, nil
	})
}

// Between the items of a list that somebody types.
const (
	commas         = ","
	commasAndSpace = ", \r\n\t"
)

// listKey is the key of a list. Its items are written with commas between.
func listKey[V, T any](name, label, between string, field func(*V) *[]T, print func(T) string, parse func(string) (T, error)) Key[V] {
	return keyOf(name, label, field,
		func(items []T) string {
			texts := make([]string, len(items))
			for i, item := range items {
				texts[i] = print(item)
			}
			return strings.Join(texts, ",")
		},
		func(text string) ([]T, error) {
			items := []T{}
			for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(between, r) }) {
				if word = strings.TrimSpace(word); word == "" {
					continue
				}
				item, err := parse(word)
				if err != nil {
					return nil, err
				}
				items = append(items, item)
			}
			return items, nil
		})
}

func parseBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true", "on", "yes", "1":
		return true, nil
	case "false", "off", "no", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", v)
}

// DurationText renders a duration without empty units: "5s", "1h", "15m", "200ms", "0".
func DurationText(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// ParseDuration reads a duration like 200ms, 5s, 15m, 1h; also days, as 1d, and a bare 0.
func ParseDuration(text string) (time.Duration, error) {
	if days, found := strings.CutSuffix(text, "d"); found {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n <= 3650 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration: write it like 200ms, 5s, 15m or 1h", text)
	}
	return d, nil
}
