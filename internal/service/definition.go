package service

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"baton/internal/health"
	"baton/internal/pair"
)

// Definition says what a service of the site is. It runs on the primary only.
type Definition struct {
	Name    string           `json:"name"` // lower-case letters, digits and dashes
	Unit    UnitName         `json:"unit,omitempty"`
	Command Command          `json:"command,omitzero"` // without a unit
	Check   pair.HealthCheck `json:"check,omitzero"`   // the zero value: that it runs is enough
	Answer  health.Answer    `json:"answer,omitzero"`  // that an http check wants
	Pace    health.Pace      `json:"pace,omitzero"`    // of the check
	Parked  bool             `json:"parked,omitempty"` // an operator has stopped it: it runs nowhere until one starts it
}

// Command is a program that Baton starts by itself, without a shell.
type Command struct {
	Args  []string `json:"args"`            // the program by its whole path, and its arguments
	User  string   `json:"user,omitempty"`  // empty: root
	Group string   `json:"group,omitempty"` // empty: that of the user
	Dir   string   `json:"dir,omitempty"`   // empty: /
	Env   []string `json:"env,omitempty"`   // NAME=VALUE

	Limits Limits `json:"limits,omitzero"`
}

// Limits bound what a command may use; 0: what the machine gives it.
type Limits struct {
	Memory int64 `json:"memory,omitempty"` // MB; what uses more is killed
	Tasks  int64 `json:"tasks,omitempty"`  // processes and threads
	Files  int64 `json:"files,omitempty"`  // that a process has open
}

// Valid refuses a limit that nothing could run with.
func (l Limits) Valid() error {
	for field, value := range map[string]int64{"memory": l.Memory, "tasks": l.Tasks, "files": l.Files} {
		if value < 0 || value > 1<<30 {
			return pair.RefuseField(field, "%d is no limit: use 1 to %d, or leave it out", value, 1<<30)
		}
	}
	return nil
}

// Kind is how a service is run.
type Kind string

// The kinds.
const (
	UnitKind    Kind = "unit"
	CommandKind Kind = "command"
)

// Kind is unit or command.
func (d Definition) Kind() Kind {
	if d.Unit != "" {
		return UnitKind
	}
	return CommandKind
}

// What is the unit, or the command, in one line.
func (d Definition) What() string {
	if d.Unit != "" {
		return string(d.Unit)
	}
	return strings.Join(d.Command.Args, " ")
}

// RunsAs is the name of the unit by which systemd runs it: its own, or one that Baton makes for
// its command.
func (d Definition) RunsAs() string {
	if d.Unit != "" {
		return string(d.Unit)
	}
	return "baton-service-" + d.Name + ".service"
}

// Equal reports whether both are the same service in all; whether it is parked does not count.
func (d Definition) Equal(other Definition) bool {
	a, b := d.Command, other.Command
	return d.Name == other.Name && d.Unit == other.Unit && d.Check == other.Check && d.Answer == other.Answer && d.Pace == other.Pace &&
		a.User == b.User && a.Group == b.Group && a.Dir == b.Dir && a.Limits == b.Limits && slices.Equal(a.Args, b.Args) && slices.Equal(a.Env, b.Env)
}

// Checked returns the same service with the check of another one.
func (d Definition) Checked(as Definition) Definition {
	d.Check, d.Answer, d.Pace = as.Check, as.Answer, as.Pace
	return d
}

// Valid refuses what no appliance could run, each field with what would be right.
func (d Definition) Valid() error {
	if err := d.validCheck(); err != nil {
		return err
	}
	switch {
	case d.Unit != "" && len(d.Command.Args) > 0:
		return pair.RefuseField("unit", "a service is a unit or a command, not both: name one")
	case d.Unit != "":
		if _, err := ParseUnitName(string(d.Unit)); err != nil {
			return pair.RefuseField("unit", "%s", err)
		}
		if d.Command.Limits != (Limits{}) {
			return pair.RefuseField("memory", "the limits of a unit are in its own file: run systemctl edit %s on both machines", d.Unit)
		}
		return nil
	case len(d.Command.Args) == 0:
		return pair.RefuseField("command", "a unit or a command is needed: name a unit like nginx.service, or write a command after --")
	case !strings.HasPrefix(d.Command.Args[0], "/"):
		return pair.RefuseField("command", "%.200q is not the whole path of a program: write it as /usr/bin/node", d.Command.Args[0])
	case d.Command.Dir != "" && !strings.HasPrefix(d.Command.Dir, "/"):
		return pair.RefuseField("dir", "%.200q is not the whole path of a directory: write it as /srv/app", d.Command.Dir)
	}
	for _, entry := range d.Command.Env {
		if name, _, found := strings.Cut(entry, "="); !found || name == "" {
			return pair.RefuseField("env", "%.200q is not of the environment: write NAME=VALUE", entry)
		}
	}
	if slices.ContainsFunc(slices.Concat(d.Command.Args, d.Command.Env, []string{d.Command.User, d.Command.Group, d.Command.Dir}), pair.Unprintable) {
		return pair.RefuseField("command", "a command has no line breaks, and nothing that a terminal does not show as it is: put it into a script, and name that")
	}
	return d.Command.Limits.Valid()
}

// mostBody bounds a text that an answer must contain, in bytes.
const mostBody = 1000

// validCheck refuses what no check could be.
func (d Definition) validCheck() error {
	switch {
	case !d.Answer.Status.IsZero() && d.Check.URL == "":
		return pair.RefuseField("health_status", "only an http address answers with a status: give one as the check, as http://127.0.0.1/, or leave the status out")
	case d.Answer.Body != "" && d.Check.URL == "":
		return pair.RefuseField("health_body", "only an http address answers with a text: give one as the check, as http://127.0.0.1/, or leave the text out")
	case len(d.Answer.Body) > mostBody || pair.Unprintable(d.Answer.Body):
		return pair.RefuseField("health_body", "the text that an answer must contain has at most %d bytes, no line breaks and no control characters: choose a part of it", mostBody)
	case d.Check.IsZero() && d.Pace != health.Pace{}:
		return pair.RefuseField("health", "without a check there is nothing to ask: name one, as http://127.0.0.1/, or leave out how often it is asked")
	}
	return d.Pace.Valid()
}

// String renders "web (nginx.service)".
func (d Definition) String() string { return fmt.Sprintf("%s (%s)", d.Name, d.What()) }

// Bare is the service without its check: what runs, and not how it is asked.
func (d Definition) Bare() Definition { return d.Checked(Definition{}) }

// Whole says all that would be run, in words for root, who allows it.
func (d Definition) Whole() string {
	whole, c := d.What(), d.Command
	if d.Unit == "" {
		whole = fmt.Sprintf("%q", c.Args)
		whole = whole[1:len(whole)-1] + " as " + cmp.Or(c.User, "root")
		if c.Group != "" {
			whole += ", group " + c.Group
		}
		if c.Dir != "" {
			whole += ", in " + c.Dir
		}
		if len(c.Env) > 0 {
			whole += fmt.Sprintf(", with %q", c.Env)
		}
	}
	if d.Check.Exec != "" {
		whole += "; and, to check it, the line " + d.Check.Exec
	}
	return whole
}

// Sum tells apart what root allows to be run: a service whose unit, command or line for the shell
// is another one has another.
func (d Definition) Sum() string {
	d = d.Checked(Definition{Check: pair.HealthCheck{Exec: d.Check.Exec}})
	d.Name, d.Parked = "", false
	text, _ := json.Marshal(d) // strings alone: it cannot fail
	return fmt.Sprintf("%x", sha256.Sum256(text))
}
