// Package certificate reads, judges and makes the certificates that the TLS port
// shows to browsers: the site's and the console's.
//
// It decides whether a certificate and key that somebody hands over can be used,
// and says what would be right. It never touches a file, a socket or the peer
// link, whose identity is another thing (package peer), and never hands out a key
// but for the TLS server and for storing.
//
// Start reading at Parse and SelfSigned.
package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"
)

// Certificate is a certificate that is in order, its chain and its key.
type Certificate struct {
	Leaf  *x509.Certificate
	chain []*x509.Certificate // the leaf first
	key   crypto.Signer
}

// TLS returns what a TLS server shows.
func (c Certificate) TLS() tls.Certificate {
	shown := tls.Certificate{PrivateKey: c.key, Leaf: c.Leaf}
	for _, one := range c.chain {
		shown.Certificate = append(shown.Certificate, one.Raw)
	}
	return shown
}

// PEM returns chain and key as Parse reads them.
func (c Certificate) PEM() (chain, key []byte, err error) {
	private, err := x509.MarshalPKCS8PrivateKey(c.key)
	if err != nil {
		return nil, nil, fmt.Errorf("write the certificate's key: %w", err)
	}
	var text bytes.Buffer
	for _, one := range c.chain {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: one.Raw}))
	}
	return text.Bytes(), pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: private}), nil
}

// Fingerprint is the SHA-256 of the certificate, as browsers and openssl show it.
func (c Certificate) Fingerprint() string {
	sum := sha256.Sum256(c.Leaf.Raw)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = strings.ToUpper(hex.EncodeToString([]byte{b}))
	}
	return strings.Join(pairs, ":")
}

// Names lists the host names and addresses that the certificate is for.
func (c Certificate) Names() []string {
	var names []string
	for _, name := range c.Leaf.DNSNames {
		names = append(names, printable(name))
	}
	for _, address := range c.Leaf.IPAddresses {
		names = append(names, address.String())
	}
	return names
}

// Hosts are the host names and addresses that the certificate is for.
func (c Certificate) Hosts() Hosts {
	hosts := Hosts{Names: c.Leaf.DNSNames}
	for _, ip := range c.Leaf.IPAddresses {
		if address, ok := netip.AddrFromSlice(ip); ok {
			hosts.Addresses = append(hosts.Addresses, address.Unmap())
		}
	}
	return hosts
}

// SelfSigned reports whether nobody else vouches for it.
func (c Certificate) SelfSigned() bool { return bytes.Equal(c.Leaf.RawIssuer, c.Leaf.RawSubject) }

// Issuer names who vouches for it.
func (c Certificate) Issuer() string { return printable(c.Leaf.Issuer.String()) }

// printable replaces what could steer a terminal: the maker of a certificate can write
// anything into it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// Chain counts the certificates that are shown, its own included.
func (c Certificate) Chain() int { return len(c.chain) }

// Covers reports whether a browser takes it for this host name or address.
func (c Certificate) Covers(host string) bool { return c.Leaf.VerifyHostname(host) == nil }

// Expired reports whether it is over.
func (c Certificate) Expired(now time.Time) bool { return now.After(c.Leaf.NotAfter) }

// Concerns says, one sentence each, what a browser will object to, or is about to.
func (c Certificate) Concerns(now time.Time, hostName string) []string {
	var concerns []string
	add := func(is bool, format string, args ...any) {
		if is {
			concerns = append(concerns, fmt.Sprintf(format, args...))
		}
	}
	add(c.Expired(now), "It expired on %s: browsers refuse it.", day(c.Leaf.NotAfter))
	add(now.Before(c.Leaf.NotBefore), "It is not valid before %s: check this appliance's clock.", day(c.Leaf.NotBefore))
	add(hostName != "" && !c.Covers(hostName), "It does not cover the site's host name %s: browsers warn there.", hostName)
	add(len(c.Names()) == 0, "It names no host at all: browsers refuse it.")
	_, widely := c.key.Public().(*ecdsa.PublicKey)
	add(!widely && !isRSA(c.key.Public()), "Its key is Ed25519, which browsers do not take: use ECDSA or RSA.")
	add(c.SelfSigned(), "It is self-signed: browsers warn until it is trusted by hand.")
	return concerns
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006") }
