package cli_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/cli"
)

// meddler is a standard input at which somebody else saves before it is read.
type meddler struct {
	save func()
	text io.Reader
}

// Read implements io.Reader.
func (m *meddler) Read(p []byte) (int, error) {
	if m.save != nil {
		m.save()
		m.save = nil
	}
	return m.text.Read(p)
}

func TestWhoSavesNotificationsSecondIsTold(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	ctx, stop := context.WithCancel(context.Background())
	listener, err := api.ListenLocal(ctx, socket)
	if err != nil {
		t.Fatal(err)
	}
	appliance := admintest.New(t)
	served := make(chan error, 1)
	go func() {
		served <- api.NewServer(appliance.Backend(), api.Options{Log: slog.New(slog.DiscardHandler), Version: "1.2.3"}).ServeLocal(ctx, listener)
	}()
	defer func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	saved := func() api.SavedNotifications {
		t.Helper()
		now, err := appliance.Backend().Notifications.Notifications(api.WithCaller(t.Context(), api.Caller{Local: true}))
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	in := &meddler{text: strings.NewReader("a password of the mail server\n"), save: func() {
		other := saved()
		other.Mail.Host = "other.example.org"
		if _, err := appliance.Backend().Notifications.SaveNotifications(t.Context(), other); err != nil {
			t.Error(err)
		}
	}}
	var out, complaint bytes.Buffer
	args := []string{"--socket", socket, "notifications", "set", "mail.host=mail.example.org", "mail.user=baton", "--password"}
	code := cli.Run(t.Context(), commands(&out), cli.Stdio{In: in, Out: &out, Err: &complaint}, args)
	if code != 3 || !strings.Contains(complaint.String(), "meanwhile: read them again and repeat the change") || out.Len() > 0 {
		t.Errorf("exit code %d, %s%s", code, out.String(), complaint.String())
	}
	if now := saved(); now.Mail.Host != "other.example.org" || now.Mail.User != "" {
		t.Errorf("saved %+v", now.Mail)
	}
}
