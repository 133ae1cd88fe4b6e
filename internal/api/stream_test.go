package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
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
