package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"baton/internal/lab"
)

// web is a server that the program which moves the address does not run: a static page on every address of a
// host, with the header that tells the client who answers. It goes on while the
// daemon beside it is killed or hangs, as a web server does.
type web struct {
	server *http.Server
	done   chan struct{}
}

func startWeb(ctx context.Context, host *lab.Host, port uint16) (*web, error) {
	listener, err := host.Listen(ctx, "tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return nil, err
	}
	page := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(lab.ApplianceHeader, host.Name())
		_, _ = io.WriteString(w, indexPage)
	}
	s := &web{
		server: &http.Server{Handler: http.HandlerFunc(page), ReadHeaderTimeout: 5 * time.Second},
		done:   make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(listener) // ends with close
	}()
	return s, nil
}

// close breaks its connections, too: they would keep a dead host's kernel alive.
func (s *web) close() {
	_ = s.server.Close()
	<-s.done
}

const indexPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>The site</title>
<h1>The site is up</h1>
</html>
`
