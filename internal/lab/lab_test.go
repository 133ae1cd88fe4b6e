package lab_test

import (
	"context"
	"net"
	"testing"
	"time"

	"baton/internal/lab"
)

func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	l, err := lab.New(t.Context(), lab.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestX(t *testing.T) {
	l := newLab(t)
	a, c := l.Host("alpha"), l.Host("client")
	for _, addr := range []string{"198.51.100.1:80", "[2001:db8::1]:80"} {
		ln, err := a.Listen(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				conn.Close()
			}
		}()
		for range 3 {
			s := time.Now()
			conn, err := c.DialContext(t.Context(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(conn.RemoteAddr(), time.Since(s))
			conn.Close()
		}
		s := time.Now()
		_, err = c.DialContext(t.Context(), "tcp", net.JoinHostPort(a.Addr4().String(), "81"))
		t.Log(err, time.Since(s))
	}
	p, err := a.Start(t.Context(), lab.Cmd{Path: "/bin/sh", Args: []string{"-c", "sleep 100 & wait"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = p
	for _, f := range []func(*lab.Host) (time.Time, error){l.CutCable, l.PlugCable, l.Silence, l.Unsilence, func(h *lab.Host) (time.Time, error) { return l.Loss(h, 50) }, l.CutCable, l.PlugCable, l.PowerCut, l.PowerOn} {
		s := time.Now()
		if _, err := f(a); err != nil {
			t.Fatal(err)
		}
		el := time.Since(s)
		time.Sleep(20*time.Millisecond)
		car, err := a.Carrier()
		t.Log(el, car, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	l.Silence(a)
	s := time.Now()
	_, err = c.DialContext(ctx, "tcp", "198.51.100.1:80")
	t.Log(err, time.Since(s))
}
