package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"time"
)

// Hosts are what a self-signed certificate is made for.
type Hosts struct {
	Names     []string
	Addresses []netip.Addr
}

func (h Hosts) first() string {
	if len(h.Names) > 0 {
		return h.Names[0]
	}
	return h.Addresses[0].String()
}

// maxCommonName is the longest common name, in bytes (RFC 5280, ub-common-name).
const maxCommonName = 64

// SelfSigned makes a certificate with an ECDSA P-256 key that nobody else vouches
// for, valid from the day before now.
func SelfSigned(hosts Hosts, now time.Time, lasting time.Duration) (Certificate, error) {
	if len(hosts.Names)+len(hosts.Addresses) == 0 {
		return Certificate{}, errors.New("make a certificate: it has no name and no address to be for")
	}
	wanted, err := template(hosts, now, lasting)
	if err != nil {
		return Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, wanted, wanted, key.Public(), key)
	if err != nil {
		return Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		return Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	return Certificate{Leaf: leaf, chain: []*x509.Certificate{leaf}, key: key}, nil
}

func template(hosts Hosts, now time.Time, lasting time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	name := hosts.first()
	made := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name[:min(len(name), maxCommonName)]}, DNSNames: hosts.Names,
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(lasting),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, address := range hosts.Addresses {
		made.IPAddresses = append(made.IPAddresses, net.IP(address.AsSlice()))
	}
	return made, nil
}
