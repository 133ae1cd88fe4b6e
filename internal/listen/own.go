package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"baton/internal/certificate"
)

const consoleLasting = 10 * 365 * 24 * time.Hour // made at the first start

// ConsoleCertificate reads the certificate of the console's port, and makes a
// self-signed one at the first start.
func ConsoleCertificate(dir, name string) (certificate.Certificate, error) {
	path := filepath.Join(dir, "console.pem")
	text, err := os.ReadFile(path) //nolint:gosec // a file of our own data directory
	if errors.Is(err, fs.ErrNotExist) {
		return newConsoleCertificate(path, name)
	}
	if err != nil {
		return certificate.Certificate{}, fmt.Errorf("read the console's certificate: %w", err)
	}
	read, err := certificate.Read(text, nil)
	if err != nil {
		return certificate.Certificate{}, fmt.Errorf("%s holds no usable certificate and key: %w: put it back, or move it away and restart to make a new one", path, err)
	}
	return read, nil
}

func newConsoleCertificate(path, name string) (certificate.Certificate, error) {
	made, err := certificate.SelfSigned(certificate.Hosts{Names: []string{name}}, time.Now(), consoleLasting)
	if err != nil {
		return made, err
	}
	chain, key, err := made.PEM()
	if err == nil {
		err = writeWhole(path, append(chain, key...))
	}
	if err != nil {
		return made, fmt.Errorf("write the console's certificate: %w", err)
	}
	return made, nil
}

// writeWhole makes a file, readable by its owner, that is whole or absent
// whatever happens meanwhile.
func writeWhole(path string, text []byte) error {
	beside := path + ".new"
	file, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // a file of our own data directory
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(beside, path)
	}
	if err != nil {
		_ = os.Remove(beside) // it may hold the very bytes that a full disk lacks
	}
	return err
}
