package service

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"baton/internal/health"
	"baton/internal/pair"
)

func TestUnitNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"nginx.service", "mail.timer", "postgresql@15-main.service", `dev-disk\x2d1.service`, "a:b_c.service", "sshfs.service", "initial.service", strings.Repeat("x", 247) + ".service"} {
		if got, err := ParseUnitName(name); err != nil || string(got) != name {
			t.Errorf("%.40s: %q, %v", name, got, err)
		}
	}
	for name, why := range map[string]string{
		"": "write its whole name", ".service": "write its whole name", "nginx": "write its whole name", "nginx.socket": "write its whole name",
		"multi-user.target": "write its whole name", "a b.service": "write its whole name", "a;reboot.service": "write its whole name", "$(x).service": "write its whole name",
		"../x.service": "write its whole name", "ä.service": "write its whole name", "a\nb.service": "write its whole name", strings.Repeat("x", 248) + ".service": "write its whole name",
		"postgresql@.service": "is a template: name one of its instances, as postgresql@name.service",
		"baton.service":       "is of the machine", "baton-order.service": "is of the machine", "baton-service-web.service": "is of the machine",
		"systemd-logind.service": "is of the machine", "ssh.service": "is of the machine", "sshd.service": "is of the machine", "user@1000.service": "is of the machine",
		"cron.service": "is of the machine", "nftables.service": "is of the machine", "ufw.service": "is of the machine", "firewalld.service": "is of the machine",
		"chrony.service": "is of the machine", "udev.service": "is of the machine", "apt-daily-upgrade.timer": "is of the machine", "logrotate.timer": "is of the machine",
		"dbus-broker.service": "is of the machine", "getty@tty1.service": "is of the machine", "NetworkManager-wait-online.service": "is of the machine",
	} {
		if got, err := ParseUnitName(name); err == nil || got != "" || !strings.Contains(err.Error(), why) {
			t.Errorf("%.40s: %q, %v", name, got, err)
		}
	}
}

func command(args ...string) Definition {
	return Definition{Name: "worker", Command: Command{Args: args}}
}

func TestValid(t *testing.T) {
	t.Parallel()
	whole := command("/usr/bin/node", "a b", "$(c)", "")
	whole.Command.User, whole.Command.Group, whole.Command.Dir, whole.Command.Env = "nobody", "nogroup", "/srv/app", []string{"A=b=c", "D="}
	for _, good := range []Definition{{Name: "web", Unit: "nginx.service"}, command("/bin/true"), whole} {
		if err := good.Valid(); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	with := func(change func(*Definition)) Definition {
		one := command("/bin/true")
		change(&one)
		return one
	}
	for field, bad := range map[string][]Definition{
		"unit":    {{Unit: "nginx"}, {Unit: "ssh.service"}, with(func(d *Definition) { d.Unit = "nginx.service" })},
		"command": {{}, command("node"), command("./node"), command("/bin/sh", "-c", "a\nb"), with(func(d *Definition) { d.Command.User = "a\x00b" })},
		"dir":     {with(func(d *Definition) { d.Command.Dir = "app" })},
		"memory":  {with(func(d *Definition) { d.Command.Limits.Memory = -1 }), {Unit: "nginx.service", Command: Command{Limits: Limits{Tasks: 7}}}},
		"files":   {with(func(d *Definition) { d.Command.Limits.Files = 1 << 40 })},
		"env":     {with(func(d *Definition) { d.Command.Env = []string{"A=b", "C"} }), with(func(d *Definition) { d.Command.Env = []string{"=b"} })},
	} {
		for _, one := range bad {
			refused, is := errors.AsType[*pair.Refusal](one.Valid())
			if !is || len(refused.Fields) == 0 || refused.Fields[0].Name != field {
				t.Errorf("%+v: %v, not of %s", one, one.Valid(), field)
			}
		}
	}
}

// Root reads what would run, and allows that: a terminal has to show it as it is.
func TestWhatATerminalShowsOtherwiseIsRefused(t *testing.T) {
	t.Parallel()
	for name, hidden := range map[string]string{"line break": "\n", "escape": "\x1b[8m", "escape of one character": "\u009b8m", "turned around": "\u202e", "no text": "\xff", "line separator": "\u2028"} {
		asUser, inDir := command("/bin/true"), command("/bin/true")
		asUser.Command.User, inDir.Command.Dir = "nobody"+hidden+"x", "/srv/"+hidden+"x"
		if asUser.Valid() == nil || inDir.Valid() == nil || command("/bin/echo", hidden+"x").Valid() == nil {
			t.Errorf("%s: it is taken", name)
		}
		if check, err := pair.ParseCheck("exec:/bin/echo " + hidden + "x"); err == nil {
			t.Errorf("%s: %+v", name, check)
		}
	}
	if err := command("/bin/echo", "größer", "日本", "👍", "a\u00a0b").Valid(); err != nil {
		t.Error(err)
	}
}

// A peer can write any list: what could not be added here is not in it.
func TestAHostileListIsCut(t *testing.T) {
	t.Parallel()
	web := Definition{Name: "web", Unit: "nginx.service", Parked: true}
	hostile := List{
		{Name: "a", Unit: "ssh.service"},
		{Name: "b", Unit: "multi-user.target"},
		{Name: "c", Unit: "../../../../etc/cron.d/x.timer"},
		{Name: "../d", Command: Command{Args: []string{"/bin/true"}}},
		{Name: "e"},
		web,
		web,
		{Name: "f", Unit: web.Unit},
	}
	if got := hostile.Sound(); len(got) != 1 || !got[0].Equal(web) || !got[0].Parked {
		t.Errorf("%v", got)
	}
	hostile = nil
	for i := range 1000 {
		hostile = append(hostile, Definition{Name: strconv.Itoa(i), Unit: UnitName(fmt.Sprintf("x%d.service", i))})
	}
	if got := hostile.Sound(); len(got) != most {
		t.Errorf("%d", len(got))
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	var list List
	for _, add := range []Definition{{Name: "db", Unit: "db.service"}, {Name: "web", Unit: "web.service"}, command("/bin/true")} {
		longer, err := list.With(add)
		if err != nil || len(longer) != len(list)+1 || longer[len(list)].Name != add.Name {
			t.Fatalf("%v, %v", longer, err)
		}
		list = longer
	}
	for _, bad := range []Definition{{Name: "db", Unit: "other.service"}, {Name: "other", Unit: "db.service"}, {Name: "Db", Unit: "a.service"}, {Name: "", Unit: "a.service"}, {Name: "-a", Unit: "a.service"}, {Name: "a.b", Unit: "a.service"}, {Name: strings.Repeat("a", 41), Unit: "a.service"}, {Name: "a"}} {
		if longer, err := list.With(bad); err == nil || longer != nil {
			t.Errorf("%+v is added", bad)
		}
	}
	shorter, err := list.Without("web")
	if err != nil || fmt.Sprint(shorter) != "[db (db.service) worker (/bin/true)]" || len(list) != 3 || list[1].Name != "web" {
		t.Errorf("%v, %v; the list was %v", shorter, err, list)
	}
	if _, err := list.Without("none"); err == nil {
		t.Error("what is not there is removed")
	}
	for i := len(list); i < most; i++ {
		if list, err = list.With(Definition{Name: fmt.Sprintf("s%d", i), Unit: UnitName(fmt.Sprintf("s%d.service", i))}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := list.With(Definition{Name: "one-more", Unit: "one-more.service"}); err == nil {
		t.Errorf("there are more than %d", most)
	}
}

// A service has to be allowed again when anything is changed that root would run: and only then.
func TestSum(t *testing.T) {
	t.Parallel()
	one := command("/usr/bin/node", "worker.js")
	for what, change := range map[string]func(*Definition){
		"argument": func(d *Definition) { d.Command.Args = []string{"/usr/bin/node", "worker.js", "x"} },
		"split":    func(d *Definition) { d.Command.Args = []string{"/usr/bin/node worker.js"} },
		"user":     func(d *Definition) { d.Command.User = "nobody" },
		"group":    func(d *Definition) { d.Command.Group = "nogroup" },
		"dir":      func(d *Definition) { d.Command.Dir = "/srv" },
		"env":      func(d *Definition) { d.Command.Env = []string{"LD_PRELOAD=/tmp/x"} },
		"limit":    func(d *Definition) { d.Command.Limits.Memory = 64 },
		"check":    func(d *Definition) { d.Check = pair.HealthCheck{Exec: "true"} },
		"unit":     func(d *Definition) { *d = Definition{Name: d.Name, Unit: "node.service"} },
	} {
		other := one
		if change(&other); other.Sum() == one.Sum() || other.Equal(one) {
			t.Errorf("another %s is the same", what)
		}
	}
	same := one
	same.Name, same.Check, same.Answer, same.Pace = "other", pair.HealthCheck{URL: "http://127.0.0.1/"}, health.Answer{Body: "well"}, health.Pace{Fails: 9}
	if same.Sum() != one.Sum() {
		t.Error("another name and another address to ask have to be allowed again")
	}
}

// Only the check of a service can be changed, and it stays what it is otherwise.
func TestCheckingReplacesACheck(t *testing.T) {
	t.Parallel()
	list := List{{Name: "db", Unit: "db.service"}, {Name: "web", Unit: "web.service", Check: pair.HealthCheck{TCP: "127.0.0.1:80"}, Pace: health.Pace{Fails: 9}}}
	as := Definition{Name: "other", Unit: "other.service", Check: pair.HealthCheck{URL: "http://127.0.0.1/"}, Answer: health.Answer{Body: "well"}}
	changed, err := list.Checking("web", as)
	want := List{list[0], {Name: "web", Unit: "web.service", Check: as.Check, Answer: as.Answer}}
	if err != nil || !slices.EqualFunc(changed, want, Definition.Equal) || list[1].Pace.Fails != 9 {
		t.Errorf("%+v, %v; the list was %+v", changed, err, list)
	}
	if _, err := list.Checking("none", as); err == nil {
		t.Error("what is not there is changed")
	}
	if _, err := list.Checking("web", Definition{Pace: health.Pace{Every: time.Second}}); err == nil {
		t.Error("a pace without a check is taken")
	}
}

func TestChecksThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	page, port := pair.HealthCheck{URL: "http://127.0.0.1/"}, pair.HealthCheck{TCP: "127.0.0.1:80"}
	for _, row := range []struct {
		as    Definition
		field string
	}{
		{Definition{Check: page, Answer: health.Answer{Status: health.Statuses{From: 200, To: 299}, Body: "all is well"}, Pace: health.Pace{Every: time.Minute, Wait: time.Minute}}, ""},
		{Definition{Check: port, Answer: health.Answer{Status: health.Statuses{From: 200, To: 200}}}, "health_status"},
		{Definition{Check: port, Answer: health.Answer{Body: "well"}}, "health_body"},
		{Definition{Check: page, Answer: health.Answer{Body: "two\nlines"}}, "health_body"},
		{Definition{Check: page, Answer: health.Answer{Body: strings.Repeat("x", mostBody+1)}}, "health_body"},
		{Definition{Pace: health.Pace{Fails: 1}}, "health"},
		{Definition{Check: page, Pace: health.Pace{Every: time.Second, Wait: time.Minute}}, "wait"},
	} {
		for _, one := range []Definition{{Name: "web", Unit: "web.service"}, command("/bin/true")} {
			err := one.Checked(row.as).Valid()
			if fields := pair.FieldsOf(err); row.field == "" && err != nil || row.field != "" && (len(fields) != 1 || fields[0].Name != row.field) {
				t.Errorf("%+v: %v, want %q", row.as, err, row.field)
			}
		}
	}
}

// TestOrder: services move, and are parked, without being other services.
func TestOrder(t *testing.T) {
	t.Parallel()
	list := List{{Name: "db", Unit: "db.service"}, {Name: "web", Unit: "web.service"}, {Name: "mail", Unit: "mail.timer"}}
	names := func(l List) string { return l[0].Name + " " + l[1].Name + " " + l[2].Name }
	for _, move := range []struct{ name, before, want string }{
		{"mail", "db", "mail db web"}, {"db", "mail", "web db mail"}, {"db", "", "web mail db"}, {"mail", "", "db web mail"}, {"web", "db", "web db mail"},
	} {
		if moved, err := list.Moved(move.name, move.before); err != nil || names(moved) != move.want {
			t.Errorf("%s before %s: %s, %v", move.name, move.before, names(moved), err)
		}
	}
	parked, err := list.WithParked("web", true)
	if err != nil || !parked[1].Parked || list[1].Parked || parked[1].Sum() != list[1].Sum() || !parked[1].Equal(list[1]) {
		t.Errorf("%+v, %v", parked, err)
	}
	if _, err := list.WithParked("nothing", true); err == nil {
		t.Error("there is no such service")
	}
	if names(list) != "db web mail" {
		t.Error("the list itself was changed")
	}
}
