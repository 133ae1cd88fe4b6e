package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"baton/internal/pair"
)

// ListenLocal opens the local socket, readable and writable by its owner only.
// A socket that a killed daemon left is replaced; one that answers is not.
func ListenLocal(ctx context.Context, path string) (net.Listener, error) {
	if conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path); err == nil {
		_ = conn.Close()
		return nil, pair.Refuse(pair.Refused, "another baton is running with socket %s: stop it first", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket %s: %w", path, err)
	}
	// The mode is set on the socket before it gets its name, so that it is never
	// open to others, not even for a moment.
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var chmod error
		err := conn.Control(func(fd uintptr) { chmod = syscall.Fchmod(int(fd), 0o600) })
		return errors.Join(err, chmod)
	}}
	listener, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("open socket %s: %w", path, err)
	}
	return listener, nil
}

// ServeLocal answers the local socket until ctx ends, and closes it.
func (s *Server) ServeLocal(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.Local(),
		ConnContext:       s.ConnContext,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	stopped := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil {
			_ = server.Close() // their time is over
		}
	})
	defer stopped()
	err := server.Serve(listener)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve socket %s: %w", listener.Addr(), err)
}

// ConnContext is for the http.Server behind the local socket: it notes which
// user is at the other end (SO_PEERCRED), for the audit report.
func (s *Server) ConnContext(ctx context.Context, conn net.Conn) context.Context {
	name, err := peerUser(conn)
	if err != nil {
		s.log.Warn("local caller not identified", slog.Any("error", err))
		return ctx
	}
	return WithCaller(ctx, Caller{Name: name, Access: pair.Administrator, From: "local", Local: true})
}

func peerUser(conn net.Conn) (string, error) {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return "", fmt.Errorf("read credentials of %T: not a local socket", conn)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return "", fmt.Errorf("read credentials of caller: %w", err)
	}
	var credentials *syscall.Ucred
	var refused error
	err = raw.Control(func(fd uintptr) {
		credentials, refused = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err := errors.Join(err, refused); err != nil {
		return "", fmt.Errorf("read credentials of caller: %w", err)
	}
	uid := strconv.FormatUint(uint64(credentials.Uid), 10)
	if account, err := user.LookupId(uid); err == nil {
		return account.Username, nil
	}
	return "uid " + uid, nil // an account that this machine's user list does not name
}
