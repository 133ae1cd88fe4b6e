package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"time"

	"baton/internal/pair"
)

// Bounds of what is handed over. A chain of ten with RSA 4096 has 20 kB, a key of
// RSA 8192 has 6 kB.
const (
	MaxChain     = 64 << 10 // bytes of text
	MaxKey       = 16 << 10 // bytes of text
	maxInChain   = 10
	leastRSABits = 2048
	mostRSABits  = 8192 // more costs seconds for every connection
)

// PEM blocks.
const (
	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"
)

// Parse reads a certificate with its chain, and its key, as PEM; the key may be
// in the same text as the certificates. What cannot be used at the time now is
// refused with a pair.Refusal of the field "certificate" or "key".
func Parse(chain, key []byte, now time.Time) (Certificate, error) {
	c, err := Read(chain, key)
	if err == nil && c.Expired(now) {
		err = pair.RefuseField("certificate", "it expired on %s: ask its issuer for a new one", day(c.Leaf.NotAfter))
	}
	return c, err
}

// Read is Parse for what was in order when it was stored.
func Read(chain, key []byte) (Certificate, error) {
	switch {
	case len(chain) > MaxChain:
		return Certificate{}, pair.RefuseField("certificate", "it is longer than %d kB: leave out what is no certificate of the chain", MaxChain>>10)
	case len(key) > MaxKey:
		return Certificate{}, pair.RefuseField("key", "it is longer than %d kB: hand over the one key that belongs to the certificate", MaxKey>>10)
	}
	found, err := sortOut(chain, key)
	if err != nil {
		return Certificate{}, err
	}
	certificates, err := parseChain(found.certificates)
	if err != nil {
		return Certificate{}, err
	}
	if err := checkPublic(certificates[0].PublicKey); err != nil { // before the key: a huge one costs much
		return Certificate{}, err
	}
	private, err := parseKey(found.keys)
	if err != nil {
		return Certificate{}, err
	}
	return match(certificates, private)
}

// blocks are the parts of what was handed over, by what they are.
type blocks struct {
	certificates [][]byte
	keys         []*pem.Block
}

func sortOut(chain, key []byte) (blocks, error) {
	var found blocks
	for _, one := range []struct {
		field string
		text  []byte
	}{{"certificate", chain}, {"key", key}} {
		if err := found.take(one.field, one.text); err != nil {
			return found, err
		}
	}
	switch {
	case len(found.certificates) == 0:
		return found, pair.RefuseField("certificate", "there is none: it begins with -----BEGIN CERTIFICATE-----")
	case len(found.certificates) > maxInChain:
		return found, pair.RefuseField("certificate", "there are %d certificates: hand over the site's own and its issuers, at most %d", len(found.certificates), maxInChain)
	case len(found.keys) == 0:
		return found, pair.RefuseField("key", "there is none: it begins with -----BEGIN PRIVATE KEY-----")
	case len(found.keys) > 1:
		return found, pair.RefuseField("key", "there are %d keys: hand over the one that belongs to the certificate", len(found.keys))
	}
	return found, nil
}

func (b *blocks) take(field string, text []byte) error {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			if bytes.Contains(text, []byte("-----BEGIN ")) {
				return pair.RefuseField(field, "it is damaged: copy it whole, with the lines that begin with -----BEGIN and -----END")
			}
			return nil
		}
		if err := b.takeBlock(field, block); err != nil {
			return err
		}
		text = rest
	}
}

func (b *blocks) takeBlock(field string, block *pem.Block) error {
	_, sealed := block.Headers["DEK-Info"]
	switch {
	case sealed, block.Type == "ENCRYPTED PRIVATE KEY":
		return pair.RefuseField("key", "it is encrypted with a password: decrypt it first, as with openssl pkey -in key.pem -out plain.pem")
	case block.Type == blockCertificate:
		b.certificates = append(b.certificates, block.Bytes)
	case block.Type == blockKey, block.Type == "RSA PRIVATE KEY", block.Type == "EC PRIVATE KEY":
		b.keys = append(b.keys, block)
	case block.Type == "CERTIFICATE REQUEST", block.Type == "NEW CERTIFICATE REQUEST":
		return pair.RefuseField("certificate", "this is a request: hand over the certificate that its issuer made of it")
	case strings.HasSuffix(block.Type, " PARAMETERS"): // openssl writes them before a key
	default:
		return pair.RefuseField(field, "it holds %.40q, which is neither certificate nor key: leave that out", block.Type)
	}
	return nil
}

func parseChain(raw [][]byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for i, der := range raw {
		one, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, pair.RefuseField("certificate", "number %d of the chain cannot be read: copy it whole from its issuer", i+1)
		}
		chain = append(chain, one)
	}
	return chain, nil
}

func isRSA(key crypto.PublicKey) bool {
	_, is := key.(*rsa.PublicKey)
	return is
}

// checkPublic refuses keys that browsers refuse, or that cost too much.
func checkPublic(key crypto.PublicKey) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < leastRSABits || bits > mostRSABits {
			return pair.RefuseField("certificate", "its RSA key has %d bits: use %d to %d", bits, leastRSABits, mostRSABits)
		}
		return nil
	case *ecdsa.PublicKey:
		if !slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, key.Curve) {
			return pair.RefuseField("certificate", "its key is on the curve %s: use P-256, P-384 or P-521", key.Curve.Params().Name)
		}
		return nil
	case ed25519.PublicKey:
		return nil
	}
	return pair.RefuseField("certificate", "its key is of a kind that TLS does not use: use ECDSA or RSA")
}

func parseKey(found []*pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block := found[0]; block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	signer, usable := key.(crypto.Signer)
	if err != nil || !usable {
		return nil, pair.RefuseField("key", "it cannot be read: hand over an ECDSA or RSA key in PEM, as openssl pkey -in key.pem writes it")
	}
	return signer, nil
}

// match puts the certificate of the key first, and checks that each further one
// issued the one before it.
func match(chain []*x509.Certificate, key crypto.Signer) (Certificate, error) {
	public, known := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	own := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return known && public.Equal(c.PublicKey) })
	if own < 0 {
		return Certificate{}, pair.RefuseField("key", "it does not belong to the certificate: hand over the key with which the certificate was requested")
	}
	leaf := chain[own]
	chain = slices.Insert(slices.Delete(chain, own, own+1), 0, leaf)
	if err := checkPublic(leaf.PublicKey); err != nil {
		return Certificate{}, err
	}
	if len(leaf.ExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return Certificate{}, pair.RefuseField("certificate", "it is not made for a server: ask its issuer for one with the usage server authentication")
	}
	for i, one := range chain[1:] {
		if !bytes.Equal(chain[i].RawIssuer, one.RawSubject) {
			return Certificate{}, pair.RefuseField("certificate", "number %d of the chain did not issue the one before it: put the site's own first, then each its issuer", i+2)
		}
	}
	return Certificate{Leaf: leaf, chain: chain, key: key}, nil
}
