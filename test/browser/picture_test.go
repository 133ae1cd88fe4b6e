//go:build e2e

package browser

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// galleryName is the environment variable that names the directory for pictures;
// none are made without it.
const galleryName = "BATON_GALLERY"

// The two widths at which every page is looked at, in CSS pixels.
const (
	wide   = 1280
	narrow = 360
)

//go:embed testdata/axe.min.js
var axe string

// look sets how wide the window is and which colours the person prefers.
func (p *tab) look(as look) {
	p.t.Helper()
	ctx, cancel := p.limited()
	defer cancel()
	height := int64(900)
	if as.width == narrow {
		height = 740
	}
	_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: as.width, Height: height, DeviceScaleFactor: 1,
	})
	p.do(err)
	_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: as.scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"}, // else a picture is of a moment within a change
		},
	})
	p.do(err)
}

// look is one way to look at a page.
type look struct {
	width  int64
	scheme string
}

// looks are all ways; the short run does with two, which have all between them.
func looks() []look {
	if testing.Short() && os.Getenv(galleryName) == "" {
		return []look{{wide, "light"}, {narrow, "dark"}}
	}
	return []look{{wide, "light"}, {wide, "dark"}, {narrow, "light"}, {narrow, "dark"}}
}

// state looks at the page as it is, under a name, in every way. Nothing may be
// amiss for who cannot see, nor wider than the window.
func (p *tab) state(name string) {
	p.t.Helper()
	for _, look := range looks() {
		p.look(look)
		p.accessible(fmt.Sprintf("%s, %s, %d wide", name, look.scheme, look.width))
		p.fits(name, look.width)
		p.picture(fmt.Sprintf("%s-%s-%d", name, look.scheme, look.width))
	}
	p.look(look{wide, "light"})
}

// accessible checks the page with axe-core.
func (p *tab) accessible(state string) {
	p.t.Helper()
	ctx, cancel := p.limited()
	defer cancel()
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`(async () => {
		if (!window.axe) { `+axe+` }
		const result = await window.axe.run(document, {resultTypes: ['violations']});
		return result.violations.flatMap(v => v.nodes.map(n => v.id + ': ' + v.help + '\n    ' + n.html.slice(0, 300) + '\n    ' + (n.failureSummary || '').replace(/\n/g, ' ')));
	})()`, chromedp.EvalAwaitPromise))
	p.do(err)
	if len(found) > 0 {
		p.t.Errorf("%s (%s): axe-core finds\n  %s", p.path(), state, strings.Join(found, "\n  "))
	}
}

// fits checks that nobody has to scroll sideways.
func (p *tab) fits(name string, width int64) {
	p.t.Helper()
	if has := ask[int64](p, `document.documentElement.scrollWidth`); has > width {
		wider := ask[[]string](p, fmt.Sprintf(`[...document.body.querySelectorAll('*')].filter(e => shown(e) && e.getBoundingClientRect().right > %d + 1).slice(0, 5).map(e => e.outerHTML.slice(0, 160))`, width))
		p.t.Errorf("%s (%s): the page is %d wide in a window of %d:\n  %s", p.path(), name, has, width, strings.Join(wider, "\n  "))
	}
}

// picture writes a picture of the whole page, if pictures are wanted.
func (p *tab) picture(name string) {
	p.t.Helper()
	dir := os.Getenv(galleryName)
	if dir == "" {
		return
	}
	ctx, cancel := p.limited()
	defer cancel()
	shot, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Format: page.CaptureScreenshotFormatPng, CaptureBeyondViewport: new(true),
	})
	p.do(err)
	p.do(os.MkdirAll(dir, 0o755))
	p.do(os.WriteFile(filepath.Join(dir, name+".png"), shot.Data, 0o644))
}
