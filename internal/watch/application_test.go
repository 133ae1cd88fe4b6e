package watch

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"baton/internal/config"
)

func TestAnApplicationThatIsNotThereIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.sock")
	serving := true
	a := &Application{
		Upstream: config.Upstream{Text: "unix:" + path, Network: "unix", Address: path}, Name: "alpha",
		Serving: func() bool { return serving },
	}
	looked := func() int {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
		return len(a.Conditions())
	}
	if looked() != 1 {
		t.Error("an application that is not there is not told")
	}
	if serving = false; len(a.Conditions()) != 0 {
		t.Error("told on an appliance that does not serve")
	}
	serving = true
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if looked() != 0 {
		t.Error("told although it is there")
	}
	if none := (&Application{Serving: a.Serving}); none.Run(t.Context()) != nil || len(none.Conditions()) != 0 {
		t.Error("told although there is none")
	}
}
