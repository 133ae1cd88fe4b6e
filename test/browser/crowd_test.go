//go:build e2e

package browser

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

const (
	viewers     = 50
	serverLimit = 100 * time.Millisecond // from the request to the first byte of a page
)

// session is the tab's cookies as a header.
func (p *tab) session() string {
	p.t.Helper()
	found, err := chromedp.Call(p.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{p.base + "/login/status"}})
	p.do(err)
	var all []string
	for _, cookie := range found.Cookies {
		all = append(all, cookie.Name+"="+cookie.Value)
	}
	return strings.Join(all, "; ")
}

// person is a program on the client that speaks HTTP to an appliance with a
// person's session.
func (w *world) person(cookies string) func(ctx context.Context, method, target string, form url.Values) (*http.Response, error) {
	client := &http.Client{
		Transport: &http.Transport{
			DialContext:     w.lab.Host("client").DialContext,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // each appliance shows a certificate of its own
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	w.t.Cleanup(client.CloseIdleConnections)
	return func(ctx context.Context, method, target string, form url.Values) (*http.Response, error) {
		request, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		if method == http.MethodPost {
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		request.Header.Set("Cookie", cookies)
		return client.Do(request)
	}
}

// crowd keeps a page open as many times; the result tells how many follow it now,
// and how many messages they have had.
func (w *world) crowd(p *tab, size int) (following, messages *atomic.Int64) {
	w.t.Helper()
	following, messages = &atomic.Int64{}, &atomic.Int64{}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	w.t.Cleanup(func() { cancel(); wg.Wait() })
	live := ask[string](p, "document.getElementById('stream').getAttribute('hx-sse:connect')")
	for range size {
		follow := w.person(p.session()) //nolint:bodyclose // the caller closes it
		wg.Go(func() {
			response, err := follow(ctx, http.MethodGet, p.base+live, nil)
			if err != nil {
				return
			}
			defer func() { _ = response.Body.Close() }()
			if response.StatusCode != http.StatusOK {
				return
			}
			following.Add(1)
			defer following.Add(-1)
			for lines := bufio.NewScanner(response.Body); lines.Scan(); {
				if strings.HasPrefix(lines.Text(), "data:") || strings.HasPrefix(lines.Text(), "event:") {
					messages.Add(1)
				}
			}
		})
	}
	return following, messages
}

// growSite writes random files of 8 MiB into the public site.
func (w *world) growSite(a *daemon.Appliance, files int) {
	w.t.Helper()
	block := make([]byte, 8<<20)
	for i := range files {
		_, _ = rand.Read(block)
		w.must(os.WriteFile(a.Path(fmt.Sprintf("%s/big-%d.bin", daemon.SiteDir, i)), block, 0o644))
	}
}

// keepBusy changes the public site all the time, so that the data syncs never
// have nothing to do.
func (w *world) keepBusy(a *daemon.Appliance) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			w.growSite(a, 20)
		}
	})
	w.t.Cleanup(func() { cancel(); wg.Wait() })
}

// syncs reports whether a data sync runs now.
func syncs(a *daemon.Appliance) bool {
	status, err := a.Status(context.Background())
	return err == nil && status.Sync.State == pair.SyncRunning
}

func TestConsoleStaysQuickWhileASyncRunsAndFiftyWatch(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	p := w.visit(w.alpha.Addr4())
	p.signIn(administrator)
	following, messages := w.crowd(p, viewers)
	eventually(t, "all follow", patience, func() bool { return following.Load() == viewers })
	w.keepBusy(w.alpha)
	eventually(t, "the sync runs", patience, func() bool { return syncs(w.beta) })
	p.forgive("favicon.ico") // which a page without a style does not name
	floor := p.several(7, "/health").median()
	allowed := atThisPace(serverLimit, floor.paint)
	t.Logf("a page of one sentence comes after %s and is painted after %s meanwhile; %s are allowed here", short(floor.server), short(floor.paint), short(allowed))
	during := 0
	for _, path := range pages() {
		runs := p.several(7, path)
		usual, best := runs.median(), runs.best()
		if syncs(w.beta) {
			during++
		}
		t.Logf("%-28s server %8s, at best %8s   page %8s   first paint %8s", path, short(usual.server), short(best.server), short(usual.whole), short(usual.paint))
		if best.server > allowed {
			t.Errorf("%s comes after %s at best, later than %s", path, short(best.server), short(allowed))
		}
	}
	t.Logf("%d of %d still follow, %d messages so far; a sync ran after %d of %d measurements", following.Load(), viewers, messages.Load(), during, len(pages()))
	if following.Load() != viewers {
		t.Errorf("%d of %d viewers were cut off", viewers-following.Load(), viewers)
	}
}

// actions lists where the page's buttons send to, but for what is each person's own.
func (p *tab) actions() (all []string) {
	p.t.Helper()
	const sent = `[...document.querySelectorAll('form[method=post] button, form[method=post] input[type=submit]')].filter(e => !e.matches(':disabled')).map(e => new URL(e.getAttribute('formaction') || e.form.getAttribute('action'), location.href).pathname)`
	for _, action := range ask[[]string](p, sent) {
		own := action == "/login/sign-out" || action == "/login/theme" || strings.HasPrefix(action, "/login/account")
		if !own && !slices.Contains(all, action) {
			all = append(all, action)
		}
	}
	return all
}

// What a person may not do is refused on every way, not only hidden.
func TestViewerCannotAct(t *testing.T) {
	w := pairedWorld(t)
	w.must(w.alpha.Do(t.Context(), password, "user", "add", "vera", "--role", "viewer"))
	boss, vera := w.visit(w.alpha.Addr4()), w.visit(w.alpha.Addr4())
	boss.signIn(administrator)
	vera.signIn("vera")
	actions := map[string]bool{}
	for _, path := range pages() {
		boss.open(path)
		for _, action := range boss.actions() {
			actions[action] = true
		}
		vera.open(path)
		for _, action := range vera.actions() {
			t.Errorf("%s shows a viewer a button for %s", path, action)
		}
	}
	post := w.person(vera.session()) //nolint:bodyclose // closed below
	for action := range actions {
		response, err := post(t.Context(), http.MethodPost, "https://"+netip.AddrPortFrom(w.alpha.Addr4(), 443).String()+action, url.Values{})
		w.must(err)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusForbidden {
			t.Errorf("a viewer's POST %s: %s, wanted 403", action, response.Status)
		}
	}
	t.Logf("%d actions of an administrator's pages are refused to a viewer", len(actions))
}
