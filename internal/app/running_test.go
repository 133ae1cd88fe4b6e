package app

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"baton/internal/api"
	"baton/internal/config"
	"baton/internal/pair"
)

// runningAppliance is a standalone one that runs until the test ends, with the
// administrator ann.
func runningAppliance(t *testing.T) *Appliance {
	t.Helper()
	c := config.Default()
	c.Name, c.DataDir, c.Listen = "alpha", t.TempDir(), []string{"127.0.0.1:0"}
	c.Socket = filepath.Join(t.TempDir(), "s")
	a, err := New(t.Context(), c, "1.2.3", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.site.Users.Add(t.Context(), pair.NewUser{Name: "ann", Role: pair.Administrator, Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// asAnn is the context of a request of ann's.
func asAnn(t *testing.T) context.Context {
	t.Helper()
	return api.WithCaller(t.Context(), api.Caller{Name: "ann", Access: pair.Administrator, From: "198.51.100.7"})
}
