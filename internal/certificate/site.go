package certificate

import "time"

// Site is the certificate of a site.
type Site struct {
	Certificate

	Made bool // here, self-signed, and so renewed here; else it was handed over
}

// Stored is how the site database keeps it, as PEM; empty: none.
type Stored struct {
	Chain string `json:"chain,omitempty"`
	Key   string `json:"key,omitempty"`
	Made  bool   `json:"made,omitempty"`
}

// Of the life of one that is made here.
const (
	SiteLasting = 2 * 365 * 24 * time.Hour // some browsers refuse more than 825 days
	RenewBefore = 30 * 24 * time.Hour      // the end
)

// Due reports whether it is to be made anew, which is done only with one that was made
// here.
func (s Site) Due(now time.Time) bool {
	return s.Made && !now.Before(s.Leaf.NotAfter.Add(-RenewBefore))
}

// Stored returns it as the site database keeps it.
func (s Site) Stored() (Stored, error) {
	chain, key, err := s.PEM()
	return Stored{Chain: string(chain), Key: string(key), Made: s.Made}, err
}
