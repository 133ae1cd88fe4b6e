package admintest

import (
	"context"
	"slices"
	"strings"

	"baton/internal/api"
	"baton/internal/pair"
)

// Listen sets where the TLS port listens, as the configuration file would.
func (a *Appliance) Listen(addresses ...string) { a.site.Config.Listen = addresses }

// Protection implements api.ProtectedData: each piece has two files; one named
// "broken" cannot be read.
func (a *Appliance) Protection(ctx context.Context) (api.Protection, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := api.Protection{Site: a.part(api.Data{Name: api.SiteDatabase, Kind: "site", Path: "/var/lib/baton/site.db"})}
	data, _ := a.Data(ctx)
	for _, data := range data {
		known.Data = append(known.Data, a.part(data))
	}
	known.Offer = a.offer(ctx)
	return known, nil
}

// offer proposes the public site's directory until it is protected.
func (a *Appliance) offer(ctx context.Context) *api.DataSpec {
	wanted := api.DataSpec{Name: "site", Kind: string(pair.DataDirectory), Path: "/srv/public"}
	if all, _ := a.Data(ctx); slices.ContainsFunc(all, func(d api.Data) bool { return d.Path == wanted.Path }) {
		return nil
	}
	return &wanted
}

func (a *Appliance) part(data api.Data) api.ProtectedPart {
	part := api.ProtectedPart{Data: data, State: api.DataAlone, Health: api.Check{ID: "readable", OK: true, Text: data.Path + " can be read."}}
	if data.Name == "broken" {
		part.Health = api.Check{ID: "readable", Text: data.Path + " is not there.", NextStep: "Put it back, or mount its disk."}
	}
	if a.status.Peer == nil {
		return part
	}
	part.State = api.DataWaiting
	if number := a.status.Sync.Snapshot.Number; number > 0 {
		part.State, part.Snapshot, part.SyncedAt = api.DataSynced, number, new(a.status.Sync.Snapshot.TakenAt)
		part.Measured, part.Files, part.Bytes = true, 2, 4096
	}
	return part
}

// Allowance implements api.ProtectedData.
func (a *Appliance) Allowance(context.Context) (api.Allowance, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return api.Allowance{Trees: pair.DefaultTrees(), Allowed: append([]string{}, a.allowed...)}, nil
}

// Allow implements api.ProtectedData.
func (a *Appliance) Allow(_ context.Context, path string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.allowed = append(a.allowed, path)
	return nil
}

// Disallow implements api.ProtectedData.
func (a *Appliance) Disallow(_ context.Context, path string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.allowed, path) {
		return pair.Refuse(pair.NotFound, "%s is not allowed by name here: baton data allow lists what is", path)
	}
	a.allowed = slices.DeleteFunc(a.allowed, func(other string) bool { return other == path })
	return nil
}

// TestData implements api.ProtectedData: a path that begins with /missing is not
// there.
func (a *Appliance) TestData(ctx context.Context, data api.DataSpec) ([]api.Check, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if strings.HasPrefix(data.Path, "/missing") {
		return []api.Check{{ID: "exists", Text: data.Path + " is not there.", NextStep: "Make it first, or correct the path.", Severity: pair.Critical}}, nil
	}
	checks := []api.Check{{ID: "exists", OK: true, Text: data.Path + " is a directory."}}
	if all, _ := a.Data(ctx); slices.ContainsFunc(all, func(d api.Data) bool { return d.Name == data.Name }) {
		checks = append(checks, api.Check{ID: "name", Text: "There is protected data named " + data.Name + " already.", NextStep: "Choose another name.", Severity: pair.Critical})
	}
	return checks, nil
}
