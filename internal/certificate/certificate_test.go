package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
)

func now() time.Time { return time.Date(2030, time.January, 2, 3, 4, 5, 0, time.UTC) }

// issued is a certificate with its key, as a test wants it.
type issued struct {
	leaf *x509.Certificate
	key  crypto.Signer
}

func (i issued) certificate() string { return block(blockCertificate, i.leaf.Raw) }

func (i issued) private(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return block(blockKey, der)
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func ecKey(t *testing.T, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate; by nil signs itself.
func issue(t *testing.T, name string, key crypto.Signer, by *issued, change func(*x509.Certificate)) issued {
	t.Helper()
	wanted := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now().Add(-time.Hour), NotAfter: now().Add(90 * 24 * time.Hour),
	}
	if change != nil {
		change(wanted)
	}
	parent, signer := wanted, key
	if by != nil {
		parent, signer = by.leaf, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, wanted, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return issued{leaf, key}
}

func authority(t *testing.T) *issued {
	t.Helper()
	made := issue(t, "Test CA", ecKey(t, elliptic.P256()), nil, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })
	return &made
}

func wantRefused(t *testing.T, err error, field, words string) {
	t.Helper()
	refused, ok := errors.AsType[*pair.Refusal](err)
	if !ok || refused.Fields[0].Name != field || !strings.Contains(refused.Text, words) || strings.ContainsAny(refused.Text, "\n\r") {
		t.Errorf("got %v, want %s refused with %q", err, field, words)
	}
}

func TestACertificateIsTakenInEveryUsualForm(t *testing.T) {
	ca := authority(t)
	site := issue(t, "www.example.org", ecKey(t, elliptic.P256()), ca, nil)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	old := issue(t, "www.example.org", rsaKey, nil, nil)
	ec, err := x509.MarshalECPrivateKey(site.key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	parameters := block("EC PARAMETERS", []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7})
	chain := site.certificate() + ca.certificate()
	for name, given := range map[string]struct {
		chain, key string
		shown      int
	}{
		"chain and key":              {chain, site.private(t), 2},
		"alone":                      {site.certificate(), site.private(t), 1},
		"key in the same text":       {site.private(t) + chain, "", 2},
		"issuer first":               {ca.certificate() + site.certificate(), site.private(t), 2},
		"EC key with parameters":     {chain, parameters + block("EC PRIVATE KEY", ec), 2},
		"RSA key of PKCS #1":         {old.certificate(), block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), 1},
		"text around, Windows lines": {"Bag Attributes\r\n  friendlyName: site\r\n" + strings.ReplaceAll(chain, "\n", "\r\n"), site.private(t), 2},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Parse([]byte(given.chain), []byte(given.key), now())
			if err != nil || c.Chain() != given.shown || !c.Covers("www.example.org") || len(c.TLS().Certificate) != given.shown {
				t.Fatalf("%v: %d in the chain, names %v", err, c.Chain(), c.Names())
			}
			again, key, err := c.PEM()
			if err != nil {
				t.Fatal(err)
			}
			stored, err := Parse(again, key, now())
			if err != nil || stored.Fingerprint() != c.Fingerprint() || stored.Chain() != c.Chain() {
				t.Errorf("what was stored reads otherwise: %v", err)
			}
			if _, err := tls.X509KeyPair(again, key); err != nil {
				t.Errorf("the standard library refuses it: %v", err)
			}
		})
	}
}

func TestWhatCannotBeShownIsRefusedWithTheNextStep(t *testing.T) {
	ca := authority(t)
	site := issue(t, "www.example.org", ecKey(t, elliptic.P256()), ca, nil)
	other := issue(t, "other.example.org", ecKey(t, elliptic.P256()), nil, nil)
	past := issue(t, "www.example.org", site.key, ca, func(c *x509.Certificate) { c.NotAfter = now().Add(-time.Second) })
	client := issue(t, "ann", site.key, ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	small := issue(t, "www.example.org", ecKey(t, elliptic.P224()), nil, nil)
	key := site.private(t)
	for name, bad := range map[string]struct{ chain, key, field, words string }{
		"nothing":             {"", "", "certificate", "there is none"},
		"no PEM":              {"hello", key, "certificate", "there is none"},
		"DER":                 {string(site.leaf.Raw), key, "certificate", "there is none"},
		"no key":              {site.certificate(), "", "key", "there is none"},
		"two keys":            {site.certificate(), key + key, "key", "2 keys"},
		"wrong key":           {site.certificate(), other.private(t), "key", "does not belong"},
		"key in place of it":  {key, key, "certificate", "there is none"},
		"expired":             {past.certificate(), key, "certificate", "expired on 2 January 2030"},
		"for clients":         {client.certificate(), key, "certificate", "not made for a server"},
		"weak curve":          {small.certificate(), small.private(t), "certificate", "P-224"},
		"stranger in chain":   {site.certificate() + other.certificate(), key, "certificate", "number 2 of the chain did not issue"},
		"request":             {block("CERTIFICATE REQUEST", []byte("x")), key, "certificate", "this is a request"},
		"encrypted":           {site.certificate(), block("ENCRYPTED PRIVATE KEY", []byte("x")), "key", "encrypted with a password"},
		"encrypted long ago":  {site.certificate(), "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "key", "encrypted with a password"},
		"something else":      {site.certificate() + block("OPENSSH PRIVATE KEY", []byte("x")), key, "certificate", "OPENSSH PRIVATE KEY"},
		"cut off":             {site.certificate()[:200], key, "certificate", "damaged"},
		"cut off in the key":  {site.certificate(), key[:60], "key", "damaged"},
		"nonsense inside":     {block(blockCertificate, []byte("nonsense")), key, "certificate", "number 1 of the chain cannot be read"},
		"nonsense in the key": {site.certificate(), block(blockKey, []byte("nonsense")), "key", "cannot be read"},
		"a public key":        {site.certificate(), block("PUBLIC KEY", []byte("x")), "key", "PUBLIC KEY"},
		"huge chain":          {strings.Repeat(site.certificate(), 200), key, "certificate", "longer than 64 kB"},
		"long chain":          {strings.Repeat(site.certificate(), 11), key, "certificate", "11 certificates"},
		"bomb of the key":     {site.certificate(), strings.Repeat("A", MaxKey+1), "key", "longer than 16 kB"},
		"name of the block":   {"-----BEGIN <script>alert(1)</script>-----\nAAAA\n-----END <script>alert(1)</script>-----\n", key, "certificate", "neither"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(bad.chain), []byte(bad.key), now())
			wantRefused(t, err, bad.field, bad.words)
			if text := site.private(t); err != nil && strings.Contains(err.Error(), text[30:60]) {
				t.Error("the refusal repeats the key")
			}
		})
	}
}

// A key whose numbers are as large as fit must not keep the appliance busy.
func TestHugeRSAIsRefusedQuickly(t *testing.T) {
	site := issue(t, "www.example.org", ecKey(t, elliptic.P256()), nil, nil)
	odd := func(bits int) *big.Int {
		n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits)))
		if err != nil {
			t.Fatal(err)
		}
		return n.SetBit(n.SetBit(n, 0, 1), bits-1, 1)
	}
	p, q := odd(9000), odd(9000)
	der, err := asn1.Marshal(struct {
		Version                int
		N, E, D, P, Q, X, Y, Z *big.Int
	}{0, new(big.Int).Mul(p, q), big.NewInt(65537), odd(17000), p, q, odd(8000), odd(8000), odd(8000)})
	if err != nil {
		t.Fatal(err)
	}
	text := block("RSA PRIVATE KEY", der)
	begun := time.Now()
	_, err = Parse([]byte(site.certificate()), []byte(text), now())
	wantRefused(t, err, "key", "")
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("%d bytes of key kept it busy for %s", len(text), took)
	}
}

func TestConcernsNameWhatBrowsersObjectTo(t *testing.T) {
	ca := authority(t)
	parse := func(name string, change func(*x509.Certificate)) Certificate {
		made := issue(t, name, ecKey(t, elliptic.P256()), ca, change)
		c, err := Read([]byte(made.certificate()), []byte(made.private(t)))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if got := parse("*.example.org", nil).Concerns(now(), "www.example.org"); len(got) != 0 {
		t.Errorf("none expected: %q", got)
	}
	for words, c := range map[string]Certificate{
		"does not cover the site's host name www.example.org": parse("example.com", nil),
		"expired on":       parse("www.example.org", func(c *x509.Certificate) { c.NotAfter = now().Add(-time.Minute) }),
		"not valid before": parse("www.example.org", func(c *x509.Certificate) { c.NotBefore = now().Add(time.Minute) }),
		"names no host":    parse("www.example.org", func(c *x509.Certificate) { c.DNSNames = nil }),
	} {
		if got := c.Concerns(now(), "www.example.org"); !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, words) }) {
			t.Errorf("got %q, want %q", got, words)
		}
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := issue(t, "www.example.org", private, nil, nil)
	c, err := Parse([]byte(made.certificate()), []byte(made.private(t)), now())
	if got := c.Concerns(now(), ""); err != nil || len(got) != 2 {
		t.Errorf("%v: got %q, want Ed25519 and self-signed", err, got)
	}
}

func TestSelfSignedIsForItsHosts(t *testing.T) {
	hosts := Hosts{Names: []string{"www.example.org"}, Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("2001:db8::10")}}
	c, err := SelfSigned(hosts, now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"www.example.org", "198.51.100.10", "2001:db8::10"} {
		if !c.Covers(host) {
			t.Errorf("it does not cover %s", host)
		}
	}
	if again := c.Hosts(); !slices.Equal(again.Names, hosts.Names) || !slices.Equal(again.Addresses, hosts.Addresses) {
		t.Errorf("made for %v, it says %v", hosts, again)
	}
	if !c.SelfSigned() || !c.Expired(now().Add(25*time.Hour)) || c.Leaf.PublicKeyAlgorithm != x509.ECDSA {
		t.Errorf("got %+v", c.Leaf)
	}
	long := strings.Repeat("a.", 100) + "example"
	if c, err = SelfSigned(Hosts{Names: []string{long}}, now(), time.Hour); err != nil || !c.Covers(long) {
		t.Errorf("a long name: %v", err)
	}
	if _, err := SelfSigned(Hosts{}, now(), time.Hour); err == nil {
		t.Error("made for nothing")
	}
}

// The certificate is what a TLS client meets.
func TestATLSServerShowsIt(t *testing.T) {
	ca := authority(t)
	site := issue(t, "www.example.org", ecKey(t, elliptic.P384()), ca, nil)
	c, err := Parse([]byte(site.certificate()+ca.certificate()), []byte(site.private(t)), now())
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{c.TLS()}, MinVersion: tls.VersionTLS12})
	ended := make(chan error, 1)
	go func() { ended <- server.HandshakeContext(t.Context()) }()
	roots := x509.NewCertPool()
	roots.AddCert(ca.leaf)
	client := tls.Client(near, &tls.Config{RootCAs: roots, ServerName: "www.example.org", Time: now, MinVersion: tls.VersionTLS13})
	if err := errors.Join(client.HandshakeContext(t.Context()), <-ended); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(client.ConnectionState().PeerCertificates[0].Raw, c.Leaf.Raw) {
		t.Error("another certificate was shown")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	made, err := SelfSigned(Hosts{Names: []string{"a.example"}}, now(), time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	chain, key, err := made.PEM()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(chain, key)
	f.Add(append(slices.Clone(chain), key...), []byte(nil))
	f.Fuzz(func(t *testing.T, chain, key []byte) {
		c, err := Read(chain, key)
		if err != nil {
			if _, ok := errors.AsType[*pair.Refusal](err); !ok {
				t.Errorf("not a refusal: %v", err)
			}
			return
		}
		_ = c.Concerns(now(), "a.example")
		if _, _, err := c.PEM(); err != nil {
			t.Errorf("taken, but not to be stored: %v", err)
		}
	})
}
