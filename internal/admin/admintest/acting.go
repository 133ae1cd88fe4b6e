package admintest

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// task is one step further every time that it is looked at.
type task struct {
	api.Task
	finish func() // called once, with the lock held
}

// Unpair implements api.Relationship.
func (a *Appliance) Unpair(ctx context.Context, request api.UnpairRequest) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.needPeer(request.Force); err != nil {
		return err
	}
	a.status.Role, a.status.Peer, a.status.ProtectionLevel = pair.Standalone, nil, 0
	a.status.Readiness, a.status.ProtectionNextStep = nil, ""
	a.record(ctx, pair.KindUnpaired, "The relationship was broken.", nil)
	a.wake()
	return nil
}

// needPeer refuses without a pair, and without a reachable peer unless alone.
func (a *Appliance) needPeer(alone bool) error {
	switch {
	case a.status.Peer == nil:
		return pair.Refuse(pair.Refused, "this appliance is not paired: run baton pair HOST first")
	case !a.status.Peer.Reachable && !alone:
		return pair.Refuse(pair.Unreachable, "beta does not answer: bring it back, or add --force")
	}
	return nil
}

// StartSync implements api.Syncs.
func (a *Appliance) StartSync(ctx context.Context, request api.SyncRequest) (api.Task, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.needPeer(false); err != nil {
		return api.Task{}, err
	}
	if data, _ := a.store.Data.List(ctx); slices.ContainsFunc(data, func(d pair.Data) bool { return d.Name == "shrunk" }) && !request.AcceptShrink {
		return api.Task{}, pair.Refuse(pair.Refused, "much less data is left than the backup holds: look at it, then add --accept-shrink")
	}
	return a.begin("sync", []string{"pull the data"}, func() {
		a.status.Sync.Number++
		a.status.Sync.Snapshot = pair.SnapshotStatus{Number: a.status.Sync.Number, TakenAt: Start(), Verified: true}
		a.status.Sync.DataAgeMS = 800
		a.figures.SyncBytes += 4096
		a.figures.SyncDuration = 1500 * time.Millisecond
	}), nil
}

// begin expects the lock to be held.
func (a *Appliance) begin(kind string, steps []string, finish func()) api.Task {
	t := &task{Task: api.Task{ID: kind + "-" + strconv.Itoa(len(a.tasks)+1), Kind: kind, State: api.TaskRunning, Started: Start()}, finish: finish}
	for _, text := range steps {
		t.Steps = append(t.Steps, api.Step{Text: text, State: api.TaskRunning})
	}
	t.Progress = &api.Progress{BytesTotal: 4096, FilesTotal: 2}
	a.tasks[t.ID] = t
	return t.copy()
}

func (t *task) copy() api.Task {
	out := t.Task
	out.Steps = slices.Clone(t.Steps)
	if t.Progress != nil {
		out.Progress = new(*t.Progress)
	}
	return out
}

// CancelSync implements api.Syncs.
func (a *Appliance) CancelSync(context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.tasks {
		if t.Kind == "sync" && t.State == api.TaskRunning {
			t.State, t.Error, t.Code = api.TaskFailed, "the data sync was cancelled: start it again when it suits", pair.Failed
			return nil
		}
	}
	return pair.Refuse(pair.Refused, "no data sync is running: there is nothing to cancel")
}

// Task implements api.Syncs.
func (a *Appliance) Task(_ context.Context, id string) (api.Task, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, known := a.tasks[id]
	if !known {
		return api.Task{}, pair.Refuse(pair.NotFound, "there is no task %s: it may be of an earlier run of the daemon", id)
	}
	a.advance(t)
	return t.copy(), nil
}

func (a *Appliance) advance(t *task) {
	if t.State != api.TaskRunning {
		return
	}
	for i := range t.Steps {
		if t.Steps[i].State == api.TaskRunning {
			t.Steps[i].State = api.TaskDone
			t.Progress.BytesDone, t.Progress.FilesDone = 2048, 1
			return
		}
	}
	t.State, t.Ended = api.TaskDone, Start().Add(time.Second)
	t.Progress.BytesDone, t.Progress.FilesDone = 4096, 2
	t.finish()
	a.wake()
}

// Preflight implements api.Roles.
func (a *Appliance) Preflight(_ context.Context, change api.RoleChange) ([]api.Check, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	checks := a.checks()
	for i := range checks {
		if change.Force && checks[i].ID == "peer" && !checks[i].OK {
			checks[i].Severity = pair.Warning
		}
	}
	return checks, nil
}

func (a *Appliance) checks() []api.Check {
	if a.status.Peer == nil {
		return []api.Check{{ID: "paired", Severity: pair.Critical, Text: "This appliance is not paired.", NextStep: "Run baton pair HOST on the one that holds the data."}}
	}
	checks := []api.Check{{ID: "paired", OK: true, Severity: pair.Info, Text: "This appliance is paired with beta."}}
	if !a.status.Peer.Reachable {
		return append(checks, api.Check{ID: "peer", Severity: pair.Critical, Text: "beta does not answer.", NextStep: "Look at its power and network."})
	}
	return append(checks, api.Check{ID: "peer", OK: true, Severity: pair.Info, Text: "beta answers."})
}

// ChangeRole implements api.Roles.
func (a *Appliance) ChangeRole(ctx context.Context, change api.RoleChange) (api.Task, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.needPeer(change.Force); err != nil {
		return api.Task{}, err
	}
	if a.status.Role == change.Role && !change.Force {
		return api.Task{}, pair.Refuse(pair.Refused, "alpha is %s already: nothing to do", change.Role)
	}
	steps := []string{"stop the services", "switch"}
	if change.DataSyncFirst {
		steps = slices.Insert(steps, 0, "final data sync")
	}
	return a.begin("role", steps, func() {
		a.status.Role = change.Role
		a.status.Epoch.Counter++
		a.record(ctx, pair.KindHandover, "alpha became "+change.Role.String()+".", nil)
	}), nil
}

// Doctor implements api.Upkeep.
func (a *Appliance) Doctor(context.Context) ([]api.Check, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.checks(), nil
}

// EnableSharedIP implements api.Addresses.
func (a *Appliance) EnableSharedIP(_ context.Context, address netip.Addr) error {
	return a.tick(address, func(ip *pair.SharedIPStatus) { ip.Shared = true })
}

// DisableSharedIP implements api.Addresses.
func (a *Appliance) DisableSharedIP(_ context.Context, address netip.Addr) error {
	return a.tick(address, func(ip *pair.SharedIPStatus) { ip.Shared = false })
}

func (a *Appliance) tick(address netip.Addr, set func(*pair.SharedIPStatus)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	ips := slices.Clone(a.status.SharedIPs)
	for i := range ips {
		if strings.HasPrefix(ips[i].Address, address.String()+"/") {
			set(&ips[i])
			a.status.SharedIPs = ips
			a.wake()
			return nil
		}
	}
	return pair.Refuse(pair.NotFound, "the configuration file names no shared IP %s: add it there, then try again", address)
}

// TestIPs implements api.Addresses: 198.51.100.0/24 answers, all else is silent.
func (a *Appliance) TestIPs(_ context.Context, addresses []netip.Addr) ([]pair.Reach, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(addresses) == 0 {
		addresses = a.inForce.Get().TestIPs
	}
	if len(addresses) == 0 {
		return nil, pair.Refuse(pair.Refused, "no test IPs are saved: name some, or run baton settings set test_ips=ADDRESS")
	}
	near := netip.MustParsePrefix("198.51.100.0/24")
	results := make([]pair.Reach, len(addresses))
	for i, address := range addresses {
		results[i] = pair.Reach{IP: address.String(), Reason: "no answer within 1s"}
		if near.Contains(address) {
			results[i] = pair.Reach{IP: address.String(), Reachable: true, RTTMS: 0.42}
		}
	}
	return results, nil
}
