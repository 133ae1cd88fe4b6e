package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"baton/internal/lab"
	"baton/internal/pair"
)

const (
	sshPort = "2222"
	overSSH = "rsync over ssh, then sync (encrypted, durable)"
)

// rsync brings the tree from a place that rsync's own program reads, and has the kernel write it to disk. It keeps
// what Baton keeps: hard links, access control lists, extended attributes, numeric owners; and deletes what is gone.
func (t *trees) rsync(program, from, to string, options ...string) way {
	beta := t.lab.Host("beta")
	return way{
		program: program,
		bring: func(ctx context.Context) error {
			args := append([]string{"-aHAX", "--numeric-ids", "--delete"}, options...)
			if _, err := beta.Output(ctx, lab.Cmd{Path: "rsync", Args: append(args, from, filepath.Join(t.lab.Disk(), to)+"/")}); err != nil {
				return err
			}
			return syncDisk(beta)
		},
		forget: func(context.Context) error { return os.RemoveAll(filepath.Join(beta.Dir(), to)) },
	}
}

// byRsyncDaemon offers alpha's tree by rsync's own protocol, which nothing encrypts.
func (t *trees) byRsyncDaemon(ctx context.Context) (way, func(), error) {
	alpha := t.lab.Host("alpha")
	text := fmt.Sprintf("use chroot = no\nuid = %d\ngid = %d\n[tree]\npath = %s\n", os.Getuid(), os.Getgid(), filepath.Join(t.lab.Disk(), treeDir))
	if err := os.WriteFile(filepath.Join(alpha.Dir(), "rsyncd.conf"), []byte(text), 0o600); err != nil {
		return way{}, nil, fmt.Errorf("write the configuration of rsync: %w", err)
	}
	end, err := t.listening(ctx, "873", lab.Cmd{Path: "rsync", Args: []string{"--daemon", "--no-detach", "--config", filepath.Join(t.lab.Disk(), "rsyncd.conf")}})
	return t.rsync("rsync daemon, then sync (plain, durable)", "rsync://"+alpha.Addr4().String()+"/tree/", "by-daemon"), end, err
}

// byRsyncOverSSH offers alpha's tree by an ssh daemon of its own.
func (t *trees) byRsyncOverSSH(ctx context.Context) (way, func(), error) {
	alpha, beta := t.lab.Host("alpha"), t.lab.Host("beta")
	at := func(name string) string { return filepath.Join(t.lab.Disk(), name) }
	for _, key := range []struct {
		of   *lab.Host
		name string
	}{{alpha, "host-key"}, {beta, "key"}} {
		if _, err := key.of.Output(ctx, lab.Cmd{Path: "ssh-keygen", Args: []string{"-q", "-t", "ed25519", "-N", "", "-f", at(key.name)}}); err != nil {
			return way{}, nil, err
		}
	}
	public, err := os.ReadFile(filepath.Join(beta.Dir(), "key.pub"))
	if err == nil {
		err = os.WriteFile(filepath.Join(alpha.Dir(), "authorized"), public, 0o600) //nolint:gosec // ours
	}
	if err != nil {
		return way{}, nil, fmt.Errorf("set up ssh: %w", err)
	}
	end, err := t.listening(ctx, sshPort, lab.Cmd{Path: "/bin/sh", Args: []string{
		"-c", "mkdir -p /run/sshd && exec \"$0\" \"$@\"", sshd, "-D", "-e", "-f", "/dev/null", "-p", sshPort, "-h", at("host-key"), "-o", "AuthorizedKeysFile=" + at("authorized"),
		"-o", "StrictModes=no", "-o", "PermitRootLogin=yes", "-o", "UsePAM=no", "-o", "PidFile=none",
	}})
	shell := fmt.Sprintf("ssh -F /dev/null -p %s -i %s -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR", sshPort, at("key"))
	return t.rsync(overSSH, "root@"+alpha.Addr4().String()+":"+at(treeDir)+"/", "over-ssh", "-e", shell), end, err
}

const sshd = "/usr/sbin/sshd"

// listening starts a program on alpha and returns once it can be reached from beta.
func (t *trees) listening(ctx context.Context, port string, command lab.Cmd) (end func(), err error) {
	alpha := t.lab.Host("alpha")
	p, err := alpha.Start(ctx, command)
	if err != nil {
		return nil, err
	}
	end = func() { _ = p.Stop(time.Second) }
	err = await(ctx, command.Path+" listens", func() bool {
		conn, err := t.lab.Host("beta").DialContext(ctx, "tcp", alpha.Addr4().String()+":"+port)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
	return end, err
}

// bySync has Baton sync the tree, which becomes protected data under a new name each time, so that nothing
// is known of it.
func (t *trees) bySync() way {
	number := 0
	name := func() string { return fmt.Sprintf("tree-%d", number) }
	protected := false
	return way{
		program: "Baton (TLS 1.3, verified, durable)",
		bring: func(ctx context.Context) error {
			if !protected {
				if err := t.protect(ctx, name()); err != nil {
					return err
				}
				protected = true
			}
			return t.baton.sync(ctx)
		},
		forget: func(ctx context.Context) error {
			err := t.baton.appliances[0].Do(ctx, "", "data", "remove", name())
			number, protected = number+1, false
			return errors.Join(err, t.baton.sync(ctx), os.RemoveAll(t.baton.appliances[1].Path(treeDir)))
		},
	}
}

// protect makes the tree protected data.
func (t *trees) protect(ctx context.Context, name string) error {
	primary := t.baton.appliances[0]
	return primary.Do(ctx, "", "data", "add", "dir", name, primary.OnHost(treeDir))
}

func (p *baton) sync(ctx context.Context) error {
	backup, err := p.find(ctx, pair.Backup)
	if err != nil {
		return err
	}
	return backup.Do(ctx, "", "sync", "--accept-shrink", "--wait")
}

// restart starts both daemons anew; the primary serves on.
func (p *baton) restart(ctx context.Context) error {
	for _, a := range p.appliances {
		if err := lab.KillFamily(a.Daemon().PID()); err != nil {
			return fmt.Errorf("end the daemon: %w", err)
		}
		<-a.Daemon().Done()
		if err := a.Serve(ctx); err != nil {
			return err
		}
		if err := p.steady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lacking names a program without which nothing is measured.
func lacking(programs ...string) error {
	for _, needed := range programs {
		if _, err := exec.LookPath(needed); err != nil {
			return fmt.Errorf("%w: run make bench as root, or make build and apt-get install keepalived rsync nginx-light openssh-server xfsprogs sqlite3", err)
		}
	}
	return nil
}
