package api

import (
	"context"
	"time"

	"baton/internal/cause"
	"baton/internal/pair"
)

// ProtectedData lists what is synced. It has more than 8 methods, one for each act on it.
type ProtectedData interface {
	// Protection tells of all of it, from what is on hand: nothing is measured.
	Protection(ctx context.Context) (Protection, error)
	// TestData tells what AddData would meet, and changes nothing.
	TestData(ctx context.Context, data DataSpec) ([]Check, error)
	// Allowance tells what may be protected on this machine.
	Allowance(ctx context.Context) (Allowance, error)
	// Allow and Disallow change that; only for a local caller.
	Allow(ctx context.Context, allowed AllowedPath) error
	Disallow(ctx context.Context, allowed AllowedPath) error
	Data(ctx context.Context) ([]Data, error)
	AddData(ctx context.Context, data DataSpec) error
	SetExclude(ctx context.Context, change Named[Excluded]) error
	RemoveData(ctx context.Context, name string) error
}

// ListData lists the protected data.
func ListData() Op[ProtectedData, None, []Data] {
	return ask(get("/data", "data", pair.Viewer, "Protected data"), ProtectedData.Data)
}

// AddData protects something.
func AddData() Op[ProtectedData, DataSpec, None] {
	return orderWith(post("/data", "add-data", pair.Administrator, "Protect a directory or database"),
		func(p ProtectedData, ctx context.Context, data DataSpec) error {
			if err := data.check(); err != nil {
				return err
			}
			return p.AddData(ctx, data)
		})
}

// TestData tells what AddData would meet, and changes nothing.
func TestData() Op[ProtectedData, DataSpec, []Check] {
	return askWith(post("/data/test", "test-data", pair.Administrator, "What adding it would meet; nothing is changed"), ProtectedData.TestData)
}

// SetExclude replaces what of a protected directory is left out.
func SetExclude() Op[ProtectedData, Named[Excluded], None] {
	return orderBy(put("/data/{name}/exclude", "set-exclude", pair.Administrator, "Replace what of the directory is left out; nothing is deleted"), ProtectedData.SetExclude)
}

// RemoveData protects it no longer.
func RemoveData() Op[ProtectedData, string, None] {
	return orderName(del("/data/{name}", "remove-data", pair.Administrator, "Protect it no longer; nothing is deleted"), ProtectedData.RemoveData)
}

// GetProtection tells of all protected data with size, last sync and health.
func GetProtection() Op[ProtectedData, None, Protection] {
	return ask(get("/protection", "protection", pair.Viewer, "Protected data with size, last sync and health"), ProtectedData.Protection)
}

// GetAllowance tells what may be protected on the machine.
func GetAllowance() Op[ProtectedData, None, Allowance] {
	return ask(get("/allowance", "allowance", pair.Viewer, "Which directories may be protected on this machine"), ProtectedData.Allowance)
}

// Allow allows a directory on the machine.
func Allow() Op[ProtectedData, AllowedPath, None] {
	return orderWith(post("/allowance", "allow", pair.Administrator, "Allow a directory on this machine; over the local socket only"), ProtectedData.Allow)
}

// Disallow allows it no longer.
func Disallow() Op[ProtectedData, AllowedPath, None] {
	return orderWith(post("/allowance/end", "disallow", pair.Administrator, "Allow it no longer; over the local socket only"), ProtectedData.Disallow)
}

func (s *Server) serveData() {
	serve(s, s.backend.Data, ListData())
	serve(s, s.backend.Data, AddData())
	serve(s, s.backend.Data, TestData())
	serve(s, s.backend.Data, SetExclude())
	serve(s, s.backend.Data, RemoveData())
	serve(s, s.backend.Data, GetProtection())
	serve(s, s.backend.Data, GetAllowance())
	serve(s, s.backend.Data, Allow())
	serve(s, s.backend.Data, Disallow())
}

// Data is one piece of protected data.
type Data struct {
	Name string        `json:"name"`
	Kind pair.DataKind `json:"kind"`
	Path string        `json:"path"`

	PeerPath string   `json:"peer_path,omitempty" doc:"Where it lies on the other appliance, if not at the same path"`
	Exclude  []string `json:"exclude,omitempty" doc:"Patterns of what is left out"`
}

// Excluded is what of a protected directory is left out.
type Excluded struct {
	Patterns []string `json:"patterns" doc:"As cache/ or *.tmp"`
}

// DataSpec is one piece of protected data, of any kind.
type DataSpec struct {
	Name   string `json:"name" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9-]*$" patternDescription:"lower-case letters, digits and dashes"`
	Kind   string `json:"kind" enum:"dir,sqlite,postgres"`
	Path   string `json:"path,omitempty" maxLength:"4096" doc:"Absolute path of the directory or database file"`
	PGData string `json:"pgdata,omitempty" maxLength:"4096" doc:"PostgreSQL: data directory"`
	Bin    string `json:"bin,omitempty" maxLength:"4096" doc:"PostgreSQL: directory of its programs"`

	PeerPath string   `json:"peer_path,omitempty" maxLength:"4096" doc:"Directory: where it lies on the other appliance, if not at the same path"`
	Exclude  []string `json:"exclude,omitempty" doc:"Directory: patterns of what is left out, as cache/ or *.tmp"`
}

// check refuses what no appliance could protect. What this one cannot protect, TestData
// tells in its checks.
func (d DataSpec) check() error {
	for _, path := range []string{d.Path, d.PeerPath, d.PGData, d.Bin} {
		if path == "" {
			continue
		}
		if _, err := pair.ParsePath(path); err != nil {
			return pair.Refuse(pair.Usage, "%s", cause.Plain(err))
		}
	}
	switch {
	case d.Kind == "postgres" && d.PGData == "":
		return pair.Refuse(pair.Usage, "a PostgreSQL cluster needs its data directory: add --pgdata DIR")
	case d.Kind == "postgres" && d.Path != "", d.Kind != "postgres" && (d.PGData != "" || d.Bin != ""):
		return pair.Refuse(pair.Usage, "%s takes other options: see baton data add --help", d.Kind)
	case d.Kind != "postgres" && d.Path == "":
		return pair.Refuse(pair.Usage, "a path is needed: write it like /srv/site")
	case d.Path == "/":
		return pair.Refuse(pair.Usage, "%w", pair.CheckProtectable("/"))
	}
	return nil
}

// Allowance says which directories may be protected on this machine.
type Allowance struct {
	Trees   []string `json:"trees" doc:"Of the configuration file: directories in these may be protected, but what belongs to the machine"`
	Allowed []string `json:"allowed" doc:"By root's word besides"`
}

// AllowedPath is one directory that root allows to be protected.
type AllowedPath struct {
	Path string `json:"path" minLength:"1" maxLength:"4096" doc:"Absolute path"`
}

// DataState says how far protected data is on the backup.
type DataState string

// The states.
const (
	DataAlone   DataState = "alone"   // there is no backup
	DataWaiting DataState = "waiting" // no snapshot holds it yet
	DataSynced  DataState = "synced"  // the newest snapshot holds it
)

// ProtectedPart is one piece of protected data, as this appliance knows it.
type ProtectedPart struct {
	Data

	State    DataState  `json:"state"`
	Snapshot uint64     `json:"snapshot,omitempty" doc:"Number of the snapshot that the other figures are of"`
	SyncedAt *time.Time `json:"synced_at,omitempty" doc:"When that snapshot was taken"`
	Measured bool       `json:"measured" doc:"Whether files and bytes are known"`
	Files    int64      `json:"files"`
	Bytes    int64      `json:"bytes"`
	Health   Check      `json:"health"`
}

// Protection is all that a data sync delivers.
type Protection struct {
	Site  ProtectedPart   `json:"site_database"`
	Data  []ProtectedPart `json:"data"`
	Offer *DataSpec       `json:"offer,omitempty" doc:"The directory of the public site, while it is not protected"`
}

// DataOf returns what the pair protects, as it is listed on one appliance. Peer is the other one; empty: there is none.
func DataOf(data pair.Data, self, peer pair.ApplianceID) Data {
	listed := Data{Name: data.Name, Kind: data.Spec.Kind(), Path: data.Spec.Here(self).String(), Exclude: data.Spec.Excludes().List()}
	if there := data.Spec.Here(peer).String(); there != listed.Path {
		listed.PeerPath = there
	}
	return listed
}
