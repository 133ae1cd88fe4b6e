package peer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"baton/internal/durable"
	"baton/internal/pair"
)

// identityFile holds the certificate and the private key, PEM, 0600.
const identityFile = "identity.pem"

// Identity is who this appliance is to its peer: an Ed25519 key and a
// certificate that it signed itself, apart from the console's certificate.
type Identity struct {
	certificate tls.Certificate
	pin         string
}

// Pin returns the SHA-256 of the certificate's public key (SPKI), 64
// hexadecimal digits. The peer knows the appliance by it.
func (i Identity) Pin() string { return i.pin }

// ID returns the appliance id: the first 16 bytes of the pin.
func (i Identity) ID() pair.ApplianceID { return idOfPin(i.pin) }

func idOfPin(pin string) pair.ApplianceID { return pair.ApplianceID(pin[:32]) }

func pinOf(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// LoadIdentity reads the identity from dir, or makes one at first start. A damaged
// file is an error and is never replaced: the peer would not know a new identity.
func LoadIdentity(dir string) (Identity, error) {
	path := filepath.Join(dir, identityFile)
	data, err := os.ReadFile(path) //nolint:gosec // the state directory is the administrator's choice
	if errors.Is(err, fs.ErrNotExist) {
		if err := createIdentity(dir, path); err != nil {
			return Identity{}, fmt.Errorf("make identity of this appliance: %w", err)
		}
		data, err = os.ReadFile(path) //nolint:gosec // as above
	}
	if err != nil {
		return Identity{}, fmt.Errorf("read identity of this appliance: %w", err)
	}
	identity, err := parseIdentity(data)
	if err != nil {
		return Identity{}, fmt.Errorf("identity file %s is damaged (%w): restore it from a backup, "+
			"or delete it to give this appliance a new identity and pair again", path, err)
	}
	return identity, nil
}

func parseIdentity(data []byte) (Identity, error) {
	certificate, err := tls.X509KeyPair(data, data)
	if err != nil {
		return Identity{}, err
	}
	if _, ok := certificate.PrivateKey.(ed25519.PrivateKey); !ok {
		return Identity{}, errors.New("not an Ed25519 key")
	}
	return Identity{certificate: certificate, pin: pinOf(certificate.Leaf)}, nil
}

// createIdentity writes a new identity whole or not at all, and never replaces one: if
// another process was faster, the hard link fails and that file counts.
func createIdentity(dir, path string) error {
	content, err := newIdentity()
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(dir, identityFile+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(content)
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	if err := os.Link(temporary.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return durable.SyncDir(dir)
}

// newIdentity returns a fresh key and certificate as PEM. The certificate is
// valid at any time: it is compared by its key, and clocks may be far off.
func newIdentity() ([]byte, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "Baton appliance"},
		NotBefore:    time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC), // RFC 5280, 4.1.2.5: no expiry
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	}, nil), nil
}
