package demo

import (
	"bufio"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// command is one thing that a person can do.
type command struct {
	key  byte
	line string // what to type if the input is no terminal
	text string
	do   func(ctx context.Context) error
	slow bool // does not hold up the next command: one may pull a cable meanwhile
}

// commands lists everything a person can do, but quit: odd digits for alpha, even
// ones for beta.
func (s *stage) commands() []command {
	var all []command
	keys := map[string]string{s.alpha.Name(): "1357", s.beta.Name(): "2468"}
	for _, a := range s.appliances() {
		k, n := keys[a.Name()], a.Name()
		all = append(all,
			command{key: k[0], line: "cable " + n, text: "pull or plug the cable of " + n, do: func(ctx context.Context) error { return s.toggleCable(ctx, a) }},
			command{key: k[1], line: "power " + n, text: "cut or give the power of " + n, do: func(ctx context.Context) error { return s.togglePower(ctx, a) }},
			command{key: k[2], line: "hang " + n, text: "hang " + n + " (SIGSTOP)", do: func(context.Context) error { return s.fault(s.lab.Pause(a.Host)) }},
			command{key: k[3], line: "thaw " + n, text: "thaw " + n, do: func(context.Context) error { return s.fault(s.lab.Resume(a.Host)) }},
			command{line: "cut " + n, do: func(context.Context) error { return s.fault(s.lab.CutCable(a.Host)) }},
			command{line: "plug " + n, do: func(context.Context) error { return s.fault(s.lab.PlugCable(a.Host)) }},
			command{line: "power-off " + n, do: func(context.Context) error { return s.fault(s.lab.PowerCut(a.Host)) }},
			command{line: "power-on " + n, do: func(ctx context.Context) error { return s.powerOn(ctx, a) }},
		)
	}
	return append(all,
		command{key: 'x', line: "partition", text: "cut alpha and beta off from each other only", do: func(context.Context) error {
			return s.fault(s.lab.Partition(s.alpha.Host, s.beta.Host))
		}},
		command{key: 'r', line: "heal", text: "end the partition", do: func(context.Context) error { return s.fault(s.lab.Heal()) }},
		command{key: 's', line: "switch", text: "planned switch, with a final data sync", do: s.switchRoles, slow: true},
		command{key: 'i', line: "status", text: "how everything is now", do: func(ctx context.Context) error { s.showStatus(ctx); return nil }},
		command{key: '?', line: "help", text: "this list", do: func(context.Context) error { s.showHelp(); return nil }},
	)
}

func (s *stage) fault(_ time.Time, err error) error { return err }

func (s *stage) toggleCable(_ context.Context, a *daemon.Appliance) error {
	carrier, err := a.Carrier()
	switch {
	case err != nil:
		return err
	case carrier:
		return s.fault(s.lab.CutCable(a.Host))
	}
	return s.fault(s.lab.PlugCable(a.Host))
}

func (s *stage) togglePower(ctx context.Context, a *daemon.Appliance) error {
	if a.On() {
		return s.fault(s.lab.PowerCut(a.Host))
	}
	return s.powerOn(ctx, a)
}

// powerOn gives a host its power back; its daemon starts as it would at boot.
func (s *stage) powerOn(ctx context.Context, a *daemon.Appliance) error {
	if _, err := s.lab.PowerOn(a.Host); err != nil {
		return err
	}
	return a.Serve(ctx)
}

// switchRoles makes the backup primary, with the consent of both.
func (s *stage) switchRoles(ctx context.Context) error {
	for _, a := range s.appliances() {
		status, err := a.Status(ctx)
		if err != nil || status.Role != pair.Backup {
			continue
		}
		s.screen.say(a.Name(), "baton become primary --final-sync --wait")
		return a.Do(ctx, "", "become", "primary", "--final-sync", "--wait")
	}
	return errors.New("a planned switch needs a backup that answers: neither appliance is one now")
}

func (s *stage) showHelp() {
	s.screen.print("\n  %s\n", s.screen.bold("Keys")+s.screen.dim("   (without a terminal: the words, one command a line)"))
	for _, c := range s.commands() {
		if c.key != 0 {
			s.screen.print("    %c  %-14s %s\n", c.key, c.line, s.screen.dim(c.text))
		}
	}
	s.screen.print("    q  %-14s %s\n\n", "quit", s.screen.dim("end, and leave nothing behind"))
}

// play does what the person asks for until they quit.
func (s *stage) play(ctx context.Context) error {
	s.showHelp()
	asked := make(chan string)
	if s.opts.In != nil {
		restore := byKey(s.opts.In)
		defer restore()
		go read(ctx, s.opts.In, asked)
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return nil
		case word := <-asked:
			if word == "quit" || word == "q" {
				return nil
			}
			s.obey(ctx, word, &wg)
		}
	}
}

func (s *stage) obey(ctx context.Context, word string, wg *sync.WaitGroup) {
	all := s.commands()
	i := slices.IndexFunc(all, func(c command) bool { return word == c.line || c.key != 0 && word == string(c.key) })
	if i < 0 {
		s.screen.say(fromDemo, "%q is no command here: ? or help lists them", word)
		return
	}
	s.screen.say(fromYou, "%s", s.screen.bold(all[i].line))
	do := func() {
		if err := all[i].do(ctx); err != nil && ctx.Err() == nil {
			s.screen.say(fromDemo, "%s", s.screen.bad(err.Error()))
		}
	}
	if all[i].slow {
		wg.Go(do)
		return
	}
	do()
}

// byKey makes a terminal hand over single keys, without showing them; Ctrl-C
// keeps its meaning. The result undoes it. Anything else stays as it is.
func byKey(in *os.File) (restore func()) {
	fd := int(in.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {}
	}
	keys := *before
	keys.Lflag &^= unix.ICANON | unix.ECHO
	keys.Cc[unix.VMIN], keys.Cc[unix.VTIME] = 1, 0
	if unix.IoctlSetTermios(fd, unix.TCSETS, &keys) != nil {
		return func() {}
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }
}

// read hands over keys from a terminal, lines from anything else. The end of the
// input is no wish to quit: the demo may run without a person at it.
func read(ctx context.Context, in *os.File, asked chan<- string) {
	scanner := bufio.NewScanner(in)
	if isTerminal(in) {
		scanner.Split(bufio.ScanBytes)
	}
	for scanner.Scan() {
		word := strings.TrimSpace(scanner.Text())
		if word == "" {
			continue
		}
		select {
		case asked <- word:
		case <-ctx.Done():
			return
		}
	}
}
