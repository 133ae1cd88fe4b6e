package site

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
	"baton/internal/service"
)

// serviceForm is the form that adds a service, or that changes its check.
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
	return f.More(checkKeys()[1:]...)
}

// checkKeys are the fields of a check; the first is always in sight.
func checkKeys() []string {
	return []string{"health", "health_status", "health_body", "every", "wait", "fails", "passes"}
}

// newCheckForm shows a check; what is as usual is left empty.
func newCheckForm(saved service.CheckText) serviceForm {
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	return serviceForm{Form: page.NewForm("check", map[string]string{
		"health": saved.Health, "health_status": saved.Status, "health_body": saved.Body, "every": saved.Every, "wait": saved.Wait,
		"fails": number(saved.Fails), "passes": number(saved.Passes),
	})}
}

// showAgain shows the page again with a form as it was typed.
type showAgain func(status int, shown serviceForm) error

// add adds a service, or tests its check.
func (p services) add(v *page.Visit, f *page.Form) error {
	again := func(status int, shown serviceForm) error {
		return protection(p).page().With(v, status, func(data *protectionPage) { data.Service = shown })
	}
	wanted := serviceTyped(f)
	if !f.Right() || f.Get("action") == "test" {
		return p.testTyped(v, f, wanted.CheckText, again)
	}
	ctx, cancel := context.WithTimeout(v.Context(), pageWaits)
	defer cancel()
	said, err := p.backend.Services.AddService(ctx, wanted)
	switch {
	case err == nil:
		return v.Done(protectionPath, said.Text)
	case pair.CodeOf(err) == pair.Failed: // it is added, and does not start: what was typed is in the list
		return v.WarnOf(protectionPath, err)
	}
	return refused(f, err, again)
}

// setCheck replaces the check of a service, or tests it as typed.
func (p services) setCheck(v *page.Visit, f *page.Form) error {
	row, err := p.named(v)
	if err != nil {
		return v.WarnOf(protectionPath, err)
	}
	again := func(status int, shown serviceForm) error {
		return p.page().With(v, status, func(data *servicePage) {
			data.Change = shown
			p.readLog(v, data)
		})
	}
	f.Overtaken(newCheckForm(row.CheckText).Form, checkKeys())
	wanted := checkTyped(f)
	if !f.Right() || f.Get("action") == "test" {
		return p.testTyped(v, f, wanted, again)
	}
	said, err := p.backend.Services.SetServiceCheck(v.Context(), api.Named[service.CheckText]{Name: row.Name, Body: wanted})
	if err != nil {
		return refused(f, err, again)
	}
	return v.Done(servicesPath+"/"+row.Name, said.Text)
}

// testTyped asks a check as it was typed, if the form is right.
func (p services) testTyped(v *page.Visit, f *page.Form, typed service.CheckText, again showAgain) error {
	if !f.Right() {
		return again(http.StatusUnprocessableEntity, serviceForm{Form: f})
	}
	checks, err := p.backend.Services.TestServices(v.Context(), api.ServiceTests{Check: &typed})
	if err != nil {
		return refused(f, err, again)
	}
	return again(http.StatusOK, serviceForm{f, checks})
}

func refused(f *page.Form, err error, again showAgain) error {
	if !f.Refused(err) {
		return err
	}
	return again(page.StatusOf(err), serviceForm{Form: f})
}

// serviceTyped reads the form of a whole service.
func serviceTyped(f *page.Form) api.Service {
	typed := api.Service{
		Name: f.Get("name"), Kind: "unit", Unit: strings.TrimSpace(f.Get("unit")), Command: linesOf(f.Get("command")),
		User: f.Get("user"), Group: f.Get("group"), Dir: f.Get("dir"), Env: linesOf(f.Get("env")),
		Memory: int64(numberOf(f, "memory")), Tasks: int64(numberOf(f, "tasks")), Files: int64(numberOf(f, "files")),
		CheckText: checkTyped(f),
	}
	if typed.Unit == "" && len(typed.Command) > 0 {
		typed.Kind = "command"
	}
	return typed
}

func checkTyped(f *page.Form) service.CheckText {
	return service.CheckText{
		Health: f.Get("health"), Status: f.Get("health_status"), Body: f.Get("health_body"), Every: f.Get("every"), Wait: f.Get("wait"),
		Fails: numberOf(f, "fails"), Passes: numberOf(f, "passes"),
	}
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
