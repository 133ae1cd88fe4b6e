package site

import (
	"strings"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// excluding is the page on which an administrator says what of a protected directory is
// left out.
type excluding struct{ backend Backend }

const excludePath = protectionPath + "/exclude/"

func (p excluding) routes() []page.Route {
	return page.FromPrimary("the protected data",
		page.Get(excludePath+"{name}", pair.Administrator, p.page().Show),
		page.Submit(excludePath+"{name}", pair.Administrator, "", p.save),
	)
}

type excludingPage struct {
	api.Data

	Form *page.Form
}

func (p excluding) page() page.Of[excludingPage] {
	return page.Of[excludingPage]{Name: "exclude", Title: "Left out", Read: p.read}
}

func (p excluding) read(v *page.Visit) (excludingPage, error) {
	all, err := p.backend.Data.Data(v.Context())
	if err != nil {
		return excludingPage{}, err
	}
	_, name, _ := strings.Cut(v.Request.URL.Path, excludePath)
	for _, data := range all {
		if data.Name == name {
			saved := page.NewForm("", map[string]string{"exclude": strings.Join(data.Exclude, "\n")})
			return excludingPage{Data: data, Form: saved}, nil
		}
	}
	return excludingPage{}, pair.Refuse(pair.NotFound, "there is no protected data %.80q any more", name)
}

func (p excluding) save(v *page.Visit, f *page.Form) error {
	saved, err := p.read(v)
	if err != nil {
		return v.WarnOf(protectionPath, err)
	}
	f.Overtaken(saved.Form, []string{"exclude"})
	err = pair.Refuse(pair.Refused, "%s", f.Problem)
	if f.Right() {
		err = p.backend.Data.SetExclude(v.Context(), api.Named[api.Excluded]{Name: saved.Name, Body: api.Excluded{Patterns: linesOf(f.Get("exclude"))}})
	}
	if err != nil {
		return p.page().Refused(v, f, err, func(data *excludingPage) { data.Form = f })
	}
	return v.Done(protectionPath, "What is left out of "+saved.Name+" is saved: the next data sync goes by it.")
}
