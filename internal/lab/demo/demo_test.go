package demo_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"baton/internal/lab"
	"baton/internal/lab/demo"
)

// TestMain lets this program be all three: the tests, the demo that they start,
// and the appliance program that the demo starts.
func TestMain(m *testing.M) {
	switch {
	case slices.Contains(os.Args, "--config"):
		exit(fakeMain(os.Args[2], os.Args[3:]))
	case os.Getenv("DEMO_DIR") != "":
		exit(demo.Run(context.Background(), demo.Options{
			In: os.Stdin, Out: os.Stdout, Dir: os.Getenv("DEMO_DIR"), Program: os.Getenv("DEMO_PROGRAM"),
			Script: os.Getenv("DEMO_SCRIPT") != "", Pace: time.Millisecond, Patience: 10 * time.Second,
		}))
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// running is a demo in a process of its own, with its screen.
type running struct {
	cmd    *exec.Cmd
	person io.WriteCloser
	dir    string

	mu   sync.Mutex
	text bytes.Buffer
}

func run(t *testing.T, dir string, env ...string) *running {
	t.Helper()
	r := &running{cmd: exec.Command(os.Args[0]), dir: dir}
	r.cmd.Env = append(append(os.Environ(), "DEMO_DIR="+dir, "DEMO_PROGRAM="+os.Args[0]), env...)
	r.cmd.Stdout, r.cmd.Stderr = r, r
	var err error
	if r.person, err = r.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	return r
}

func (r *running) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *running) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *running) wait(t *testing.T) error {
	t.Helper()
	err := r.cmd.Wait()
	if strings.Contains(r.String(), "namespaces cannot be made") {
		t.Skip(r)
	}
	return err
}

func (r *running) await(t *testing.T, pattern string) []string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if found := regexp.MustCompile(pattern).FindStringSubmatch(r.String()); found != nil {
			return found
		}
		if strings.Contains(r.String(), "namespaces cannot be made") {
			t.Skip(r)
		}
	}
	t.Fatalf("never on the screen: %s\n%s", pattern, r)
	return nil
}

func (r *running) enter(t *testing.T, lines string) {
	t.Helper()
	if _, err := io.WriteString(r.person, lines+"\n"); err != nil {
		t.Fatal(err)
	}
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestScenarioRunsWithoutAPerson(t *testing.T) {
	r := run(t, t.TempDir(), "DEMO_SCRIPT=1")
	if err := r.wait(t); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	for _, want := range []string{
		"planned switch back", "power on, it returns as backup", "both had the shared IP: 0",
		"alpha   baton sync --wait", "client  answered by beta, after", "role-changed: took over",
	} {
		if !strings.Contains(r.String(), want) {
			t.Errorf("not on the screen: %s\n%s", want, r)
		}
	}
	wantEmpty(t, r.dir)
}

// loopback sets lo up where it is not, as in a namespace made by unshare.
func loopback(t *testing.T) {
	t.Helper()
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if lo.Attrs().Flags&net.FlagUp == 0 {
		if err := netlink.LinkSetUp(lo); err != nil {
			t.Skip("the loopback is down here: ", err)
		}
	}
}

func TestPersonPullsCablesAndBrowses(t *testing.T) {
	loopback(t)
	r := run(t, t.TempDir())
	site := r.await(t, `the site +(http://127\.0\.0\.4:\d+/)`)[1]
	r.await(t, "q  quit")
	if got := browse(t, site); got != "alpha" {
		t.Errorf("the site is answered by %q", got)
	}
	r.enter(t, "cut alpha")
	r.await(t, "client  .*answered by beta")
	if got := browse(t, site); got != "beta" {
		t.Errorf("the site is answered by %q", got)
	}
	r.enter(t, "plug alpha\nnonsense\nstatus")
	r.await(t, `"nonsense" is no command here`)
	r.await(t, `alpha +primary|alpha +backup`)
	r.enter(t, "quit")
	if err := r.wait(t); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	wantEmpty(t, r.dir)
}

func browse(t *testing.T, url string) string {
	t.Helper()
	answer, err := (&http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.Header.Get(lab.ApplianceHeader)
}

func TestKilledDemoLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	r := run(t, dir)
	r.await(t, "q  quit")
	if len(daemons(dir)) != 2 {
		t.Fatalf("daemons: %v", daemons(dir))
	}
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = r.cmd.Wait()
	for deadline := time.Now().Add(time.Minute); len(daemons(dir)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("daemons outlive the demo: %v", daemons(dir))
		}
	}
	next := run(t, dir)
	next.await(t, "q  quit")
	next.enter(t, "q")
	if err := next.wait(t); err != nil {
		t.Fatalf("%v\n%s", err, next)
	}
	wantEmpty(t, dir)
}

// daemons lists the processes whose command line names the directory.
func daemons(dir string) []string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	return slices.DeleteFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err != nil || !bytes.Contains(text, []byte("--config\x00"+dir)) || !bytes.HasSuffix(text, []byte("\x00serve\x00"))
	})
}

func TestDemoSaysWhyItFailed(t *testing.T) {
	r := run(t, t.TempDir(), "DEMO_PROGRAM=/bin/false")
	if err := r.wait(t); err == nil || !strings.Contains(r.String(), "the daemon of alpha has ended") {
		t.Errorf("%v\n%s", err, r)
	}
	wantEmpty(t, r.dir)
}
