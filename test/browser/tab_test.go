//go:build e2e

package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long a page may take to show what it must. It is no promise:
// what the console promises is measured elsewhere, and this is for a machine that
// does ten things at once.
const patience = 30 * time.Second

// tab is one person's tab, with cookies of its own. Everything that goes wrong in
// it fails the test.
type tab struct {
	t     *testing.T
	ctx   context.Context
	base  string
	scope string // heading of the part of the page that is meant; empty: all of it
	inert bool   // no script runs in its pages, not even what a test would have listen

	*heard
}

// heard is what the page said to nobody.
type heard struct {
	mu       sync.Mutex
	messages []string
	forgiven []string // parts of messages that a test brings about itself
}

// visit opens a tab for a person who looks at an address.
func (w *world) visit(address netip.Addr) *tab {
	w.t.Helper()
	ctx, cancel := chromedp.NewContext(w.browser, chromedp.WithNewBrowserContext())
	w.t.Cleanup(cancel)
	p := &tab{t: w.t, ctx: ctx, base: "https://" + netip.AddrPortFrom(address, 443).String(), heard: &heard{}}
	p.do(chromedp.Do(ctx))
	messages := chromedp.Console(ctx)
	go func() {
		for message, err := range messages {
			if err != nil {
				return
			}
			p.note(message)
		}
	}()
	w.t.Cleanup(p.quiet)
	p.look(look{wide, "light"})
	return p
}

func (h *heard) note(m chromedp.ConsoleMessage) {
	if m.Type == "debug" || m.Type == "info" || m.Type == "log" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages = append(h.messages, fmt.Sprintf("%s %s: %s (%s)", m.Source, m.Type, m.Text, m.URL))
}

// forgive allows what a test brings about, as a pulled cable.
func (h *heard) forgive(parts ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forgiven = append(h.forgiven, parts...)
}

// refusedAnswers are those that forms are meant to give; the browser notes them.
func refusedAnswers() []string {
	return []string{"status of 422", "status of 401", "status of 409", "status of 429", "status of 403"}
}

// lateAnswers are what the library says on a machine too busy to answer in time;
// it asks again, and whatever does not come then fails the test that waits for it.
func lateAnswers() []string { return []string{"htmx:error: timeout", "htmx:sse:error"} }

// quiet checks that no page of the tab had a script error, loaded what is not
// there or broke the content security policy.
func (p *tab) quiet() {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.messages)
	for _, message := range slices.Compact(p.messages) {
		forgiven := false
		for _, part := range slices.Concat(refusedAnswers(), lateAnswers(), p.forgiven) {
			forgiven = forgiven || strings.Contains(message, part)
		}
		if !forgiven {
			p.t.Errorf("%s: the browser's console says: %s", p.base, message)
		}
	}
	p.messages = nil
}

func (p *tab) do(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", p.base, err)
	}
}

// limited bounds one act.
func (p *tab) limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.ctx, 2*patience)
}

// open goes to a page, as by typing its address.
func (p *tab) open(path string) {
	p.t.Helper()
	ctx, cancel := p.limited()
	defer cancel()
	p.do(chromedp.Do(ctx, chromedp.Navigate(p.base+path)))
}

// close closes the tab.
func (p *tab) close() {
	p.t.Helper()
	p.quiet()
	p.do(chromedp.Cancel(p.ctx))
}

// path is where the tab is.
func (p *tab) path() string {
	p.t.Helper()
	return ask[string](p, `location.pathname`)
}

// in means the part of the page under a heading.
func (p *tab) in(heading string) *tab {
	part := *p
	part.scope = heading
	return &part
}

// try evaluates a script with the finder; a page that is just being replaced is
// an error.
func try[T any](p *tab, script string) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](`(() => {`+finder+`; return (`+script+`); })()`))
}

// ask is try that must succeed, soon.
func ask[T any](p *tab, script string) T {
	p.t.Helper()
	var answer T
	eventually(p.t, "the page answers "+script, patience, func() bool {
		var err error
		answer, err = try[T](p, script)
		return err == nil
	})
	return answer
}

// quoted is a text as a script writes it.
func quoted(text string) string {
	raw, _ := json.Marshal(text)
	return string(raw)
}

func (p *tab) query(kind, name string) string {
	return fmt.Sprintf("find(%s, %s, %s)", quoted(kind), quoted(name), quoted(p.scope))
}

// element waits for the one thing of that kind and name, and returns it.
func (p *tab) element(kind, name string) runtime.RemoteObjectID {
	p.t.Helper()
	var count int
	var id runtime.RemoteObjectID
	limit := time.Now().Add(patience)
	for {
		count, _ = try[int](p, p.query(kind, name)+".length")
		if count == 1 {
			if object, err := try[*runtime.RemoteObject](p, p.query(kind, name)+"[0]"); err == nil && object.ObjectID != "" {
				id = object.ObjectID
				return id
			}
		}
		if time.Now().After(limit) {
			p.t.Fatalf("%s%s has %d of %s %q in %q, wanted 1; it has: %s", p.base, p.path(), count, kind, name, p.scope, p.all(kind))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// all lists the names of everything of a kind.
func (p *tab) all(kind string) []string {
	p.t.Helper()
	return ask[[]string](p, fmt.Sprintf("[...(part(%s) || document).querySelectorAll(kinds[%s])].filter(shown).map(named)", quoted(p.scope), quoted(kind)))
}

// leads reports whether the page shows a link of that name.
func (p *tab) leads(name string) bool {
	found, err := try[bool](p, p.query("link", name)+".length > 0")
	return err == nil && found
}

// press clicks, with the mouse, on what must not be covered by anything. A page
// that follows its appliance may move what is aimed at: then it is tried again.
func (p *tab) press(kind, name string) {
	p.t.Helper()
	const tries = 5
	for range tries {
		if p.hit(kind, name) {
			return
		}
	}
	p.t.Fatalf("%s: the mouse misses the %s %q", p.path(), kind, name)
}

// hit reports whether a click came to what it was meant for.
func (p *tab) hit(kind, name string) bool {
	p.t.Helper()
	id := p.element(kind, name)
	ctx, cancel := p.limited()
	defer cancel()
	_, err := chromedp.Call(ctx, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{ObjectID: id})
	p.do(err)
	point := ask[[]float64](p, fmt.Sprintf(`(() => { const e = %s[0], r = e.getClientRects()[0] || e.getBoundingClientRect();
		window.missed = true;
		e.addEventListener('click', () => { window.missed = false; }, {capture: true, once: true});
		const x = r.x + r.width / 2, y = r.y + r.height / 2, top = document.elementFromPoint(x, y);
		return [x, y, top && (e.contains(top) || top.contains(e)) || (e.labels && [...e.labels].some(l => l.contains(top))) ? 1 : 0]; })()`, p.query(kind, name)))
	if point[2] == 0 {
		p.t.Fatalf("%s: %s %q is covered", p.path(), kind, name)
	}
	p.do(chromedp.Do(ctx, chromedp.MouseClickXY(point[0], point[1])))
	return p.inert || !ask[bool](p, "window.missed === true") // the page that comes knows nothing of it
}

// follow clicks on a link and waits for its page.
func (p *tab) follow(name string) { p.t.Helper(); p.leave(func() { p.press("link", name) }) }

// submit clicks on a button and waits for the page that answers.
func (p *tab) submit(name string) { p.t.Helper(); p.leave(func() { p.press("button", name) }) }

// leave waits for the page that an act leads to.
func (p *tab) leave(act func()) {
	p.t.Helper()
	ctx, cancel := p.limited()
	defer cancel()
	loaded := make(chan struct{}, 1)
	p.do(chromedp.Listen(ctx, func(event any) {
		if _, ok := event.(*page.EventLoadEventFired); ok {
			select {
			case loaded <- struct{}{}:
			default:
			}
		}
	}))
	act()
	select {
	case <-loaded:
	case <-ctx.Done():
		p.t.Fatalf("%s: no page came", p.path())
	}
}

// fill types a text into a field, instead of what it holds.
func (p *tab) fill(label, text string) {
	p.t.Helper()
	id := p.element("field", label)
	ctx, cancel := p.limited()
	defer cancel()
	switch kind := ask[string](p, p.query("field", label)+"[0].type"); kind {
	case "select-one", "time", "date", "datetime-local", "color", "range":
		// The browser's own pickers are none of the page's.
		p.set(label, text)
		return
	}
	_, err := chromedp.Call(ctx, dom.Focus, dom.FocusParams{ObjectID: id})
	p.do(err)
	ask[bool](p, p.query("field", label)+"[0].select() || true")
	if text == "" {
		p.do(chromedp.Do(ctx, chromedp.KeyEvent(kb.Delete)))
		return
	}
	_, err = chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text})
	p.do(err)
}

// set chooses a value as a picker of the browser does.
func (p *tab) set(label, text string) {
	p.t.Helper()
	done := ask[bool](p, fmt.Sprintf(`(() => { const e = %s[0], text = %s;
		if (e.tagName === 'SELECT') {
			const option = [...e.options].find(o => tidy(o.textContent) === text);
			if (!option) return false;
			e.value = option.value;
		} else e.value = text;
		for (const name of ['input', 'change']) e.dispatchEvent(new Event(name, {bubbles: true}));
		return true; })()`, p.query("field", label), quoted(text)))
	if !done {
		p.t.Fatalf("%s: field %q has no choice %q: %s", p.path(), label, text,
			ask[[]string](p, p.query("field", label)+"[0].options ? ["+p.query("field", label)+"[0]].flatMap(e => [...e.options].map(o => tidy(o.textContent))) : []"))
	}
}

// value is what a field holds; of a choice, what it is called.
func (p *tab) value(label string) string {
	p.t.Helper()
	p.element("field", label)
	return ask[string](p, fmt.Sprintf(`(e => e.tagName === 'SELECT' ? tidy(e.selectedOptions[0].textContent) : e.value)(%s[0])`, p.query("field", label)))
}

// ticked reports whether a box is ticked.
func (p *tab) ticked(label string) bool {
	p.t.Helper()
	p.element("tick", label)
	return ask[bool](p, p.query("tick", label)+"[0].checked")
}

// tick ticks a box, or chooses one of several.
func (p *tab) tick(label string) {
	p.t.Helper()
	if !p.ticked(label) {
		p.press("tick", label)
	}
}

// text is what a person can read in the part of the page.
func (p *tab) text() string {
	text, _ := try[string](p, fmt.Sprintf("readable(%s)", quoted(p.scope)))
	return text
}

// shows reports whether the page shows a text; case is style.
func (p *tab) shows(text string) bool {
	return strings.Contains(strings.ToLower(p.text()), strings.ToLower(text))
}

// sees waits until the page shows all the texts, without being touched.
func (p *tab) sees(texts ...string) { p.t.Helper(); p.seesWithin(patience, texts...) }

func (p *tab) seesWithin(within time.Duration, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		limit := time.Now().Add(within)
		for !p.shows(text) {
			if time.Now().After(limit) {
				p.t.Fatalf("%s%s does not show %q within %s; it shows:\n%s", p.base, p.path(), text, within, p.text())
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// lacks checks that the page does not show a text.
func (p *tab) lacks(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		if p.shows(text) {
			p.t.Fatalf("%s%s shows %q", p.base, p.path(), text)
		}
	}
}

// keys presses keys where the focus is. A key goes down raw, as from a keyboard:
// then a link that Enter leads to does not get the same Enter as a character, too.
func (p *tab) keys(keys string) {
	p.t.Helper()
	ctx, cancel := p.limited()
	defer cancel()
	for _, key := range keys {
		for _, event := range kb.Encode(key) {
			if event.Type == kb.KeyDown {
				event.Type = input.DispatchKeyEventTypeRawKeyDown
			}
			_, err := chromedp.Call(ctx, input.DispatchKeyEvent, *event)
			p.do(err)
		}
	}
}

// withoutScript turns the page's scripts off, from the next page on.
func (p *tab) withoutScript() {
	p.t.Helper()
	p.inert = true
	_, err := chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	p.do(err)
}
