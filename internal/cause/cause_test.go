package cause_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"syscall"
	"testing"

	"baton/internal/cause"
	"baton/internal/cause/causetest"
)

// TestEveryFailureIsASentence puts all that libraries say through the translation,
// bare and as it comes up through several layers.
func TestEveryFailureIsASentence(t *testing.T) {
	asked := errors.New("the peer cannot be reached: check its address")
	for _, raw := range causetest.Raw() {
		for _, err := range []error{
			raw, fmt.Errorf("call /peer/v1/poll at the peer: %w", &url.Error{Op: "Post", URL: "https://peer/x", Err: raw}),
			fmt.Errorf("%w (198.51.100.2:443: %w)", asked, raw), errors.Join(raw, asked),
		} {
			text, detail := cause.Sentence(err)
			if text == "" || cause.Rough(text) {
				t.Errorf("%v\nis told as: %s", err, text)
			}
			if cause.Rough(err.Error()) && detail == "" {
				t.Errorf("%v: nothing is kept for the log", err)
			}
		}
		if !cause.Rough(raw.Error()) && cause.Why(raw) == "" {
			t.Errorf("%v is neither rough nor known", raw)
		}
	}
}

func TestASentenceSaysWhatAndWhy(t *testing.T) {
	asked := errors.New("the peer cannot be reached: check its address")
	for want, err := range map[string]error{
		"the peer cannot be reached: check its address (nothing listens there, or a firewall refuses)": fmt.Errorf("%w (x: %w)", asked, syscall.ECONNREFUSED),
		"the peer cannot be reached: check its address":                                                asked,
		"the name beta is not known to this machine's name servers":                                    &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "beta", IsNotFound: true}},
		"/srv/x: permission denied":                                                                    fmt.Errorf("look: %w", &fs.PathError{Op: "open", Path: "/srv/x", Err: syscall.EACCES}),
		"it did not answer in time":                                                                    context.DeadlineExceeded,
		"the connection or the text ended too early":                                                   io.ErrUnexpectedEOF,
		"it was broken off":                                                                            fmt.Errorf("pull: %w", context.Canceled),
	} {
		if got := cause.Of(err); got != want {
			t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
		}
	}
}

func TestWhatPeopleWriteIsNotRough(t *testing.T) {
	for _, text := range []string{
		`health: "exec:" is no check: write a line for the shell, as exec:/usr/bin/pg_isready -q`,
		"Run baton setup --user NAME here, or open /login/setup at this appliance's address in a browser",
		"write it like https://hooks.example.org/baton, or http://127.0.0.1/", "No snapshot has them; they are kept.",
		"The disk of /srv is full: make room there", "read /srv/www again", "A data sync reads /srv: all of it.",
	} {
		if cause.Rough(text) {
			t.Errorf("rough: %s", text)
		}
	}
}
