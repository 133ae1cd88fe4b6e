package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"baton/internal/pair"
)

const secret = "0123456789abcdef0123456789abcdef"

func hook(url string) pair.Notifications {
	return pair.Notifications{Webhooks: []pair.Webhook{{ID: "h", Name: "chat", Enabled: true, URL: url, Secret: secret, Tell: pair.DefaultTell()}}}
}

func post(t *testing.T, url string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	return NewSender("1.2.3", nil).Send(ctx, hook(url), "h", aNotice())
}

func TestAWebhookArrivesSigned(t *testing.T) {
	var header http.Header
	var body []byte
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer receiver.Close()
	if err := post(t, receiver.URL+"/hook?token=x"); err != nil {
		t.Fatal(err)
	}
	if sign := Sign(secret, header.Get(HeaderTime), body); header.Get(HeaderSignature) != sign {
		t.Errorf("signature %q, want %q", header.Get(HeaderSignature), sign)
	}
	if unix, err := strconv.ParseInt(header.Get(HeaderTime), 10, 64); err != nil || time.Since(time.Unix(unix, 0)).Abs() > time.Minute {
		t.Errorf("time %q", header.Get(HeaderTime))
	}
	if header.Get("User-Agent") != "baton/1.2.3" || header.Get(HeaderID) != aNotice().ID || header.Get("Content-Type") != "application/json" {
		t.Errorf("header %v", header)
	}
	checkPayload(t, body)
}

func checkPayload(t *testing.T, body []byte) {
	t.Helper()
	var got Payload
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	want := Payload{
		ID: eventID(self, 17), Kind: KindEvents, Time: at.Add(3 * time.Second), Site: "Hilfe für alle",
		Appliance: PayloadAppliance{ID: self, Name: "alpha", Role: pair.Primary}, Dropped: 2,
		Text: "Hilfe für alle (alpha): takeover: backup → primary: the primary does not answer (and 1 more)",
		Events: []PayloadEvent{
			{
				ID: eventID(self, 15), Time: at, Appliance: self, Kind: pair.KindConditionRaised, Severity: pair.Warning, Condition: "peer-unreachable",
				Text: "The peer-unreachable is there.", NextStep: "Look at peer-unreachable.", Times: 3, First: at.Add(-time.Minute),
			},
			{
				ID: eventID(self, 17), Time: at, Appliance: self, Kind: pair.KindTakeover,
				Text: "backup → primary: the primary does not answer", Times: 1, First: at,
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the body differs (-want +got):\n%s", diff)
	}
}

func TestAnAnswerOtherThanYesIsToldInASentence(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	for status, words := range map[int]string{
		301: "not followed", 307: "not followed", 400: "does not take what was sent", 401: "check the address, and the secret",
		404: "404 Not Found", 429: "429 Too Many Requests", 500: "500 Internal Server Error", 503: "look at its log",
	} {
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "the inside of some service")
		}))
		err := post(t, receiver.URL+"/path-that-is-a-secret")
		checkSentence(t, err, words, "path-that-is-a-secret")
		checkSentence(t, err, "127.0.0.1:", "the inside of some service")
		receiver.Close()
	}
}

func TestAReceiverThatDoesNotAnswerIsTold(t *testing.T) {
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer slow.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := NewSender("1", nil).Send(ctx, hook(slow.URL+"/secret-path"), "h", aNotice())
	checkSentence(t, err, "did not answer in time", "secret-path")
	checkSentence(t, post(t, "http://"+host(closed(t))+"/secret-path"), "refuses the connection", "secret-path")
	tlsOnly := httptest.NewTLSServer(http.NotFoundHandler())
	defer tlsOnly.Close()
	checkSentence(t, post(t, tlsOnly.URL), "signed by nobody whom this machine trusts", "")
	checkSentence(t, post(t, strings.Replace(slow.URL, "http:", "https:", 1)), "does not speak TLS", "")
}

// TestAReceiverThatNeverEndsItsAnswerIsBounded answers without end.
func TestAReceiverThatNeverEndsItsAnswerIsBounded(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}))
	defer receiver.Close()
	if err := post(t, receiver.URL); err != nil {
		t.Errorf("the status was 200: %v", err)
	}
}

func TestAddressesThatNoReceiverHasAreNeverAsked(t *testing.T) {
	for _, url := range []string{
		"http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/", "http://100.100.100.200/",
		"http://[fd00:ec2::254]/", "http://0.0.0.0/", "http://[::]/", "http://224.0.0.1/",
	} {
		checkSentence(t, post(t, url), "never connected to", "")
		if _, err := Prepare(hookOnly(url), pair.DefaultNotifications()); err == nil {
			t.Errorf("%s can be saved", url)
		}
	}
	for _, fine := range []string{"127.0.0.1", "10.1.2.3", "192.168.1.1", "198.51.100.7", "2001:db8::1", "fd12::1", "::1"} {
		if err := allowed(netip.MustParseAddr(fine)); err != nil {
			t.Error(err)
		}
	}
}

func hookOnly(url string) pair.Notifications {
	n := pair.DefaultNotifications()
	n.Webhooks = hook(url).Webhooks
	n.Webhooks[0].ID = ""
	return n
}

// TestTheExampleReceiverTellsGenuineFromForged runs the script of the documentation.
func TestTheExampleReceiverTellsGenuineFromForged(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	command := exec.CommandContext(t.Context(), python, "../../examples/webhook/receive.py", "0")
	command.Env = append(os.Environ(), "BATON_SECRET="+secret)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = command.Process.Kill() // it runs until then
		_ = command.Wait()
	}()
	lines := bufio.NewScanner(out)
	var port int
	if !lines.Scan() {
		t.Fatal("the script says nothing")
	}
	if _, err := fmt.Sscanf(lines.Text(), "listening on port %d", &port); err != nil {
		t.Fatal(err)
	}
	target := "http://" + host(port) + "/"
	for range 2 { // the second one is known
		if err := post(t, target); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"Hilfe für alle (alpha): takeover", "condition-raised", "takeover backup → primary"} {
		if !lines.Scan() || !strings.Contains(lines.Text(), want) {
			t.Errorf("the script prints %q, want %q", lines.Text(), want)
		}
	}
	for name, forge := range map[string]func(header http.Header){
		"no signature":   func(h http.Header) { h.Del(HeaderSignature) },
		"another secret": func(h http.Header) { h.Set(HeaderSignature, Sign("another", h.Get(HeaderTime), []byte("{}"))) },
		"another time":   func(h http.Header) { h.Set(HeaderTime, strconv.FormatInt(time.Now().Unix()-1, 10)) },
		"an hour ago": func(h http.Header) {
			old := strconv.FormatInt(time.Now().Unix()-3600, 10)
			h.Set(HeaderTime, old)
			h.Set(HeaderSignature, Sign(secret, old, []byte("{}")))
		},
		"no time":           func(h http.Header) { h.Del(HeaderTime); h.Set(HeaderSignature, Sign(secret, "", []byte("{}"))) },
		"time is no number": func(h http.Header) { h.Set(HeaderTime, "x"); h.Set(HeaderSignature, Sign(secret, "x", []byte("{}"))) },
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		now := strconv.FormatInt(time.Now().Unix(), 10)
		request.Header.Set(HeaderTime, now)
		request.Header.Set(HeaderSignature, Sign(secret, now, []byte("{}")))
		forge(request.Header)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: the script answers %d", name, response.StatusCode)
		}
	}
}
