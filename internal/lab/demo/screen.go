package demo

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"baton/internal/lab/daemon"

	"golang.org/x/sys/unix"
)

// Who speaks on a line, besides the appliances.
const (
	fromDemo   = "demo"
	fromClient = "client"
	fromYou    = "you"
)

// screen is lines that scroll: when, who, what.
type screen struct {
	start time.Time
	paint bool

	mu  sync.Mutex
	out io.Writer
}

func newScreen(out io.Writer) *screen {
	file, ok := out.(*os.File)
	return &screen{start: time.Now(), out: out, paint: ok && isTerminal(file) && os.Getenv("NO_COLOR") == ""}
}

func isTerminal(file *os.File) bool {
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

func (s *screen) colour(code, text string) string {
	if !s.paint {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *screen) good(text string) string { return s.colour("32", text) }
func (s *screen) bad(text string) string  { return s.colour("1;31", text) }
func (s *screen) bold(text string) string { return s.colour("1", text) }
func (s *screen) dim(text string) string  { return s.colour("2", text) }

func (s *screen) print(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.out, format, args...)
}

func (s *screen) title(text string) { s.print("\n  %s\n\n", s.bold(text)) }

// say prints one line: the time since the start, who speaks, what.
func (s *screen) say(who, format string, args ...any) {
	since := time.Since(s.start)
	clock := fmt.Sprintf("%02d:%05.2f", int(since.Minutes()), (since % time.Minute).Seconds())
	name := fmt.Sprintf("%-6s", who)
	colours := map[string]string{"alpha": "36", "beta": "35", fromClient: "33", fromYou: "1"}
	if code, ok := colours[who]; ok {
		name = s.colour(code, name)
	}
	s.print("  %s  %s  %s\n", s.dim(clock), name, fmt.Sprintf(format, args...))
}

func (s *screen) urls(d *doors, password string) {
	s.print(`
  %s
    alpha        https://%s/login
    beta         https://%s/login
    the primary  https://%s/login    at the shared IP
    the site     http://%s/           likewise

    Sign in as admin, password %s. The certificates are self-signed: your browser will ask.

`, s.bold("Open in a browser on this machine"), d.alpha.Addr(), d.beta.Addr(), d.shared.Addr(), d.pages.Addr(), s.bold(password))
}

// lastLines shows the end of an appliance's log.
func (s *screen) lastLines(a *daemon.Appliance) {
	log, err := os.ReadFile(a.Path(daemon.LogFile))
	if err != nil || len(log) == 0 {
		return
	}
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	s.print("\n  %s\n", s.dim("the last lines of "+a.Name()+"'s log:"))
	for _, line := range lines[max(0, len(lines)-8):] {
		s.print("    %s\n", s.dim(string(line)))
	}
}

// table prints rows in columns; the first row is the heading.
func (s *screen) table(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	s.print("\n")
	for number, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			_, _ = fmt.Fprintf(&line, "%-*s   ", widths[i], cell)
		}
		text := strings.TrimRight(line.String(), " ")
		if number == 0 {
			text = s.bold(text)
		}
		s.print("  %s\n", text)
	}
	s.print("\n")
}

// short renders a duration for people: "85 ms", "1.08 s".
func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
