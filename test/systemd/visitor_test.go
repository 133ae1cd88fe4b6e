//go:build e2e

package systemd

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"baton/internal/lab"
)

// visitors ask for the site again and again, each on a connection of its own, and wait for
// the answer for longer than Baton holds a request.
type visitors struct {
	mu      sync.Mutex
	answers []answer // in the order in which they came
	failed  []failure
	longest time.Duration
	cancel  context.CancelFunc
	all     sync.WaitGroup
}

// answer is one that a visitor got, and failure what one got in place of it.
type (
	answer  struct{ asked, came time.Time }
	failure struct {
		asked time.Time
		what  string
	}
)

func visit(from *lab.Host, url string, every time.Duration) *visitors {
	ctx, cancel := context.WithCancel(context.Background())
	v := &visitors{cancel: cancel}
	v.all.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for ctx.Err() == nil {
			<-ticker.C
			v.all.Go(func() { v.ask(from, url) })
		}
	})
	return v
}

// client asks on connections of its own, and takes any certificate: the site's is made in the test.
func client(from *lab.Host) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: from.DialContext, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
}

func (v *visitors) ask(from *lab.Host, url string) {
	const patience = 12 * time.Second
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		panic(err)
	}
	response, err := client(from).Do(request)
	status := 0
	if err == nil {
		status = response.StatusCode
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.longest = max(v.longest, time.Since(began))
	if err != nil || status != http.StatusOK {
		v.failed = append(v.failed, failure{began, fmt.Sprintf("status %d, %v", status, err)})
		return
	}
	v.answers = append(v.answers, answer{began, time.Now()})
}

// answered reports whether a visitor who asked after a moment has an answer.
func (v *visitors) answered(after time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.ContainsFunc(v.answers, func(a answer) bool { return a.asked.After(after) })
}

// gap is the longest time between two answers since.
func (v *visitors) gap(since time.Time) (from, to time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	from, to = since, since
	last := since
	for _, a := range append(slices.Clone(v.answers), answer{came: time.Now()}) {
		if a.came.After(since) {
			if a.came.Sub(last) > to.Sub(from) {
				from, to = last, a.came
			}
			last = a.came
		}
	}
	return from, to
}

// failures lists what failed of those that asked since.
func (v *visitors) failures(since time.Time) (what []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, one := range v.failed {
		if one.asked.After(since) {
			what = append(what, one.what)
		}
	}
	return what
}

func (v *visitors) end() {
	v.cancel()
	v.all.Wait()
}

// stop ends it, and checks that nobody was left without the site.
func (v *visitors) stop(t *testing.T, what string) {
	t.Helper()
	v.end()
	t.Logf("%s: %d requests, %d failed, the longest answer took %s", what, len(v.answers)+len(v.failed), len(v.failed), v.longest.Round(time.Millisecond))
	for _, one := range v.failed {
		t.Errorf("%s: %s", one.asked.Format("05.000"), one.what)
	}
}
