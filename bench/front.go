package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"baton/internal/lab"
	"baton/internal/lab/daemon"
)

// Where they listen, on one host: the application, which is nginx as well, and the two before it.
const (
	applicationAt = "127.0.0.1:8080"
	nginxAt       = "127.0.0.1:8081"
	frontAt       = "127.0.0.1:80"
)

// Of the load.
const (
	frontClients = 64
	frontSlice   = time.Second // one program, then the other
	frontRuns    = 9
)

// front measures Baton's front beside nginx as a reverse proxy: both before the same
// application, on the same host, with the same clients, a second each in turn.
func front(ctx context.Context, b *bench) (rows []row, err error) {
	host := b.lab.Host("alpha")
	application, err := startNginx(ctx, host, "application", applicationConf, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, application.Stop(time.Second)) }()
	proxy, err := startNginx(ctx, host, "proxy", proxyConf, daemonNice)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, proxy.Stop(time.Second)) }()
	a, err := daemon.New(b.lab, host.Name(), b.program)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	if err := errors.Join(a.Configure(daemon.Config{Upstream: "http://" + applicationAt}), a.Serve(ctx)); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Daemon().Stop(10*time.Second)) }()
	for _, at := range []string{applicationAt, nginxAt, frontAt} {
		once := load{host: host, address: at, clients: 1, lasting: 10 * time.Millisecond}
		if err := await(ctx, at+" answers", func() bool { _, err := once.run(ctx); return err == nil }); err != nil {
			return nil, err
		}
	}
	return b.besideNginx(ctx, host)
}

func (b *bench) besideNginx(ctx context.Context, host *lab.Host) ([]row, error) {
	const full, half = "front, full load", "front, half of the slower one's most"
	double, oneAndAHalf := 2.0, 1.5
	most := []row{
		{scenario: full, measure: "requests a second", program: "Baton", unit: count},
		{scenario: full, measure: "requests a second", program: "nginx", unit: count},
	}
	fewer := row{scenario: full, measure: "nginx's ÷ Baton's", program: "Baton", unit: factor, bound: &double}
	slow := []row{
		{scenario: half, measure: "99th percentile", program: "Baton"},
		{scenario: half, measure: "99th percentile", program: "nginx"},
	}
	slower := row{scenario: half, measure: "Baton's ÷ nginx's", program: "Baton", unit: factor, bound: &oneAndAHalf}
	at := []string{frontAt, nginxAt}
	for range b.runs(frontRuns) + 1 {
		for i := range at {
			got, err := load{host: host, address: at[i], clients: frontClients, lasting: frontSlice}.run(ctx)
			if err != nil {
				return nil, err
			}
			most[i].add(got.rate)
		}
	}
	for i := range most {
		most[i].values = most[i].values[1:] // the first one warms up
	}
	fewer.add(most[1].median().number / most[0].median().number)
	rate := min(most[0].median().number, most[1].median().number) / 2
	for range b.runs(frontRuns) {
		for i := range at {
			got, err := load{host: host, address: at[i], clients: frontClients, lasting: frontSlice, rate: rate}.run(ctx)
			if err != nil {
				return nil, err
			}
			slow[i].addTime(got.percentile(99))
		}
	}
	slower.add(slow[0].median().number / slow[1].median().number)
	return slices.Concat(most, []row{fewer}, slow, []row{slower}), nil
}

// nginxHead is common to both; the workers are as many as there are processors.
const nginxHead = `worker_processes auto;
daemon off;
pid %[1]s.pid;
error_log %[1]s.log warn;
events { worker_connections 4096; }
`

const applicationConf = nginxHead + `http {
    access_log off;
    keepalive_requests 1000000;
    server {
        listen ` + applicationAt + `;
        location / { default_type text/html; return 200 '%[2]s'; }
    }
}
`

const proxyConf = nginxHead + `http {
    access_log off;
    keepalive_requests 1000000;
    upstream application { server ` + applicationAt + `; keepalive 512; keepalive_requests 1000000; }
    server {
        listen ` + nginxAt + `;
        location / {
            proxy_pass http://application;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $host;
        }
    }
}
`

// daemonNice is the priority that the unit gives to Baton's daemon, and the lab as well.
const daemonNice = -15

// startNginx starts it on the host.
func startNginx(ctx context.Context, host *lab.Host, name, conf string, nice int) (*lab.Process, error) {
	path := filepath.Join(host.Dir(), name)
	if err := os.WriteFile(path+".conf", fmt.Appendf(nil, conf, path, indexPage), 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration of nginx: %w", err)
	}
	args := []string{"-n", strconv.Itoa(nice), "nginx", "-c", path + ".conf"}
	return host.Start(ctx, lab.Cmd{Path: "nice", Args: args, Stdout: os.Stderr, Stderr: os.Stderr})
}
