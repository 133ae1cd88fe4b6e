package lab

import (
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
)

// What waits in front of a slow line: frames for up to slowQueue, as routers at home hold, and
// so many bytes at once.
const (
	slowQueue = time.Second
	slowBurst = 16 << 10
)

// Slow bounds what passes the host's cable, each way by itself, to so many bytes a second; 0 ends
// it. What comes faster waits in a queue, and is lost where that is full, as before a slow line.
func (l *Lab) Slow(h *Host, perSecond uint64) (time.Time, error) {
	ns, err := h.namespace()
	at := time.Now()
	if err == nil {
		err = slow(ns.links, Interface, perSecond)
	}
	if err == nil {
		err = slow(l.sw.ns.links, portName(h.name), perSecond)
	}
	if err != nil {
		return at, fmt.Errorf("make the line of %s slow: %w", h.name, err)
	}
	return at, nil
}

// slow bounds what an interface sends.
func slow(links *netlink.Handle, name string, perSecond uint64) error {
	link, err := links.LinkByName(name)
	if err != nil {
		return err
	}
	line := &netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate:       perSecond,
		Limit:      uint32(perSecond*uint64(slowQueue)/uint64(time.Second)) + slowBurst, //nolint:gosec // of a slow line
		Buffer:     netlink.Xmittime(perSecond, slowBurst),
	}
	if perSecond == 0 {
		return links.QdiscDel(line)
	}
	return links.QdiscReplace(line)
}
