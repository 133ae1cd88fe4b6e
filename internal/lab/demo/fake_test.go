package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"baton/internal/pair"
)

// fake stands in for the daemon: it fails over by the simplest rule that can, so
// that the demo is tested without the product.
type fake struct {
	mu      sync.Mutex
	name    string
	addr    string // own, without port
	dir     string
	status  pair.Status
	peer    string
	heard   time.Time
	other   hello
	timeout time.Duration
	yield   bool
	events  []pair.Event
	udp     net.PacketConn
}

type hello struct {
	Role    pair.Role
	Counter uint64
	Yield   bool
}

// fakeMain is the fake program, which is told its configuration file before all else: serve, or a command spoken to its socket.
func fakeMain(file string, args []string) error {
	config, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	value := func(key string) string {
		return regexp.MustCompile(key + `\s*= \[?"([^"]*)"`).FindStringSubmatch(string(config))[1]
	}
	if args[0] == "serve" {
		return serveFake(value("name"), strings.TrimSuffix(value("listen"), ":443"), value("socket"))
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", value("socket"))
	}}}
	answer, err := client.Post("http://fake/"+strings.Join(args, "/"), "text/plain", bytes.NewReader(input))
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", text)
	}
	return nil
}

func serveFake(name, addr, socket string) error {
	f := &fake{name: name, addr: addr, dir: filepath.Dir(socket), timeout: time.Second}
	f.status.Appliance = pair.ApplianceStatus{ID: pair.ApplianceID(name), Name: name}
	f.status.Sync.State = pair.SyncIdle
	_ = os.Remove(socket)
	_ = f.set(netlink.AddrDel, 0)
	if text, err := os.ReadFile(filepath.Join(f.dir, "peer")); err == nil {
		f.peer, f.status.Role, f.heard = string(text), pair.Backup, time.Now()
		f.status.Sync.Snapshot.Number = 1
	}
	local, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	site, err := net.Listen("tcp", ":80")
	if err != nil {
		return err
	}
	if f.udp, err = net.ListenPacket("udp", addr+":7000"); err != nil {
		return err
	}
	go func() {
		_ = http.Serve(site, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Baton-Appliance", name)
			_, _ = fmt.Fprintln(w, "the site")
		}))
	}()
	go func() { _ = http.Serve(local, f) }()
	go f.listen()
	for last := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		f.tick(time.Since(last))
		last = time.Now()
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch path := r.URL.Path; {
	case path == "/api/v1/status":
		_ = json.NewEncoder(w).Encode(f.status)
	case path == "/api/v1/history":
		_ = json.NewEncoder(w).Encode(f.events)
	case strings.HasPrefix(path, "/pair/"):
		peer := strings.TrimSuffix(strings.TrimPrefix(path, "/pair/"), ":443")
		f.join(peer)
		f.promote()
	case path == "/become/primary/--final-sync/--wait":
		f.yield = true
	case path == "/settings/set/refused=1":
		http.Error(w, "refused: unknown setting", http.StatusBadRequest)
	}
}

func (f *fake) join(peer string) {
	f.peer, f.heard = peer, time.Now()
	_ = os.WriteFile(filepath.Join(f.dir, "peer"), []byte(peer), 0o600)
	f.status.Sync.Snapshot.Number = 1
}

func (f *fake) listen() {
	buffer := make([]byte, 1000)
	for {
		n, from, err := f.udp.ReadFrom(buffer)
		if err != nil {
			return
		}
		f.mu.Lock()
		if f.peer == "" {
			f.join(from.(*net.UDPAddr).IP.String())
			f.status.Role = pair.Backup
		}
		f.heard = time.Now()
		_ = json.Unmarshal(buffer[:n], &f.other)
		f.mu.Unlock()
	}
}

// tick is the whole decision; gap is the time since the one before.
func (f *fake) tick(gap time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.peer == "" {
		return
	}
	silent := time.Since(f.heard)
	if gap > f.timeout { // it hung: whatever it knew is old
		f.release()
		f.heard = time.Now()
		f.status.Role = pair.Backup
	}
	switch {
	case f.status.Role == pair.Primary && (f.other.Counter > f.status.Epoch.Counter || f.other.Yield):
		f.release()
		f.status.Role = pair.Backup
		f.note("stepped down")
	case f.status.Role == pair.Primary && silent > f.timeout/2 && !carrier():
		f.release()
	case f.status.Role == pair.Primary && f.status.SharedIPs == nil: // let go: not before the peer is heard
	case f.status.Role == pair.Primary:
		_ = f.set(netlink.AddrReplace, 2)
	case f.yield && f.other.Role == pair.Backup, silent > f.timeout && carrier() && f.quiet():
		f.yield = false
		f.promote()
	}
	message, _ := json.Marshal(hello{f.status.Role, f.status.Epoch.Counter, f.yield})
	if to, err := net.ResolveUDPAddr("udp", f.peer+":7000"); err == nil {
		_, _ = f.udp.WriteTo(message, to)
	}
}

func (f *fake) promote() {
	f.status.Role = pair.Primary
	f.status.Epoch.Counter = max(f.status.Epoch.Counter, f.other.Counter) + 1
	_ = f.set(netlink.AddrReplace, 2)
	f.status.SharedIPs = []pair.SharedIPStatus{{Address: "198.51.100.10/24", Held: true}}
	_ = gratuitousARP()
	f.note("took over")
}

func (f *fake) release() {
	_ = f.set(netlink.AddrDel, 0)
	f.status.SharedIPs = nil
}

func (f *fake) note(text string) {
	id := fmt.Sprintf("%s-%d", f.name, len(f.events))
	f.events = append(f.events, pair.Event{ID: id, Time: time.Now(), Appliance: f.status.Appliance.ID, Kind: pair.KindRoleChanged, Text: text})
}

// quiet reports whether nobody answers for the shared IP.
func (f *fake) quiet() bool {
	conn, err := net.DialTimeout("tcp", "198.51.100.10:80", 300*time.Millisecond)
	if err == nil {
		_ = conn.Close()
	}
	return err != nil
}

func (f *fake) set(how func(netlink.Link, *netlink.Addr) error, lifetime int) error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	return how(link, &netlink.Addr{
		IPNet:    &net.IPNet{IP: net.IPv4(198, 51, 100, 10), Mask: net.CIDRMask(24, 32)},
		ValidLft: lifetime, PreferedLft: lifetime,
	})
}

func carrier() bool {
	link, err := netlink.LinkByName("eth0")
	return err == nil && link.Attrs().RawFlags&unix.IFF_LOWER_UP != 0
}

func gratuitousARP() error {
	eth0, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	ip := []byte{198, 51, 100, 10}
	frame := slices.Concat([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, eth0.HardwareAddr,
		[]byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 1}, eth0.HardwareAddr, ip, make([]byte, 6), ip)
	return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: eth0.Index})
}
