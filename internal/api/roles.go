package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"baton/internal/cause"
	"baton/internal/pair"
)

// Roles switches.
type Roles interface {
	// Preflight tells what would be in the way of a change. It changes nothing.
	Preflight(ctx context.Context, change RoleChange) ([]Check, error)
	// Loss tells what a change would lose of the newest changes, as far as known.
	Loss(ctx context.Context, change RoleChange) (Loss, error)
	// ChangeRole begins the change; what is known to be in the way is Refused.
	ChangeRole(ctx context.Context, change RoleChange) (Task, error)
}

// ChangeRole is Become Primary or Become Backup. It answers a task to follow.
func ChangeRole() Op[Roles, RoleChange, Task] {
	return askWith(post("/role", "change-role", pair.Operator, "Become Primary or Become Backup; answers a task to follow").answering(http.StatusAccepted),
		func(r Roles, ctx context.Context, change RoleChange) (Task, error) {
			if caller, _ := CallerFrom(ctx); change.Force && !caller.Access.Covers(pair.Administrator) {
				return Task{}, pair.Refuse(pair.Forbidden, "forcing a role needs the role administrator: ask one, or try it without force")
			}
			return r.ChangeRole(ctx, change)
		})
}

// GetPreflight tells what would be in the way of a role change.
func GetPreflight() Op[Roles, RoleQuery, []Check] {
	return askBy(get("/role/preflight", "preflight", pair.Viewer, "What would be in the way of a role change").within(time.Minute),
		func(r Roles, ctx context.Context, query RoleQuery) ([]Check, error) {
			change, err := query.change()
			if err != nil {
				return nil, err
			}
			return r.Preflight(ctx, change)
		})
}

// GetLoss tells what a role change would lose of the newest changes.
func GetLoss() Op[Roles, RoleQuery, Loss] {
	return askBy(get("/role/loss", "loss", pair.Viewer, "What a role change would lose of the newest changes").within(time.Minute),
		func(r Roles, ctx context.Context, query RoleQuery) (Loss, error) {
			change, err := query.change()
			if err != nil {
				return Loss{}, err
			}
			return r.Loss(ctx, change)
		})
}

func (s *Server) serveRoles() {
	serve(s, s.backend.Roles, ChangeRole())
	serve(s, s.backend.Roles, GetPreflight())
	serve(s, s.backend.Roles, GetLoss())
}

// RoleChange is Become Primary or Become Backup.
type RoleChange struct {
	Role          pair.Role `json:"role" enum:"primary,backup"`
	DataSyncFirst bool      `json:"data_sync_first,omitempty" doc:"Pull a final data sync from the primary"`
	Force         bool      `json:"force,omitempty" doc:"Without the peer's consent; administrators only"`
}

// RoleQuery is a RoleChange that is only asked about.
type RoleQuery struct {
	Role          string `query:"role" enum:"primary,backup" required:"true"`
	DataSyncFirst bool   `query:"data_sync_first"`
	Force         bool   `query:"force"`
}

// Query asks about the change.
func (r RoleChange) Query() RoleQuery {
	return RoleQuery{Role: r.Role.String(), DataSyncFirst: r.DataSyncFirst, Force: r.Force}
}

func (q RoleQuery) change() (RoleChange, error) {
	role, err := pair.ParseRole(q.Role)
	if err != nil {
		return RoleChange{}, pair.Refuse(pair.Usage, "%w", cause.Plain(err))
	}
	return RoleChange{Role: role, DataSyncFirst: q.DataSyncFirst, Force: q.Force}, nil
}

// NotCarriedOver says what a switch without a final data sync costs: of is the appliance that gives the
// site away, age that of the newest snapshot on the other one, in milliseconds (negative: not known).
func NotCarriedOver(of string, age int64) string {
	since := "since the newest snapshot"
	if age >= 0 {
		since = "in the last " + pair.MillisText(age) + ", since the newest snapshot,"
	}
	return fmt.Sprintf("what %s has acknowledged %s is not carried over; it is set aside there as a diverged copy. With --final-sync nothing is lost, and the front holds requests meanwhile.", of, since)
}

// Loss is what a role change would lose of the site's newest changes.
type Loss struct {
	Possible  bool   `json:"possible"`    // false: everything is carried over
	DataAgeMS int64  `json:"data_age_ms"` // changes of so long ago and later; -1: not known
	Files     int64  `json:"files"`       // written or removed since the newest snapshot; -1: not known
	Bytes     int64  `json:"bytes"`       // of those files; -1: not known
	Changes   int64  `json:"changes"`     // of users, tokens and protected data since then, as far as this appliance knows; -1: not known
	Confirm   string `json:"confirm"`     // name of the appliance whose changes they are, to be typed; empty: there are none so far, and a plain yes will do
	Text      string `json:"text"`        // one sentence
}
