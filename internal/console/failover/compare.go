package failover

import (
	"time"

	"baton/internal/console/page"
	"baton/internal/kept"
)

// comparePage shows where the data of the two appliances differs.
type comparePage struct {
	kept.Comparison

	Zone *time.Location
}

// compare looks at both sides while the browser waits; it ends when that goes away.
func (p status) compare(v *page.Visit) error {
	compared, err := p.backend.Diverged.Compare(v.Context())
	if err != nil {
		return v.WarnOf("/status", err)
	}
	return v.Page("compare", "Both sides compared", comparePage{Comparison: compared, Zone: v.Zone})
}
