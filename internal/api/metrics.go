package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/metrics"

	"baton/internal/pair"
)

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	if caller, _ := CallerFrom(r.Context()); !caller.Local && !s.options.AllowMetrics(remoteAddress(r)) {
		newProblem(http.StatusForbidden, pair.Forbidden, "metrics are not for this address: add its network to metrics_allow in the configuration file").write(w)
		return
	}
	text, err := s.Metrics(r.Context())
	if err != nil {
		problemOf(s.log, err).write(w)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(text) // an error means that the client has gone
}

// Metrics returns what /metrics shows, in the text format of Prometheus, version 0.0.4.
// It reads the backend once, so that no figure is kept twice.
func (s *Server) Metrics(ctx context.Context) ([]byte, error) {
	status, err := s.backend.Overview.Status(ctx)
	if err != nil {
		return nil, err
	}
	figures, err := s.backend.Overview.Figures(ctx)
	if err != nil {
		return nil, err
	}
	m := &series{}
	m.gauge("baton_build_info", "Always 1; the labels name the build.", 1, "go_version", runtime.Version(), "version", s.options.Version)
	m.pair(status)
	m.sync(status.Sync, figures)
	for _, ip := range status.SharedIPs {
		m.gauge("baton_shared_ip_held", "1 if the shared IP is on its interface.", truth(ip.Held).value(),
			"address", ip.Address, "interface", ip.Interface)
	}
	m.services(status.Services)
	seen := map[string]bool{} // a series may be sent once only, whatever the backend lists
	for _, condition := range status.Conditions {
		if !seen[condition.ID] {
			m.gauge("baton_condition", "1 for every open condition.", 1, "id", condition.ID, "severity", string(condition.Severity))
		}
		seen[condition.ID] = true
	}
	m.counter("baton_traffic_lease_lapses_total", "How often the traffic lease ran out while this appliance was entitled to serve, since the daemon started.", float64(figures.TrafficLapses))
	m.counter("baton_takeovers_total", "Takeovers in the history of the pair, automatic and forced.", float64(figures.Takeovers))
	metrics.WriteProcessMetrics(&m.text)
	metrics.WriteFDMetrics(&m.text)
	return m.text.Bytes(), nil
}

// series are figures in that format. Those of one name are added one after the other.
type series struct {
	text bytes.Buffer
	name string // of the last
}

func (s *series) pair(status pair.Status) {
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

func (s *series) sync(sync pair.SyncStatus, figures Figures) {
	if sync.DataAgeMS >= 0 {
		s.gauge("baton_data_age_seconds", "Age of the newest complete snapshot: what a takeover would lose.", float64(sync.DataAgeMS)/1000)
	}
	s.counter("baton_sync_bytes_total", "Bytes received by data syncs since the daemon started.", float64(figures.SyncBytes))
	s.gauge("baton_sync_last_duration_seconds", "Duration of the last data sync that ended.", figures.SyncDuration.Seconds())
}

func (s *series) services(all []pair.ServiceStatus) {
	each := func(kind, name, help string, value func(pair.ServiceStatus) float64) {
		for _, one := range all {
			if n := value(one); n >= 0 {
				s.add(kind, name, help, n, []string{"service", one.Name})
			}
		}
	}
	took := func(done *pair.ServiceAct) float64 {
		if done == nil {
			return -1
		}
		return float64(done.TookMS) / 1000
	}
	each("gauge", "baton_service_running", "1 if the service runs on this machine.", func(one pair.ServiceStatus) float64 { return truth(one.State == "running").value() })
	each("gauge", "baton_service_healthy", "0 if the service is to run here, and does not, or fails its check.", func(one pair.ServiceStatus) float64 { return truth(one.Healthy).value() })
	each("counter", "baton_service_restarts_total", "How often the service ended by itself and was started again on this machine.", func(one pair.ServiceStatus) float64 { return float64(one.Restarts) })
	each("gauge", "baton_service_last_start_seconds", "How long the last start of the service by Baton took.", func(one pair.ServiceStatus) float64 { return took(one.LastStart) })
	each("gauge", "baton_service_last_stop_seconds", "How long the last stop of the service by Baton took.", func(one pair.ServiceStatus) float64 { return took(one.LastStop) })
}

func (s *series) gauge(name, help string, value float64, labels ...string) {
	s.add("gauge", name, help, value, labels)
}

func (s *series) counter(name, help string, value float64) {
	s.add("counter", name, help, value, nil)
}

// add takes labels as name, value, name, value.
func (s *series) add(kind, name, help string, value float64, labels []string) {
	if s.name != name {
		fmt.Fprintf(&s.text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
		s.name = name
	}
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	var pairs []string
	for i := 0; i+1 < len(labels); i += 2 {
		pairs = append(pairs, labels[i]+`="`+escape.Replace(labels[i+1])+`"`)
	}
	if len(pairs) > 0 {
		name += "{" + strings.Join(pairs, ",") + "}"
	}
	s.text.WriteString(name + " " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

// truth is a fact as a gauge shows it.
type truth bool

func (t truth) value() float64 {
	if t {
		return 1
	}
	return 0
}
