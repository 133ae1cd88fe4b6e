package datasync

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/durable"
	"baton/internal/lab/powercut"
	"baton/internal/pair"
)

// primaryChild serves what lies in a directory as primary, and tells where, until it is killed.
func primaryChild() {
	t := &standIn{}
	a := &appliance{}
	a.configure(t, os.Getenv("BATON_PRIMARY_DIR"), filepath.Join(os.Getenv("BATON_PRIMARY_DIR"), "tree"))
	a.reopen(t)
	a.Offer(pair.Epoch{Counter: 1, Holder: "a"})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	fmt.Println("http://" + l.Addr().String())
	_ = http.Serve(l, a.Handler())
}

// remotePrimary is a primary in a process of its own.
type remotePrimary struct {
	process *exec.Cmd
	url     string
}

func startPrimary(t *testing.T, dir string) *remotePrimary {
	t.Helper()
	p := &remotePrimary{process: exec.Command(os.Args[0])}
	p.process.Env = append(os.Environ(), "BATON_PRIMARY_DIR="+dir)
	p.process.Stderr = os.Stderr
	out, err := p.process.StdoutPipe()
	must(t, err)
	must(t, p.process.Start())
	p.url, err = bufio.NewReader(out).ReadString('\n')
	if p.url = strings.TrimSpace(p.url); err != nil {
		t.Fatalf("the primary does not start: %v, %v", err, p.process.Wait())
	}
	return p
}

func (p *remotePrimary) kill() {
	_ = p.process.Process.Kill()
	_ = p.process.Wait()
}

// writer is a program on the primary. It counts, and acknowledges what it has made durable.
type writer struct {
	*torture

	tree         string
	mark         string         // before each number
	acknowledged map[string]int // by path
	number       int
}

// write does one thing durably, and returns the path; nothing counts that fails.
func (w *writer) write() (string, error) {
	w.number++
	name := filepath.Join(w.tree, string(rune('k'+w.IntN(5))))
	text := fmt.Appendf(nil, "%s%08d\n", w.mark, w.number)
	var err error
	switch w.IntN(4) {
	case 0: // as most programs do
		err = durable.Replace(name, text)
	case 1: // as a database does in its log
		name += "-log"
		err = w.open(name, os.O_APPEND, func(f *os.File) error {
			_, err := f.Write(text)
			return errors.Join(err, f.Sync())
		})
	default: // as a database does in its pages
		name += "-pages"
		err = w.open(name, 0, func(f *os.File) error {
			_, err := f.WriteAt(text, 0)
			return errors.Join(err, unix.Fdatasync(int(f.Fd())))
		})
	}
	return name, err
}

func (w *writer) open(name string, flags int, do func(*os.File) error) error {
	_, err := os.Lstat(name)
	f, openErr := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|flags, 0o600)
	if openErr != nil {
		return openErr
	}
	if doErr := errors.Join(do(f), f.Close()); doErr != nil || err == nil {
		return doErr
	}
	return durable.SyncDir(w.tree)
}

// lacks names what a tree does not have of what was acknowledged.
func (w *writer) lacks(tree string) (lacks []string) {
	for name, number := range w.acknowledged {
		text, err := os.ReadFile(filepath.Join(tree, filepath.Base(name)))
		last := text[max(0, len(text)-9):]
		if n, bad := strconv.Atoi(string(bytes.TrimSpace(last))); err != nil || bad != nil || n < number {
			lacks = append(lacks, fmt.Sprintf("%s has %q, and %d was acknowledged (%v)", filepath.Base(name), last, number, err))
		}
	}
	return lacks
}

// TestTortureOfAPrimary cuts the power of the primary's disk while a program there writes, numbers and makes durable, and data syncs run. Started
// again, it offers all that was acknowledged, and its backup goes on.
func TestTortureOfAPrimary(t *testing.T) {
	if !alone(t, 8) {
		return
	}
	empty, err := powercut.Format(32 << 20)
	must(t, err)
	acknowledged := 0
	for _, seed := range seeds(t, 8) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { acknowledged += torturePrimary(t, newTorture(t, empty, seed)) })
	}
	t.Logf("%d writes were acknowledged", acknowledged)
}

func torturePrimary(t *testing.T, w *torture) (acknowledged int) {
	t.Helper()
	dir := t.TempDir()
	own := filepath.Join(w.disk.Dir, "primary")
	w.primary = newAppliance(t, own, filepath.Join(own, "tree")) // makes what the process finds
	must(t, os.MkdirAll(w.primary.tree, 0o755))
	w.backup = newAppliance(t, filepath.Join(dir, "backup"), filepath.Join(dir, "backup", "tree"))
	program := &writer{torture: w, tree: w.primary.tree, acknowledged: map[string]int{}}
	others := unrest{w.Rand, filepath.Join(program.tree, "others")}
	must(t, os.Mkdir(others.dir, 0o755))
	others.fill()
	must(t, durable.SyncFS(w.disk.Dir))
	primary := startPrimary(t, own)
	defer func() { primary.kill() }()
	for cycle := range 4 {
		w.fetch(t, primary)
		w.cutWhileWriting(t, program, primary)
		if lacks := program.lacks(program.tree); lacks != nil {
			t.Fatalf("cycle %d: the disk has lost\n%s", cycle, strings.Join(lacks, "\n"))
		}
		primary = startPrimary(t, own)
		w.fetch(t, primary)
		if lacks := program.lacks(w.backup.tree); lacks != nil {
			t.Errorf("cycle %d: the backup lacks\n%s", cycle, strings.Join(lacks, "\n"))
		}
		same(t, program.tree, w.backup.tree)
		others.act()
	}
	primary.kill()
	must(t, w.disk.Off())
	must(t, w.disk.Check())
	return program.number
}

// isOver reports whether a channel is closed; a nil one is not.
func (*torture) isOver(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// fetch has the backup sync from the primary.
func (w *torture) fetch(t *testing.T, from *remotePrimary) {
	t.Helper()
	_, err := w.backup.Pull(t.Context(), http.DefaultClient, from.url, Request{Epoch: w.epoch, AcceptShrink: true})
	must(t, err)
}

// cutWhileWriting cuts the power of the primary's disk at some moment, while a program writes there and data syncs run.
func (w *torture) cutWhileWriting(t *testing.T, program *writer, primary *remotePrimary) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	pulls := make(chan struct{})
	go func() {
		defer close(pulls)
		for ctx.Err() == nil {
			_, _ = w.backup.Pull(ctx, http.DefaultClient, primary.url, Request{Epoch: w.epoch, AcceptShrink: true})
		}
	}()
	var off <-chan struct{}
	after := time.Now().Add(time.Hour)
	if w.IntN(2) == 0 {
		off = w.disk.CutAfter(1 + w.IntN(200))
	} else {
		after = time.Now().Add(time.Duration(w.IntN(200)) * time.Millisecond)
	}
	for time.Now().Before(after) {
		name, err := program.write()
		if err != nil || w.isOver(off) { // of a disk that is gone, the kernel may say that all is durable; nobody hears it
			break
		}
		program.acknowledged[name] = program.number
	}
	w.disk.Cut()
	primary.kill()
	cancel()
	<-pulls
	must(t, w.disk.Off())
	w.on(t)
}
