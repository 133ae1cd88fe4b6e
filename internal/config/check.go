package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"baton/internal/pair"
)

// maxSocketPath is the longest path that a Unix socket address holds, in bytes
// (108 with its closing zero, unix(7)).
const maxSocketPath = 107

// longestSpan is the longest time that the file may set.
const longestSpan = 10 * time.Minute

// checker collects what is wrong; each method returns the value in its own type.
type checker struct {
	file  string
	lines map[string]int
	errs  []error
}

func (c *checker) refuse(key, format string, args ...any) {
	c.errs = append(c.errs, &Error{File: c.file, Line: c.line(key), Key: key, Text: fmt.Sprintf(format, args...)})
}

// line returns the line of a key, or of the table that should have it.
func (c *checker) line(key string) int {
	for key != "" {
		if line, found := c.lines[key]; found {
			return line
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return 0
}

func (c *checker) name(key, text string) string {
	if !pair.IsName(text) {
		c.refuse(key, `%q is not a name: use 1 to 64 letters, digits, dots, dashes or underscores, as "alpha"`, text)
	}
	return text
}

func (c *checker) path(key, text string) string {
	path, err := pair.ParsePath(filepath.Clean(text))
	if err != nil {
		c.refuse(key, "%q is not an absolute path: write it from the root, as %s", text, schema()[key])
	}
	return string(path)
}

func (c *checker) directory(key, text string) string {
	path := c.path(key, text)
	if path == "/" {
		c.refuse(key, "%q is the whole machine: name a directory of its own, as %s", text, schema()[key])
	}
	return path
}

func (c *checker) socket(key, text string) string {
	path := c.path(key, text)
	if len(path) > maxSocketPath {
		c.refuse(key, "the path is %d bytes long: a socket's path has at most %d, as %s", len(path), maxSocketPath, schema()[key])
	}
	return path
}

func (c *checker) listen(key string, addresses []string) []string {
	if len(addresses) == 0 {
		c.refuse(key, "names no address: write %s", schema()[key])
	}
	for i, address := range addresses {
		item := fmt.Sprintf("%s[%d]", key, i)
		if slices.Contains(addresses[:i], address) {
			c.refuse(item, "%q is listed twice: name each address once", address)
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			c.refuse(item, "%q is not host:port: write it like 198.51.100.1:443, [2001:db8::1]:443 or :443", address)
			continue
		}
		if _, err := netip.ParseAddr(host); host != "" && err != nil {
			c.refuse(item, "%q is not an IP address of this machine: write one, or nothing before the colon for every address", host)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			c.refuse(item, "%q is not a port: use 1 to 65535", port)
		}
	}
	return addresses
}

// distinct refuses an address of two doors; setting is where the first one has it.
func (c *checker) distinct(key, setting string, one, other []string) {
	for i, address := range other {
		if slices.Contains(one, address) {
			c.refuse(fmt.Sprintf("%s[%d]", key, i), "%q is taken by %s: give the site another port, as %s", address, setting, schema()[key])
		}
	}
}

func (c *checker) level(key, text string) slog.Level {
	levels := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	for _, level := range levels {
		if strings.EqualFold(text, level.String()) {
			return level
		}
	}
	c.refuse(key, "%q is not a level: use debug, info, warn or error", text)
	return slog.LevelInfo
}

func (c *checker) networks(key string, texts []string) []netip.Prefix {
	networks := make([]netip.Prefix, 0, len(texts))
	for i, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			c.refuse(fmt.Sprintf("%s[%d]", key, i), "%q is not a network: write it like 127.0.0.0/8 or 2001:db8::/64", text)
			continue
		}
		networks = append(networks, network.Masked())
	}
	return networks
}

func (c *checker) trees(key string, texts []string) []string {
	trees := make([]string, len(texts))
	for i, text := range texts {
		path, err := pair.ParsePath(filepath.Clean(text))
		if err != nil {
			c.refuse(fmt.Sprintf("%s[%d]", key, i), "%q is not an absolute path: write %s", text, schema()[key])
		}
		trees[i] = string(path)
	}
	return trees
}

func (c *checker) span(key, text string) time.Duration {
	span, err := time.ParseDuration(text)
	if err != nil || span < 0 || span > longestSpan {
		c.refuse(key, `%q is not a time from "0s" to "10m": write it as %s`, text, schema()[key])
	}
	return span
}

func (c *checker) sharedIP(key string, known []pair.SharedIP, address, iface string) []pair.SharedIP {
	if iface == "lo" {
		c.refuse(key+".interface", "lo reaches no other machine: name the interface of the clients' network, and write %s", schema()["shared_ip.interface"])
	}
	if iface == "" || !isInterface(iface) {
		c.refuse(key+".interface", "%q is not the name of an interface: write %s", iface, schema()["shared_ip.interface"])
		return known
	}
	ip, err := pair.ParseSharedIP(address, iface)
	if err != nil {
		c.refuse(key+".address", "%s", err)
		return known
	}
	same := func(other pair.SharedIP) bool { return other.Address.Addr() == ip.Address.Addr() }
	if slices.ContainsFunc(known, same) {
		c.refuse(key+".address", "%s is listed twice: name each shared IP once", ip.Address.Addr())
	}
	return append(known, ip)
}

// isInterface applies the kernel's rule for interface names (dev_valid_name).
func isInterface(name string) bool {
	return len(name) <= 15 && name != "." && name != ".." && !strings.ContainsAny(name, "/: \t\r\n\v\f\x00")
}
