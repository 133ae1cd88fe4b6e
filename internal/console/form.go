package console

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"baton/internal/cause"
	"baton/internal/pair"
)

// form is what a form shows: the values, and what is wrong with them. A refused
// form is shown again with what was typed.
type form struct {
	ID      string // tells the fields of several forms of a page apart; empty for the only one
	Values  url.Values
	Errors  map[string]string // by field: one sentence
	Problem string            // about the whole: one sentence
	AtKey   bool              // which the key on the Security page mends

	drawn []field // those of the page, in its order, once it was drawn
}

// newForm is a form that shows what is saved.
func newForm(values map[string]string) *form {
	f := &form{Values: url.Values{}, Errors: map[string]string{}}
	for name, value := range values {
		f.Values.Set(name, value)
	}
	return f
}

// form reads what was typed.
func (v *visit) form() (*form, error) {
	if err := v.r.ParseForm(); err != nil {
		return nil, pair.Refuse(pair.Usage, "the form could not be read: go back and send it again; %w", cause.Plain(err))
	}
	return &form{Values: v.r.PostForm, Errors: map[string]string{}}, nil
}

// get returns a value as typed.
func (f *form) get(name string) string { return f.Values.Get(name) }

// on reports whether a box is checked.
func (f *form) on(name string) bool { return f.Values.Get(name) != "" }

// wasField goes with a field unseen and holds what it showed when it was drawn.
func wasField(name string) string { return "was-" + name }

// Was lists what the fields drawn so far show, under the names of wasField, so that what
// somebody did not touch is known once the form comes back. A template writes it last.
func (f *form) Was() map[string]string {
	was := map[string]string{}
	for _, drawn := range f.drawn {
		was[wasField(drawn.Name)] = drawn.Value
		if before, known := f.Values[wasField(drawn.Name)]; known { // drawn again: as it was the first time
			was[wasField(drawn.Name)] = before[0]
		}
	}
	return was
}

// overtaken brings a form up to what somebody else has saved since it was drawn. A field
// that was not touched in it takes the new value; one that both have changed is refused
// once, with what is saved now: to save it again is then a decision.
func (f *form) overtaken(saved *form, keys []string) {
	for _, key := range keys {
		now, typed := saved.get(key), strings.ReplaceAll(f.get(key), "\r\n", "\n")
		drawn, known := f.Values[wasField(key)]
		switch {
		case known && strings.ReplaceAll(drawn[0], "\r\n", "\n") == typed:
			f.Values.Set(key, now)
		case typed != now && (!known || drawn[0] != now):
			f.refuse(key, "saved by somebody else meanwhile: "+orNothing(now))
			f.Problem = "Somebody else has saved this while you were typing. What you both have changed is marked, with what is saved now beside it; what you typed is still here. Save again to replace it."
		}
		f.Values.Set(wasField(key), now)
	}
	f.Values.Set("version", saved.get("version"))
}

func orNothing(text string) string {
	if text == "" {
		return "off, or nothing"
	}
	return strings.ReplaceAll(text, "\n", ", ")
}

// texts returns what was typed into these fields, by name.
func (f *form) texts(names []string) map[string]string {
	typed := map[string]string{}
	for _, name := range names {
		typed[name] = f.get(name)
	}
	return typed
}

// refuse notes what is wrong with a field.
func (f *form) refuse(name, text string) {
	if f.Errors[name] == "" {
		f.Errors[name] = sentence(text)
	}
}

// refused notes an error that a person should see beside the form, and reports
// whether it was one; others are not the form's.
func (f *form) refused(err error) bool {
	if fields := pair.FieldsOf(err); len(fields) > 0 {
		for _, field := range fields {
			f.refuse(field.Name, field.Text)
		}
		return true
	}
	refusal := pair.RefusalOf(err)
	if refusal != nil {
		f.Problem = sentence(refusal.Text)
	}
	return refusal != nil
}

// refuseField is the error of one field.
func refuseField(field, text string) error {
	return pair.RefuseField(field, "%s", text)
}

// right reports whether nothing is wrong so far.
func (f *form) right() bool { return len(f.Errors) == 0 && f.Problem == "" }

// forget drops what must not be shown again, as passwords.
func (f *form) forget(names ...string) {
	for _, name := range names {
		f.Values.Del(name)
	}
}

// Wrong lists the refused fields for the summary: in the order of the page, and
// what it does not show without a label.
func (f *form) Wrong() (all []field) {
	rest := maps.Clone(f.Errors)
	for _, drawn := range f.drawn {
		if drawn.Error != "" {
			all = append(all, drawn)
			delete(rest, drawn.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		all = append(all, field{Name: name, Error: rest[name]})
	}
	return all
}

// Field returns a field for a template to draw; its methods add to it.
func (f *form) Field(name, label string) field {
	made := field{
		Name: name, Label: label, ID: f.FieldID(name), Kind: "text",
		Value: f.Values.Get(name), Error: f.Errors[name],
	}
	if !slices.ContainsFunc(f.drawn, func(drawn field) bool { return drawn.Name == name }) {
		f.drawn = append(f.drawn, made)
	}
	return made
}

// FieldID is the HTML id of a field.
func (f *form) FieldID(name string) string {
	if f.ID == "" {
		return "field-" + name
	}
	return "field-" + f.ID + "-" + name
}
