package page

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/pair"
)

// deadlines is a writer that knows deadlines for reading.
type deadlines struct {
	*httptest.ResponseRecorder

	until time.Time
}

func (d *deadlines) SetReadDeadline(until time.Time) error { d.until = until; return nil }

func TestABodyHasToArriveInTimeAndItsAnswerHasNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest(http.MethodPost, Root, io.MultiReader(strings.NewReader("a"), strings.NewReader("b")))
		hardened(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if want := time.Now().Add(formTime); !w.until.Equal(want) {
				t.Errorf("bytes are waited for until %v, want %v", w.until, want)
			}
			if _, err := io.ReadAll(r.Body); err != nil {
				t.Error(err)
			}
			if !w.until.IsZero() {
				t.Error("the deadline outlives the body")
			}
		})).ServeHTTP(w, r)
	})
}

func TestNoUserTakesTheLivePlacesOfAll(t *testing.T) {
	t.Parallel()
	f := &followers{each: map[string]int{}}
	var leaves []func()
	for i := range maxEach + 1 {
		leave, err := f.enter("viewer")
		if (err == nil) != (i < maxEach) {
			t.Fatalf("page %d: %v", i+1, err)
		}
		leaves = append(leaves, leave)
	}
	if _, err := f.enter("administrator"); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	leaves[0]()
	if _, err := f.enter("viewer"); err != nil {
		t.Errorf("a place that was given back: %v", err)
	}
	for user := 0; f.all < maxFollowers; user++ {
		_, _ = f.enter(strconv.Itoa(user))
	}
	if _, err := f.enter("one more"); pair.CodeOf(err) != pair.Refused {
		t.Errorf("got %v", err)
	}
}

func TestACarriageReturnEndsNoLineOfTheStream(t *testing.T) {
	t.Parallel()
	appliance := admintest.New(t).Backend()
	backend := Backend{Overview: appliance.Overview, Settings: appliance.Settings, Site: appliance.Site, Sessions: appliance.Sessions, Security: appliance.Security}
	server, err := New(backend, Options{Log: slog.New(slog.DiscardHandler)}, nil, []Section{Frame()})
	if err != nil {
		t.Fatal(err)
	}
	v := &Visit{server: server, Writer: httptest.NewRecorder(), Request: httptest.NewRequest(http.MethodGet, Root+"/moved", nil), Zone: time.UTC}
	v.Status.Appliance.Name = "al\rpha\r\rdata: x"
	v.Caller = api.Caller{Name: "viewer", Access: pair.Viewer}
	f := &follower{visit: v, name: "moved", sent: map[string]string{}}
	var message bytes.Buffer
	if err := f.frame(&message); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(message.String(), "pha") || strings.Contains(message.String(), "\r") {
		t.Errorf("got %q", message.String())
	}
	for line := range strings.Lines(strings.TrimSuffix(message.String(), "\n\n")) {
		if line != "\n" && !strings.HasPrefix(line, "data: ") {
			t.Errorf("a line of the stream is %q", line)
		}
	}
}
