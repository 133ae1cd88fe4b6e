package api_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/pair"
)

// Whoever may look must not be able to wear the appliance out by looking.
func TestStatusStreamsAreBounded(t *testing.T) {
	b := newBench(t)
	server := httptest.NewServer(b.handler)
	t.Cleanup(server.Close) // after the streams have ended
	open := func() (int, context.CancelFunc) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/status/stream", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+b.tokens["viewer"])
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cancel(); _ = response.Body.Close() })
		return response.StatusCode, cancel
	}
	_, end := open()
	admitted := 1
	status, _ := open()
	for ; status == http.StatusOK && admitted < 1000; admitted++ {
		status, _ = open()
	}
	if status != http.StatusConflict || admitted < 10 {
		t.Fatalf("after %d, status %d", admitted, status)
	}
	end()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if status, _ := open(); status == http.StatusOK {
			return
		}
		if time.Now().After(limit) {
			t.Fatal("a stream that ended keeps its place")
		}
	}
}

// A token that is revoked does not go on listening.
func TestAStatusStreamEndsWithItsToken(t *testing.T) {
	b := newBench(t)
	var looks atomic.Int64
	hurried := api.NewServer(b.appliance.Backend(), api.Options{Log: slog.New(slog.DiscardHandler), Now: func() time.Time {
		return admintest.Start().Add(time.Duration(looks.Add(1)) * time.Minute)
	}}).Network()
	server := httptest.NewServer(hurried)
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/status/stream", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+b.tokens["viewer"])
	response, err := server.Client().Do(request)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response, err)
	}
	defer func() { _ = response.Body.Close() }()
	var tokens []pair.Token
	if err := json.Unmarshal(b.ask(http.MethodGet, "/api/v1/tokens", "administrator", "").Body.Bytes(), &tokens); err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		if token.Role == pair.Viewer {
			b.ask(http.MethodDelete, "/api/v1/tokens/"+token.ID, "administrator", "")
		}
	}
	b.appliance.Change(func(s *pair.Status) { s.ProtectionLevel++ }) // is news to whoever watches
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Errorf("the stream of a revoked token: %v", err)
	}
}
