package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A body must come in time, but the time for it must not cut the answer.
func TestTimeForTheBodyDoesNotEndTheRequest(t *testing.T) {
	const lasting = 50 * time.Millisecond
	server := httptest.NewServer(limited(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
			return
		}
		select {
		case <-r.Context().Done():
			w.WriteHeader(http.StatusInternalServerError)
		case <-time.After(4 * lasting):
		}
	}), lasting))
	t.Cleanup(server.Close)
	never, end := io.Pipe()
	t.Cleanup(func() { _ = end.Close() })
	for name, c := range map[string]struct {
		body io.Reader
		want int
	}{
		"none":    {http.NoBody, http.StatusOK},
		"whole":   {strings.NewReader("{}"), http.StatusOK},
		"missing": {never, http.StatusRequestTimeout},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, c.body)
		if err != nil {
			t.Fatal(err)
		}
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = response.Body.Close()
		if response.StatusCode != c.want {
			t.Errorf("%s: status %d, want %d", name, response.StatusCode, c.want)
		}
	}
}
