package app

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/pprof"
	"strings"
	"time"

	"baton/internal/act"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/pair"
)

const (
	bundleEvents = 5000    // of the history, the newest
	bundleText   = 8 << 20 // bytes of one file at most
)

// bundleFile is one file of the support bundle. What cannot be read says so in
// its place: a bundle is wanted when something is broken.
type bundleFile struct {
	name, about string
	read        func(context.Context) (string, error)
}

func (b *backend) bundleFiles() []bundleFile {
	return []bundleFile{
		{"software.json", "versions of both appliances, build", asJSON(b.Software)},
		{"status.json", "what baton status --json shows", asJSON(b.Status)},
		{"doctor.json", "what baton doctor finds", asJSON(b.Doctor)},
		{"settings.json", "settings of the pair", func(ctx context.Context) (string, error) {
			saved, err := b.Settings(ctx)
			return jsonText(pair.Texts(saved.Values), err)
		}},
		{"configuration.json", "the configuration file as this daemon read it", func(context.Context) (string, error) { return jsonText(b.config, nil) }},
		{"data.json", "the list of protected data, without the data", asJSON(b.Data)},
		{"decision.txt", "what the decision knows", func(context.Context) (string, error) {
			seen := b.agent.Look()
			return fmt.Sprintf("now    %d\nconfig %+v\nstate  %+v\n", agent.BootClock(), seen.Config, seen.State), nil
		}},
		{"history.jsonl", fmt.Sprintf("the newest %d events of both appliances", bundleEvents), b.historyLines},
		{"log.txt", "the newest lines of this daemon's log", func(context.Context) (string, error) { return b.recent.text(), nil }},
		{"network.txt", "interfaces, addresses, routes and neighbours as this daemon sees them", networkText},
		{"machine.txt", "system, memory, disks, limits", func(context.Context) (string, error) { return machineText(b.config.DataDir), nil }},
		{"metrics.txt", "what /metrics shows", func(ctx context.Context) (string, error) {
			var text bytes.Buffer
			b.server.WriteMetrics(ctx, &text)
			return text.String(), nil
		}},
		{"goroutines.txt", "what every part of the daemon does at this moment", func(context.Context) (string, error) {
			var text bytes.Buffer
			err := pprof.Lookup("goroutine").WriteTo(&text, 2)
			return text.String(), err
		}},
	}
}

// SupportBundle implements api.Maintaining.
func (b *backend) SupportBundle(ctx context.Context, to io.Writer) error {
	scrubber, err := b.scrubber(ctx)
	if err != nil {
		return act.Failure(err)
	}
	now := time.Now().UTC()
	root := "baton-support-" + b.config.Name + "-" + now.Format("20060102-150405") + "/"
	zipped := gzip.NewWriter(to)
	archive := tar.NewWriter(zipped)
	add := func(name, text string) error {
		text = scrubber.Replace(text[:min(len(text), bundleText)])
		header := &tar.Header{Name: root + name, Mode: 0o600, Size: int64(len(text)), ModTime: now, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err := io.WriteString(archive, text)
		return err
	}
	err = add("README.txt", b.bundleReadme(now))
	for _, file := range b.bundleFiles() {
		if err != nil {
			return fmt.Errorf("write the support bundle: %w", err)
		}
		text, readErr := file.read(ctx)
		if readErr != nil {
			text += "\nThis could not be read: " + readErr.Error() + "\n"
		}
		err = add(file.name, text)
	}
	if err := errors.Join(err, archive.Close(), zipped.Close()); err != nil {
		return fmt.Errorf("write the support bundle: %w", err)
	}
	b.lead.Audit.Note(ctx, "made a support bundle")
	return nil
}

func (b *backend) bundleReadme(now time.Time) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Support bundle of the appliance %s (%s), Baton %s, made at %s.\n\n", b.config.Name, b.identity.ID(), b.version, now.Format(time.RFC3339))
	for _, file := range b.bundleFiles() {
		fmt.Fprintf(&text, "%-20s %s\n", file.name, file.about)
	}
	text.WriteString(`
Not in it: the pre-shared key, identity and certificate keys, passwords and what
they are checked with, one-time code secrets, tokens, sessions, the passwords and
secrets of mail and webhooks, the protected data. Where one of them stood in a
message, it now says ` + takenOut + `.

In it: host names, IP and MAC addresses, names of users, paths. Read it before you
hand it on if those are nobody's business.
`)
	return text.String()
}

func (b *backend) historyLines(ctx context.Context) (string, error) {
	events, err := b.History(ctx, api.HistoryFilter{Limit: bundleEvents})
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	for _, event := range events {
		err = errors.Join(err, encoder.Encode(event))
	}
	return text.String(), err
}

// asJSON reads something of the backend's and renders it.
func asJSON[T any](read func(context.Context) (T, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		value, err := read(ctx)
		return jsonText(value, err)
	}
}

func jsonText(value any, err error) (string, error) {
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(value, "", "  ")
	return string(text) + "\n", err
}
