//go:build e2e

package e2e

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// met returns the fingerprint of the certificate that a client meets on the TLS
// port, at the shared IP or an appliance's own address.
func (w *world) met(address netip.Addr, name string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	conn, err := w.lab.Host("client").DialContext(ctx, "tcp", netip.AddrPortFrom(address, 443).String())
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close() }()
	client := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true}) // it looks at what is shown
	if err := client.HandshakeContext(ctx); err != nil {
		return err.Error()
	}
	return fingerprint(client.ConnectionState().PeerCertificates[0].Raw)
}

// known returns what an appliance tells of its certificates.
func (a *appliance) known() api.Certificates {
	a.t.Helper()
	var known api.Certificates
	if err := json.Unmarshal([]byte(a.baton("certificate show --json")), &known); err != nil {
		a.t.Fatal(err)
	}
	return known
}

// The site's certificate is another thing than what the pair knows each other by:
// it changes under way, reaches the backup, and is there after a takeover.
func TestSiteCertificateSurvivesATakeover(t *testing.T) {
	w := steadyPair(t, plan{timeout: moderate, listen: ":443"})
	shared := w.shared[0].Addr()
	contact := func() string { return fmt.Sprint(w.beta.status().Peer.ID) }
	peer, begun := contact(), time.Now()

	w.alpha.baton("site set host_name=www.example.org")
	w.alpha.baton("certificate self-signed")
	first := w.alpha.known().Site
	if first == nil || first.Names[0] != "www.example.org" {
		t.Fatalf("alpha tells of %+v", first)
	}
	eventually(t, "the site's certificate is met at the shared IP, by address and by name", 5*time.Second, func() bool {
		return w.met(shared, "") == first.Fingerprint && w.met(shared, "www.example.org") == first.Fingerprint
	})
	if got := w.met(w.alpha.Addr4(), ""); got != w.alpha.known().Console.Fingerprint {
		t.Errorf("at alpha's own address: %s", got)
	}
	w.alpha.baton("sync --wait")
	eventually(t, "the backup shows the same certificate for the site's name", 10*time.Second, func() bool {
		return w.met(w.beta.Addr4(), "www.example.org") == first.Fingerprint
	})
	w.beta.refused(3, "gets this from its primary", "certificate self-signed")

	w.alpha.baton("certificate self-signed")
	second := w.alpha.known().Site
	w.alpha.baton("sync --wait")
	throughout(t, "the pair goes on across the change", time.Second, func() bool {
		return w.alpha.is(pair.Primary) && w.beta.is(pair.Backup) && w.beta.status().Peer.Reachable && contact() == peer
	})
	w.undisturbed(w.alpha, begun, quietly)
	if refused := w.beta.events(pair.KindPairingFailed); len(refused) > 0 {
		t.Errorf("the link was refused meanwhile: %v", refused)
	}

	at := w.fault(w.lab.PowerCut(w.alpha.Host))
	w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	if got := w.met(shared, "www.example.org"); got != second.Fingerprint {
		t.Errorf("after the takeover a browser meets %s, and before %s", got, second.Fingerprint)
	}
	w.returns(w.alpha, w.beta)
}

// fingerprint writes the SHA-256 of a certificate as baton does.
func fingerprint(raw []byte) string {
	return strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(raw)), " ", ":")
}
