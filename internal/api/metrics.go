package api

import (
	"context"
	"io"
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"baton/internal/pair"
)

// newBaseRegistry holds what does not come from the backend.
func newBaseRegistry(version string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "baton_build_info", Help: "Always 1; the labels name the build.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	build.Set(1)
	registry.MustRegister(build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	if caller, _ := CallerFrom(r.Context()); !caller.Local && !s.options.AllowMetrics(remoteAddress(r)) {
		newProblem(http.StatusForbidden, pair.Forbidden, "metrics are not for this address: add its network to metrics_allow in the configuration file").write(w)
		return
	}
	s.metricsOf(r.Context()).ServeHTTP(w, r)
}

func (s *Server) metricsOf(ctx context.Context) http.Handler {
	live := prometheus.NewRegistry()
	live.MustRegister(&collector{ctx: ctx, backend: s.backend.Overview})
	return promhttp.HandlerFor(prometheus.Gatherers{s.base, live}, promhttp.HandlerOpts{})
}

// WriteMetrics writes what /metrics shows, whoever asks.
func (s *Server) WriteMetrics(ctx context.Context, to io.Writer) {
	s.metricsOf(ctx).ServeHTTP(&page{to, http.Header{}}, &http.Request{Method: http.MethodGet, Header: http.Header{}})
}

// page is an answer that is not for a client.
type page struct {
	io.Writer
	header http.Header
}

// Header implements http.ResponseWriter.
func (p *page) Header() http.Header { return p.header }

// WriteHeader implements http.ResponseWriter.
func (*page) WriteHeader(int) {}

// collector reads the backend once per scrape, so that no figure is kept twice.
// It lives as long as its request, whose context it therefore may hold.
type collector struct {
	ctx     context.Context
	backend Overview
}

// Describe sends nothing: which series there are depends on the status.
func (*collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	series := series{out: out}
	status, err := c.backend.Status(c.ctx)
	if err != nil {
		series.fail("baton_role", err)
		return
	}
	figures, err := c.backend.Figures(c.ctx)
	if err != nil {
		series.fail("baton_takeovers_total", err)
		return
	}
	series.pair(status)
	series.sync(status.Sync, figures)
	for _, ip := range status.SharedIPs {
		series.gauge("baton_shared_ip_held", "1 if the shared IP is on its interface.", truth(ip.Held).value(),
			"address", ip.Address, "interface", ip.Interface)
	}
	seen := map[string]bool{} // a series may be sent once only, whatever the backend lists
	for _, condition := range status.Conditions {
		if !seen[condition.ID] {
			series.gauge("baton_condition", "1 for every open condition.", 1, "id", condition.ID, "severity", string(condition.Severity))
		}
		seen[condition.ID] = true
	}
	series.counter("baton_traffic_lease_lapses_total", "How often the traffic lease ran out while this appliance was entitled to serve, since the daemon started.", float64(figures.TrafficLapses))
	series.counter("baton_takeovers_total", "Takeovers in the history of the pair, automatic and forced.", float64(figures.Takeovers))
}

type series struct{ out chan<- prometheus.Metric }

func (s series) pair(status pair.Status) {
	for _, role := range pair.Roles() {
		s.gauge("baton_role", "1 for the role that this appliance has.", truth(role == status.Role).value(), "role", role.String())
	}
	for _, phase := range pair.Phases() {
		s.gauge("baton_state", "1 for the state that this appliance is in.", truth(phase == status.State).value(), "state", phase.String())
	}
	s.gauge("baton_epoch_counter", "Counter of the highest epoch that this appliance has stored.", float64(status.Epoch.Counter))
	s.gauge("baton_protection_level", "How well the pair is guarded against two primaries, 0 (not paired) to 4.", float64(status.ProtectionLevel))
	if status.Peer == nil {
		return
	}
	s.gauge("baton_peer_reachable", "1 if the peer answers.", truth(status.Peer.Reachable).value())
	if age := status.Peer.LastContactAgeMS; age >= 0 {
		s.gauge("baton_peer_last_contact_age_seconds", "Time since the peer was last heard.", float64(age)/1000)
	}
}

func (s series) sync(sync pair.SyncStatus, figures Figures) {
	if sync.DataAgeMS >= 0 {
		s.gauge("baton_data_age_seconds", "Age of the newest complete snapshot: what a takeover would lose.", float64(sync.DataAgeMS)/1000)
	}
	s.counter("baton_sync_bytes_total", "Bytes received by data syncs since the daemon started.", float64(figures.SyncBytes))
	s.gauge("baton_sync_last_duration_seconds", "Duration of the last data sync that ended.", figures.SyncDuration.Seconds())
}

func (s series) gauge(name, help string, value float64, labels ...string) {
	s.send(prometheus.GaugeValue, name, help, value, labels)
}

func (s series) counter(name, help string, value float64) {
	s.send(prometheus.CounterValue, name, help, value, nil)
}

// send takes labels as name, value, name, value.
func (s series) send(kind prometheus.ValueType, name, help string, value float64, labels []string) {
	fixed := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		fixed[labels[i]] = labels[i+1]
	}
	s.out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, fixed), kind, value)
}

func (s series) fail(name string, err error) {
	s.out <- prometheus.NewInvalidMetric(prometheus.NewDesc(name, "Could not be read.", nil, nil), err)
}

// truth is a fact as a gauge shows it.
type truth bool

func (t truth) value() float64 {
	if t {
		return 1
	}
	return 0
}
