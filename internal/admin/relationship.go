package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/status"
	"baton/internal/store"
)

// Relationship implements api.Relationship.
type Relationship struct {
	Name     string // of this appliance
	Agent    act.Agent
	Link     act.Link
	Pairing  act.Pairing
	Audit    act.Audit
	Store    *store.Site
	Overview *status.Overview
	Checks   *status.SwitchChecks
	Offer    func(protected []pair.Data) *api.DataSpec // what might be protected as well
}

// PreviewPair implements api.Relationship.
func (r *Relationship) PreviewPair(ctx context.Context, request api.PairRequest) (api.PairPreview, error) {
	if err := r.mayPair(&request); err != nil {
		return api.PairPreview{}, err
	}
	found, err := r.Pairing.Inspect(ctx, request.Address, peer.PairRequest{Reverse: request.Reverse})
	if err != nil {
		return api.PairPreview{}, r.notPaired(err)
	}
	preview := api.PairPreview{
		Name: found.Hello.Name, Version: found.Hello.Version, Role: found.Hello.Role, Address: found.Address, Reverse: found.Reverse,
		HoldsData: found.Hello.HoldsData, Data: found.Hello.Data, NeedReplace: found.NeedReplace,
		Text:   fmt.Sprintf("All site data on %s will be replaced by that of %s.", found.Hello.Name, r.Name),
		Brings: []string{},
	}
	if preview.NeedReplace && !found.Hello.ProtectsNothing() {
		preview.Confirm = found.Hello.Name
	}
	protected, err := r.Store.Data.Here(ctx)
	if err != nil {
		return api.PairPreview{}, act.Failure(err)
	}
	for _, data := range protected {
		preview.Brings = append(preview.Brings, data.Spec.String())
	}
	preview.Offer = r.Offer(protected)
	for _, check := range []api.Check{r.Checks.CheckVersions(found.Hello.Version), status.CheckOffset(found.ClockOffset), status.CheckData(len(protected))} {
		if !check.OK {
			preview.Warnings = append(preview.Warnings, api.Warn(check))
		}
	}
	return preview, nil
}

// notPaired says why a pairing failed. If the keys differ, it tells the fingerprint of the
// key here. It does not tell the fingerprint of the other: somebody who has not proved the
// key could find a weak key from it.
func (r *Relationship) notPaired(err error) error {
	told := act.Failure(err)
	if errors.Is(err, peer.ErrKeyMismatch) {
		return pair.Refuse(pair.CodeOf(told), "%s", "the pre-shared keys of the two appliances differ: the key here has the fingerprint "+r.Link.KeyState().Fingerprint+
			"; compare it with the one on the page Management > Security of the other appliance (or: baton key fingerprint), and save the same key on both")
	}
	return told
}

// mayPair checks the request, and writes its addresses the way the link needs them.
func (r *Relationship) mayPair(request *api.PairRequest) error {
	if err := request.Check(); err != nil {
		return err
	}
	if r.Agent.Decision().State.Record.Role == pair.Backup {
		return pair.Refuse(pair.Refused, "this appliance is the backup of a relationship: break it first, or run this on the one that holds the data")
	}
	return nil
}

// Pair implements api.Relationship.
func (r *Relationship) Pair(ctx context.Context, request api.PairRequest) (pair.PeerStatus, error) {
	if err := r.mayPair(&request); err != nil {
		return pair.PeerStatus{}, err
	}
	pinned, err := r.Pairing.Pair(ctx, request.Address, peer.PairRequest{Reverse: request.Reverse, Replace: request.Replace})
	if err != nil {
		return pair.PeerStatus{}, r.notPaired(err)
	}
	r.Audit.Note(ctx, "established a relationship with %s", pinned.Name)
	if status := r.Overview.PeerStatus(time.Now()); status != nil {
		return *status, nil
	}
	return pair.PeerStatus{}, pair.Refuse(pair.Failed, "the relationship was broken again at once: look at the history of both appliances")
}

// Unpair implements api.Relationship.
func (r *Relationship) Unpair(ctx context.Context, request api.UnpairRequest) error {
	unpair := r.Pairing.Unpair
	if request.Force {
		unpair = r.Pairing.UnpairForced
	}
	err := unpair(ctx)
	switch {
	case err == nil:
		r.Audit.Note(ctx, "broke the relationship")
		return nil
	case errors.Is(err, peer.ErrNotTold) && peer.Classify(err) != pair.NoAnswer:
		return pair.Refuse(pair.Unreachable, "%s", "the peer answers and refuses this appliance, so it would not learn of this: "+cause.Of(err)+". Or repeat with --force, and break the relationship there, too")
	case errors.Is(err, peer.ErrNotTold):
		return pair.Refuse(pair.Unreachable, "the peer does not answer, so it would not learn of this: bring it back, or repeat with --force and break the relationship there, too")
	}
	return act.Failure(err)
}
