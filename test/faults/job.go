package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"baton/internal/lab"
	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// jobCommand makes this program the pair's service: job DIR. Baton runs it, on the primary alone.
const jobCommand = "job"

// jobName is what the service is called.
const jobName = "job"

// nameFile tells programs on a host which one it is.
const nameFile = "/run/appliance"

// beatEvery is how often it writes that it runs, and joinedBeats how far apart two may be of one that runs.
const (
	beatEvery   = 5 * time.Millisecond
	joinedBeats = 50 * time.Millisecond
)

// beatsOf is where the job of an appliance writes: on no disk of the hosts, which may be full or lose their power.
func beatsOf(dir, appliance string) string { return filepath.Join(dir, appliance+".beats") }

// runJob writes the time, over and over, until ctx ends.
func runJob(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("use: job DIRECTORY")
	}
	name, err := os.ReadFile(nameFile)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(beatsOf(args[0], strings.TrimSpace(string(name))), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		if _, err := fmt.Fprintln(file, time.Now().UnixNano()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return file.Close()
		case <-ticker.C:
		}
	}
}

// hire makes the job a service of the pair, as a person would.
func (w *world) hire(ctx context.Context, dir string) error {
	add := daemon.Step{On: w.alpha.appliance, Line: fmt.Sprintf("service add command %s -- %s %s %s", jobName, w.alpha.self, jobCommand, dir)}
	if err := add.Do(ctx); err != nil {
		return fmt.Errorf("add the service: %w", err)
	}
	allow := daemon.Step{On: w.beta.appliance, Line: "service allow " + jobName}
	err := allow.Do(ctx)
	for end := time.Now().Add(setupTime); err != nil && time.Now().Before(end); err = allow.Do(ctx) { // beta hears of it within some seconds
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// tellName has programs on the host know which one it is.
func (m *machine) tellName(ctx context.Context) error {
	_, err := m.appliance.Output(ctx, lab.Cmd{Path: "/bin/sh", Args: []string{"-c", "echo " + m.appliance.Name() + " > " + nameFile}})
	return err
}

// forgetBeats empties what the job of the machine has written.
func (m *machine) forgetBeats(dir string) error {
	if err := os.Truncate(beatsOf(dir, m.appliance.Name()), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// beats are when the job of the machine ran.
func (m *machine) beats(dir string) (all []time.Time, err error) {
	text, err := os.ReadFile(beatsOf(dir, m.appliance.Name()))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // it never ran there
	} else if err != nil {
		return nil, err
	}
	for field := range strings.FieldsSeq(string(text)) {
		if at, err := strconv.ParseInt(field, 10, 64); err == nil {
			all = append(all, time.Unix(0, at))
		}
	}
	return all, nil
}

// bothRanIt is for how long both ran the job in this round.
func (r *round) bothRanIt(dir string) (time.Duration, error) {
	one, err := r.world.alpha.beats(dir)
	if err != nil {
		return 0, err
	}
	other, err := r.world.beta.beats(dir)
	return overlap(spans(one, joinedBeats), spans(other, joinedBeats)), err
}

// idle says why the job does not run on the primary; empty: it does.
func (w *world) idle(ctx context.Context, dir string) (why string) {
	primary, _, why := w.roles(ctx)
	if why != "" {
		return why
	}
	const lately = 500 * time.Millisecond
	ran, err := primary.beats(dir)
	if err != nil || len(ran) == 0 || time.Since(ran[len(ran)-1]) > lately {
		return "the service does not run on " + primary.appliance.Name()
	}
	return ""
}

// mayBothRunIt reports whether the plan has one of the cases in which the services of a primary go on beside those of the backup
// that takes over (docs/services.md): nothing cleans up after its daemon, or that hangs and no systemd ends it.
func (p plan) mayBothRunIt() bool {
	for _, s := range p.strikes() {
		if s.Kind == kindHang || s.Kind == kindKill && s.Hard {
			return true
		}
	}
	return false
}

// removeGroups removes the control groups of an appliance that is no more: those of a host that has lost its power are empty, and
// nobody else removes them.
func removeGroups(id pair.ApplianceID) {
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		group := filepath.Join(root, "baton-"+string(id))
		for range 100 { // what was killed may take a moment
			_ = os.Remove(filepath.Join(group, jobName))
			_ = os.Remove(group)
			if _, err := os.Stat(group); err != nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}
