package lease

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"sync"
	"time"

	"baton/internal/tick"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// watcher hears that somebody changes a ruleset, and that interfaces change.
type watcher struct {
	rules *netlink.Conn // nil where our tables are ours alone
	links *netlink.Conn
}

// Multicast groups.
const (
	groupTables = 7 // NFNLGRP_NFTABLES
	groupLinks  = 1 // RTNLGRP_LINK
)

// listen opens the sockets of a watcher. The mutex is held.
func (l *Lease) listen() (err error) {
	w := &watcher{}
	l.watch = w
	if w.links, err = netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: groupLinks}); err != nil {
		return fmt.Errorf("watch interfaces: %w", err)
	}
	if l.flags&tableOwner != 0 {
		return nil // nobody else can change them: a flush of the ruleset leaves them out
	}
	if w.rules, err = netlink.Dial(unix.NETLINK_NETFILTER, nil); err != nil {
		return fmt.Errorf("watch the ruleset: %w", err)
	}
	if err := w.rules.JoinGroup(groupTables); err != nil {
		return fmt.Errorf("watch the ruleset: %w", err)
	}
	_ = w.rules.SetReadBuffer(4 << 20) // what does not fit costs one more look
	return nil
}

// conns lists the sockets there are.
func (w *watcher) conns() (list []*netlink.Conn) {
	for _, conn := range []*netlink.Conn{w.rules, w.links} {
		if conn != nil {
			list = append(list, conn)
		}
	}
	return list
}

func (w *watcher) close() error {
	var failed []error
	for _, conn := range w.conns() {
		failed = append(failed, conn.Close())
	}
	return errors.Join(failed...)
}

// lookEvery is how often the tables are checked without an event: a change that caused no
// event is found by then.
const lookEvery = 2 * time.Second

// Run keeps the tables as they were installed: it puts back what somebody else has
// taken away, follows interfaces that are made anew, and calls changed, which must
// return soon, when InForce or Mended has changed. It blocks until ctx is done,
// which is no error.
func (l *Lease) Run(ctx context.Context, changed func()) error {
	l.mu.Lock()
	watch := l.watch
	l.mu.Unlock()
	if watch == nil { // not installed: nothing to keep
		<-ctx.Done()
		return nil
	}
	var running sync.WaitGroup
	defer running.Wait()
	for _, conn := range watch.conns() {
		running.Go(func() { l.hear(ctx, conn) })
	}
	ticker := tick.Every(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			for _, conn := range watch.conns() {
				_ = conn.SetReadDeadline(time.Unix(1, 0)) // ends the listeners
			}
			return nil
		case <-l.kick:
		case <-ticker.C:
		}
		force, mended := l.InForce(), l.Mended()
		l.check()
		if force != l.InForce() || mended != l.Mended() {
			changed()
		}
	}
}

// hear has the tables looked at whenever something happens that may concern them.
func (l *Lease) hear(ctx context.Context, conn *netlink.Conn) {
	for ctx.Err() == nil {
		messages, err := conn.Receive()
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			if ctx.Err() == nil {
				time.Sleep(lookEvery) // the ticker goes on
			}
			continue
		}
		if err == nil && !concerns(messages) {
			continue
		}
		l.rouse()
	}
}

// concerns reports whether one of the messages is of interfaces, or of a table of
// our name.
func concerns(messages []netlink.Message) bool {
	for _, m := range messages {
		if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES {
			if m.Header.Type == unix.RTM_NEWLINK || m.Header.Type == unix.RTM_DELLINK {
				return true
			}
			continue
		}
		if len(m.Data) < 4 || m.Header.Type&0xff == unix.NFT_MSG_NEWGEN {
			continue
		}
		attrs, err := netlink.UnmarshalAttributes(m.Data[4:])
		if err == nil && len(attrs) > 0 && attrs[0].Type == unix.NFTA_TABLE_NAME && string(attrs[0].Data) == tableName+"\x00" {
			return true // the name of the table comes first in all of them
		}
	}
	return false
}

// check looks whether the tables are as they were and as wanted, and mends them.
func (l *Lease) check() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return
	}
	if l.moved() {
		l.followLinks()
	}
	if l.force.Load() && l.intact() {
		if err := l.name(); err != nil {
			l.log.Warn("the guarded addresses could not be changed", slog.Any("error", err))
		}
		return
	}
	l.guarded, l.away = l.wanted(), l.gone()
	if err := l.install(0); err != nil {
		if l.force.Swap(false) {
			l.log.Error("the traffic lease's tables are gone and cannot be put back", slog.Any("error", err))
		}
		return
	}
	l.force.Store(true)
	l.mended.Store(int64(l.now()))
	l.log.Warn("somebody changed the traffic lease's tables; they are put back")
}

// moved reports whether an interface has come, gone or been made anew.
func (l *Lease) moved() bool {
	for _, name := range l.devices {
		index := 0
		if device, err := net.InterfaceByName(name); err == nil {
			index = device.Index
		}
		if index != l.indices[name] {
			return true
		}
	}
	return false
}

// followLinks makes the table of the interfaces anew. The next renewal fills it
// again; traffic goes on meanwhile.
func (l *Lease) followLinks() {
	b := &batch{}
	installFrames(b, l.flags, l.flags, l.interfaces())
	fill(b, l.guarded, l.away)
	err := b.commit(l.conn)
	if err == nil {
		err = l.remember()
	}
	if err != nil {
		clear(l.indices) // tried again at the next look
		l.log.Warn("the traffic lease could not follow a change of interfaces", slog.Any("error", err))
	}
}

// intact compares the tables with what was remembered of them, if anything has changed in the
// ruleset since they were last found so. A look that a change of somebody else's interrupts shows
// less than there is, so it takes several.
func (l *Lease) intact() bool {
	for range 3 {
		before, err := l.rulesetNumber()
		if err == nil && before == l.generation {
			return true
		}
		if now, fault := l.checksum(); err == nil && fault == nil && now == l.print {
			l.generation = before
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

// rulesetNumber is the number of the ruleset, which each change of any table gives another. It is
// never 0.
func (l *Lease) rulesetNumber() (number uint32, err error) {
	err = l.query(packets().family, unix.NFT_MSG_GETGEN, 0, nil, func(attrs []netlink.Attribute) {
		for _, a := range attrs {
			if a.Type == unix.NFTA_GEN_ID && len(a.Data) == 4 {
				number = binary.BigEndian.Uint32(a.Data)
			}
		}
	})
	if err == nil && number == 0 {
		err = errors.New("nftables: the kernel does not number its ruleset")
	}
	return number, err
}

// remember notes how the tables look now.
func (l *Lease) remember() (err error) {
	l.print, err = l.checksum()
	return err
}

// checksum sums up our tables: every rule by its number, and the guarded addresses.
func (l *Lease) checksum() (uint64, error) {
	sum := fnv.New64a()
	for _, t := range []tableID{packets(), frames()} {
		err := l.dump(t, unix.NFT_MSG_GETRULE, []netlink.Attribute{text(unix.NFTA_RULE_TABLE, t.name)}, func(attrs []netlink.Attribute) {
			for _, a := range attrs {
				if a.Type == unix.NFTA_RULE_CHAIN || a.Type == unix.NFTA_RULE_HANDLE {
					_, _ = sum.Write(a.Data)
				}
			}
		})
		if err != nil {
			return 0, err
		}
	}
	for _, s := range sharedSets() {
		total, err := l.sumElements(s)
		if err != nil {
			return 0, err
		}
		_, _ = sum.Write(binary.NativeEndian.AppendUint64(nil, total))
	}
	return sum.Sum64(), nil
}

// sumElements sums up what is in a set, in whatever order it comes.
func (l *Lease) sumElements(s sharedSet) (total uint64, err error) {
	about := []netlink.Attribute{text(unix.NFTA_SET_ELEM_LIST_TABLE, s.table.name), text(unix.NFTA_SET_ELEM_LIST_SET, s.name)}
	err = l.dump(s.table, unix.NFT_MSG_GETSETELEM, about, func(attrs []netlink.Attribute) {
		for _, a := range attrs {
			if a.Type == unix.NFTA_SET_ELEM_LIST_ELEMENTS {
				elements := fnv.New64a()
				_, _ = elements.Write(a.Data)
				total += elements.Sum64()
			}
		}
	})
	return total, err
}

// dump lists objects of a table. The mutex is held.
func (l *Lease) dump(t tableID, kind uint16, about []netlink.Attribute, found func([]netlink.Attribute)) error {
	return l.query(t.family, kind, netlink.Dump, about, found)
}

// query asks nftables, and hands on each answer. The mutex is held.
func (l *Lease) query(family byte, kind uint16, flags netlink.HeaderFlags, about []netlink.Attribute, found func([]netlink.Attribute)) error {
	data, err := netlink.MarshalAttributes(about)
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	if err := l.conn.SetReadDeadline(time.Now().Add(answerWithin)); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	replies, err := l.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind), Flags: netlink.Request | flags},
		Data:   append(nfgen(family, 0), data...),
	})
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	for _, reply := range replies {
		if len(reply.Data) < 4 {
			continue
		}
		attrs, err := netlink.UnmarshalAttributes(reply.Data[4:])
		if err != nil {
			return fmt.Errorf("nftables: %w", err)
		}
		for i := range attrs {
			attrs[i].Type &= attributeKind
		}
		found(attrs)
	}
	return nil
}
