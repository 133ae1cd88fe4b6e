// Package config reads the one TOML file of an appliance: only what belongs to
// the machine. It decides what a valid file is and says, for every mistake, the
// file, the line, the key and what would be right. It never opens a socket,
// never looks at the network and never creates what the file names; all else
// that an administrator sets lives in the site database.
//
// Start reading at Config and Load; Sample is the file with every key explained.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"baton/internal/pair"
	"baton/internal/pair/allowance"
)

// maxFileSize bounds what Load reads, in bytes: a real file has a few hundred.
const maxFileSize = 1 << 20

// Config is what one machine knows of itself. Load and Default return it
// complete: every field has its value or its default.
type Config struct {
	File         string          // path of the file that it was read from; empty: none
	Name         string          // of this appliance, as people see it; default: host name
	DataDir      string          // absolute: state, site database, staging, diverged copies
	Listen       []string        // host:port of console, API and peer link; an empty host means every address
	Socket       string          // absolute path of the local API's socket
	LogLevel     slog.Level      // least level that is logged
	SharedIPs    []pair.SharedIP // known to this machine; shared once ticked
	Site         *Site           // public site that Baton itself serves; nil: none
	MetricsAllow []netip.Prefix  // networks that may read /metrics
	Protect      []string        // absolute: trees in which directories may be protected
	StopHandover time.Duration   // how long a daemon that is told to stop may take to hand over; 0: it does not
}

// Site is the public site that the appliance serves by itself while it is primary: files, or
// an application.
type Site struct {
	Root      string    // absolute: directory of the static files; empty: it has an upstream
	Upstream  *Upstream // nil: it has files
	Listen    []string  // host:port, plain HTTP
	ListenTLS []string  // host:port, HTTPS with the site's certificate
}

// Addresses are all at which the site listens.
func (s *Site) Addresses() []string { return slices.Concat(s.Listen, s.ListenTLS) }

// Addresses are all that Baton listens on.
func (c Config) Addresses() []string {
	if c.Site == nil {
		return c.Listen
	}
	return slices.Concat(c.Listen, c.Site.Addresses())
}

// Upstream is where the application listens that is the site.
type Upstream struct {
	Text    string // as it is written
	Network string // "tcp" or "unix"
	Address string // host:port, or an absolute path
	TLS     bool
}

// Default returns the configuration of a machine without a file.
func Default() Config {
	config, err := Parse("built-in configuration", nil)
	if err != nil { // the defaults are checked like any file; a test proves that they pass
		panic(err)
	}
	return config
}

// Load reads and checks the file at path. Its error is one *Error, or several
// joined, each one line; a file that does not exist is recognised by fs.ErrNotExist.
func Load(path string) (Config, error) {
	file, err := os.Open(path) //nolint:gosec // the administrator names the file
	if err != nil {
		return Config{}, unreadable(path, err)
	}
	defer func() { _ = file.Close() }()
	document, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	switch {
	case err != nil:
		return Config{}, unreadable(path, err)
	case len(document) > maxFileSize:
		return Config{}, &Error{File: path, Text: "is larger than 1 MiB: this is not a configuration file of baton"}
	}
	config, err := Parse(path, document)
	config.File = path
	return config, err
}

// Socket returns the local socket that a file names, also one that Load refuses: as far as the
// file can be read, else the default.
func Socket(path string) string {
	var doc struct{ Socket string }
	if text, err := os.ReadFile(path); err == nil { //nolint:gosec // the administrator names the file
		_ = toml.Unmarshal(text, &doc) // what is before a mistake counts
	}
	return cmp.Or(doc.Socket, Default().Socket)
}

// document is the file as it is written; absent keys stay nil.
type document struct {
	Name     *string `toml:"name"`
	DataDir  *string `toml:"data_dir"`
	Listen   *[]string
	Socket   *string
	LogLevel *string `toml:"log_level"`
	SharedIP []struct {
		Address   string
		Interface string
	} `toml:"shared_ip"`
	Site         *site
	MetricsAllow *[]string `toml:"metrics_allow"`
	Protect      *[]string
	StopHandover *string `toml:"stop_handover"`
}

// site is its table of that name.
type site struct {
	Root      *string
	Upstream  *string
	Listen    *[]string
	ListenTLS *[]string `toml:"listen_tls"`
}

// Parse checks a document; name is what errors call it.
func Parse(name string, text []byte) (Config, error) {
	var doc document
	decoder := toml.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&doc); err != nil {
		return Config{}, syntaxError(name, err)
	}
	check := checker{file: name, lines: lines(text)}
	config := Config{
		Name:         check.name("name", value(doc.Name, hostName())),
		DataDir:      check.directory("data_dir", value(doc.DataDir, "/var/lib/baton")),
		Listen:       check.listen("listen", value(doc.Listen, []string{":443"})),
		Socket:       check.socket("socket", value(doc.Socket, "/run/baton/baton.sock")),
		LogLevel:     check.level("log_level", value(doc.LogLevel, "info")),
		MetricsAllow: check.networks("metrics_allow", value(doc.MetricsAllow, []string{"127.0.0.0/8", "::1/128"})),
		Protect:      check.trees("protect", value(doc.Protect, allowance.DefaultTrees())),
		StopHandover: check.span("stop_handover", value(doc.StopHandover, "20s")),
	}
	for i, ip := range doc.SharedIP {
		config.SharedIPs = check.sharedIP(fmt.Sprintf("shared_ip[%d]", i), config.SharedIPs, ip.Address, ip.Interface)
	}
	if doc.Site != nil {
		config.Site = check.site(doc.Site, config.Listen)
	}
	if err := errors.Join(check.errs...); err != nil {
		return Config{}, err
	}
	return config, nil
}

func value[T any](given *T, otherwise T) T {
	if given == nil {
		return otherwise
	}
	return *given
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "appliance"
	}
	return cmp.Or(name, "appliance")
}
