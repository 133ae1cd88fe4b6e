//go:build e2e

package systemd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"baton/internal/lab"
)

// visitors ask for the site 200 times a second, each on a connection of its own, and wait for
// the answer for up to 5 s.
type visitors struct {
	mu      sync.Mutex
	asked   int
	failed  []string
	longest time.Duration
	end     context.CancelFunc
	all     sync.WaitGroup
}

func visit(from *lab.Host) *visitors {
	ctx, end := context.WithCancel(context.Background())
	v := &visitors{end: end}
	v.all.Go(func() {
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			<-ticker.C
			v.all.Go(func() { v.ask(from) })
		}
	})
	return v
}

func (v *visitors) ask(from *lab.Host) {
	const patience = 5 * time.Second
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DialContext: from.DialContext, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://198.51.100.10/", http.NoBody)
	if err != nil {
		panic(err)
	}
	response, err := client.Do(request)
	status := 0
	if err == nil {
		status = response.StatusCode
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	v.longest = max(v.longest, time.Since(began))
	if err != nil || status != http.StatusOK {
		v.failed = append(v.failed, fmt.Sprintf("%s: status %d, %v", began.Format("05.000"), status, err))
	}
}

// stop ends it, and checks that nobody was left without the site.
func (v *visitors) stop(t *testing.T, what string) {
	t.Helper()
	v.end()
	v.all.Wait()
	t.Logf("%s: %d requests, %d failed, the longest answer took %s", what, v.asked, len(v.failed), v.longest.Round(time.Millisecond))
	for _, one := range v.failed {
		t.Error(one)
	}
}
