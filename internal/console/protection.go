package console

import (
	"errors"
	"slices"

	"baton/internal/api"
	"baton/internal/pair"
)

const protectionPath = "/protection"

func (c *Console) protectionRoutes() []route {
	return siteOnly(
		get(protectionPath, viewer, c.showProtection),
		post(protectionPath, administrator, c.protect),
		get(protectionPath+"/remove/{name}", administrator, c.askUnprotect),
		post(protectionPath+"/remove/{name}", administrator, c.unprotect),
	)
}

// protectionPage is the Protection page.
type protectionPage struct {
	Parts  []protectedPart // the site database first
	Form   *form
	Offer  *api.DataSpec // the directory of the public site, while it is not protected
	Tested []api.Check   // by the Test button
	Fit    bool          // nothing that was tested is in the way
}

// protectedPart is one piece of protected data as the page shows it.
type protectedPart struct {
	api.ProtectedPart

	Label, KindLabel string
	SyncedAt         string
	Fixed            bool // cannot be removed
}

func (v *visit) protectedPart(part api.ProtectedPart) protectedPart {
	shown := protectedPart{ProtectedPart: part, Label: part.Name, KindLabel: "Directory"}
	if part.Name == pair.SiteDatabaseName {
		shown.Label, shown.KindLabel, shown.Fixed = "Site database", "Database of Baton", true
	}
	if part.SyncedAt != nil {
		shown.SyncedAt = clock(v.zone, *part.SyncedAt)
	}
	return shown
}

func (c *Console) loadProtection(v *visit) (any, error) { return v.protectionPage() }

func (v *visit) protectionPage() (protectionPage, error) {
	known, err := v.console.backend.Data.Protection(v.ctx())
	if err != nil {
		return protectionPage{}, err
	}
	page := protectionPage{Form: newForm(nil), Offer: known.Offer, Parts: []protectedPart{v.protectedPart(known.Site)}}
	for _, part := range known.Data {
		page.Parts = append(page.Parts, v.protectedPart(part))
	}
	return page, nil
}

func (c *Console) showProtection(v *visit) error {
	page, err := v.protectionPage()
	if err != nil {
		return err
	}
	return v.page("protection", "Protection", page)
}

// protect adds a directory, or tells what adding it would meet.
func (c *Console) protect(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	wanted := api.DataSpec{Name: f.get("name"), Kind: string(pair.DataDirectory), Path: f.get("path")}
	if f.get("action") == "test" {
		return c.testData(v, f, wanted)
	}
	if err := c.backend.Data.AddData(v.ctx(), wanted); err != nil {
		return v.protectAgain(f, err)
	}
	return v.done(protectionPath, wanted.Path+" is protected as "+wanted.Name+".")
}

// protectAgain shows the form with what is wrong.
func (v *visit) protectAgain(f *form, err error) error {
	if !f.refused(err) {
		return err
	}
	page, failure := v.protectionPage()
	if failure != nil {
		return failure
	}
	page.Form = f
	return v.show(statusOf(pair.CodeOf(err)), "protection", "Protection", page)
}

func (c *Console) testData(v *visit, f *form, wanted api.DataSpec) error {
	checks, err := c.backend.Data.TestData(v.ctx(), wanted)
	if err != nil {
		return v.protectAgain(f, err)
	}
	page, err := v.protectionPage()
	if err != nil {
		return err
	}
	page.Form, page.Tested = f, checks
	page.Fit = !slices.ContainsFunc(checks, func(check api.Check) bool { return !check.OK })
	return v.page("protection", "Protection", page)
}

// askUnprotect asks before data is protected no longer.
func (c *Console) askUnprotect(v *visit) error {
	data, err := c.backend.Data.Data(v.ctx())
	if err != nil {
		return err
	}
	name := v.r.PathValue("name")
	i := slices.IndexFunc(data, func(d api.Data) bool { return d.Name == name })
	if i < 0 {
		return v.warn(protectionPath, "There is no protected data named "+name+" any more.")
	}
	return v.page("unprotect", "Remove protection", data[i])
}

func (c *Console) unprotect(v *visit) error {
	name := v.r.PathValue("name")
	err := c.backend.Data.RemoveData(v.ctx(), name)
	if known, ok := errors.AsType[*pair.Refusal](err); ok && (known.Code == pair.NotFound || known.Code == pair.Refused) {
		return v.warn(protectionPath, sentence(known.Text))
	}
	if err != nil {
		return err
	}
	return v.done(protectionPath, name+" is no longer protected. Its files stay where they are, on both appliances.")
}
