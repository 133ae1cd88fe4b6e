package config

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"baton/internal/pair"
)

func TestAFullFileIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "baton.toml")
	text := `
name     = "alpha"
data_dir = "/srv/baton/"
listen   = ["198.51.100.1:443", "[2001:db8::1]:443"]
socket   = "/run/b.sock"
log_level = "debug"
metrics_allow = ["198.51.100.7/24"]
protect = ["/srv/", "/etc/nginx"]
stop_handover = "1m30s"

[[shared_ip]]
address   = "198.51.100.10/24"
interface = "eth0"

[[shared_ip]]
address   = "2001:db8::10/64"
interface = "eth1"

[site]
root = "/srv/www"
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		File: path, Name: "alpha", DataDir: "/srv/baton", Socket: "/run/b.sock", LogLevel: slog.LevelDebug,
		Listen: []string{"198.51.100.1:443", "[2001:db8::1]:443"},
		SharedIPs: []pair.SharedIP{
			{Address: netip.MustParsePrefix("198.51.100.10/24"), Interface: "eth0"},
			{Address: netip.MustParsePrefix("2001:db8::10/64"), Interface: "eth1"},
		},
		Site:         &Site{Root: "/srv/www", Listen: []string{":80"}},
		MetricsAllow: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
		Protect:      []string{"/srv", "/etc/nginx"},
		StopHandover: 90 * time.Second,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
}

func TestTheSampleSaysTheDefaults(t *testing.T) {
	got, err := Parse("sample", []byte(Sample()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
}

func TestTheSampleStaysValidWithEveryKeyTurnedOn(t *testing.T) {
	var text strings.Builder
	for line := range strings.Lines(Sample()) {
		bare := strings.TrimPrefix(line, "# ")
		if strings.HasPrefix(bare, "[") || strings.Contains(bare, " = ") && !strings.HasPrefix(bare, "listen = [\"198") {
			line = bare
		}
		text.WriteString(line)
	}
	got, err := Parse("sample", []byte(text.String()))
	if err != nil {
		t.Fatalf("%v\n%s", err, text.String())
	}
	if got.Name != "alpha" || len(got.SharedIPs) != 1 || got.Site == nil {
		t.Errorf("a key of the sample was not read: %+v", got)
	}
	for key := range schema() {
		if !strings.Contains(text.String(), key[strings.LastIndex(key, ".")+1:]) {
			t.Errorf("the sample does not show %s", key)
		}
	}
}

func TestAMissingFileIsRecognised(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.toml"))
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasSuffix(err.Error(), "none.toml: cannot be read: no such file or directory") {
		t.Errorf("got %v", err)
	}
}

func TestMistakesNameFileLineKeyAndRemedy(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"loopback":          {"[[shared_ip]]\naddress = \"198.51.100.10/24\"\ninterface = \"lo\"\n", `f:3: shared_ip[0].interface: lo reaches no other machine: name the interface of the clients' network, and write interface = "eth0"`},
		"long stop":         {"stop_handover = \"1h\"\n", `f:1: stop_handover: "1h" is not a time from "0s" to "10m": write it as stop_handover = "20s"`},
		"no unit":           {"stop_handover = \"20\"\n", `f:1: stop_handover: "20" is not a time from "0s" to "10m": write it as stop_handover = "20s"`},
		"unknown key":       {"name = \"a\"\nlisten_on = [\":1\"]\n", `f:2: listen_on: unknown key: use one of data_dir, listen, log_level, metrics_allow, name, protect, shared_ip, site, socket, stop_handover`},
		"misspelt key":      {"\ndatadir = \"/x\"\n", `f:2: datadir: unknown key: did you mean data_dir?`},
		"misspelt table":    {"[[shared_ips]]\naddress = \"198.51.100.10/24\"\n", `f:1: shared_ips: unknown key: did you mean shared_ip?`},
		"misspelt in table": {"[[shared_ip]]\naddress = \"198.51.100.10/24\"\ninterfaces = \"eth0\"\n", `f:3: shared_ip.interfaces: unknown key: did you mean interface?`},
		"two unknown":       {"nme = 1\nsockt = 2\n", "f:1: nme: unknown key: did you mean name?\nf:2: sockt: unknown key: did you mean socket?"},
		"wrong type":        {"name = \"a\"\nlisten = \":443\"\n", `f:2: listen: write listen = ["198.51.100.1:443"]`},
		"not a table":       {"shared_ip = \"198.51.100.10/24\"\n", `f:1: shared_ip: write [[shared_ip]], in two brackets, then address and interface`},
		"not TOML":          {"name = \"a\"\nlisten = [\n", `f:2: not valid TOML: `},
		"relative data_dir": {"\n\ndata_dir = \"var\"\n", `f:3: data_dir: "var" is not an absolute path: write it from the root, as data_dir = "/var/lib/baton"`},
		"data_dir is root":  {`data_dir = "/.."`, `f:1: data_dir: "/.." is the whole machine: name a directory of its own, as data_dir = "/var/lib/baton"`},
		"relative socket":   {`socket = ""`, `f:1: socket: "" is not an absolute path: write it from the root, as socket = "/run/baton/baton.sock"`},
		"long socket":       {`socket = "/` + strings.Repeat("x", 120) + `"`, `f:1: socket: the path is 121 bytes long: a socket's path has at most 107, as socket = "/run/baton/baton.sock"`},
		"listen on nothing": {`listen = []`, `f:1: listen: names no address: write listen = ["198.51.100.1:443"]`},
		"no port":           {"listen = [\n  \":443\", # all\n  \"198.51.100.1\",\n]", `f:3: listen[1]: "198.51.100.1" is not host:port: write it like 198.51.100.1:443, [2001:db8::1]:443 or :443`},
		"port too high":     {`listen = [":70000"]`, `f:1: listen[0]: "70000" is not a port: use 1 to 65535`},
		"a name to listen":  {`listen = ["alpha.example:443"]`, `f:1: listen[0]: "alpha.example" is not an IP address of this machine: write one, or nothing before the colon for every address`},
		"listen twice":      {`listen = [":443", ":443"]`, `f:1: listen[1]: ":443" is listed twice: name each address once`},
		"level":             {`log_level = "loud"`, `f:1: log_level: "loud" is not a level: use debug, info, warn or error`},
		"name":              {`name = "a b"`, `f:1: name: "a b" is not a name: use 1 to 64 letters, digits, dots, dashes or underscores, as "alpha"`},
		"protect":           {`protect = ["srv"]`, `f:1: protect[0]: "srv" is not an absolute path: write protect = ["/srv", "/var/www"]`},
		"network":           {`metrics_allow = ["localhost"]`, `f:1: metrics_allow[0]: "localhost" is not a network: write it like 127.0.0.0/8 or 2001:db8::/64`},
		"no interface":      {"[[shared_ip]]\naddress = \"198.51.100.10/24\"\n", `f:1: shared_ip[0].interface: "" is not the name of an interface: write interface = "eth0"`},
		"bad interface":     {"[[shared_ip]]\naddress = \"198.51.100.10/24\"\ninterface = \"eth0/1\"", `f:3: shared_ip[0].interface: "eth0/1" is not the name of an interface: write interface = "eth0"`},
		"no length": {
			"[[shared_ip]]\ninterface = \"eth0\"\naddress = \"198.51.100.10\"\n",
			`f:3: shared_ip[0].address: "198.51.100.10" is not an address with a network length: write it like 198.51.100.10/24`,
		},
		"shared twice": {
			"[[shared_ip]]\naddress = \"198.51.100.10/24\"\ninterface = \"eth0\"\n[[shared_ip]]\naddress = \"198.51.100.10/16\"\ninterface = \"eth1\"\n",
			`f:5: shared_ip[1].address: 198.51.100.10 is listed twice: name each shared IP once`,
		},
		"inline": {
			"shared_ip = [\n  {address = \"198.51.100.10/24\", interface = \"eth0\"},\n  {address = \"no\", interface = \"eth0\"}]",
			`f:3: shared_ip[1].address: "no" is not an address with a network length: write it like 198.51.100.10/24`,
		},
		"site of nothing":   {"\n[site]\nlisten = [\":80\"]", `f:2: site: names neither files nor an application: add root = "/srv/www" or upstream = "http://127.0.0.1:8080"`},
		"relative root":     {"\n[site]\nroot = \"www\"", `f:3: site.root: "www" is not an absolute path: write it from the root, as root = "/srv/www"`},
		"two sites":         {"site.root = \"/srv\"\nsite.upstream = \"http://127.0.0.1:8080\"\n", `f:2: site.upstream: root is there as well: keep root for a directory of files, or upstream for an application`},
		"no upstream":       {`site.upstream = "127.0.0.1:8080"`, `f:1: site.upstream: "127.0.0.1:8080" does not say where an application listens: write http://127.0.0.1:8080, https://HOST:PORT or unix:/run/app.sock, and nothing behind it`},
		"upstream and path": {`site.upstream = "http://127.0.0.1:8080/app"`, `f:1: site.upstream: "http://127.0.0.1:8080/app" does not say where an application listens: write http://127.0.0.1:8080, https://HOST:PORT or unix:/run/app.sock, and nothing behind it`},
		"upstream, no port": {`site.upstream = "http://localhost"`, `f:1: site.upstream: "http://localhost" has no host, or no port from 1 to 65535: write it like http://127.0.0.1:8080`},
		"relative upstream": {`site.upstream = "unix:app.sock"`, `f:1: site.upstream: "app.sock" is not the absolute path of a socket, of at most 107 bytes: write it like unix:/run/app.sock`},
		"upstream is us":    {`site.upstream = "http://127.0.0.1:80"`, `f:1: site.upstream: "http://127.0.0.1:80" is where Baton itself listens (:80): name the port of the application`},
		"TLS on our port":   {"site.root = \"/srv\"\nsite.listen_tls = [\":443\"]\n", `f:2: site.listen_tls[0]: ":443" is taken by listen: give the site another port, as listen_tls = ["198.51.100.10:443"]`},
		"TLS on plain port": {"site.root = \"/srv\"\nsite.listen_tls = [\":80\"]\n", `f:2: site.listen_tls[0]: ":80" is taken by site.listen: give the site another port, as listen_tls = ["198.51.100.10:443"]`},
		"no door":           {"site.root = \"/srv\"\nsite.listen = []\n", `f:2: site.listen: names no address: write listen = [":80"]`},
		"site on our port":  {"listen = [\":80\"]\nsite.root = \"/srv\"\n", `f:2: site.listen[0]: ":80" is taken by listen: give the site another port, as listen = [":80"]`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("f", []byte(test.text))
			if err == nil {
				t.Fatal("accepted")
			}
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("not an *Error: %T", err)
			}
			if name == "not TOML" {
				if !strings.HasPrefix(err.Error(), test.want) {
					t.Errorf("\n got %s\nwant %s...", err, test.want)
				}
				return
			}
			if err.Error() != test.want {
				t.Errorf("\n got %s\nwant %s", err, test.want)
			}
		})
	}
}

func TestAnApplicationIsRead(t *testing.T) {
	for text, want := range map[string]Site{
		`upstream = "http://127.0.0.1:8080"`:                                       {Upstream: &Upstream{"http://127.0.0.1:8080", "tcp", "127.0.0.1:8080", false}, Listen: []string{":80"}},
		`upstream = "https://app.example:8443"`:                                    {Upstream: &Upstream{"https://app.example:8443", "tcp", "app.example:8443", true}, Listen: []string{":80"}},
		"upstream = \"http://[::1]:8080\"\nlisten_tls = [\":8443\"]":               {Upstream: &Upstream{"http://[::1]:8080", "tcp", "[::1]:8080", false}, Listen: []string{":80"}, ListenTLS: []string{":8443"}},
		"upstream = \"unix:/run/app.sock\"\nlisten = []\nlisten_tls = [\":8443\"]": {Upstream: &Upstream{"unix:/run/app.sock", "unix", "/run/app.sock", false}, ListenTLS: []string{":8443"}},
		"upstream = \"http://127.0.0.1:80\"\nlisten = [\"198.51.100.10:80\"]":      {Upstream: &Upstream{"http://127.0.0.1:80", "tcp", "127.0.0.1:80", false}, Listen: []string{"198.51.100.10:80"}},
	} {
		got, err := Parse("f", []byte("[site]\n"+text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(&want, got.Site); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Sample()))
	f.Add([]byte("[[shared_ip]]\naddress = 1\n"))
	f.Add([]byte("a.b.c = {d = [{e = 1}, [2]]}\n[x]\n[[x.y]]\n"))
	f.Add([]byte("listen = [[\"\"]]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		config, err := Parse("f", text)
		if err == nil {
			if !filepath.IsAbs(config.DataDir) || !filepath.IsAbs(config.Socket) || len(config.Listen) == 0 {
				t.Errorf("accepted %+v", config)
			}
			return
		}
		for line := range strings.Lines(err.Error()) {
			if !strings.HasPrefix(line, "f:") {
				t.Errorf("a line of the error does not name the file: %q", err)
			}
		}
	})
}

// A daemon that runs is reached although its file was broken since.
func TestTheSocketOfABrokenFileIsFound(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"unknown key":       {"listne = 3\nsocket = \"/run/b.sock\"\n", "/run/b.sock"},
		"mistake after it":  {"socket = \"/run/b.sock\"\nname = \n", "/run/b.sock"},
		"value of its type": {"name = 3\nsocket = \"/run/b.sock\"\n", "/run/b.sock"},
		"no socket":         {"listne = 3\n", "/run/baton/baton.sock"},
		"no TOML":           {"\x00", "/run/baton/baton.sock"},
	} {
		path := filepath.Join(t.TempDir(), "baton.toml")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil {
			t.Errorf("%s: the file is right", name)
		}
		if got := Socket(path); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}
