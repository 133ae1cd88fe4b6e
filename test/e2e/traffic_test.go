//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"baton/internal/lab"
	"baton/internal/pair"
)

// numbers is the file in which a server that Baton does not run keeps what it has
// acknowledged.
const numbers = "numbers.txt"

// ownPort is that server's.
const ownPort = 8080

// stranger starts a server that Baton does not run on an appliance: it appends the
// number that it gets to a protected file, durably, and then acknowledges it. It
// lives on whatever becomes of the daemon.
func (a *appliance) stranger() {
	a.t.Helper()
	listener, err := a.Listen(context.Background(), "tcp", fmt.Sprintf(":%d", ownPort))
	if err != nil {
		a.t.Fatal(err)
	}
	var serving sync.WaitGroup
	a.t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	var one sync.Mutex
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = conn.Close() }()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				line, err := bufio.NewReader(conn).ReadString('\n')
				if err != nil {
					return
				}
				one.Lock()
				err = a.append(line)
				one.Unlock()
				if err == nil {
					_, _ = fmt.Fprintln(conn, a.Name())
				}
			})
		}
	})
}

func (a *appliance) append(line string) error {
	file, err := os.OpenFile(a.Path(site(numbers)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(line)
	return errors.Join(err, file.Sync(), file.Close())
}

// numbers lists which numbers are on an appliance.
func (a *appliance) numbers() map[int]bool {
	a.t.Helper()
	text, err := os.ReadFile(a.Path(site(numbers)))
	if err != nil {
		a.t.Fatal(err)
	}
	found := map[int]bool{}
	for line := range strings.Lines(string(text)) {
		if n, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
			found[n] = true
		}
	}
	return found
}

// ack is an acknowledged number.
type ack struct {
	number int
	by     string
	sent   time.Time
	at     time.Time
}

// numbered sends a number to the shared IP every 10 ms, each on a connection of its
// own, whether or not earlier ones have been acknowledged.
type numbered struct {
	mu      sync.Mutex
	acks    []ack
	sent    int
	end     context.CancelFunc
	sending sync.WaitGroup
}

func (w *world) count() *numbered {
	ctx, end := context.WithCancel(context.Background())
	c := &numbered{end: end}
	target := netip.AddrPortFrom(w.shared[0].Addr(), ownPort).String()
	c.sending.Go(func() {
		for number := 1; ctx.Err() == nil; number++ {
			c.mu.Lock()
			c.sent = number
			c.mu.Unlock()
			c.sending.Go(func() { c.send(ctx, w.lab.Host("client"), target, number) })
			if rest(10 * time.Millisecond); w.plan.calm {
				rest(15 * time.Millisecond)
			}
		}
	})
	w.t.Cleanup(func() { end(); c.sending.Wait() })
	return c
}

func (c *numbered) send(ctx context.Context, from *lab.Host, target string, number int) {
	limited, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	sent := time.Now()
	conn, err := from.DialContext(limited, "tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(sent.Add(2 * time.Second))
	if _, err := fmt.Fprintln(conn, number); err != nil {
		return
	}
	by, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acks = append(c.acks, ack{number, strings.TrimSpace(by), sent, time.Now()})
}

// stop ends it and lists what was acknowledged, in order.
func (c *numbered) stop() []ack {
	c.end()
	c.sending.Wait()
	return c.list()
}

func (c *numbered) list() []ack {
	c.mu.Lock()
	defer c.mu.Unlock()
	acks := slices.Clone(c.acks)
	slices.SortFunc(acks, func(a, b ack) int { return a.at.Compare(b.at) })
	return acks
}

func (c *numbered) answeredBy(name string) bool {
	acks := c.list()
	return len(acks) > 0 && acks[len(acks)-1].by == name
}

// longest is the longest time between two acknowledgements.
func longest(acks []ack) (gap time.Duration) {
	for i := 1; i < len(acks); i++ {
		gap = max(gap, acks[i].at.Sub(acks[i-1].at))
	}
	return gap
}

// A daemon that is killed, or hangs, costs no more than a power cut, whatever server
// is behind the shared IP: it lives on, and nobody hears it. Without the traffic
// lease it went on for as long as the kernel kept the address, up to 2 s.
func TestHungDaemonCostsNoMoreThanAPowerCut(t *testing.T) {
	faults := map[string]func(*world){
		"killed": func(w *world) { w.killed(w.alpha) },
		"hung":   func(w *world) { w.fault(w.lab.Pause(w.alpha.Host)) },
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			bestOf(t, 300*time.Millisecond, plan{timeout: fast}, func(w *world) time.Duration {
				for _, a := range w.both() {
					a.stranger()
				}
				c := w.count()
				eventually(w.t, "alpha acknowledges", 5*time.Second, func() bool { return c.answeredBy("alpha") })
				rest(500 * time.Millisecond)
				at := time.Now()
				fault(w)
				eventually(w.t, "beta acknowledges", 10*time.Second, func() bool { return c.answeredBy("beta") })
				rest(700 * time.Millisecond)
				acks := c.stop()
				last, first := w.handedOn(acks)
				w.t.Logf("alpha's last acknowledgement %s after the fault, beta's first %s after it", last.Sub(at).Round(time.Millisecond), first.Sub(at).Round(time.Millisecond))
				return max(first.Sub(last), first.Sub(at))
			})
		})
	}
}

// handedOn checks that alpha acknowledged nothing once beta had, and returns when
// alpha's last and beta's first acknowledgement came.
func (w *world) handedOn(acks []ack) (last, next time.Time) {
	w.t.Helper()
	first := slices.IndexFunc(acks, func(a ack) bool { return a.by == "beta" })
	if first <= 0 {
		w.t.Fatalf("acknowledged by %v", acks)
	}
	for _, a := range acks[first:] {
		if a.by != "beta" {
			w.t.Errorf("alpha acknowledged %d, %s after beta", a.number, a.at.Sub(acks[first].at))
		}
	}
	return acks[first-1].at, acks[first].at
}

// In planned switches with a final data sync, no write of a server that Baton does
// not run is lost once it was acknowledged; also where there is no traffic lease, and
// the address goes off instead.
func TestSwitchLosesNothingOfAnyServer(t *testing.T) {
	full(t)
	for name, prepare := range map[string]func(*appliance){"traffic lease": nil, "no traffic lease": (*appliance).denyTraffic} {
		t.Run(name, func(t *testing.T) {
			w := steadyPair(t, plan{timeout: byDefault, prepare: prepare})
			for _, a := range w.both() {
				if out := a.run("", "doctor").Out; strings.Contains(out, "There is no traffic lease here") != (prepare != nil) {
					t.Fatalf("doctor on %s does not tell which it is:\n%s", a.Name(), out)
				}
				a.stranger()
			}
			c := w.count()
			eventually(t, "alpha acknowledges", 5*time.Second, func() bool { return c.answeredBy("alpha") })
			from, to := w.alpha, w.beta
			for range 4 {
				rest(500 * time.Millisecond)
				to.baton("become primary --final-sync --wait")
				eventually(t, to.Name()+" acknowledges", 10*time.Second, func() bool { return c.answeredBy(to.Name()) })
				w.settled(to, from)
				from, to = to, from
			}
			rest(300 * time.Millisecond)
			w.keptAll(c.stop())
		})
	}
}

// keptAll checks that every acknowledged number is on an appliance.
func (w *world) keptAll(acks []ack) {
	w.t.Helper()
	alpha, beta := w.alpha.numbers(), w.beta.numbers()
	lost := 0
	for _, a := range acks {
		if !alpha[a.number] && !beta[a.number] {
			lost++
			w.t.Errorf("%d, sent at %s and acknowledged by %s at %s, is on neither appliance", a.number, a.sent.Format("05.000"), a.by, a.at.Format("05.000"))
		}
	}
	w.t.Logf("%d numbers acknowledged, %d lost; longest time without one %s", len(acks), lost, longest(acks).Round(time.Millisecond))
	if len(acks) < 100 {
		w.t.Error("too few to tell anything")
	}
}

// denyTraffic lets the appliance have no traffic lease: its tables belong to another
// program.
func (a *appliance) denyTraffic() {
	a.t.Helper()
	const owned = 2 // NFT_TABLE_F_OWNER: nobody but this socket may change it
	err := a.Host.Do(func() error {
		conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
		if err != nil {
			return err
		}
		a.t.Cleanup(func() { _ = conn.Close() })
		attrs, err := netlink.MarshalAttributes([]netlink.Attribute{
			{Type: unix.NFTA_TABLE_NAME, Data: []byte("baton\x00")},
			{Type: unix.NFTA_TABLE_FLAGS, Data: []byte{0, 0, 0, owned}},
		})
		if err != nil {
			return err
		}
		message := func(kind netlink.HeaderType, header, attrs []byte) netlink.Message {
			return netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request}, Data: append(header, attrs...)}
		}
		add := message(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWTABLE, []byte{unix.NFPROTO_INET, 0, 0, 0}, attrs)
		add.Header.Flags |= netlink.Create | netlink.Acknowledge
		if _, err := conn.SendMessages([]netlink.Message{
			message(unix.NFNL_MSG_BATCH_BEGIN, []byte{0, 0, 0, unix.NFNL_SUBSYS_NFTABLES}, nil), add,
			message(unix.NFNL_MSG_BATCH_END, []byte{0, 0, 0, unix.NFNL_SUBSYS_NFTABLES}, nil),
		}); err != nil {
			return err
		}
		_, err = conn.Receive()
		return err
	})
	if err != nil {
		a.t.Fatal(err)
	}
}

// A shared IP that another program puts on the backup is silent there, is taken off
// its interface, and both tell; the primary serves on, and again after a restart.
func TestBackupHasTheSharedIP(t *testing.T) {
	w := steadyPair(t, plan{timeout: moderate})
	w.bothAllowed = 200 * time.Millisecond // until the rules name it
	at := time.Now()
	ip := func(command string) {
		t.Helper()
		if _, err := w.beta.Output(context.Background(), lab.Cmd{Path: "ip", Args: strings.Fields(command)}); err != nil {
			t.Fatal(err)
		}
	}
	shared := w.shared[0].Addr().String()
	for _, where := range []string{"eth0", "lo"} {
		ip("address add " + shared + "/32 dev " + where)
	}
	eventually(t, "both tell", 15*time.Second, func() bool {
		return w.beta.condition("shared-ip-stray") && w.alpha.condition("peer-shared-ip-stray")
	})
	eventually(t, "it is off the configured interface", 5*time.Second, func() bool {
		out, err := w.beta.Output(context.Background(), lab.Cmd{Path: "ip", Args: strings.Fields("-o address show dev eth0")})
		return err == nil && !strings.Contains(string(out), shared+"/")
	})
	w.undisturbed(w.alpha, at, quietly)
	w.silentOnLink(w.beta, at.Add(100*time.Millisecond))
	if err := w.alpha.Daemon().Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-w.alpha.Daemon().Done()
	w.alpha.baton("cleanup")
	w.alpha.serve()
	eventually(t, "alpha serves again, or beta instead", 10*time.Second, func() bool {
		return w.alpha.is(pair.Primary) || w.beta.is(pair.Primary)
	})
	ip("address del " + shared + "/32 dev lo")
	eventually(t, "nobody tells any more", 15*time.Second, func() bool {
		return !w.beta.condition("shared-ip-stray") && !w.alpha.condition("peer-shared-ip-stray")
	})
}

// An appliance that has stepped down answers nobody by what its kernel forwards (DNAT)
// either: that needs no address there, and its neighbours may still send to it.
func TestAnIsolatedApplianceForwardsNothing(t *testing.T) {
	w := twoDaemons(t, plan{timeout: moderate, settings: "automatic_failover=true"})
	w.pair()
	w.alpha.stranger()
	const forwarded = 9090
	rule := fmt.Sprintf("add table ip other; add chain ip other before { type nat hook prerouting priority dstnat; }; add rule ip other before ip daddr %s tcp dport %d redirect to :%d",
		w.shared[0].Addr(), forwarded, ownPort)
	if out, err := w.alpha.Output(context.Background(), lab.Cmd{Path: "/usr/sbin/nft", Args: []string{rule}}); err != nil {
		t.Skipf("no program nft, or it cannot redirect: %v: %s", err, out)
	}
	client := w.lab.Host("client")
	answered := func(number int) bool {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		conn, err := client.DialContext(ctx, "tcp", netip.AddrPortFrom(w.shared[0].Addr(), forwarded).String())
		if err != nil {
			return false
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(500 * time.Millisecond))
		_, err = fmt.Fprintf(conn, "%d\n", number)
		if err != nil {
			return false
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		return err == nil && line != ""
	}
	if !answered(1) {
		t.Fatal("the port is not forwarded on the primary")
	}
	w.fault(w.lab.Partition(w.alpha.Host, w.beta.Host))
	w.fault(w.lab.Partition(w.alpha.Host, w.gateway))
	eventually(t, "alpha is isolated and beta serves", 10*time.Second, func() bool {
		alpha, err := w.alpha.ask()
		beta, err2 := w.beta.ask()
		return errors.Join(err, err2) == nil && alpha.State == pair.Isolated && beta.Role == pair.Primary && beta.State == pair.Alone
	})
	if _, err := client.Output(context.Background(), lab.Cmd{Path: "/usr/sbin/ip", Args: []string{
		"neigh", "replace", w.shared[0].Addr().String(), "lladdr", w.alpha.MAC().String(), "dev", "eth0",
	}}); err != nil {
		t.Skipf("no program ip: %v", err)
	}
	if answered(2) {
		t.Error("isolated, alpha goes on acknowledging while beta serves")
	}
}
