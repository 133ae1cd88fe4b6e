package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	mdl "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// run keeps the tables until the test ends.
func (s *site) run() {
	s.server.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.server.do(func() error { return s.lease.Run(ctx, func() {}) }) })
	s.server.t.Cleanup(func() { cancel(); running.Wait() })
}

// shared makes the tables as an older kernel does: anybody may change them.
func (s *site) shared() {
	s.server.t.Helper()
	s.server.do(func() error {
		if err := s.lease.Remove(); err != nil {
			return err
		}
		s.lease.ownership = []uint32{0}
		return s.lease.Install(Passing{})
	})
}

// nft changes the server's ruleset, as another program does.
func (s *site) nft(change func(*nftables.Conn)) error {
	var failed error
	s.server.do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		change(conn)
		failed = conn.Flush()
		return nil
	})
	return failed
}

func ours4(name string) *nftables.Set {
	return &nftables.Set{Table: &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}, Name: name, KeyType: nftables.TypeIPAddr}
}

// Where tables can be a socket's own, nobody else's flush takes them.
func TestAFlushOfTheRulesetLeavesOwnedTables(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if s.lease.flags&tableOwner == 0 {
		t.Skip("this kernel has no owned tables: TestAFlushedRulesetIsPutBack shows what happens there")
	}
	s.echo("80")
	s.guard()
	s.run()
	if err := s.nft(func(c *nftables.Conn) { c.FlushRuleset() }); err != nil {
		t.Logf("the flush was told: %v", err)
	}
	if err := s.nft(func(c *nftables.Conn) { c.FlushSet(ours4(shared4)) }); err == nil {
		t.Error("another program has emptied a set of ours")
	}
	if conn, err := s.dial("tcp", ip4(t), "80", 200*time.Millisecond); err == nil {
		_ = conn.Close()
		t.Error("the flush has opened a closed lease")
	}
	if s.lease.Mended() != 0 {
		t.Error("nothing was to be put back")
	}
}

func TestAFlushedRulesetIsPutBack(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*nftables.Conn){
		"flushed": func(c *nftables.Conn) { c.FlushRuleset() },
		"a table": func(c *nftables.Conn) {
			c.DelTable(&nftables.Table{Name: tableName, Family: nftables.TableFamilyNetdev})
		},
		"the rules": func(c *nftables.Conn) {
			c.FlushTable(&nftables.Table{Name: tableName, Family: nftables.TableFamilyINet})
		},
		"the guarded": func(c *nftables.Conn) { c.FlushSet(ours4(shared4)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.shared()
			s.echo("80")
			s.guard()
			s.run()
			time.Sleep(50 * time.Millisecond) // so that it listens
			begun := time.Now()
			if err := s.nft(change); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the tables are put back", func() bool { return s.lease.Mended() != 0 })
			t.Logf("%s: put back after %s", name, time.Since(begun).Round(100*time.Microsecond))
			if conn, err := s.dial("tcp", ip4(t), "80", 200*time.Millisecond); err == nil {
				_ = conn.Close()
				t.Error("put back, and it passes traffic")
			}
			if !s.lease.InForce() {
				t.Error("it is not in force")
			}
			if err := s.lease.Open(forever()); err != nil {
				t.Fatal(err)
			}
			conn, err := s.dial("tcp", ip4(t), "80", 2*time.Second)
			if err != nil {
				t.Fatal("put back, it cannot be opened:", err)
			}
			_ = conn.Close()
		})
	}
}

// A set that somebody empties is a lapse: begun anew at the next renewal, and counted.
func TestAnEmptiedSetIsALapse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.shared()
	s.guard()
	s.run()
	if err := s.lease.Open(forever()); err != nil {
		t.Fatal(err)
	}
	if err := s.nft(func(c *nftables.Conn) { c.FlushSet(ours4(alive4)) }); err != nil {
		t.Fatal(err)
	}
	if err := s.lease.Renew(forever()); err != nil {
		t.Fatal(err)
	}
	if lapses, _ := s.lease.Lapses(); lapses != 1 {
		t.Errorf("%d lapses counted, want 1", lapses)
	}
	if !s.knows(ip4(t), 3*time.Second) {
		t.Error("begun anew, neighbours do not find it")
	}
}

// An interface that is made anew gets its rules: closed, the address stays silent there.
func TestAnInterfaceMadeAnewIsGuarded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.guard()
	s.run()
	s.server.do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.LinkDel(link)
	})
	wire(s.server, s.client)
	s.server.do(func() error {
		return errors.Join(address("eth0", server4), address("eth0", server6), address("eth0", shared4Text), address("eth0", shared6Text), usable(shared6Text))
	})
	s.client.do(func() error { return errors.Join(address("eth0", client4), address("eth0", client6)) })
	eventually(t, "the rules follow the interface", func() bool { return !s.knows(ip4(t), 100*time.Millisecond) })
	if err := s.lease.Open(forever()); err != nil {
		t.Fatal(err)
	}
	if !s.knows(ip4(t), 3*time.Second) {
		t.Error("opened, neighbours do not find it")
	}
}

// storm loads sets of 100,000 elements in a loop, as a program does that keeps a
// list of addresses, until the test ends.
func (s *site) storm() *atomic.Int64 {
	s.server.t.Helper()
	var loads atomic.Int64
	var ended atomic.Bool
	var running sync.WaitGroup
	s.server.t.Cleanup(func() { ended.Store(true); running.Wait() })
	running.Go(func() {
		s.server.do(func() error {
			conn, err := nftables.New(nftables.WithSockOptions(func(c *mdl.Conn) error { return c.SetWriteBuffer(32 << 20) }))
			if err != nil {
				return err
			}
			const part = 2000 // elements in one message
			for n := 0; !ended.Load(); n++ {
				table := conn.AddTable(&nftables.Table{Name: "storm", Family: nftables.TableFamilyINet})
				set := &nftables.Set{Table: table, Name: fmt.Sprintf("list%d", n%2), KeyType: nftables.TypeIPAddr}
				if err := conn.AddSet(set, nil); err != nil {
					return err
				}
				conn.FlushSet(set)
				for from := uint32(0); from < 100_000; from += part {
					elements := make([]nftables.SetElement, part)
					for i := range elements {
						elements[i].Key = binaryutil.BigEndian.PutUint32(0x0a000000 + from + uint32(i))
					}
					if err := conn.SetAddElements(set, elements); err != nil {
						return err
					}
				}
				if err := conn.Flush(); err != nil {
					return fmt.Errorf("load 100,000 elements: %w", err)
				}
				loads.Add(1)
			}
			return nil
		})
	})
	return &loads
}

// hog keeps processors busy until the test ends, by programs of their own.
func hog(t *testing.T, count int) {
	t.Helper()
	for range count {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), hogName+"=1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
	}
}

// Renewals wait for nobody: not for another program that loads 100,000 elements over
// and over. Where busy processors hold this one up beyond its lease, that is a
// lapse, begun anew; and who gives up falls silent in time.
func TestRenewalsWaitForNobody(t *testing.T) {
	s := newSite(t)
	s.guard()
	s.run()
	loads := s.storm()
	hog(t, 8)
	term := func() Term { return Term{Longest: 240 * time.Millisecond, Until: bootTime() + time.Hour} }
	if err := s.lease.Open(term()); err != nil {
		t.Fatal(err)
	}
	var calls []time.Duration
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		begun := time.Now()
		if err := s.lease.Renew(term()); err != nil {
			t.Errorf("renewal %d: %v", len(calls), err)
		}
		calls = append(calls, time.Since(begun))
	}
	slices.Sort(calls)
	median, longest := calls[len(calls)/2], calls[len(calls)-1]
	lapses, _ := s.lease.Lapses()
	t.Logf("%d renewals, half of the calls within %s, the longest %s, %d lapses, while 100,000 elements were loaded %d times beside 8 hogs",
		len(calls), median.Round(10*time.Microsecond), longest.Round(10*time.Microsecond), lapses, loads.Load())
	if loads.Load() == 0 {
		t.Error("nothing was loaded meanwhile")
	}
	if median > 10*time.Millisecond {
		t.Errorf("half of the renewals took longer than %s", median)
	}
	time.Sleep(300 * time.Millisecond)
	if s.knows(ip4(t), 200*time.Millisecond) {
		t.Error("no longer renewed, it answers")
	}
}

// Where another program's rules stop our packets, there is no lease, and no table is
// left that would keep the site closed.
func TestNoLeaseWhereThePacketsDoNotPass(t *testing.T) {
	t.Parallel()
	s := bareSite(t)
	s.echo("80")
	err := s.nft(func(c *nftables.Conn) {
		table := c.AddTable(&nftables.Table{Name: "other", Family: nftables.TableFamilyINet})
		chain := c.AddChain(&nftables.Chain{Name: "out", Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: concat(loopback(expr.MetaKeyOIFNAME, expr.CmpOpEq),
			meta(expr.MetaKeyL4PROTO, expr.CmpOpEq, []byte{unix.IPPROTO_UDP}), stop())})
	})
	if err != nil {
		t.Fatal(err)
	}
	l := New(both(t), nil, slog.New(slog.DiscardHandler))
	s.server.do(func() error { err = l.Install(Passing{}); return nil })
	if err == nil || !strings.Contains(err.Error(), "loopback") || errors.Is(err, ErrLeft) {
		t.Fatalf("installed: %v", err)
	}
	conn, err := s.dial("tcp", ip4(t), "80", 2*time.Second)
	if err != nil {
		t.Fatal("without a lease, traffic does not pass:", err)
	}
	_ = conn.Close()
}
