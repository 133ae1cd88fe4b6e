// Package trust says which certificate is that of an appliance.
package trust

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"baton/internal/cause"
	"baton/internal/pair"
)

// Config says which certificate is the appliance's: one with the pinned
// fingerprint (hexadecimal), or one that the authorities of a PEM file, else the system's, vouch for. Either may be empty.
func Config(pinText, authorities string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if pinText != "" {
		pin, err := hex.DecodeString(strings.ReplaceAll(pinText, ":", ""))
		if err != nil || len(pin) != sha256.Size {
			return nil, pair.Refuse(pair.Usage, "%q is not a SHA-256 fingerprint: write its 64 hexadecimal digits", pinText)
		}
		config.InsecureSkipVerify = true // the pin below is the verification
		config.VerifyConnection = pinned(pin)
		return config, nil
	}
	if authorities == "" {
		return config, nil
	}
	text, err := os.ReadFile(authorities) //nolint:gosec // whoever asks names the file
	if err != nil {
		return nil, pair.Refuse(pair.Usage, "the authorities cannot be read: %w", cause.Plain(err))
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, pair.Refuse(pair.Usage, "%s holds no certificate: give a PEM file", authorities)
	}
	return config, nil
}

// pinned accepts exactly one certificate.
func pinned(pin []byte) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("the appliance shows no certificate")
		}
		shown := sha256.Sum256(state.PeerCertificates[0].Raw)
		if subtle.ConstantTimeCompare(shown[:], pin) == 1 {
			return nil
		}
		return fmt.Errorf("the appliance shows another certificate, with fingerprint %x", shown)
	}
}
