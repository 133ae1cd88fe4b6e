package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"baton/internal/pair"
)

// Target says where the application listens.
type Target struct {
	Network string // "tcp" or "unix"
	Address string // host:port, or the path of the socket
	TLS     bool   // with a certificate that this machine trusts, for the host
}

// Options say what a site is made of.
type Options struct {
	Target

	Most     int           // requests that are passed on at a time; more get an answer that says so
	Patience time.Duration // how long a request waits for an application that is being started
	Cookie   string        // name of a cookie that is neither shown to the application nor set by it; empty: none
	Log      *slog.Logger
}

// Site is an application as the site.
type Site struct {
	options  Options
	upstream *upstream
	buffers  *buffers
	proxy    httputil.ReverseProxy // for what pass does not do
	running  atomic.Int64
	pages    atomic.Pointer[pages]
	log      *rarely
}

var _ http.Handler = (*Site)(nil)

// New returns the site that an application is. It need not run yet.
func New(o Options) *Site {
	s := &Site{options: o, log: &rarely{log: o.Log, address: o.Address}, buffers: newBuffers()}
	s.upstream = &upstream{Target: o.Target, patience: o.Patience, answer: answerTime, note: s.log.note}
	s.proxy = httputil.ReverseProxy{
		Rewrite: s.rewrite, ErrorHandler: s.fail, BufferPool: s.buffers, Transport: s.upstream,
		ModifyResponse: func(res *http.Response) error { s.modify(res); return nil },
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // it says less than ours
	}
	_ = s.SetPage(pair.Site{}) // these pages can be written
	return s
}

// SetPage changes what clients are shown while the application cannot be reached: title and
// message of the site, if it has any.
func (s *Site) SetPage(site pair.Site) error {
	made, err := newPages(site)
	if err != nil {
		return err
	}
	s.pages.Store(made)
	return nil
}

// refusedTime is what the body of a request has to come that is refused.
const refusedTime = 30 * time.Second

// ServeHTTP implements http.Handler.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if r.ContentLength != 0 {
		_ = control.SetReadDeadline(time.Now().Add(refusedTime)) // a refused request is read to its end, and its body may never come
	}
	defer s.running.Add(-1)
	if s.running.Add(1) > int64(s.options.Most) {
		s.pages.Load().busy.serve(w)
		return
	}
	if status := odd(r); status != 0 {
		http.Error(w, "This is no request for the site.", status)
		return
	}
	w.Header()["Content-Type"] = nil // that of the application, or none: it is not guessed
	if r.ContentLength == 0 && !isWebsocket(r) {
		s.pass(w, r)
		return
	}
	if r.Context().Value(http.ServerContextKey) == nil { // else ReverseProxy lets an answer that broke off look whole
		r = r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, new(http.Server)))
	}
	if r.ContentLength != 0 {
		_ = control.EnableFullDuplex() // the application may answer before it has read everything
		body := &upload{ReadCloser: r.Body, control: control, kept: r.ProtoMajor > 1}
		defer body.end()
		r = r.WithContext(context.WithValue(r.Context(), uploadKey{}, body))
		r.Body = body
	}
	if isWebsocket(r) {
		w = &hijacker{ResponseWriter: w, context: r.Context()}
	}
	s.proxy.ServeHTTP(w, r)
}

// buffers are what bodies of answers are copied through.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

func newBuffers() *buffers {
	return &buffers{sync.Pool{New: func() any { return new([bufferSize]byte) }}}
}

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte { return b.pool.Get().(*[bufferSize]byte)[:] }

// Put implements httputil.BufferPool.
func (b *buffers) Put(p []byte) { b.pool.Put((*[bufferSize]byte)(p)) }
