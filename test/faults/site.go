package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"baton/internal/lab"
)

// siteCommand makes this program the site's server: site NAME DIR.
const siteCommand = "site"

// sitePort is where it listens, on every address of the host.
const sitePort = 8080

// notePrefix begins the names of the files that hold the requests' numbers.
const notePrefix = "requests-"

// takenHeader says when the server took the request: nanoseconds since 1970.
const takenHeader = "X-Taken"

// notebook is a directory in which the numbers of requests are written down, in files and a database.
type notebook struct {
	name, dir string

	mu sync.Mutex
}

// serveSite runs until ctx ends. It knows nothing of roles: like a web server of
// one's own it listens on both hosts, always, and serves whoever comes.
func serveSite(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("use: site NAME DIRECTORY")
	}
	book := &notebook{name: args[0], dir: args[1]}
	server := &http.Server{Addr: ":" + strconv.Itoa(sitePort), Handler: book, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the site: %w", err)
	}
	return nil
}

// ServeHTTP answers once the request's number is on the disk. The path says
// which file it goes to, and the number: /FILE/NUMBER.
func (b *notebook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	taken := time.Now()
	file, number := filepath.Split(r.URL.Path)
	if err := b.write(r.Context(), filepath.Base(file), number); err != nil {
		http.Error(w, err.Error(), http.StatusInsufficientStorage)
		return
	}
	w.Header().Set(lab.ApplianceHeader, b.name)
	w.Header().Set(takenHeader, strconv.FormatInt(taken.UnixNano(), 10))
	_, _ = w.Write([]byte("written\n"))
}

// write writes a number down: every second one to the database.
func (b *notebook) write(ctx context.Context, file, number string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if isForDatabase(number) {
		return insert(ctx, b.dir, file, number)
	}
	return b.append(file, number)
}

// append opens the file anew each time: a data sync may have replaced it.
func (b *notebook) append(file, number string) error {
	note, err := os.OpenFile(filepath.Join(b.dir, notePrefix+file), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // a public site
	if err != nil {
		return err
	}
	// Between two ends of lines: a full disk may have taken a part of the one before.
	_, err = note.WriteString("\n" + number + "\n")
	return errors.Join(err, note.Sync(), note.Close())
}
