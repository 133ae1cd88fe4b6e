package console

import "slices"

// field is one labelled input. Its methods return it with something added, so
// that a template can say: (.Form.Field "host" "Host").Hint "as 198.51.100.2".
type field struct {
	Name, Label, ID, Kind, Value, Error string

	HintText  string
	UnitText  string // behind the input
	Complete  string // autocomplete
	ListID    string // of a datalist that proposes values
	InputMode string
	Options   []option
	Needed    bool
	First     bool // has the focus when the page comes, unless something was refused
	Off       bool // shown, not to be changed
	Short     bool
	Rows      int
}

// option is one choice of a select or a group of radio buttons.
type option struct {
	Value, Label string
	Chosen       bool
}

// Hint explains what to write.
func (f field) Hint(text string) field { f.HintText = text; return f }

// Unit is written behind the input.
func (f field) Unit(text string) field { f.UnitText, f.Short = text, true; return f }

// Type is the type of the input: text, password, number, email, time, date, file.
func (f field) Type(kind string) field { f.Kind = kind; return f }

// Auto tells password managers what the field is.
func (f field) Auto(complete string) field { f.Complete = complete; return f }

// Proposals names the datalist that proposes values.
func (f field) Proposals(id string) field { f.ListID = id; return f }

// Numeric asks for a keyboard of digits.
func (f field) Numeric() field { f.InputMode = "numeric"; return f }

// Required must be filled in.
func (f field) Required() field { f.Needed = true; return f }

// Focused is where one begins to type.
func (f field) Focused() field { f.First = true; return f }

// Narrow is for a few characters.
func (f field) Narrow() field { f.Short = true; return f }

// Lines makes it a text area.
func (f field) Lines(rows int) field { f.Kind, f.Rows = "area", rows; return f }

// Disabled shows it without letting it change.
func (f field) Disabled(off bool) field { f.Off = off; return f }

// Option adds a choice.
func (f field) Option(value, label string) field {
	f.Options = append(slices.Clip(f.Options), option{Value: value, Label: label, Chosen: f.Value == value})
	return f
}

// Checked reports whether a check box is checked.
func (f field) Checked() bool { return f.Value != "" && f.Value != "false" }

// Describes lists the ids of what explains the field.
func (f field) Describes() string {
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
