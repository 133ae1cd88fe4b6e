package admintest

import (
	"context"
	"net"

	"baton/internal/api"
	"baton/internal/pair"
)

// Hosts that Pair and PreviewPair know; any other name or address is a willing
// new backup named beta.
const (
	SilentHost  = "silent.example"  // does not answer
	NewerHost   = "newer.example"   // holds newer site data: wants Replace
	KeyHost     = "key.example"     // has another pre-shared key
	ChangedHost = "changed.example" // shows another certificate than the pinned one
	OldHost     = "old.example"     // speaks no common protocol version
	PairedHost  = "paired.example"  // is paired with another appliance
	ReverseHost = "reverse.example" // cannot reach this appliance
	ClockHost   = "clock.example"   // has a clock that is an hour off
)

// refusal is how a host answers a request to pair with it.
func refusal(host string) error {
	switch host {
	case SilentHost:
		return pair.Refuse(pair.Unreachable, "%s does not answer: check its address and TLS port", host)
	case KeyHost:
		return pair.Refuse(pair.Refused, "the pre-shared keys of the two appliances differ: save the same key on both")
	case ChangedHost:
		return pair.Refuse(pair.Refused, "the peer shows another certificate than the one it was paired with: if it was reinstalled, break the relationship and pair again")
	case OldHost:
		return pair.Refuse(pair.Refused, "the two appliances speak no common protocol version: bring both to the same release")
	case PairedHost:
		return pair.Refuse(pair.Refused, "the other appliance is already paired with another one: break that relationship there first")
	case ReverseHost:
		return pair.Refuse(pair.Refused, "the other appliance cannot reach this one under the reverse connection details: correct them")
	}
	return nil
}

// KeepInStep has everything of the peer be in the newest snapshot.
func (a *Appliance) KeepInStep() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inStep = true
}

func hostPort(address string) (host, port string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address, "443"
	}
	return host, port
}

// relationship is with the hosts above.
type relationship struct{ made *Appliance }

// mayPair expects the lock to be held.
func (r relationship) mayPair(host string) error {
	switch {
	case !r.made.link.Keys.Set:
		return pair.Refuse(pair.Refused, "no pre-shared key is saved here: run baton key set on both appliances first")
	case r.made.status.Role != pair.Standalone:
		return pair.Refuse(pair.Refused, "this appliance is paired already: run baton unpair first")
	}
	return refusal(host)
}

// PreviewPair implements api.Relationship.
func (r relationship) PreviewPair(ctx context.Context, request api.PairRequest) (api.PairPreview, error) {
	r.made.mu.Lock()
	defer r.made.mu.Unlock()
	if err := request.Check(); err != nil {
		return api.PairPreview{}, err
	}
	host, port := hostPort(request.Address)
	if err := r.mayPair(host); err != nil {
		return api.PairPreview{}, err
	}
	preview := api.PairPreview{
		Name: "beta", Version: "1.2.3", Address: net.JoinHostPort(host, port), Reverse: request.Reverse,
		Text: "All site data on beta will be replaced by that of alpha.",
	}
	all, err := r.made.store.Data.List(ctx)
	if err != nil {
		return api.PairPreview{}, err
	}
	preview.Offer = r.made.data.Offer(all)
	for _, data := range all {
		preview.Brings = append(preview.Brings, data.Spec.String())
	}
	if host == NewerHost {
		preview.HoldsData, preview.NeedReplace, preview.Confirm, preview.Data = true, true, "beta", "2 pieces of protected data, epoch 7"
	}
	if host == ClockHost {
		preview.Warnings = []api.Check{{ID: "clock", Severity: pair.Warning, Text: "The clocks of the two appliances differ by 1 h.", NextStep: "Set both clocks."}}
	}
	return preview, nil
}

// Pair implements api.Relationship.
func (r relationship) Pair(ctx context.Context, request api.PairRequest) (pair.PeerStatus, error) {
	r.made.mu.Lock()
	defer r.made.mu.Unlock()
	if err := request.Check(); err != nil {
		return pair.PeerStatus{}, err
	}
	host, port := hostPort(request.Address)
	if err := r.mayPair(host); err != nil {
		return pair.PeerStatus{}, err
	}
	if host == NewerHost && !request.Replace {
		return pair.PeerStatus{}, pair.Refuse(pair.Refused, "%s holds newer site data: add --replace to overwrite it", host)
	}
	r.made.status.Role = pair.Primary
	r.made.status.Epoch = pair.Epoch{Counter: 1, Holder: ID}
	r.made.status.ProtectionLevel = 1
	r.made.status.Site.Text = "Up, served by alpha; nothing protects it now."
	r.made.status.ProtectionNextStep = "Set Network Connectivity Test IPs."
	r.made.status.Peer = &pair.PeerStatus{
		ID: PeerID, Name: "beta", Address: net.JoinHostPort(host, port), Role: pair.Backup, Version: "1.2.3",
		Reachable: true, LastContact: Start(), LastContactAgeMS: 120, LastCheck: Start(), Epoch: r.made.status.Epoch,
	}
	r.made.status.Readiness = &pair.Readiness{
		TakeoverMS: -1, LossMS: -1, Text: "If the primary failed now, the backup would not take over: Enable Automatic Failover is off.",
		NextStep: "Check Enable Automatic Failover.",
	}
	r.made.record(ctx, pair.KindPaired, "alpha and beta are a pair.", nil)
	r.made.wake()
	return *r.made.status.Peer, nil
}

// Unpair implements api.Relationship.
func (r relationship) Unpair(ctx context.Context, request api.UnpairRequest) error {
	r.made.mu.Lock()
	defer r.made.mu.Unlock()
	if err := r.made.needPeer(request.Force); err != nil {
		return err
	}
	r.made.status.Role, r.made.status.Peer, r.made.status.ProtectionLevel = pair.Standalone, nil, 0
	r.made.status.Readiness, r.made.status.ProtectionNextStep = nil, ""
	r.made.record(ctx, pair.KindUnpaired, "The relationship was broken.", nil)
	r.made.wake()
	return nil
}

// Loss implements api.Roles: three files of 4 kB and two users, unless a final data sync
// carries them over, and nobody knows while beta is silent.
func (a *Appliance) Loss(_ context.Context, change api.RoleChange) (api.Loss, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.status.Peer == nil:
		return api.Loss{}, pair.Refuse(pair.Refused, "this appliance is not paired: run baton pair HOST first")
	case change.DataSyncFirst && a.status.Peer.Reachable:
		return api.Loss{Text: "Nothing is lost: the final data sync carries everything over."}, nil
	}
	if a.inStep {
		return api.Loss{Possible: true, DataAgeMS: 200, Text: "Nothing has changed on beta since the newest snapshot."}, nil
	}
	loss := api.Loss{Possible: true, DataAgeMS: 12_000, Files: 3, Bytes: 12_288, Changes: 2, Confirm: "beta", Text: "What beta changed in the last 12 s is not carried over: 3 files, 12.3 kB, and 2 changes of users, tokens or protected data."}
	if change.Role == pair.Backup {
		loss.Confirm, loss.Text = "alpha", "What alpha changed in the last 12 s is not carried over: 3 files, 12.3 kB, and 2 changes of users, tokens or protected data."
	}
	if !a.status.Peer.Reachable {
		loss.Files, loss.Bytes = -1, -1
		loss.Text = "What beta changed in the last 12 s is not carried over. How many files and bytes that is, is not known."
	}
	return loss, nil
}
