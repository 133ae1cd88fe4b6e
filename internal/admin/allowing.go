package admin

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"baton/internal/act"
	"baton/internal/admin/disks"
	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/pair"
	"baton/internal/pair/allowance"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/pinned"
	"baton/internal/store"
	"baton/internal/store/local"
)

// Allowing says what may be protected on this machine: what its configuration file names,
// and what root allows here.
type Allowing struct {
	Name    string   // of this appliance
	Site    string   // directory that Baton itself serves; empty: none
	Protect []string // of the configuration file
	Local   *local.Store
	Store   *store.Site
	Audit   act.Audit

	links links
}

// allowance says which directories may be protected on this machine.
func (a *Allowing) allowance() allowance.Allowance {
	return allowanceOf(a.Site, a.Protect, a.Local.State().Allowed, a.links.get())
}

// Allowance is what an Allowing goes by: by what the configuration file names as the site and as trees, and by what
// root has allowed here.
func Allowance(site string, protect, own []string) allowance.Allowance {
	return allowanceOf(site, protect, own, led())
}

func allowanceOf(site string, protect, own []string, led map[string]string) allowance.Allowance {
	if site != "" { // the file names it as well
		own = append(slices.Clone(own), withoutLinks(site)...)
	}
	return allowance.Allowance{Trees: withoutLinks(protect...), Own: own, Led: led}
}

// links are the guarded places that are links. Root alone can make one, and it counts within
// ten seconds: each data sync asks.
type links struct {
	mu    sync.Mutex
	found map[string]string
	until time.Time
}

func (l *links) get() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.After(l.until) {
		l.found, l.until = led(), now.Add(10*time.Second)
	}
	return l.found
}

// led lists the guarded places that are links on this machine, and where they lead, as
// when /var/lib/docker was moved to a larger disk.
func led() map[string]string {
	leads := map[string]string{}
	for _, place := range allowance.MayLead() {
		if real, err := pinned.Resolve(place); err == nil && real != place {
			leads[place] = real
		}
	}
	return leads
}

// withoutLinks adds where the names of the configuration file lead, if root alone can
// change that: a whole tree may be a link.
func withoutLinks(paths ...string) []string {
	all := slices.Clone(paths)
	for _, path := range paths {
		if real, err := pinned.Resolve(path); err == nil && real != path {
			all = append(all, real)
		}
	}
	return all
}

// Refusal returns the sentence for what may not be protected here; empty: it may.
func (a *Allowing) Refusal(path, real string) string {
	return a.allowance().Refusal(a.Name, path, real)
}

// allow extends what may be protected here, durably.
func (a *Allowing) allow(ctx context.Context, real string) error {
	return a.Local.Save(ctx, func(s *local.State) {
		if !slices.Contains(s.Allowed, real) {
			s.Allowed = append(s.Allowed, real)
			slices.Sort(s.Allowed)
		}
	})
}

// Keep allows, once, what an earlier version protected already, and returns it:
// that version did not ask.
func (a *Allowing) Keep(ctx context.Context) ([]string, error) {
	if a.Local.State().Allowed != nil {
		return nil, nil
	}
	data, err := a.Store.Data.Here(ctx)
	if err != nil {
		return nil, err
	}
	kept := []string{}
	for _, d := range data {
		path := d.Spec.String()
		real, err := pinned.Resolve(path)
		if err != nil {
			real = path
		}
		if a.Refusal(path, real) != "" {
			kept = append(kept, real)
		}
	}
	slices.Sort(kept)
	return kept, a.Local.Save(ctx, func(s *local.State) { s.Allowed = kept })
}

// NoteKept records what stays protected although this version would not allow it.
func (a *Allowing) NoteKept(kept []string) {
	if len(kept) == 0 {
		return
	}
	a.Audit.Record(pair.Event{
		Kind: pair.KindSettingChanged,
		Text: "Kept as protected what an earlier version protected already, and the configuration would not allow: " + strings.Join(kept, ", ") + ". Look with baton data allow; end it with baton data disallow.",
	})
}

// Allowance implements api.ProtectedData.
func (a *Allowing) Allowance(context.Context) (api.Allowance, error) {
	return api.Allowance{Trees: a.Protect, Allowed: append([]string{}, a.Local.State().Allowed...)}, nil
}

// mustBeRoot refuses everybody but root on this machine, who alone can use its socket:
// neither the console nor a token extends what may be protected here.
func (a *Allowing) mustBeRoot(ctx context.Context, command, path string) error {
	if caller, known := api.CallerFrom(ctx); known && caller.Local {
		return nil
	}
	return pair.Refuse(pair.Forbidden, "only root on %s itself says what may be protected there: run there, as root, baton data %s %s", a.Name, command, path)
}

// Allow implements api.ProtectedData.
func (a *Allowing) Allow(ctx context.Context, allowed api.AllowedPath) error {
	path := allowed.Path
	if err := a.mustBeRoot(ctx, "allow", path); err != nil {
		return err
	}
	if err := a.Store.Data.CheckPlace(path); err != nil {
		return act.Failure(err)
	}
	real, err := pinned.Resolve(path)
	if err != nil {
		return pair.Refuse(pair.Refused, "%s", cause.Plain(err))
	}
	if err := a.Store.Data.CheckPlace(real); err != nil {
		return act.Failure(err)
	}
	if err := a.allow(ctx, real); err != nil {
		return act.Failure(err)
	}
	a.Audit.Note(ctx, "allowed %s to be protected on this machine", real)
	return nil
}

// Disallow implements api.ProtectedData.
func (a *Allowing) Disallow(ctx context.Context, allowed api.AllowedPath) error {
	path := allowed.Path
	if err := a.mustBeRoot(ctx, "disallow", path); err != nil {
		return err
	}
	known := a.Local.State().Allowed
	if !slices.Contains(known, path) {
		return pair.Refuse(pair.NotFound, "%s is not allowed by name here: baton data allow lists what is", path)
	}
	err := a.Local.Save(ctx, func(s *local.State) {
		s.Allowed = slices.DeleteFunc(s.Allowed, func(other string) bool { return other == path })
	})
	if err != nil {
		return act.Failure(err)
	}
	a.Audit.Note(ctx, "no longer allowed %s to be protected on this machine by name", path)
	return nil
}

// allowing returns what has to be allowed here before a path may be protected; empty:
// nothing. Only root on this machine allows it in passing.
func (a *Allowing) allowing(ctx context.Context, path string) (string, error) {
	real, err := pinned.Resolve(path)
	if err != nil {
		return "", pair.RefuseField("path", "%s", err)
	}
	no := a.Refusal(path, real)
	if no == "" {
		return "", nil
	}
	if a.mustBeRoot(ctx, "allow", path) == nil {
		return real, nil
	}
	return "", pair.RefuseField("path", "%s", no)
}

// PlaceAsked answers the peer, which wants to know whether data would fit here, and may
// be placed here at all.
func (a *Allowing) PlaceAsked(ctx context.Context, question wire.Room) (wire.RoomAnswer, error) {
	real, err := pinned.Resolve(question.Path)
	if err != nil {
		return wire.RoomAnswer{}, &peer.RemoteError{Code: notAllowedThere, Text: err.Error()}
	}
	if no := a.Refusal(question.Path, real); no != "" {
		return wire.RoomAnswer{}, &peer.RemoteError{Code: notAllowedThere, Text: no}
	}
	return disks.Asked(ctx, question)
}

// notAllowedThere is the code of an appliance on which a directory may not be protected.
const notAllowedThere = "not-allowed"
