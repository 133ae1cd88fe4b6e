package pace

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A body must come in time, but the time for it must not cut the answer.
func TestTimeForTheBodyDoesNotEndTheRequest(t *testing.T) {
	for name, want := range map[string]int{"none": http.StatusOK, "whole": http.StatusOK, "missing": http.StatusRequestTimeout} {
		const readTimeout = 20 * time.Second
		synctest.Test(t, func(t *testing.T) {
			l := onWire(t, func(w http.ResponseWriter, r *http.Request) {
				if r.ContentLength != 0 {
					r.Body = TimedBody(w, r.Body, readTimeout)
				}
				if _, err := io.ReadAll(r.Body); err != nil {
					w.WriteHeader(http.StatusRequestTimeout)
					return
				}
				select {
				case <-r.Context().Done():
					w.WriteHeader(http.StatusInternalServerError)
				case <-time.After(4 * readTimeout):
				}
			})
			never, end := io.Pipe()
			t.Cleanup(func() { _ = end.Close() })
			body := map[string]io.Reader{"none": http.NoBody, "whole": strings.NewReader("{}"), "missing": never}[name]
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://wire/", body)
			if err != nil {
				t.Fatal(err)
			}
			response, err := l.clients(t)["HTTP/1.1"].Do(request)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			_ = response.Body.Close()
			if response.StatusCode != want {
				t.Errorf("%s: status %d, want %d", name, response.StatusCode, want)
			}
		})
	}
}
