package static

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"baton/internal/front/page"
	"baton/internal/pair"
	"baton/internal/pinned"
)

// Files are those of one directory, which need not exist yet.
type Files struct {
	root string // "": there is none
	log  *slog.Logger
	page atomic.Pointer[page.Page] // nil: none
}

var _ http.Handler = (*Files)(nil)

// New returns the files under the directory root; "" is no site.
func New(root string, log *slog.Logger) *Files { return &Files{root: root, log: log} }

// SetPage changes the public page, which is shown at the site's address as long
// as the directory has no index.html. A site without title and message has none.
func (f *Files) SetPage(site pair.Site) error {
	made, err := page.New(site)
	if err != nil {
		return err
	}
	f.page.Store(made)
	return nil
}

// bodyTime is what a client has to send a body that nobody reads.
const bodyTime = 10 * time.Second

// errIsDirectory says that a path names a directory, without a slash at its end.
var errIsDirectory = errors.New("is a directory")

// ServeHTTP answers with the file that the request names.
func (f *Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// The connection would wait for it. A test's writer may have no deadlines.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "This site only shows pages: use GET.", http.StatusMethodNotAllowed)
		return
	}
	file, err := openFile(f.root, r.URL.Path)
	if errors.Is(err, errIsDirectory) {
		// Relative, so that it can lead nowhere else; temporary, as the site may change.
		w.Header().Set("Location", (&url.URL{Path: path.Base(r.URL.Path) + "/", RawQuery: r.URL.RawQuery}).String())
		w.WriteHeader(http.StatusFound)
		return
	}
	if public := f.page.Load(); errors.Is(err, fs.ErrNotExist) && public != nil && r.URL.Path == "/" {
		public.Serve(w, http.StatusOK)
		return
	}
	if err != nil {
		f.log.Debug("file not served", slog.String("path", r.URL.Path), slog.Any("error", err))
		http.Error(w, "There is no such page.", http.StatusNotFound)
		return
	}
	defer func() { _ = file.Close() }() // read only: nothing to lose
	info, err := file.Stat()
	if err != nil {
		f.log.Warn("file not served", slog.String("path", r.URL.Path), slog.Any("error", err))
		http.Error(w, "This page cannot be read now.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-cache") // ask again: the other appliance may serve next
	http.ServeContent(w, r, info.Name(), info.ModTime(), file)
}

// openFile opens the regular file for a URL path. The directory is opened anew
// each time: a sync may have put another in its place. A link that leads to it is
// followed only if it is root's alone; one inside it only if it stays inside.
func openFile(dir, urlPath string) (*os.File, error) {
	name := strings.TrimPrefix(path.Clean("/"+urlPath), "/")
	if dir == "" || hidden(name) {
		return nil, fs.ErrNotExist
	}
	top, err := pinned.Open(dir, nil)
	if err != nil {
		return nil, fmt.Errorf("open site: %w", err)
	}
	defer func() { _ = top.Close() }()
	root, err := os.OpenRoot(top.Path())
	if err != nil {
		return nil, fmt.Errorf("open site: %w", err)
	}
	defer func() { _ = root.Close() }() // files opened through it stay open
	if name != "" && !strings.HasSuffix(urlPath, "/") {
		return openRegular(root, name)
	}
	file, err := openRegular(root, path.Join(name, "index.html"))
	if errors.Is(err, errIsDirectory) {
		return nil, fs.ErrNotExist // no way to lead there: it would lead here again
	}
	return file, err
}

// openRegular opens a file, and nothing that could block or act when opened.
func openRegular(root *os.Root, name string) (*os.File, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("look at file: %w", err)
	}
	if info.IsDir() {
		return nil, errIsDirectory
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open %s: not a regular file", name)
	}
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open file: %w", err)
	}
	return file, nil
}

// hidden reports whether a path leads through a dot file; .well-known is public
// by its purpose (RFC 8615).
func hidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != ".well-known" {
			return true
		}
	}
	return false
}
