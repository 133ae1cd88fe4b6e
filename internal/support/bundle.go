package support

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"baton/internal/act"
	"baton/internal/pair"
)

const bundleText = 8 << 20 // bytes of one file at most

// File is one file of the support bundle. What cannot be read says so in its place: a
// bundle is wanted when something is broken.
type File struct {
	Name, About string
	Read        func(context.Context) (string, error)
}

// Bundle is what a supporter needs of an appliance, without secrets.
type Bundle struct {
	Name    string // of the appliance
	ID      pair.ApplianceID
	Version string
	Files   []File
	Secrets func(context.Context) ([]string, error) // all that the appliance holds
	Audit   act.Audit
}

// Write writes the bundle as a tar archive compressed with gzip.
func (b *Bundle) Write(ctx context.Context, to io.Writer) error {
	secrets, err := b.Secrets(ctx)
	if err != nil {
		return act.Failure(err)
	}
	scrubber := scrubber(secrets)
	now := time.Now().UTC()
	root := "baton-support-" + b.Name + "-" + now.Format("20060102-150405") + "/"
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
	err = add("README.txt", b.readme(now))
	for _, file := range b.Files {
		if err != nil {
			return fmt.Errorf("write the support bundle: %w", err)
		}
		text, readErr := file.Read(ctx)
		if readErr != nil {
			text += "\nThis could not be read: " + readErr.Error() + "\n"
		}
		err = add(file.Name, text)
	}
	if err := errors.Join(err, archive.Close(), zipped.Close()); err != nil {
		return fmt.Errorf("write the support bundle: %w", err)
	}
	b.Audit.Note(ctx, "made a support bundle")
	return nil
}

func (b *Bundle) readme(now time.Time) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Support bundle of the appliance %s (%s), Baton %s, made at %s.\n\n", b.Name, b.ID, b.Version, now.Format(time.RFC3339))
	for _, file := range b.Files {
		fmt.Fprintf(&text, "%-20s %s\n", file.Name, file.About)
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

// JSON reads something and renders it.
func JSON[T any](read func(context.Context) (T, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		value, err := read(ctx)
		return JSONText(value, err)
	}
}

// JSONText renders a value; the error is passed on.
func JSONText(value any, err error) (string, error) {
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(value, "", "  ")
	return string(text) + "\n", err
}
