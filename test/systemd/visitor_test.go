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
// the answer for up to 5 s.
type visitors struct {
	mu      sync.Mutex
	answers []answer // in the order in which they came
	failed  []string
	longest time.Duration
	cancel  context.CancelFunc
	all     sync.WaitGroup
}

// answer is one that a visitor got.
type answer struct{ asked, came time.Time }

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
	const patience = 5 * time.Second
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
		v.failed = append(v.failed, fmt.Sprintf("%s: status %d, %v", began.Format("05.000"), status, err))
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
func (v *visitors) gap(since time.Time) (longest time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	last := since
	for _, a := range v.answers {
		if a.came.After(since) {
			longest, last = max(longest, a.came.Sub(last)), a.came
		}
	}
	return max(longest, time.Since(last))
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
		t.Error(one)
	}
}
