package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"baton/internal/lab"
)

// doors are the listeners on this machine's loopback behind which the lab can be
// reached. They are opened outside and go on listening there, also when the rest
// of the demo runs inside a user namespace.
type doors struct {
	alpha, beta   net.Listener // consoles, at each appliance's own address
	shared, pages net.Listener // at the shared IP: the primary's console, and the site
}

// hosts are the loopback addresses of the doors: one each, since a browser's
// sessions belong to an address whatever the port.
func hosts() []string { return []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"} }

func openDoors(ctx context.Context) (*doors, error) {
	listeners := make([]net.Listener, len(hosts()))
	inherited := lab.Inherited()
	for i, host := range hosts() {
		var err error
		if i < len(inherited) {
			listeners[i], err = net.FileListener(inherited[i])
			_ = inherited[i].Close() // the listener has its own copy
		} else {
			listeners[i], err = (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
		}
		if err != nil {
			return nil, fmt.Errorf("listen on the loopback: %w", err)
		}
	}
	return &doors{alpha: listeners[0], beta: listeners[1], shared: listeners[2], pages: listeners[3]}, nil
}

func (d *doors) all() []net.Listener { return []net.Listener{d.alpha, d.beta, d.shared, d.pages} }

// files are the doors as lab.Enter hands them over.
func (d *doors) files() []*os.File {
	var files []*os.File
	for _, listener := range d.all() {
		if tcp, ok := listener.(*net.TCPListener); ok {
			if file, err := tcp.File(); err == nil {
				files = append(files, file)
			}
		}
	}
	return files
}

func (d *doors) close() {
	for _, listener := range d.all() {
		_ = listener.Close()
	}
}

// forward carries connections from a door to an address, dialled from a host.
func forward(ctx context.Context, door net.Listener, from *lab.Host, target string) {
	stop := context.AfterFunc(ctx, func() { _ = door.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		near, err := door.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of descriptors: let some close
			continue
		}
		wg.Go(func() { carry(ctx, near, from, target) })
	}
}

func carry(ctx context.Context, near net.Conn, from *lab.Host, target string) {
	defer func() { _ = near.Close() }()
	dialing, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	far, err := from.DialContext(dialing, "tcp", target)
	if err != nil {
		return // the browser sees the connection closed, as it would a dead host
	}
	defer func() { _ = far.Close() }()
	stop := context.AfterFunc(ctx, func() { _, _ = near.Close(), far.Close() })
	defer stop()
	done := make(chan struct{}, 2)
	pipe := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		if tcp, ok := to.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		done <- struct{}{}
	}
	go pipe(near, far)
	go pipe(far, near)
	<-done
	<-done
}
