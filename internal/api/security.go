package api

import (
	"context"
	"net/netip"

	"baton/internal/pair"
)

// Security keeps the rules of who may come in.
type Security interface {
	Security(ctx context.Context) (Saved[pair.Security], error)
	// SaveSecurity saves validated options that were derived from
	// security.Version; pair.Stale if that is no longer the newest. Networks that
	// leave out the caller are refused.
	SaveSecurity(ctx context.Context, security Saved[pair.Security]) (Saved[pair.Security], error)
	// Admits reports whether console and API answer an address of the network.
	Admits(from netip.Addr) bool
}

// GetSecurity returns the security options, by key.
func GetSecurity() Op[Security, None, Values] {
	return tagged(get("/security", "security", pair.Administrator, "Security options, by key"),
		func(g Security, ctx context.Context, _ None) (Values, error) { return valuesOf(g.Security(ctx)) })
}

// ChangeSecurity changes some security options, all of them or none.
func ChangeSecurity() Op[Security, Changes, Values] {
	return tagged(patch("/security", "change-security", pair.Administrator, "Change some security options; all of them or none"),
		func(g Security, ctx context.Context, changes Changes) (Values, error) {
			return valuesOf(saveChanges(ctx, changes, g.Security, g.SaveSecurity, "security options"))
		})
}

func (s *Server) serveSecurity() {
	serve(s, s.backend.Security, GetSecurity())
	serve(s, s.backend.Security, ChangeSecurity())
}

// CheckAdmits refuses options that would lock out the user who saves them over
// the network.
func CheckAdmits(security pair.Security, caller Caller) error {
	if caller.Local {
		return nil
	}
	from, err := netip.ParseAddr(caller.From)
	if err == nil && security.Admits(from) {
		return nil
	}
	return pair.RefuseField("console_networks", "your own address, %s, is in none of these networks, so that you would be locked out: add its network", caller.From)
}
