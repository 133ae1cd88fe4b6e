//go:build e2e

package browser

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"baton/internal/lab"
)

// chromium starts a browser on a host of the lab, for chromedp, which cannot.
// The two talk through pipes, so that no fault of the network comes between them.
type chromium struct {
	host    *lab.Host
	disk    string // where programs on the host find its directory
	program string
	running sync.WaitGroup
}

// Attaches tells chromedp that the process is none of its own.
func (*chromium) Attaches() bool { return true }

// Wait blocks until the browser has ended.
func (c *chromium) Wait() { c.running.Wait() }

// Allocate starts the browser.
func (c *chromium) Allocate(ctx context.Context, opts ...chromedp.BrowserOption) (*chromedp.Browser, error) {
	reads, commands, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	answers, writes, err2 := os.Pipe()
	log, err3 := os.OpenFile(filepath.Join(c.host.Dir(), "chromium.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err := errors.Join(err2, err3); err != nil {
		return nil, err
	}
	process, err := c.host.Start(ctx, lab.Cmd{
		Path: c.program, Args: c.args(), Env: []string{"HOME=" + c.disk},
		Files: []*os.File{reads, writes}, Stdout: log, Stderr: log,
	})
	_, _, _ = reads.Close(), writes.Close(), log.Close() // the browser has its own descriptors
	if err != nil {
		return nil, errors.Join(err, commands.Close(), answers.Close())
	}
	c.running.Go(func() { _ = process.Wait() })
	return chromedp.NewBrowserTransport(ctx, chromedp.NewPipeConn(answers, commands), opts...)
}

func (c *chromium) args() []string {
	return []string{
		"--headless", "--remote-debugging-pipe", "--user-data-dir=" + filepath.Join(c.disk, "chromium"),
		"--ignore-certificate-errors", // each appliance shows one of its own
		"--no-sandbox",                // its user is root, if only of a namespace
		"--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--disable-sync", "--disable-extensions", "--disable-breakpad",
		"--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--no-first-run",
		"--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
		"--disable-features=Translate,MediaRouter,OptimizationHints", "--password-store=basic", "--use-mock-keychain",
		"--hide-scrollbars", "--mute-audio", "--force-color-profile=srgb", "--font-render-hinting=none",
		"about:blank",
	}
}

// openBrowser starts a browser on a host; it ends with the test.
func openBrowser(t *testing.T, l *lab.Lab, host string) context.Context {
	t.Helper()
	program, err := findChromium()
	if err != nil {
		t.Fatal(err)
	}
	c := &chromium{host: l.Host(host), disk: l.Disk(), program: program}
	ctx, cancel := chromedp.NewAllocatorContext(context.Background(), c)
	t.Cleanup(cancel)
	// It complains of what is newer in the protocol than itself.
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return ctx
}
