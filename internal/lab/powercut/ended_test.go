package powercut

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWhoIsEndedLetsGoOfHisDisk ends a process that writes to its disk all the time.
func TestWhoIsEndedLetsGoOfHisDisk(t *testing.T) {
	if err := Unavailable(); err != nil {
		t.Skip(err)
	}
	const variable = "POWERCUT_ENDED=yes"
	if slices.Contains(os.Environ(), variable) {
		writeForEver(t)
	}
	for range 5 {
		command := Alone(t.Name(), variable)
		command.Env = append(command.Env, "TMPDIR="+t.TempDir()) // it does not come to clear what it makes
		out, err := command.StdoutPipe()
		if err = errors.Join(err, command.Start()); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() && !strings.Contains(lines.Text(), "the disk is on") {
		}
		time.Sleep(100 * time.Millisecond)
		if err := command.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			_ = command.Wait() // it was ended by a signal
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			t.Fatal("it does not end")
		}
	}
}

// writeForEver makes files durable on a disk, as fast as it can.
func writeForEver(t *testing.T) {
	t.Helper()
	empty, err := Format(16 << 20)
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(t.TempDir(), empty, 1)
	if err == nil {
		err = d.Mount("")
	}
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("the disk is on")
	for n := 0; ; n++ {
		f, err := os.Create(filepath.Join(d.Dir, strconv.Itoa(n%100)))
		if err != nil { // its power is cut
			time.Sleep(time.Hour)
		}
		_, _ = f.WriteString("text")
		_ = errors.Join(f.Sync(), f.Close())
	}
}
