package pair

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// HostPort is where an appliance is reached.
type HostPort struct {
	Host string // name in small letters, or IP address without brackets
	Port uint16 // 0: none was named
}

// String writes it as the dialler takes it, with the port if it has one.
func (h HostPort) String() string {
	host := h.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if h.Port == 0 {
		return host
	}
	return host + ":" + strconv.Itoa(int(h.Port))
}

// likeHost ends the sentence about a host that is none.
const likeHost = "write a host name or an IP address, as beta.example.com or 198.51.100.2"

// ParseHostPort reads HOST[:PORT] as people type and paste it: also a URL of the
// other appliance's console, of which host and port are taken.
func ParseHostPort(typed string) (HostPort, error) {
	text := TrimUnseen(typed)
	if err := CheckSeen("the address", text); err != nil {
		return HostPort{}, err
	}
	text, err := withoutURL(text)
	if err != nil {
		return HostPort{}, err
	}
	host, port, err := cutPort(text)
	if err != nil {
		return HostPort{}, err
	}
	host, err = checkHost(host)
	return HostPort{Host: host, Port: port}, err
}

// withoutURL cuts off what stands before and behind host and port in a URL.
func withoutURL(text string) (string, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return "", fmt.Errorf("%s is a network, not one machine: write the address of the machine, as %s", prefix, prefix.Addr())
	}
	if scheme, rest, isURL := strings.Cut(text, "://"); isURL {
		if scheme = strings.ToLower(scheme); scheme != "https" && scheme != "http" {
			return "", fmt.Errorf("%q is no address of an appliance, which begins with https:// or has nothing before the host: %s", text, likeHost)
		}
		text = rest
	}
	if end := strings.IndexAny(text, "/?#"); end >= 0 {
		text = text[:end]
	}
	if strings.Contains(text, "@") {
		return "", errors.New("write the host without a user name: the two appliances know each other by their pre-shared key")
	}
	return text, nil
}

// cutPort tells a port from the colons of an IPv6 address.
func cutPort(text string) (host string, port uint16, err error) {
	at := strings.LastIndexByte(text, ':')
	bracketed := strings.HasPrefix(text, "[")
	if at < 0 || strings.HasSuffix(text, "]") || !bracketed && strings.Count(text, ":") > 1 {
		return text, 0, nil
	}
	number, err := strconv.ParseUint(text[at+1:], 10, 16)
	if err != nil || number == 0 {
		return "", 0, fmt.Errorf("%q is no port: write one from 1 to 65535 behind the host, or none for 443", text[at+1:])
	}
	return text[:at], uint16(number), nil
}

func checkHost(text string) (string, error) {
	bare := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	if at, err := netip.ParseAddr(bare); err == nil {
		if at.IsUnspecified() || at.IsMulticast() {
			return "", fmt.Errorf("%s is the address of no single machine: %s", at, likeHost)
		}
		return at.Unmap().String(), nil
	}
	host := strings.ToLower(strings.TrimSuffix(text, "."))
	if strings.ContainsAny(host, ":[]") || host != "" && strings.Trim(host, "0123456789.") == "" {
		return "", fmt.Errorf("%q is no IP address: %s", text, likeHost)
	}
	if strings.ContainsFunc(host, func(r rune) bool { return r > '~' }) {
		return "", fmt.Errorf("%q has letters that no host name has: write it in its xn-- form, or write the IP address", text)
	}
	if !isHostName(host) {
		if text == "" {
			return "", fmt.Errorf("no host is named: %s", likeHost)
		}
		return "", fmt.Errorf("%q is no host: %s", text, likeHost)
	}
	return host, nil
}

// isHostName takes what resolvers take: RFC 1123, and the underscore of private names.
func isHostName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return notOfHost(r) && r != '_' }) {
			return false
		}
	}
	return true
}
