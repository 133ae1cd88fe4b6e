package site

import (
	"context"
	"net/http"
	"time"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
	"baton/internal/service"
)

// servicePage is the page of one service.
type servicePage struct {
	serviceRow

	Zone   *time.Location
	Tested []api.Check    // by the Test button
	Log    []service.Line // for who may read it
	Unread string         // why the log is not shown
	Change serviceForm    // of the check
}

func (p services) page() page.Of[servicePage] {
	return page.Of[servicePage]{Name: "service", Title: "Service", Read: p.read}
}

func (p services) read(v *page.Visit) (servicePage, error) {
	row, err := p.named(v)
	return servicePage{serviceRow: row, Zone: v.Zone, Change: newCheckForm(row.CheckText)}, err
}

// show is the page with the end of the log.
func (p services) show(v *page.Visit) error {
	if _, err := p.named(v); err != nil {
		return v.WarnOf(protectionPath, err)
	}
	return p.page().With(v, http.StatusOK, func(data *servicePage) { p.readLog(v, data) })
}

// logWithin is how long a page waits for the log.
const logWithin = 5 * time.Second

func (p services) readLog(v *page.Visit, data *servicePage) {
	if !v.May(pair.Operator) {
		return
	}
	ctx, cancel := context.WithTimeout(v.Context(), logWithin)
	defer cancel()
	const lines = 100
	var err error
	if data.Log, err = p.backend.Services.ServiceLog(ctx, api.ServiceLogQuery{Name: data.Name, Lines: lines}); err != nil {
		data.Unread = page.Sentence(err.Error())
	}
}

// test asks the check of the service once.
func (p services) test(v *page.Visit) error {
	checks, err := p.backend.Services.TestServices(v.Context(), api.ServiceTests{Of: []string{v.Request.PathValue("name")}})
	if err != nil {
		return v.WarnOf(protectionPath, err)
	}
	return p.page().With(v, http.StatusOK, func(data *servicePage) {
		data.Tested = checks
		p.readLog(v, data)
	})
}
