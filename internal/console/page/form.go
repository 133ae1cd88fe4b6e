package page

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"baton/internal/cause"
	"baton/internal/pair"
)

// Form is what a form shows: the values, and what is wrong with them. A refused
// form is shown again with what was typed.
type Form struct {
	ID      string // as NewForm takes it
	Values  url.Values
	Errors  map[string]string // by field: one sentence
	Problem string            // about the whole: one sentence
	AtKey   bool              // the key on the Security page is the cause; a link leads there

	drawn []Field // those of the page, in its order, once it was drawn
}

// NewForm is a form that shows what is saved. Its id tells its fields from those of
// other forms of the page; empty for the only form.
func NewForm(id string, values map[string]string) *Form {
	f := &Form{ID: id, Values: url.Values{}, Errors: map[string]string{}}
	for name, value := range values {
		f.Values.Set(name, value)
	}
	return f
}

// Form reads what was typed into the form of an id.
func (v *Visit) Form(id string) (*Form, error) {
	if err := v.Request.ParseForm(); err != nil {
		return nil, pair.Refuse(pair.Usage, "the form could not be read: go back and send it again; %w", cause.Plain(err))
	}
	return &Form{ID: id, Values: v.Request.PostForm, Errors: map[string]string{}}, nil
}

// Get returns a value as typed.
func (f *Form) Get(name string) string { return f.Values.Get(name) }

// On reports whether a box is checked.
func (f *Form) On(name string) bool { return f.Values.Get(name) != "" }

// WasField is the hidden field that holds what a field showed when it was drawn.
func WasField(name string) string { return "was-" + name }

// Was lists what the fields drawn so far show, under the names of WasField, so that the
// form, when it comes back, says which fields were not touched. A template writes it last.
func (f *Form) Was() map[string]string {
	was := map[string]string{}
	for _, drawn := range f.drawn {
		was[WasField(drawn.Name)] = drawn.Value
		if before, known := f.Values[WasField(drawn.Name)]; known { // drawn again: as it was the first time
			was[WasField(drawn.Name)] = before[0]
		}
	}
	return was
}

// Overtaken adds to a form what somebody else has saved since it was drawn. A field that
// was not touched takes the new value. A field that both have changed is refused once,
// with what is saved now: the user decides whether to save it again.
func (f *Form) Overtaken(saved *Form, keys []string) {
	for _, key := range keys {
		now, typed, drawn := saved.Get(key), asLines(f.Get(key)), asLines(f.Get(WasField(key)))
		known := f.Values.Has(WasField(key))
		switch {
		case known && drawn == typed:
			f.Values.Set(key, now)
		case typed != now && (!known || drawn != now):
			f.Refuse(key, "saved by somebody else meanwhile: "+orNothing(now))
			f.Problem = "Somebody else has saved this while you were typing. What you both have changed is marked, with what is saved now beside it; what you typed is still here. Save again to replace it."
		}
		f.Values.Set(WasField(key), now)
	}
	f.Values.Set("version", saved.Get("version"))
}

// asLines ends lines as they are kept: browsers send them in another way.
func asLines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

func orNothing(text string) string {
	if text == "" {
		return "off, or nothing"
	}
	return strings.ReplaceAll(text, "\n", ", ")
}

// Texts returns what was typed into these fields, by name.
func (f *Form) Texts(names []string) map[string]string {
	typed := map[string]string{}
	for _, name := range names {
		typed[name] = f.Get(name)
	}
	return typed
}

// Refuse notes what is wrong with a field.
func (f *Form) Refuse(name, text string) {
	if f.Errors[name] == "" {
		f.Errors[name] = Sentence(text)
	}
}

// Refused notes an error that a person should see beside the form, and reports
// whether it was one.
func (f *Form) Refused(err error) bool {
	if fields := pair.FieldsOf(err); len(fields) > 0 {
		for _, field := range fields {
			f.Refuse(field.Name, field.Text)
		}
		return true
	}
	refusal := pair.RefusalOf(err)
	if refusal != nil {
		f.Problem = Sentence(refusal.Text)
	}
	return refusal != nil
}

// Right reports whether nothing is wrong so far.
func (f *Form) Right() bool { return len(f.Errors) == 0 && f.Problem == "" }

// Forget removes values that must not be shown again, as passwords.
func (f *Form) Forget(names ...string) {
	for _, name := range names {
		f.Values.Del(name)
	}
}

// Wrong lists the refused fields for the summary, in the order of the page; fields that
// the page does not show come last, without a label.
func (f *Form) Wrong() (all []Field) {
	rest := maps.Clone(f.Errors)
	for _, drawn := range f.drawn {
		if drawn.Error != "" {
			all = append(all, drawn)
			delete(rest, drawn.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		all = append(all, Field{Name: name, Error: rest[name]})
	}
	return all
}

// Field returns a field for a template to draw; its methods add to it.
func (f *Form) Field(name, label string) Field {
	field := Field{
		Name: name, Label: label, ID: f.FieldID(name), Kind: "text",
		Value: f.Values.Get(name), Error: f.Errors[name],
	}
	if !slices.ContainsFunc(f.drawn, func(drawn Field) bool { return drawn.Name == name }) {
		f.drawn = append(f.drawn, field)
	}
	return field
}

// FieldID is the HTML id of a field.
func (f *Form) FieldID(name string) string {
	if f.ID == "" {
		return "field-" + name
	}
	return "field-" + f.ID + "-" + name
}

// Version is the version of what the form was drawn from. Text that is no version counts
// as one that nothing has.
func (f *Form) Version() int64 {
	version, err := strconv.ParseInt(f.Get("version"), 10, 62)
	if err != nil {
		return 1<<62 - 1
	}
	return version
}
