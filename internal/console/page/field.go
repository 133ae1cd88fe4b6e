package page

import "slices"

// Field is one labelled input. Its methods return it with something added, so
// that a template can say: (.Form.Field "host" "Host").Hint "as 198.51.100.2".
type Field struct {
	Name, Label, ID, Kind, Value, Error string

	HintText  string
	UnitText  string // behind the input
	Complete  string // autocomplete
	ListID    string // of a datalist that proposes values
	InputMode string
	Options   []Option
	Needed    bool
	First     bool // has the focus when the page comes, unless something was refused
	Off       bool // shown, not to be changed
	Short     bool
	Rows      int
}

// Option is one choice of a select or a group of radio buttons.
type Option struct {
	Value, Label string
	Chosen       bool
}

// Hint adds an explanation of what to write.
func (f Field) Hint(text string) Field { f.HintText = text; return f }

// Unit adds a unit behind the input.
func (f Field) Unit(text string) Field { f.UnitText, f.Short = text, true; return f }

// Type sets the type of the input: text, password, number, email, time, date, file.
func (f Field) Type(kind string) Field { f.Kind = kind; return f }

// Auto tells password managers what the field is.
func (f Field) Auto(complete string) Field { f.Complete = complete; return f }

// Proposals sets the id of the datalist that proposes values.
func (f Field) Proposals(id string) Field { f.ListID = id; return f }

// Numeric asks for a keyboard of digits.
func (f Field) Numeric() Field { f.InputMode = "numeric"; return f }

// Required makes it a field that must be filled in.
func (f Field) Required() Field { f.Needed = true; return f }

// Focused gives it the focus when the page opens.
func (f Field) Focused() Field { f.First = true; return f }

// Narrow makes it short, for a few characters.
func (f Field) Narrow() Field { f.Short = true; return f }

// Lines makes it a text area.
func (f Field) Lines(rows int) Field { f.Kind, f.Rows = "area", rows; return f }

// Disabled shows it without letting it change.
func (f Field) Disabled(off bool) Field { f.Off = off; return f }

// Option adds a choice.
func (f Field) Option(value, label string) Field {
	f.Options = append(slices.Clip(f.Options), Option{Value: value, Label: label, Chosen: f.Value == value})
	return f
}

// Checked reports whether a check box is checked.
func (f Field) Checked() bool { return f.Value != "" && f.Value != "false" }

// Describes lists the ids of what explains the field.
func (f Field) Describes() string {
	ids := ""
	if f.HintText != "" {
		ids = f.ID + "-hint"
	}
	if f.Error != "" {
		if ids != "" {
			ids += " "
		}
		ids += f.ID + "-error"
	}
	return ids
}
