package lease

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"slices"

	"baton/internal/pair"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Bypass is a way past the traffic lease that this machine has.
type Bypass struct{ Text, NextStep string }

// Bypasses looks for what passes packets on without asking the rules: flowtables
// with an interface of a shared IP, and macvlan or ipvlan children of one, which a
// container may have. What cannot be read is not told.
func Bypasses(managed []pair.SharedIP) (found []Bypass) {
	var devices []string
	for _, ip := range managed {
		if !slices.Contains(devices, ip.Interface) {
			devices = append(devices, ip.Interface)
		}
	}
	for _, table := range flowtables(devices) {
		found = append(found, Bypass{
			Text:     fmt.Sprintf("The flowtable %s forwards connections past all rules on an interface of a shared IP: open ones go on after the traffic lease has ended.", table),
			NextStep: "Take the interface out of that flowtable, or the connections to the shared IP.",
		})
	}
	for _, child := range children(devices) {
		found = append(found, Bypass{
			Text:     child + " lies on an interface of a shared IP and may be a container's: what has the shared IP in there is not under the traffic lease.",
			NextStep: "Give the shared IP to nothing but the interface that the configuration file names.",
		})
	}
	return found
}

// flowtables lists the flowtables of all tables that hold one of the devices.
func flowtables(devices []string) (found []string) {
	dump(unix.NETLINK_NETFILTER, netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETFLOWTABLE), Flags: netlink.Request | netlink.Dump},
		Data:   nfgen(unix.NFPROTO_UNSPEC, 0),
	}, 4, func(attrs []netlink.Attribute) {
		name, holds := "", false
		for _, a := range attrs {
			switch a.Type {
			case flowtableName:
				name = string(trimmed(a.Data))
			case flowtableHook:
				holds = slices.ContainsFunc(nested(a, flowtableDevices), func(device netlink.Attribute) bool {
					return slices.Contains(devices, string(trimmed(device.Data)))
				})
			}
		}
		if holds {
			found = append(found, name)
		}
	})
	return found
}

// Attributes of a flowtable (linux/netfilter/nf_tables.h), and of its hook.
const (
	flowtableName    = 2
	flowtableHook    = 3
	flowtableDevices = 3
)

// nested returns what the attribute of a kind inside another holds.
func nested(a netlink.Attribute, kind uint16) []netlink.Attribute {
	attrs, err := netlink.UnmarshalAttributes(a.Data)
	if err != nil {
		return nil
	}
	for _, inner := range attrs {
		if inner.Type&^unix.NLA_F_NESTED == kind {
			list, _ := netlink.UnmarshalAttributes(inner.Data)
			return list
		}
	}
	return nil
}

// Sizes of headers of messages in bytes.
const ifInfoSize = 16

// children lists the interfaces of kind macvlan, macvtap or ipvlan that lie on one
// of the devices. One that has been moved into a container is seen from there only.
func children(devices []string) (found []string) {
	parents := map[uint32]bool{}
	for _, name := range devices {
		if device, err := net.InterfaceByName(name); err == nil {
			parents[uint32(device.Index)] = true //nolint:gosec // the kernel gave it as 32 bits
		}
	}
	dump(unix.NETLINK_ROUTE, netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETLINK, Flags: netlink.Request | netlink.Dump},
		Data:   make([]byte, ifInfoSize),
	}, ifInfoSize, func(attrs []netlink.Attribute) {
		name, parent, kind := describe(attrs)
		if parents[parent] && slices.Contains([]string{"macvlan", "macvtap", "ipvlan"}, kind) {
			found = append(found, name+" ("+kind+")")
		}
	})
	return found
}

// describe reads an interface's name, what it lies on, and its kind.
func describe(attrs []netlink.Attribute) (name string, parent uint32, kind string) {
	for _, a := range attrs {
		switch a.Type {
		case unix.IFLA_IFNAME:
			name = string(trimmed(a.Data))
		case unix.IFLA_LINK:
			parent = native32(a.Data)
		case unix.IFLA_LINKINFO:
			kind = kindOf(a)
		}
	}
	return name, parent, kind
}

func kindOf(info netlink.Attribute) string {
	inner, _ := netlink.UnmarshalAttributes(info.Data)
	for _, a := range inner {
		if a.Type == unix.IFLA_INFO_KIND {
			return string(trimmed(a.Data))
		}
	}
	return ""
}

// dump asks the kernel for a list on a socket of its own, and hands over the
// attributes behind each header.
func dump(family int, question netlink.Message, header int, each func([]netlink.Attribute)) {
	conn, err := netlink.Dial(family, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	replies, err := conn.Execute(question)
	if err != nil {
		return
	}
	for _, reply := range replies {
		if len(reply.Data) < header {
			continue
		}
		attrs, err := netlink.UnmarshalAttributes(reply.Data[header:])
		if err != nil {
			continue
		}
		for i := range attrs {
			attrs[i].Type &= attributeKind
		}
		each(attrs)
	}
}

// attributeKind is the part of an attribute's type that is no flag.
const attributeKind = 0x3fff

// trimmed returns a text without the zero bytes at its end.
func trimmed(data []byte) []byte { return bytes.TrimRight(data, "\x00") }

func native32(data []byte) uint32 {
	if len(data) != 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(data)
}
