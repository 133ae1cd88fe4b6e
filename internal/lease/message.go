package lease

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Table flags that golang.org/x/sys does not name (linux/netfilter/nf_tables.h):
// only the socket that made a table may change it, and it stays when that socket
// closes.
const (
	tableOwner   = 0x2
	tablePersist = 0x4
)

// answerWithin bounds one transaction: another program's may take 400 ms, and
// there may be several ahead.
const answerWithin = 3 * time.Second

// batch is a transaction of nftables: all of it is done, or nothing.
type batch struct {
	messages []netlink.Message
	failed   error
}

// add appends a message about an object of a family.
func (b *batch) add(kind uint16, family byte, flags netlink.HeaderFlags, attrs ...netlink.Attribute) {
	data, err := netlink.MarshalAttributes(attrs)
	if err != nil {
		b.failed = errors.Join(b.failed, err)
		return
	}
	b.messages = append(b.messages, netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind),
			Flags: netlink.Request | netlink.Acknowledge | flags,
		},
		Data: append(nfgen(family, 0), data...),
	})
}

// nfgen renders the header that every netfilter message begins with.
func nfgen(family byte, resource uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{family, unix.NFNETLINK_V0}, resource)
}

func text(kind uint16, s string) netlink.Attribute {
	return netlink.Attribute{Type: kind, Data: append([]byte(s), 0)}
}

func number32(kind uint16, n uint32) netlink.Attribute {
	return netlink.Attribute{Type: kind, Data: binary.BigEndian.AppendUint32(nil, n)}
}

func number64(kind uint16, n uint64) netlink.Attribute {
	return netlink.Attribute{Type: kind, Data: binary.BigEndian.AppendUint64(nil, n)}
}

// nest renders attributes inside another. None of ours fails to render.
func (b *batch) nest(kind uint16, attrs ...netlink.Attribute) netlink.Attribute {
	data, err := netlink.MarshalAttributes(attrs)
	b.failed = errors.Join(b.failed, err)
	return netlink.Attribute{Type: unix.NLA_F_NESTED | kind, Data: data}
}

// remake makes a table anew: what an earlier run left under the name goes with it.
// A table that was a socket's own is taken over with the flags that it has.
func (b *batch) remake(t tableID, left, flags uint32) {
	b.table(t, left)
	b.remove(t)
	b.table(t, flags)
}

func (b *batch) table(t tableID, flags uint32) {
	b.add(unix.NFT_MSG_NEWTABLE, t.family, netlink.Create, text(unix.NFTA_TABLE_NAME, t.name), number32(unix.NFTA_TABLE_FLAGS, flags))
}

func (b *batch) remove(t tableID) {
	b.add(unix.NFT_MSG_DELTABLE, t.family, 0, text(unix.NFTA_TABLE_NAME, t.name))
}

// exists asks whether there is a table of that name.
func (b *batch) exists(t tableID, conn *netlink.Conn) bool {
	b.add(unix.NFT_MSG_GETTABLE, t.family, 0, text(unix.NFTA_TABLE_NAME, t.name))
	if b.failed != nil || conn.SetReadDeadline(time.Now().Add(answerWithin)) != nil {
		return false
	}
	_, err := conn.Execute(b.messages[0])
	return err == nil
}

// set describes a set of addresses or ports.
type set struct {
	name  string
	size  int    // of a key, in bytes
	kind  uint32 // nft's own number of the type of the key: for people who list it
	timed bool   // rules add elements, which end by themselves
}

// Types of keys as nft numbers them.
const (
	kindIPv4    = 7
	kindIPv6    = 8
	kindService = 13
)

func (b *batch) set(t tableID, id uint32, s set) {
	attrs := []netlink.Attribute{
		text(unix.NFTA_SET_TABLE, t.name), text(unix.NFTA_SET_NAME, s.name), number32(unix.NFTA_SET_ID, id),
		number32(unix.NFTA_SET_KEY_TYPE, s.kind), number32(unix.NFTA_SET_KEY_LEN, uint32(s.size)), //nolint:gosec // at most 16
	}
	if s.timed {
		// The size is far beyond what is needed: elements that have ended count until they are collected.
		const day = 24 * 60 * 60 * 1000 // ms, of elements that a rule adds without a time: none does
		attrs = append(attrs, number32(unix.NFTA_SET_FLAGS, unix.NFT_SET_TIMEOUT|unix.NFT_SET_EVAL),
			number64(unix.NFTA_SET_TIMEOUT, day),
			number32(unix.NFTA_SET_GC_INTERVAL, 1000),
			b.nest(unix.NFTA_SET_DESC, number32(unix.NFTA_SET_DESC_SIZE, 65535)))
	}
	b.add(unix.NFT_MSG_NEWSET, t.family, netlink.Create, attrs...)
}

// elements adds keys to a set, or takes them out.
func (b *batch) elements(kind uint16, t tableID, name string, keys [][]byte, more ...netlink.Attribute) {
	if len(keys) == 0 {
		return
	}
	var list []netlink.Attribute
	for _, key := range keys {
		attrs := append([]netlink.Attribute{b.nest(unix.NFTA_SET_ELEM_KEY, netlink.Attribute{Type: unix.NFTA_DATA_VALUE, Data: key})}, more...)
		list = append(list, b.nest(unix.NFTA_LIST_ELEM, attrs...))
	}
	flags := netlink.HeaderFlags(0)
	if kind == unix.NFT_MSG_NEWSETELEM {
		flags = netlink.Create
	}
	b.add(kind, t.family, flags, text(unix.NFTA_SET_ELEM_LIST_TABLE, t.name), text(unix.NFTA_SET_ELEM_LIST_SET, name),
		b.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS, list...))
}

// clear empties a set.
func (b *batch) clear(t tableID, name string) {
	b.add(unix.NFT_MSG_DELSETELEM, t.family, 0, text(unix.NFTA_SET_ELEM_LIST_TABLE, t.name), text(unix.NFTA_SET_ELEM_LIST_SET, name))
}

// chain adds a base chain, which accepts what no rule stops.
func (b *batch) chain(t tableID, name string, hook uint32, priority int32, device string) {
	at := []netlink.Attribute{
		number32(unix.NFTA_HOOK_HOOKNUM, hook),
		number32(unix.NFTA_HOOK_PRIORITY, uint32(priority)), //nolint:gosec // the kernel reads it as signed
	}
	if device != "" {
		at = append(at, text(unix.NFTA_HOOK_DEV, device))
	}
	b.add(unix.NFT_MSG_NEWCHAIN, t.family, netlink.Create, text(unix.NFTA_CHAIN_TABLE, t.name), text(unix.NFTA_CHAIN_NAME, name),
		b.nest(unix.NFTA_CHAIN_HOOK, at...), text(unix.NFTA_CHAIN_TYPE, "filter"), number32(unix.NFTA_CHAIN_POLICY, accepts))
}

// accepts is the kernel's NF_ACCEPT.
const accepts = 1

func (b *batch) rule(t tableID, chain string, exprs ...expr.Any) {
	var list []netlink.Attribute
	for _, e := range exprs {
		data, err := expr.Marshal(t.family, e)
		b.failed = errors.Join(b.failed, err)
		list = append(list, netlink.Attribute{Type: unix.NLA_F_NESTED | unix.NFTA_LIST_ELEM, Data: data})
	}
	b.add(unix.NFT_MSG_NEWRULE, t.family, netlink.Create|netlink.Append, text(unix.NFTA_RULE_TABLE, t.name),
		text(unix.NFTA_RULE_CHAIN, chain), b.nest(unix.NFTA_RULE_EXPRESSIONS, list...))
}

// commit hands the transaction to the kernel and waits for its answer.
func (b *batch) commit(conn *netlink.Conn) error {
	if b.failed != nil {
		return fmt.Errorf("render rules: %w", b.failed)
	}
	if len(b.messages) == 0 {
		return nil
	}
	if err := conn.SetReadDeadline(time.Now().Add(answerWithin)); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	bound := func(kind uint16) netlink.Message {
		return netlink.Message{
			Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request},
			Data:   nfgen(0, unix.NFNL_SUBSYS_NFTABLES),
		}
	}
	all := append([]netlink.Message{bound(unix.NFNL_MSG_BATCH_BEGIN)}, b.messages...)
	sent, err := conn.SendMessages(append(all, bound(unix.NFNL_MSG_BATCH_END)))
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	return collect(conn, sent[1].Header.Sequence, len(b.messages))
}

// collect reads one acknowledgement for each message of a batch and returns the
// first failure. Answers to an earlier batch, which nobody waited for, are dropped.
func collect(conn *netlink.Conn, from uint32, count int) (failed error) {
	for left := count; left > 0; {
		replies, err := conn.Receive()
		switch {
		case err == nil:
		case refused(err):
			if failed == nil {
				failed = fmt.Errorf("nftables: %w", err)
			}
			if errors.Is(err, unix.EPERM) {
				return failed // the kernel answers a batch of one without rights once
			}
			left--
		default:
			return errors.Join(failed, fmt.Errorf("nftables: %w", err))
		}
		for _, reply := range replies {
			if reply.Header.Sequence-from < uint32(count) { //nolint:gosec // a batch of ours is short
				left--
			}
		}
	}
	return failed
}

// refused reports whether an error is the kernel's answer to a message, not that
// of reading it.
func refused(err error) bool {
	answer, ok := errors.AsType[*netlink.OpError](err)
	if !ok {
		return false
	}
	_, errno := answer.Err.(unix.Errno) //nolint:errorlint // an error of reading is wrapped; the answer is not
	return errno
}
