package site

import (
	"net/http"
	"slices"
	"time"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/kept"
	"baton/internal/pair"
)

const protectionPath = "/protection"

// protection is the Protection page.
type protection struct{ backend Backend }

func (p protection) routes() []page.Route {
	return page.FromPrimary("the protected data",
		page.Get(protectionPath, pair.Viewer, p.page().Show),
		page.Submit(protectionPath, pair.Administrator, "", p.protect),
		page.Submit(protectionPath+"/database", pair.Administrator, "database", p.protectDatabase),
		page.Get(protectionPath+"/remove/{name}", pair.Administrator, p.askUnprotect),
		page.Post(protectionPath+"/remove/{name}", pair.Administrator, p.unprotect),
	)
}

// protectionPage is the Protection page.
type protectionPage struct {
	Parts []protectedPart // the site database first
	Dir   dataForm
	Base  dataForm      // of a database
	Offer *api.DataSpec // the directory of the public site, while it is not protected

	Points kept.RestorePoints
	Zone   *time.Location

	Services []serviceRow // in the order in which they are started
	Service  serviceForm
}

// dataForm protects one more piece of data.
type dataForm struct {
	*page.Form

	Tested []api.Check // by the Test button
}

// Fit reports whether nothing stands in the way.
func (f dataForm) Fit() bool {
	return !slices.ContainsFunc(f.Tested, func(check api.Check) bool { return check.Severity == pair.Critical })
}

// protectedPart is one piece of protected data as the page shows it.
type protectedPart struct {
	api.ProtectedPart

	Label, KindLabel string
	SyncedAt         string
	Fixed            bool // cannot be removed
}

func newProtectedPart(v *page.Visit, part api.ProtectedPart) protectedPart {
	row := protectedPart{ProtectedPart: part, Label: part.Name, KindLabel: "Directory"}
	if part.Kind == pair.DataSQLite {
		row.KindLabel = "SQLite database"
	}
	if part.Name == pair.SiteDatabaseName {
		row.Label, row.KindLabel, row.Fixed = "Site database", "Database of Baton", true
	}
	if part.SyncedAt != nil {
		row.SyncedAt = page.Clock(v.Zone, *part.SyncedAt)
	}
	return row
}

func (p protection) page() page.Of[protectionPage] {
	return page.Of[protectionPage]{Name: "protection", Title: "Protection", Read: p.read}
}

func (p protection) read(v *page.Visit) (protectionPage, error) {
	all, err := p.backend.Data.Protection(v.Context())
	if err != nil {
		return protectionPage{}, err
	}
	data := protectionPage{Dir: dataForm{Form: page.NewForm("", nil)}, Base: dataForm{Form: page.NewForm("database", nil)}, Offer: all.Offer, Parts: []protectedPart{newProtectedPart(v, all.Site)}}
	for _, part := range all.Data {
		data.Parts = append(data.Parts, newProtectedPart(v, part))
	}
	if data.Points, err = p.backend.Points.RestorePoints(v.Context()); err != nil {
		return data, err
	}
	data.Zone = v.Zone
	data.Service.Form = page.NewForm("service", nil)
	data.Services, err = services(p).rows(v)
	return data, err
}

// protect adds a directory, or tests whether it could be added.
func (p protection) protect(v *page.Visit, f *page.Form) error {
	wanted := api.DataSpec{Name: f.Get("name"), Kind: string(pair.DataDirectory), Path: f.Get("path"), PeerPath: f.Get("peer_path"), Exclude: linesOf(f.Get("exclude"))}
	return p.add(v, f, wanted, func(data *protectionPage, typed dataForm) { data.Dir = typed })
}

// protectDatabase is protect for an SQLite database.
func (p protection) protectDatabase(v *page.Visit, f *page.Form) error {
	wanted := api.DataSpec{Name: f.Get("name"), Kind: string(pair.DataSQLite), Path: f.Get("path")}
	return p.add(v, f, wanted, func(data *protectionPage, typed dataForm) { data.Base = typed })
}

// add adds data, or tests whether it could be added, and shows what was typed again.
func (p protection) add(v *page.Visit, f *page.Form, wanted api.DataSpec, show func(data *protectionPage, typed dataForm)) error {
	var checks []api.Check
	var err error
	test := f.Get("action") == "test"
	if test {
		checks, err = p.backend.Data.TestData(v.Context(), wanted)
	} else {
		err = p.backend.Data.AddData(v.Context(), wanted)
	}
	typed := func(data *protectionPage) { show(data, dataForm{f, checks}) }
	switch {
	case err != nil:
		return p.page().Refused(v, f, err, typed)
	case test:
		return p.page().With(v, http.StatusOK, typed)
	}
	return v.Done(protectionPath, wanted.Path+" is protected as "+wanted.Name+".")
}

// askUnprotect asks before the protection of data ends.
func (p protection) askUnprotect(v *page.Visit) error {
	data, err := p.backend.Data.Data(v.Context())
	if err != nil {
		return err
	}
	name := v.Request.PathValue("name")
	i := slices.IndexFunc(data, func(d api.Data) bool { return d.Name == name })
	if i < 0 {
		return v.Warn(protectionPath, "There is no protected data named "+name+" any more.")
	}
	return confirmation{
		Verb: "Remove", Name: name, What: data[i].Path, Action: protectionPath + "/remove/" + name,
		Effect: "will no longer be protected.",
		More:   "Its files stay where they are, on both appliances. From now on the backup's copy is not kept up to date: after a takeover, the site would go on with it as it is.",
	}.show(v)
}

// confirmation asks whether something on the Protection page is to end.
type confirmation struct {
	Verb, Name string // "Remove", "web"
	What       string // a unit, a command or a directory
	Effect     string // on it, the rest of that sentence
	More       string // what else follows
	Action     string // path that does it
}

func (c confirmation) show(v *page.Visit) error { return v.Page("confirm", c.Verb+" "+c.Name, c) }

func (p protection) unprotect(v *page.Visit) error {
	name := v.Request.PathValue("name")
	err := p.backend.Data.RemoveData(v.Context(), name)
	if refusal := pair.RefusalOf(err); refusal != nil && (refusal.Code == pair.NotFound || refusal.Code == pair.Refused) {
		return v.Warn(protectionPath, page.Sentence(refusal.Text))
	}
	if err != nil {
		return err
	}
	return v.Done(protectionPath, name+" is no longer protected. Its files stay where they are, on both appliances.")
}
