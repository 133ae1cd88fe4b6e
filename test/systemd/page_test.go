//go:build e2e

package systemd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"baton/internal/lab"
)

// example is an example of this repository on two machines: what its page has an administrator type.
type example struct {
	t           *testing.T
	dir         string
	lines       []pageLine
	lab         *lab.Lab
	alpha, beta *machine
	system      string // root file system that both were made from
	site        string // URL of the site, without a path
	health      string // path that visitors ask for
	front       bool   // Baton's front holds requests in a planned switch
	key         string
	visitors    *visitors
	primary     *machine
	moved       time.Time                                // when the site was last made to move
	last, first time.Time                                // the answers before and after that
	before      func()                                   // the site moves; nil: nothing
	after       func(what string, without time.Duration) // it has moved; what is "a planned switch" or "a power cut"
}

// pageLine is a line of the page: what is typed where, or what is done to a machine.
type pageLine struct{ where, text string }

// newExample reads a page and boots two machines with the packages that it names, which cannot be fetched in
// the lab.
func newExample(t *testing.T, name, site, health string) *example {
	t.Helper()
	e := &example{t: t, dir: filepath.Join("..", "..", "examples", name), site: site, health: health}
	text, err := os.ReadFile(filepath.Join(e.dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	typed := regexp.MustCompile(`(?m)^(both|alpha|beta|client|here)(?:[#$] +|: )(.+)$`)
	for i, block := range strings.Split(string(text), "\n```") {
		if i%2 == 1 {
			for _, found := range typed.FindAllStringSubmatch(block, -1) {
				e.lines = append(e.lines, pageLine{found[1], found[2]})
			}
		}
	}
	var packages []string
	for _, line := range e.lines {
		if names, is := strings.CutPrefix(line.text, "apt install ./baton_*_amd64.deb"); is {
			packages = append(packages, strings.Fields(names)...)
		}
	}
	e.system = debian(t, packages...)
	for _, line := range e.lines {
		if strings.HasPrefix(line.text, "npm install ") {
			e.fetch(line.text)
		}
	}
	e.lab, e.alpha, e.beta = boot(t, e.system)
	e.primary = e.alpha
	for _, m := range []*machine{e.alpha, e.beta} {
		m.write("/etc/apt/apt.conf.d/90yes", "APT::Get::Assume-Yes \"true\";\n")
		m.copy(current(t), "/root/"+filepath.Base(current(t)))
	}
	return e
}

// fetch has npm of this machine put its packages into the root file system.
func (e *example) fetch(line string) {
	e.t.Helper()
	line = strings.Replace(line, " --prefix /", " --prefix "+e.system+"/", 1)
	if out, err := exec.CommandContext(e.t.Context(), "sh", "-c", line).CombinedOutput(); err != nil {
		e.t.Skipf("skipped: the packages of npm cannot be had: %v: %s", err, out)
	}
}

// run types the whole page.
func (e *example) run() {
	e.t.Helper()
	for _, line := range e.lines {
		switch line.where {
		case "both":
			e.types(e.alpha, line.text)
			e.types(e.beta, line.text)
		case "client":
			eventually(e.t, e.primary.Name()+" answers: "+line.text, 10*time.Second, func() bool { // a service that was added is started within some seconds
				out, _ := e.lab.Host("client").Output(e.t.Context(), lab.Cmd{Path: "/bin/sh", Args: []string{"-c", line.text}})
				return strings.Contains(string(out), "X-Served-By: "+e.primary.Name())
			})
		case "here":
			e.builds(line.text)
		default:
			m := e.alpha
			if line.where == "beta" {
				m = e.beta
			}
			e.types(m, line.text)
		}
	}
}

// types has a line typed on a machine, or does to it what the line says.
func (e *example) types(m *machine, line string) {
	e.t.Helper()
	switch {
	case line == "baton key generate --save":
		e.key = strings.TrimSpace(m.run("baton", strings.Fields(line)[1:]...))
	case line == "baton key set":
		m.run("sh", "-c", "echo "+e.key+" | baton key set")
	case line == "baton doctor":
		m.ready()
	case strings.HasPrefix(line, "npm install "): // it is there
	case strings.HasPrefix(line, "baton become primary "):
		e.other(m).protected()
		e.moves("a planned switch", m, func() { m.run("sh", "-c", line) })
	case line == "pull the plug":
		e.other(m).ready()
		m.protected()
		e.moves("a power cut", e.other(m), func() { m.made(e.lab.PowerCut(m.Host)) })
	case line == "give it power":
		m.made(e.lab.PowerOn(m.Host))
		m.boot()
	default:
		m.run("sh", "-c", "cd /root && "+strings.ReplaceAll(line, "_amd64.deb", "_"+runtime.GOARCH+".deb"))
	}
}

// builds has this machine build what is copied to both.
func (e *example) builds(line string) {
	e.t.Helper()
	dir := filepath.Join(e.t.TempDir(), "here")
	if out, err := exec.CommandContext(e.t.Context(), "cp", "-a", e.dir, dir).CombinedOutput(); err != nil {
		e.t.Fatalf("%v: %s", err, out)
	}
	build := exec.CommandContext(e.t.Context(), "sh", "-c", line)
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		e.t.Skipf("skipped: the modules of Go cannot be had: %s: %v: %s", line, err, out)
	}
	for _, m := range []*machine{e.alpha, e.beta} {
		m.copy(filepath.Join(dir, filepath.Base(e.dir)), "/root/"+filepath.Base(e.dir))
	}
}

func (e *example) other(m *machine) *machine {
	if m == e.alpha {
		return e.beta
	}
	return e.alpha
}

// moves has the site move, and measures for how long nobody is answered.
func (e *example) moves(what string, to *machine, how func()) {
	e.t.Helper()
	if e.visitors == nil {
		e.visitors = visit(e.lab.Host("client"), e.site+e.health, 20*time.Millisecond)
		e.t.Cleanup(e.visitors.end)
	}
	if e.before != nil {
		e.before()
	}
	eventually(e.t, "the site answers", 30*time.Second, func() bool { return e.visitors.answered(time.Now().Add(-time.Second)) })
	began := time.Now()
	e.moved = began
	how()
	after := time.Now()
	eventually(e.t, "the site answers after "+what, 60*time.Second, func() bool { return e.visitors.answered(after) })
	e.primary = to
	to.says("status", to.Name()+" is primary")
	rest(300 * time.Millisecond)
	e.last, e.first = e.visitors.gap(began.Add(-300 * time.Millisecond))
	gap := e.first.Sub(e.last)
	failed := e.visitors.failures(began)
	if e.front && what == "a planned switch" && gap < 9*time.Second && len(failed) > 0 { // it holds a request for 10 s
		e.t.Errorf("in %s requests failed: %q", what, failed)
	}
	e.t.Logf("%s of %s: no answer for %s; %d requests failed", what, filepath.Base(e.dir), gap.Round(time.Millisecond), len(failed))
	if gap > 6*time.Second {
		e.t.Logf("the history of %s:\n%s", to.Name(), to.run("baton", "history", "--since", "1m"))
	}
	e.after(what, gap)
}

// runs checks that a unit runs on the primary, and nothing of it on the other machine.
func (e *example) runs(unit, process string) {
	e.t.Helper()
	e.primary.run("systemctl", "is-active", "-q", unit)
	other := e.other(e.primary)
	if !other.On() {
		return
	}
	if out, err := other.try("pgrep", "-a", "-f", process); err == nil {
		e.t.Errorf("on %s there is still %s", other.Name(), out)
	}
}

// ask asks the site as a client does, and returns what is answered with status 200.
func (e *example) ask(method, path, body string, header ...string) (string, http.Header, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(e.site, "/")+path, strings.NewReader(body))
	if err != nil {
		return "", nil, err
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := client(e.lab.Host("client")).Do(request)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", response.StatusCode, text)
	}
	return string(text), response.Header, err
}
