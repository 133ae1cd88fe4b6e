package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/pair"
)

// serveLocal runs an appliance on a real socket until the test ends.
func serveLocal(t *testing.T) (*admintest.Appliance, string) {
	t.Helper()
	t.Chdir(t.TempDir())
	socket := "s" // short: the name of a socket is limited
	listener, err := api.ListenLocal(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	appliance := admintest.New(t)
	server := api.NewServer(appliance.Backend(), api.Options{Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.ServeLocal(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return appliance, socket
}

func localClient(t *testing.T, socket string) *api.Client {
	t.Helper()
	client, err := api.NewClient(api.ClientOptions{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestLocalSocketIsItsOwnersAlone(t *testing.T) {
	_, socket := serveLocal(t)
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if _, err := api.ListenLocal(t.Context(), socket); pair.CodeOf(err) != pair.Refused {
		t.Errorf("a second daemon on the same socket: %v", err)
	}
	if _, err := api.GetStatus().Call(t.Context(), localClient(t, socket), api.None{}); err != nil {
		t.Errorf("the first daemon after that: %v", err)
	}
}

func TestSocketOfAKilledDaemonIsReplaced(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	listener, err := api.ListenLocal(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
}

func TestLocalCallersAreNamedInTheAudit(t *testing.T) {
	_, socket := serveLocal(t)
	client := localClient(t, socket)
	if _, err := api.SetKey().Call(t.Context(), client, api.KeyText{Key: "a key that is long enough"}); err != nil {
		t.Fatal(err)
	}
	events, err := api.ListHistory().Call(t.Context(), client, api.HistoryFilter{})
	if err != nil || len(events) != 1 {
		t.Fatalf("%v, %v", events, err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if detail := events[0].Detail; detail["by"] != me.Username || detail["from"] != "local" {
		t.Errorf("audit %v, want %s from local", detail, me.Username)
	}
}

func TestLocalHandlerAnswersNobodyUnknown(t *testing.T) {
	server := api.NewServer(admintest.New(t).Backend(), api.Options{Log: slog.New(slog.DiscardHandler)})
	w := httptest.NewRecorder()
	server.Local().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/status", nil))
	if p := problemIn(t, w); p.Status != 403 {
		t.Errorf("%+v", p)
	}
}

func TestWatchEndsWithTheServer(t *testing.T) {
	appliance, socket := serveLocal(t)
	client := localClient(t, socket)
	var roles []pair.Role
	enough := errors.New("enough")
	err := api.WatchStatus(t.Context(), client, func(status pair.Status) error {
		roles = append(roles, status.Role)
		if status.Role == pair.Backup {
			return enough
		}
		appliance.Change(func(s *pair.Status) { s.Role = pair.Backup })
		return nil
	})
	if !errors.Is(err, enough) || len(roles) != 2 {
		t.Errorf("watched %v, %v", roles, err)
	}
}

func TestACutStreamIsNoWholeOne(t *testing.T) {
	appliance, socket := serveLocal(t)
	client := localClient(t, socket)
	aside := appliance.SetAside(t, "www")
	export := func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }
	if err := api.ExportDiverged().Call(t.Context(), client, aside.ID, export); err != nil {
		t.Error(err)
	}
	appliance.Damage("cut", func(to io.Writer) error {
		_, err := io.WriteString(to, "the first half")
		return errors.Join(err, io.ErrUnexpectedEOF)
	})
	err := api.ExportDiverged().Call(t.Context(), client, "cut", export)
	if err == nil {
		t.Error("a stream that the appliance cut was taken for whole")
	}
	if err := api.ExportDiverged().Call(t.Context(), client, "none", nil); pair.CodeOf(err) != pair.NotFound {
		t.Errorf("an unknown copy: %v", err)
	}
}

func TestTokensGoToTheRightCertificateOnly(t *testing.T) {
	b := newBench(t)
	server := httptest.NewUnstartedServer(b.handler)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	server.StartTLS()
	defer server.Close()
	certificate := server.Certificate()
	sum := sha256.Sum256(certificate.Raw)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		options api.ClientOptions
		code    pair.Code
	}{
		{"nothing known", api.ClientOptions{}, pair.Unreachable},
		{"right pin", api.ClientOptions{Pin: hex.EncodeToString(sum[:])}, ""},
		{"right pin as browsers show it", api.ClientOptions{Pin: colons(sum[:])}, ""},
		{"wrong pin", api.ClientOptions{Pin: strings.Repeat("00", 32)}, pair.Unreachable},
		{"right authority", api.ClientOptions{CA: ca}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.options.URL, test.options.Token = server.URL, b.tokens["viewer"]
			client, err := api.NewClient(test.options)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			_, err = api.GetStatus().Call(t.Context(), client, api.None{})
			if (err == nil) != (test.code == "") || err != nil && pair.CodeOf(err) != test.code {
				t.Errorf("%v, want %q", err, test.code)
			}
		})
	}
}

func colons(sum []byte) string {
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = strings.ToUpper(hex.EncodeToString([]byte{b}))
	}
	return strings.Join(parts, ":")
}
