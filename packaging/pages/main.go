// Command pages writes what a package has beside the program: the manual pages
// baton(1) and baton.toml(5), the completions of bash, zsh and fish, the licences,
// and the changelogs in the places where Debian looks for them.
//
// The manual pages are made from the command line's own help and from the sample
// of the configuration file, so that they say the same. It decides nothing at run
// time.
//
// Start reading at write; manual.go makes the pages.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"baton/internal/cli"
	"baton/internal/config"
	"baton/internal/licences"
)

func main() {
	var o origin
	var seconds int64
	flag.StringVar(&o.version, "version", "dev", "version of the program")
	flag.StringVar(&o.packaged, "package-version", "0", "version of the Debian package")
	flag.StringVar(&o.maintainer, "maintainer", "", "who makes the package: NAME <ADDRESS>")
	flag.StringVar(&o.changes, "changes", "CHANGELOG.md", "the changes, by what an administrator notices")
	flag.Int64Var(&seconds, "date", 0, "Unix seconds: the date of the pages")
	flag.Parse()
	o.date = time.Unix(seconds, 0).UTC()
	if err := write(flag.Arg(0), o); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "pages:", err) // nowhere left to complain to
		os.Exit(1)                                    //nolint:forbidigo // this is main
	}
}

// origin says what the files are made of.
type origin struct {
	version, packaged, maintainer string
	changes                       string // path
	date                          time.Time
}

// write fills a directory that is laid out as /usr/share is.
func write(dir string, o origin) error {
	changes, err := os.ReadFile(o.changes)
	if err != nil {
		return err
	}
	whole, commands := cli.Describe()
	files := map[string][]byte{
		"man/man1/baton.1.gz":                  packed(commandPage(whole, commands, o)),
		"man/man5/baton.toml.5.gz":             packed(configurationPage(config.Sample(), o)),
		"doc/baton/changelog.gz":               packed(string(changes)),
		"doc/baton/changelog.Debian.gz":        packed(debianChanges(o)),
		"doc/baton/licences.txt.gz":            packed(licences.Notices()),
		"baton/baton.toml":                     []byte(config.Sample()),
		"bash-completion/completions/baton":    nil,
		"zsh/vendor-completions/_baton":        nil,
		"fish/vendor_completions.d/baton.fish": nil,
	}
	for name, shell := range map[string]string{
		"bash-completion/completions/baton":    "bash",
		"zsh/vendor-completions/_baton":        "zsh",
		"fish/vendor_completions.d/baton.fish": "fish",
	} {
		if files[name], err = completion(shell); err != nil {
			return err
		}
	}
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // everybody reads what is in a package
			return err
		}
		if err := os.WriteFile(name, text, 0o644); err != nil { //nolint:gosec // everybody reads what is in a package
			return err
		}
	}
	return nil
}

// completion returns what the program itself writes for a shell.
func completion(shell string) ([]byte, error) {
	var out, complaint bytes.Buffer
	stdio := cli.Stdio{In: bytes.NewReader(nil), Out: &out, Err: &complaint}
	if code := cli.Run(context.Background(), cli.Commands{}, stdio, []string{"completion", shell}); code != 0 {
		return nil, fmt.Errorf("completion of %s: exit code %d: %s", shell, code, complaint.String())
	}
	return out.Bytes(), nil
}

// packed compresses as Debian asks for: as well as it can, without name and time.
func packed(text string) []byte {
	var out bytes.Buffer
	to, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = io.WriteString(to, text)
	}
	if err == nil {
		err = to.Close()
	}
	if err != nil { // a buffer takes everything, and the level exists
		panic(err)
	}
	return out.Bytes()
}

// debianChanges is the changelog of the package itself.
func debianChanges(o origin) string {
	return fmt.Sprintf("baton (%s) unstable; urgency=medium\n\n  * Baton %s. Its own changes are in changelog.gz.\n\n -- %s  %s\n",
		o.packaged, o.version, o.maintainer, o.date.Format(time.RFC1123Z))
}
