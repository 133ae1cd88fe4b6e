package site

import (
	"context"
	"net/http"
	"slices"
	"strconv"
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
		Start: actText(v.Zone, s.LastStart), Stop: actText(v.Zone, s.LastStop), Restarts: s.Restarts,
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
	switch {
	case s.Trouble != "":
		row.Health, row.HealthTone = "not healthy", "critical"
	case row.Runs && s.Healthy && s.Check != "":
		row.Health, row.HealthTone = "healthy", "good"
	case row.Runs && s.Check == "":
		row.Health, row.HealthTone = "no check", "plain"
	}
	return row
}

// actText says when something was done, and how long it took.
func actText(zone *time.Location, done *pair.ServiceAct) string {
	if done == nil {
		return ""
	}
	return page.Clock(zone, done.At) + ", took " + pair.MillisText(done.TookMS)
}

// serviceForm is the form that adds a service.
type serviceForm struct {
	*page.Form

	Tested []api.Check // of the Test button
}

// More reports whether any of these fields was filled in, or is wrong, so that it has to be in sight.
func (f serviceForm) More(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return f.Get(name) != "" || f.Errors[name] != "" })
}

// CommandMore and CheckMore report whether the parts of the form that are folded are to be open.
func (f serviceForm) CommandMore() bool {
	return f.More("user", "group", "dir", "env", "memory", "tasks", "files")
}

// CheckMore is CommandMore for the check.
func (f serviceForm) CheckMore() bool {
	return f.More("health_status", "health_body", "every", "wait", "fails", "passes")
}

// add adds a service, or tests its check.
func (p services) add(v *page.Visit, f *page.Form) error {
	wanted := p.typed(f)
	if !f.Right() {
		return p.again(v, f, http.StatusUnprocessableEntity, nil)
	}
	if f.Get("action") == "test" {
		checks, err := p.backend.Services.TestServices(v.Context(), api.ServiceTests{Check: &wanted.CheckText})
		if err != nil {
			return p.refused(v, f, err)
		}
		return p.again(v, f, http.StatusOK, checks)
	}
	ctx, cancel := context.WithTimeout(v.Context(), actWithin)
	defer cancel()
	said, err := p.backend.Services.AddService(ctx, wanted)
	if err != nil {
		return p.refused(v, f, err)
	}
	return v.Done(protectionPath, said.Text)
}

func (p services) refused(v *page.Visit, f *page.Form, err error) error {
	if !f.Refused(err) {
		return err
	}
	return p.again(v, f, page.StatusOf(err), nil)
}

// again shows the form again, as it was typed.
func (p services) again(v *page.Visit, f *page.Form, status int, tested []api.Check) error {
	return protection(p).page().With(v, status, func(data *protectionPage) { data.Service = serviceForm{f, tested} })
}

// typed reads the form.
func (p services) typed(f *page.Form) api.Service {
	wanted := api.Service{
		Name: f.Get("name"), Kind: "unit", Unit: strings.TrimSpace(f.Get("unit")), Command: linesOf(f.Get("command")),
		User: f.Get("user"), Group: f.Get("group"), Dir: f.Get("dir"), Env: linesOf(f.Get("env")),
		Memory: int64(numberOf(f, "memory")), Tasks: int64(numberOf(f, "tasks")), Files: int64(numberOf(f, "files")),
	}
	if wanted.Unit == "" && len(wanted.Command) > 0 {
		wanted.Kind = "command"
	}
	wanted.CheckText = api.ServiceCheck{
		Health: f.Get("health"), Status: f.Get("health_status"), Body: f.Get("health_body"), Every: f.Get("every"), Wait: f.Get("wait"),
		Fails: numberOf(f, "fails"), Passes: numberOf(f, "passes"),
	}
	return wanted
}

func linesOf(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// numberOf reads a number; 0: nothing was typed.
func numberOf(f *page.Form, name string) int {
	text := strings.TrimSpace(f.Get(name))
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		f.Refuse(name, "this is no number: write one, as 3, or nothing")
	}
	return n
}

// actWithin is how long a page waits for a service to start or stop; it goes on after that.
const actWithin = 5 * time.Second

func (p services) start(v *page.Visit) error { return p.act(v, p.backend.Services.StartService) }

func (p services) stop(v *page.Visit) error { return p.act(v, p.backend.Services.StopService) }

// act starts or stops a service, and says what came of it.
func (p services) act(v *page.Visit, act func(context.Context, string) (api.Said, error)) error {
	ctx, cancel := context.WithTimeout(v.Context(), actWithin)
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

func (p services) askStop(v *page.Visit) error { return p.ask(v, "service-stop", "Stop a service") }

func (p services) askRemove(v *page.Visit) error {
	return p.ask(v, "service-remove", "Remove a service")
}

// ask shows what an act on a service would mean.
func (p services) ask(v *page.Visit, name, title string) error {
	row, err := p.named(v)
	if err != nil {
		return v.WarnOf(protectionPath, err)
	}
	return v.Page(name, title, row)
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
