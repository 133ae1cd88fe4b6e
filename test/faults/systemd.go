package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"strings"
	"sync/atomic"

	"github.com/godbus/dbus/v5"

	"baton/internal/lab"
)

// systemd answers, on the private socket of a host, the one question that the daemon asks of its
// service manager: which job ends it. It speaks as much D-Bus as that takes.
type systemd struct {
	listener net.Listener
	pid      func() int             // of the daemon
	job      atomic.Pointer[string] // of its unit; nil: none runs
}

// daemonUnit is the unit of the daemon, as D-Bus writes it in a path.
const (
	daemonUnit   = "baton.service"
	daemonObject = dbus.ObjectPath("/org/freedesktop/systemd1/unit/baton_2eservice")
	aJob         = dbus.ObjectPath("/org/freedesktop/systemd1/job/1")
)

// privateSocket is where systemd answers root beside the message bus.
const privateSocket = "/run/systemd/private"

// startSystemd has it answer until ctx ends, or the host's power does.
func startSystemd(ctx context.Context, host *lab.Host, pid func() int) (*systemd, error) {
	if _, err := host.Output(ctx, lab.Cmd{Path: "mkdir", Args: []string{"-p", path.Dir(privateSocket)}}); err != nil {
		return nil, err
	}
	listener, err := host.Listen(ctx, "unix", privateSocket)
	if err != nil {
		return nil, err
	}
	s := &systemd{listener: listener, pid: pid}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go s.serve()
	return s, nil
}

// runs says which job runs for the unit; empty: none.
func (s *systemd) runs(job string) { s.job.Store(&job) }

func (s *systemd) serve() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			_ = s.speak(conn) // a caller that goes away harms nobody
		}()
	}
}

func (s *systemd) speak(conn net.Conn) error {
	in := bufio.NewReader(conn)
	if err := admit(in, conn); err != nil {
		return err
	}
	for {
		asked, err := dbus.DecodeMessage(in)
		if err != nil {
			return err
		}
		if asked.Type != dbus.TypeMethodCall || asked.Flags&dbus.FlagNoReplyExpected != 0 {
			continue
		}
		answer := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldReplySerial: dbus.MakeVariant(asked.Serial()),
		}}
		if answer.Body, err = s.answer(asked); err != nil {
			answer.Type = dbus.TypeError
			answer.Headers[dbus.FieldErrorName] = dbus.MakeVariant("org.freedesktop.DBus.Error.Failed")
			answer.Body = []any{err.Error()}
		}
		if len(answer.Body) > 0 {
			answer.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(answer.Body...))
		}
		if err := answer.EncodeTo(conn, binary.LittleEndian); err != nil {
			return err
		}
	}
}

// admit lets anybody in who speaks the protocol: the socket is the host's own.
func admit(in *bufio.Reader, out io.Writer) error {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		reply := "ERROR\r\n"
		switch words := strings.Fields(strings.TrimLeft(line, "\x00")); {
		case len(words) == 1 && words[0] == "AUTH":
			reply = "REJECTED EXTERNAL\r\n"
		case len(words) > 1 && words[0] == "AUTH":
			reply = "OK 0123456789abcdef0123456789abcdef\r\n"
		case len(words) == 1 && words[0] == "BEGIN":
			return nil
		}
		if _, err := io.WriteString(out, reply); err != nil {
			return err
		}
	}
}

// job is an entry of ListJobs.
type job struct {
	ID         uint32
	Unit       string
	Type       string
	State      string
	Path       dbus.ObjectPath
	UnitObject dbus.ObjectPath
}

func (s *systemd) answer(asked *dbus.Message) ([]any, error) {
	member, _ := asked.Headers[dbus.FieldMember].Value().(string)
	switch member {
	case "GetUnitByPID":
		if pid, _ := asked.Body[0].(uint32); int(pid) == s.pid() {
			return []any{daemonObject}, nil
		}
		return nil, fmt.Errorf("process %v: %w", asked.Body[0], os.ErrNotExist)
	case "Get":
		return []any{dbus.MakeVariant(uint32(s.pid()))}, nil //nolint:gosec // a process number
	case "ListJobs":
		jobs := []job{}
		if kind := s.job.Load(); kind != nil && *kind != "" {
			jobs = append(jobs, job{1, daemonUnit, *kind, "running", aJob, daemonObject})
		}
		return []any{jobs}, nil
	case "AddMatch", "Subscribe":
		return nil, nil
	}
	return nil, fmt.Errorf("%s: %w", member, os.ErrInvalid)
}
