package api

import (
	"net/url"
	"testing"

	"baton/internal/cause"
	"baton/internal/cause/causetest"
	"baton/internal/pair"
)

// TestNoCommandFailsInTheWordsOfALibrary: neither through the local socket nor at
// another appliance.
func TestNoCommandFailsInTheWordsOfALibrary(t *testing.T) {
	for _, options := range []ClientOptions{{Socket: "/run/baton/baton.sock"}, {URL: "https://198.51.100.1"}} {
		client, err := NewClient(options)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range causetest.Raw() {
			told := client.unreached(&url.Error{Op: "Get", URL: "https://198.51.100.1/api/v1/status", Err: raw})
			if cause.Rough(cause.Of(told)) {
				t.Errorf("%v\nis told as: %v", raw, told)
			}
			if known := pair.Refuse(pair.Failed, "it could not be read: %w", cause.Plain(raw)); cause.Rough(known.Text) || known.Cause == nil {
				t.Errorf("%v\nis told as: %v", raw, known)
			}
		}
	}
}
