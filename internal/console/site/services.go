package site

import (
	"context"
	"slices"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

const servicesPath = protectionPath + "/services"

// services are the pages of what runs on the primary only, and that part of the Protection page.
type services struct{ backend Backend }

func (p services) routes() []page.Route {
	const one = servicesPath + "/{name}"
	return page.FromPrimary("the services",
		page.Submit(servicesPath, pair.Administrator, "service", p.add),
		page.Get(one, pair.Viewer, p.show),
		page.Post(one, pair.Operator, p.test),
		page.Submit(one+"/check", pair.Administrator, "check", p.setCheck),
		page.Post(one+"/start", pair.Operator, p.start),
		page.Get(one+"/stop", pair.Operator, p.askStop),
		page.Post(one+"/stop", pair.Operator, p.stop),
		page.Submit(one+"/move", pair.Administrator, "", p.move),
		page.Get(one+"/remove", pair.Administrator, p.askRemove),
		page.Post(one+"/remove", pair.Administrator, p.remove),
	)
}

// serviceRow is one service as the pages show it.
type serviceRow struct {
	api.Service

	Here, There          machineRow
	Notes                []string // what root has to do, and where
	Earlier, Later       string   // the service before which it goes when it moves up or down; empty, down: it becomes the last
	CanEarlier, CanLater bool
}

// machineRow is how a service is on one machine.
type machineRow struct {
	Known              bool
	Name               string // of the machine
	Runs               bool
	State, Tone        string
	Health, HealthTone string
	Trouble            string
	Since, Start, Stop string
	Restarts           int64
	Refused            bool
}

func (p services) rows(v *page.Visit) ([]serviceRow, error) {
	all, err := p.backend.Services.Services(v.Context())
	rows := make([]serviceRow, len(all))
	for i, one := range all {
		row := serviceRow{Service: one, CanEarlier: i > 0, CanLater: i+1 < len(all)}
		row.Here = newMachineRow(v, v.Status.Appliance.Name, one.Here)
		row.Here.Refused = !one.Allowed
		if v.Status.Peer != nil {
			row.There = newMachineRow(v, v.Status.Peer.Name, one.There)
		}
		for _, machine := range []machineRow{row.Here, row.There} {
			if machine.Refused {
				row.Notes = append(row.Notes, "Root has not allowed it on "+machine.Name+": run there, as root, baton service allow "+one.Name+".")
			}
		}
		if i > 0 {
			row.Earlier = all[i-1].Name
		}
		if i+2 < len(all) {
			row.Later = all[i+2].Name
		}
		rows[i] = row
	}
	return rows, err
}

func newMachineRow(v *page.Visit, machine string, s *pair.ServiceStatus) machineRow {
	if s == nil {
		return machineRow{Name: machine}
	}
	row := machineRow{
		Known: true, Name: machine, Runs: s.State == "running", State: s.State, Tone: "plain", Trouble: s.Trouble, Refused: s.Refused != "",
		Health: s.HealthText(), Start: actText(v.Zone, s.LastStart), Stop: actText(v.Zone, s.LastStop), Restarts: s.Restarts,
	}
	if !s.Since.IsZero() {
		row.Since = page.Clock(v.Zone, s.Since)
	}
	switch {
	case s.Parked && !row.Runs:
		row.State, row.Tone = "stopped by an operator", "info"
	case row.Runs:
		row.Tone = "good"
	case s.State == "failed":
		row.Tone = "critical"
	}
	row.HealthTone = map[string]string{"healthy": "good", "sick": "critical", "no check": "plain"}[row.Health]
	return row
}

// actText says when something was done, and how long it took.
func actText(zone *time.Location, done *pair.ServiceAct) string {
	if done == nil {
		return ""
	}
	return page.Clock(zone, done.At) + ", took " + pair.MillisText(done.TookMS)
}

// pageWaits is how long a page waits for a service to start or stop; it goes on after that.
const pageWaits = 5 * time.Second

func (p services) start(v *page.Visit) error { return p.act(v, p.backend.Services.StartService) }

func (p services) stop(v *page.Visit) error { return p.act(v, p.backend.Services.StopService) }

// act starts or stops a service, and says what came of it.
func (p services) act(v *page.Visit, act func(context.Context, string) (api.Said, error)) error {
	ctx, cancel := context.WithTimeout(v.Context(), pageWaits)
	defer cancel()
	said, err := act(ctx, v.Request.PathValue("name"))
	if err != nil {
		return v.WarnOf(protectionPath, err)
	}
	return v.Done(protectionPath, said.Text)
}

func (p services) move(v *page.Visit, f *page.Form) error {
	place := api.Named[api.ServicePlace]{Name: v.Request.PathValue("name"), Body: api.ServicePlace{Before: f.Get("before")}}
	if err := p.backend.Services.MoveService(v.Context(), place); err != nil {
		return v.WarnOf(protectionPath, err)
	}
	return v.Leave(protectionPath + "#services")
}

func (p services) askStop(v *page.Visit) error {
	row, err := p.named(v)
	if err != nil {
		return v.WarnOf(protectionPath, err)
	}
	after := ""
	if row.CanLater {
		after = "Services that come after it run on. "
	}
	return confirmation{
		Verb: "Stop", Name: row.Name, What: row.What(), Action: servicesPath + "/" + row.Name + "/stop",
		Effect: "will be stopped, and stays so on both appliances.",
		More: "No takeover, switch or restart starts it, and nothing waits for it: the site does without it until somebody starts it here, or by baton service start " + row.Name +
			". " + after + "If visitors need it, they have no answer meanwhile.",
	}.show(v)
}

func (p services) askRemove(v *page.Visit) error {
	row, err := p.named(v)
	if err != nil {
		return v.WarnOf(protectionPath, err)
	}
	own := v.Status.Appliance.Name
	runs := "It does not run on " + own + " now, and nothing starts it there."
	if row.Here.Runs {
		runs = "It goes on running on " + own + ", and nowhere else."
	}
	return confirmation{
		Verb: "Remove", Name: row.Name, What: row.What(), Action: servicesPath + "/" + row.Name + "/remove",
		Effect: "is left alone from now on: no takeover starts or stops it.",
		More:   runs + " After a takeover the site does without it, unless you start it by hand.",
	}.show(v)
}

func (p services) remove(v *page.Visit) error {
	said, err := p.backend.Services.RemoveService(v.Context(), v.Request.PathValue("name"))
	if err != nil {
		return v.WarnOf(protectionPath, err)
	}
	return v.Done(protectionPath, said.Text)
}

// named is the service that the path of the page names.
func (p services) named(v *page.Visit) (serviceRow, error) {
	_, name, _ := strings.Cut(v.Request.URL.Path, servicesPath+"/")
	name, _, _ = strings.Cut(name, "/")
	rows, err := p.rows(v)
	if err != nil {
		return serviceRow{}, err
	}
	at := slices.IndexFunc(rows, func(row serviceRow) bool { return row.Name == name })
	if at < 0 {
		return serviceRow{}, pair.Refuse(pair.Refused, "there is no service %.80q any more", name)
	}
	return rows[at], nil
}
