package peer

import (
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"slices"
)

// ALPN selects the peer link on the port that it shares with the console.
const ALPN = "baton-peer/1"

// TLS returns the configuration for the shared port: a client that asks for the peer link by
// ALPN gets this appliance's identity, every other the console's certificate.
func (l *Link) TLS(console *tls.Config) *tls.Config {
	shared := console.Clone()
	if len(shared.NextProtos) == 0 {
		shared.NextProtos = []string{"h2", "http/1.1"}
	}
	inner := l.options.Identity.serverTLS()
	shared.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedProtos, ALPN) {
			return inner, nil
		}
		if console.GetConfigForClient != nil {
			return console.GetConfigForClient(hello)
		}
		return nil, nil
	}
	return shared
}

func (i Identity) serverTLS() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{i.certificate},
		NextProtos:             []string{ALPN},
		ClientAuth:             tls.RequireAnyClientCert, // compared by pin, in the handshake
		VerifyConnection:       soundCertificate,
		SessionTicketsDisabled: true,
	}
}

// clientTLS expects the peer with the given pin. Without a pin it accepts every appliance:
// then CPace alone decides.
func (i Identity) clientTLS(pin string) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{i.certificate},
		NextProtos:   []string{ALPN},
		// No authority signs the appliances' certificates: VerifyConnection compares the pin.
		InsecureSkipVerify:     true, //nolint:gosec // verified by pin
		SessionTicketsDisabled: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if err := soundCertificate(state); err != nil {
				return err
			}
			if got := pinOf(state.PeerCertificates[0]); pin != "" && got != pin {
				return &IdentityError{Want: pin, Got: got}
			}
			return nil
		},
	}
}

// soundCertificate demands the ALPN and one Ed25519 certificate.
func soundCertificate(state tls.ConnectionState) error {
	if state.NegotiatedProtocol != ALPN {
		return errors.New("the other side does not speak " + ALPN)
	}
	if len(state.PeerCertificates) != 1 {
		return errors.New("the other side must show one certificate")
	}
	if _, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey); !ok {
		return errors.New("the other side's certificate holds no Ed25519 key")
	}
	return nil
}
