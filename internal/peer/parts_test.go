package peer

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAMessageOfManyPartsIsNotRead has a peer send a message that is within its bytes, and
// takes a hundred times as many once it is read.
func TestAMessageOfManyPartsIsNotRead(t *testing.T) {
	type part struct{ A, B, C, D, E, F, G, H string }
	type message struct {
		Text  string
		Parts []part
	}
	server := httptest.NewServer(Serve(func(_ context.Context, m message) (int, error) { return len(m.Parts), nil }))
	defer server.Close()
	for name, test := range map[string]struct {
		body   string
		status int
	}{
		"empty parts": {`{"Parts":[` + strings.TrimSuffix(strings.Repeat("{},", 300_000), ",") + `]}`, http.StatusConflict},
		"numbers":     {`{"other":[` + strings.TrimSuffix(strings.Repeat("1,", 300_000), ",") + `]}`, http.StatusConflict},
		"a history":   {`{"Parts":[` + strings.TrimSuffix(strings.Repeat(`{"A":"a","B":"b","C":"c","D":"d"},`, 500), ",") + `]}`, http.StatusOK},
		"a text":      {`{"Text":"` + strings.Repeat(`,{[\\\",`, 100_000) + `"}`, http.StatusOK},
	} {
		answer, err := server.Client().Post(server.URL, "application/json", strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != test.status {
			t.Errorf("%s: %s", name, answer.Status)
		}
	}
}
