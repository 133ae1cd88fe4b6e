//go:build e2e

package systemd

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"baton/internal/lab"
)

func TestExampleMeshCentral(t *testing.T) {
	full(t)
	e := newExample(t, "meshcentral", "https://198.51.100.10", "/health.ashx")
	e.front = true
	var cookie string
	var answers func() time.Time
	e.before = func() {
		if cookie == "" {
			eventually(t, "somebody signs in", 30*time.Second, func() bool { cookie = e.signIn(); return cookie != "" })
			e.agent(cookie)
			eventually(t, "the device is connected", time.Minute, func() bool { return e.devices() == 1 })
		}
		answers = firstAnswer(e.other(e.primary), "http://127.0.0.1:8080/health.ashx")
	}
	e.after = func(what string, without time.Duration) {
		e.runs("meshcentral", "[n]ode_modules/meshcentral")
		if up := answers(); what == "a planned switch" {
			from := e.other(e.primary)
			stopping, stopped, started := from.journal("meshcentral", "Stopping"), from.journal("meshcentral", "Stopped"), e.primary.journal("meshcentral", "Started")
			own := stopped.Sub(stopping) + up.Sub(started)
			t.Logf("%s: its own stop and start took %s of the %s; before the stop %s, between the two %s, after the start %s", what,
				own.Round(time.Millisecond), without.Round(time.Millisecond), stopping.Sub(e.last).Round(time.Millisecond), started.Sub(stopped).Round(time.Millisecond), e.first.Sub(up).Round(time.Millisecond))
			if without > own+500*time.Millisecond {
				t.Errorf("Baton adds %s to the stop and start of MeshCentral", without-own)
			}
		}
		if page, _, err := e.ask("GET", "/", "", "Cookie", cookie); err != nil || !strings.Contains(page, "control.ashx") {
			t.Errorf("after %s who had signed in is signed out: %v", what, err)
		}
		eventually(t, "the device is connected again", 2*time.Minute, func() bool { return e.devices() == 1 })
		t.Logf("%s: the device is connected again after %s", what, time.Since(e.moved).Round(100*time.Millisecond))
	}
	e.run()
}

// firstAnswer waits for an application to answer on a machine itself. What it returns says when that was.
func firstAnswer(on *machine, address string) func() time.Time {
	answered := make(chan time.Time, 1)
	go func() {
		for limit := time.Now().Add(2 * time.Minute); time.Now().Before(limit); rest(5 * time.Millisecond) {
			response, err := client(on.Host).Get(address)
			if err != nil {
				continue
			}
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				break
			}
		}
		answered <- time.Now()
	}()
	return func() time.Time { return <-answered }
}

// journal is when systemd last wrote a word about a unit, as Started.
func (m *machine) journal(unit, word string) (at time.Time) {
	m.t.Helper()
	for line := range strings.Lines(m.run("journalctl", "-u", unit, "-o", "short-unix", "--no-pager")) {
		seconds, text, _ := strings.Cut(line, " ")
		if !strings.Contains(text, "]: "+word+" "+unit) {
			continue
		}
		if s, err := strconv.ParseFloat(seconds, 64); err == nil {
			at = time.UnixMicro(int64(s * 1e6))
		}
	}
	return at
}

// signIn returns the cookie of an account that has signed in.
func (e *example) signIn() (cookie string) {
	form := url.Values{"action": {"login"}, "username": {"admin"}, "password": {"Change.this.1"}}.Encode()
	_, header, err := e.ask("POST", "/", form, "Content-Type", "application/x-www-form-urlencoded")
	if err != nil {
		return ""
	}
	var pairs []string
	for _, set := range header.Values("Set-Cookie") {
		one, _, _ := strings.Cut(set, ";")
		pairs = append(pairs, one)
	}
	if len(pairs) < 2 { // there is no signature
		return ""
	}
	return strings.Join(pairs, "; ")
}

// control asks MeshCentral by its own command line.
func (e *example) control(args ...string) (string, error) {
	args = append([]string{"20", "node", "/opt/meshcentral/node_modules/meshcentral/meshctrl.js"}, args...)
	return e.primary.try("timeout", append(args, "--url", "ws://127.0.0.1:8080", "--loginuser", "admin", "--loginpass", "Change.this.1")...)
}

// agent makes a group of devices, and runs the agent that MeshCentral gives for it, at the client's.
func (e *example) agent(cookie string) {
	e.t.Helper()
	out, err := e.control("AddDeviceGroup", "--name", "Desk")
	group, found := strings.CutPrefix(strings.TrimSpace(out), "ok mesh//")
	if err != nil || !found {
		e.t.Fatalf("no group of devices: %v: %s", err, out)
	}
	root := filepath.Join(e.t.TempDir(), "device")
	if out, err := exec.CommandContext(e.t.Context(), "cp", "-a", e.system, root).CombinedOutput(); err != nil {
		e.t.Fatalf("%v: %s", err, out)
	}
	for path, name := range map[string]string{"/meshagents?id=6": "meshagent", "/meshsettings?id=" + url.QueryEscape(group): "meshagent.msh"} {
		text, _, err := e.ask("GET", path, "", "Cookie", cookie)
		if err != nil {
			e.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "root", name), []byte(text), 0o755); err != nil {
			e.t.Fatal(err)
		}
	}
	log, err := os.Create(root + ".log")
	if err != nil {
		e.t.Fatal(err)
	}
	_, err = e.lab.Host("client").Start(context.Background(), lab.Cmd{
		Path: "/usr/bin/systemd-nspawn", Stdout: log, Stderr: log,
		Args: []string{"-q", "--register=no", "--keep-unit", "-D", root, "-M", "baton-device", "--as-pid2", "--chdir=/root", "/root/meshagent", "run"},
	})
	_ = log.Close()
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() {
		if text, err := os.ReadFile(root + ".log"); e.t.Failed() && err == nil {
			e.t.Logf("the agent says: %s", text)
		}
	})
}

// devices is how many are connected.
func (e *example) devices() (connected int) {
	var all []struct{ Conn int }
	out, err := e.control("ListDevices", "--json")
	if err != nil || json.Unmarshal([]byte(out), &all) != nil {
		return 0
	}
	for _, one := range all {
		if one.Conn&1 != 0 { // by its agent
			connected++
		}
	}
	return connected
}
