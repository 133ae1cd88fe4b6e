// Numbered is a service of a site, for tests on machines. It writes down the time when it starts and
// stops in /var/log/services, and answers on one port: GET /next with the next number, once that is
// on the disk, and all else with its name. Files let it fail: /run/NAME.500 (it answers with
// status 500; so does a file beside that of the numbers, NUMBERS.broken), /run/NAME.mute (it never answers),
// /run/NAME.deaf (it ignores SIGTERM), /run/NAME.leak (it opens files until it can accept nobody).
package main

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func main() {
	name := flag.String("name", "", "in /var/log/services")
	listen := flag.String("listen", "", "address")
	path := flag.String("numbers", "", "file of the numbers")
	beats := flag.String("beats", "", "file in which to write down the time ten times a second")
	flag.Parse()
	note := func(what string) {
		file, err := os.OpenFile("/var/log/services", os.O_APPEND|os.O_WRONLY, 0)
		check(err)
		_, err = fmt.Fprintf(file, "%d %s %s\n", time.Now().UnixNano(), what, *name)
		check(err)
	}
	there := func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	}
	fails := func(how string) bool { return there("/run/" + *name + "." + how) }
	go leak(func() bool { return fails("leak") })
	go func() {
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		for range asked {
			if !fails("deaf") {
				note("stop")
				os.Exit(0)
			}
		}
	}()
	if *beats != "" {
		go beat(*beats)
	}
	next := func() int { return 0 }
	if *path != "" {
		next = numbers(*path)
	}
	note("start")
	if socket := os.Getenv("NOTIFY_SOCKET"); socket != "" { // of a unit with Type=notify
		systemd, err := net.Dial("unixgram", socket)
		check(err)
		_, err = fmt.Fprint(systemd, "READY=1")
		check(err)
	}
	check(http.ListenAndServe(*listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case fails("500"), *path != "" && there(*path+".broken"):
			http.Error(w, "broken", http.StatusInternalServerError)
		case fails("mute"):
			<-r.Context().Done()
		case r.URL.Path == "/next":
			_, _ = fmt.Fprintln(w, next())
		default:
			_, _ = fmt.Fprintln(w, *name)
		}
	})))
}

// leak has as many files open as it can while it leaks.
func leak(leaks func() bool) {
	for range time.Tick(50 * time.Millisecond) {
		var open []*os.File
		for leaks() {
			if file, err := os.Open("/dev/null"); err == nil {
				open = append(open, file)
				continue
			}
			time.Sleep(50 * time.Millisecond)
		}
		for _, file := range open {
			_ = file.Close()
		}
	}
}

// numbers counts on from the last one in the file.
func numbers(path string) func() int {
	text, err := os.ReadFile(path)
	if !os.IsNotExist(err) {
		check(err)
	}
	last := 0
	if lines := bytes.Fields(text); len(lines) > 0 {
		last, err = strconv.Atoi(string(lines[len(lines)-1]))
		check(err)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	check(err)
	var mu sync.Mutex
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		last++
		_, err := fmt.Fprintln(file, last)
		check(err)
		check(file.Sync())
		return last
	}
}

// beat shows when it runs.
func beat(path string) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	check(err)
	for ; ; time.Sleep(100 * time.Millisecond) {
		_, err := fmt.Fprintln(file, time.Now().UnixNano())
		check(err)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
