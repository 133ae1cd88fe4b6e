package api

import (
	"time"

	"baton/internal/pair"
)

// SavedSite is what the site is called and shows, with the version under which it
// was saved: 0 if it never was. Versions only rise.
type SavedSite struct {
	pair.Site

	Front   Front `json:"front" doc:"Where this appliance serves the site"`
	Version int64 `json:"-"`
}

// Front is where this appliance serves the site, as its configuration file says.
type Front struct {
	Root  string   `json:"root" doc:"Directory of the files; empty: none"`
	HTTP  []string `json:"http" doc:"Addresses of plain HTTP"`
	HTTPS []string `json:"https" doc:"Addresses of HTTPS, which console and API share"`
}

// NewCertificate is a certificate to be saved.
type NewCertificate struct {
	Certificate string `json:"certificate" maxLength:"65536" doc:"PEM: the site's certificate, then its issuers; the key may follow"`
	Key         string `json:"key,omitempty" maxLength:"16384" doc:"PEM, without a password"`
}

// Certificate is a certificate, never its key.
type Certificate struct {
	Names       []string  `json:"names" doc:"Host names and addresses that it is for"`
	Issuer      string    `json:"issuer"`
	SelfSigned  bool      `json:"self_signed"`
	Renewed     bool      `json:"renewed" doc:"Made here: it is made anew by itself 30 days before it expires"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"fingerprint" doc:"SHA-256"`
	Chain       int       `json:"chain" doc:"How many certificates are shown, its own included"`
	Concerns    []string  `json:"concerns" doc:"What browsers object to, a sentence each"`
}

// Certificates are those that browsers meet on the TLS port.
type Certificates struct {
	Site    *Certificate `json:"site,omitempty" doc:"On the site's host name and shared IPs; absent: the console's"`
	Console Certificate  `json:"console" doc:"Of this appliance, everywhere else"`
	Version int64        `json:"-"` // of the site's
}

// Data is one piece of protected data.
type Data struct {
	Name string        `json:"name"`
	Kind pair.DataKind `json:"kind"`
	Path string        `json:"path"`
}

// DataOf returns what the pair protects, as it is listed.
func DataOf(data pair.Data) Data {
	return Data{Name: data.Name, Kind: data.Spec.Kind(), Path: data.Spec.String()}
}

// SiteDatabase is the name under which the site database is listed.
const SiteDatabase = "site-database"

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
