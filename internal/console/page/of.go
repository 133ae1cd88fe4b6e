package page

import "net/http"

// Of is a page that shows what is saved, with its forms; T is its Data.
type Of[T any] struct {
	Name  string // of its template
	Title string
	Read  func(*Visit) (T, error) // what is saved
}

// Show answers with the page.
func (p Of[T]) Show(v *Visit) error { return p.With(v, http.StatusOK, func(*T) {}) }

// Live says which parts of the page follow the appliance.
func (p Of[T]) Live(parts ...string) Live {
	return Live{Page: p.Name, Load: func(v *Visit) (any, error) { return p.Read(v) }, Parts: parts}
}

// With answers with the page after a change of its data, as a form that was refused.
func (p Of[T]) With(v *Visit, status int, change func(*T)) error {
	data, err := p.Read(v)
	if err != nil {
		return err
	}
	change(&data)
	return v.Show(status, p.Name, p.Title, data)
}

// Refused shows the form again with the error, if the error is about the form; it returns
// any other error.
func (p Of[T]) Refused(v *Visit, f *Form, err error, change func(*T)) error {
	if !f.Refused(err) {
		return err
	}
	return p.With(v, StatusOf(err), change)
}
