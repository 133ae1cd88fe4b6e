package console

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"baton/internal/api"
	"baton/internal/pair"
)

// AtSite answers in the console's place at the site's host name: with the reason
// why it is not there, and where it is. It knows no session and sets no cookie.
func (c *Console) AtSite() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+assetPrefix, c.assets)
	mux.HandleFunc("/", c.notHere)
	return api.Paced(hardened(mux))
}

// notHere refuses. Nothing that the request says becomes part of the answer.
func (c *Console) notHere(w http.ResponseWriter, r *http.Request) {
	var places []link
	if c.admits(r) { // where the console is, is not told to those whom it would not answer
		var err error
		if places, err = c.places(r.Context()); err != nil {
			c.log.Error("where the console is, is not known", slog.String("error", err.Error()))
		}
	}
	if wantsJSON(r) {
		text := "the console does not answer at the site's host name, so that nothing of the site can act in it: ask at an address of an appliance"
		if len(places) > 0 {
			text += ", as " + places[0].Href
		}
		api.Refuse(w, pair.Refuse(pair.Forbidden, "%s", text))
		return
	}
	var page bytes.Buffer
	if err := c.render(&page, "at-site", "page", view{Data: places}); err != nil {
		c.log.Error("page failed", slog.String("path", r.URL.Path), slog.String("error", err.Error()))
		http.Error(w, "The console does not answer at the site's host name: open /login at an address of an appliance.", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write(page.Bytes()) // an error means that the client has gone
}

// wantsJSON reports whether a program asks.
func wantsJSON(r *http.Request) bool {
	accepted := strings.Join(r.Header.Values("Accept"), ",")
	return strings.Contains(accepted, "json") && !strings.Contains(accepted, "text/html")
}

// places leads to the consoles of the pair: at the shared IPs, here and at the peer.
func (c *Console) places(ctx context.Context) ([]link, error) {
	status, err := c.backend.Overview.Status(ctx)
	if err != nil {
		return nil, err
	}
	site, err := c.backend.Site.Site(ctx)
	if err != nil {
		return nil, err
	}
	places := sharedLinks(status, site.Front.HTTPS)
	for _, at := range ownAddresses(status, site.Front.HTTPS) {
		places = append(places, link{Label: status.Appliance.Name, Href: "https://" + consoleHost(at.Addr().String(), strconv.Itoa(int(at.Port()))) + Root})
	}
	if status.Peer != nil && status.Peer.Address != "" {
		places = append(places, peerLink(status))
	}
	return places, nil
}

// sharedLinks leads to the consoles at the shared IPs that are enabled, as far as
// the TLS port listens there.
func sharedLinks(status pair.Status, listen []string) []link {
	var links []link
	for _, ip := range status.SharedIPs {
		prefix, err := netip.ParsePrefix(ip.Address)
		if err != nil || !ip.Shared {
			continue
		}
		if port := portAt(prefix.Addr(), listen); port != "" {
			links = append(links, link{Label: "the shared IP " + prefix.Addr().String(), Href: "https://" + consoleHost(prefix.Addr().String(), port) + Root})
		}
	}
	return links
}

// portAt is the port of those who listen at an address; empty if nobody does.
func portAt(address netip.Addr, listen []string) string {
	everywhere := ""
	for _, at := range listen {
		host, port, err := net.SplitHostPort(at)
		own, wrong := netip.ParseAddr(host)
		switch {
		case err != nil:
		case wrong == nil && own == address:
			return port
		case host == "" || wrong == nil && own.IsUnspecified():
			everywhere = cmp.Or(everywhere, port)
		}
	}
	return everywhere
}

// ownAddresses are those of this appliance at which the TLS port listens, without
// the shared IPs; where it listens everywhere, the one that a peer would use.
func ownAddresses(status pair.Status, listen []string) []netip.AddrPort {
	var own []netip.AddrPort
	for _, text := range append([]string{status.Appliance.Address}, listen...) {
		at, err := netip.ParseAddrPort(text)
		shared := slices.ContainsFunc(status.SharedIPs, func(ip pair.SharedIPStatus) bool {
			prefix, err := netip.ParsePrefix(ip.Address)
			return err == nil && prefix.Addr() == at.Addr()
		})
		if err == nil && !at.Addr().IsUnspecified() && !shared && !slices.Contains(own, at) {
			own = append(own, at)
		}
	}
	return own
}

// consoleHost is a host and port as a browser's address has it.
func consoleHost(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || port == "443" {
		return host
	}
	return host + ":" + port
}
