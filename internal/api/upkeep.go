package api

import (
	"context"
	"slices"
	"time"

	"baton/internal/cause"
	"baton/internal/pair"
)

// Upkeep keeps automatic actions in bounds.
type Upkeep interface {
	// StartMaintenance turns automatic actions off, for a while or (0) until
	// EndMaintenance.
	StartMaintenance(ctx context.Context, lasting time.Duration) error
	EndMaintenance(ctx context.Context) error
	// Resume allows automatic failover again after too many takeovers.
	Resume(ctx context.Context) error
	// AddNote writes into the history what somebody wants others to read there.
	AddNote(ctx context.Context, note NewNote) error
	// Doctor tells how ready the pair is.
	Doctor(ctx context.Context) ([]Check, error)
}

// StartMaintenance turns automatic actions off.
func StartMaintenance() Op[Upkeep, MaintenanceRequest, None] {
	return orderWith(put("/maintenance", "start-maintenance", pair.Operator, "Turn automatic actions off"),
		func(c Upkeep, ctx context.Context, request MaintenanceRequest) error {
			lasting, err := maintenanceTime(request.For)
			if err != nil {
				return err
			}
			return c.StartMaintenance(ctx, lasting)
		})
}

// EndMaintenance turns automatic actions on again.
func EndMaintenance() Op[Upkeep, None, None] {
	return order(del("/maintenance", "end-maintenance", pair.Operator, "Turn automatic actions on again"), Upkeep.EndMaintenance)
}

// Resume allows automatic failover again after too many takeovers.
func Resume() Op[Upkeep, None, None] {
	return order(post("/resume", "resume", pair.Operator, "Allow automatic failover again after too many takeovers"), Upkeep.Resume)
}

// AddNote writes a note into the history.
func AddNote() Op[Upkeep, NewNote, None] {
	return orderWith(post("/history/note", "add-note", pair.Operator, "Write a note into the history, as what was done to the machines"), Upkeep.AddNote)
}

// NewNote is a note for the history.
type NewNote struct {
	Text string `json:"text" minLength:"1" maxLength:"500"`
}

// RunDoctor tells how ready the pair is.
func RunDoctor() Op[Upkeep, None, []Check] {
	return ask(get("/doctor", "doctor", pair.Viewer, "Readiness of this pair, each check with its next step").within(time.Minute), Upkeep.Doctor)
}

func (s *Server) serveUpkeep() {
	serve(s, s.backend.Upkeep, StartMaintenance())
	serve(s, s.backend.Upkeep, EndMaintenance())
	serve(s, s.backend.Upkeep, Resume())
	serve(s, s.backend.Upkeep, AddNote())
	serve(s, s.backend.Upkeep, RunDoctor())
}

// MaintenanceRequest turns automatic actions off.
type MaintenanceRequest struct {
	For string `json:"for,omitempty" maxLength:"32" doc:"Duration like 30m, 2h or 1d; until ended, if absent"`
}

// maintenanceTime reads how long; 0 is until ended.
func maintenanceTime(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	lasting, err := pair.ParseDuration(text)
	switch {
	case err != nil:
		return 0, pair.Refuse(pair.Usage, "%w", cause.Plain(err))
	case lasting != 0 && lasting < time.Minute || lasting > 30*24*time.Hour:
		return 0, pair.Refuse(pair.Usage, "maintenance for %s is out of range: use 1m to 30d, or leave the time out", text)
	}
	return lasting, nil
}

// ResumeText says what Resume did, of the status before it.
func ResumeText(before pair.Status) string {
	paused := func(conditions []pair.Condition) bool {
		return slices.ContainsFunc(conditions, func(c pair.Condition) bool { return c.ID == "automatic-paused" })
	}
	switch {
	case paused(before.Conditions):
		return "Automatic failover was paused on " + before.Appliance.Name + " and is on again; automatic takeovers are counted from now on. Whether this pair is ready, baton doctor and the Status page say."
	case before.Peer != nil && before.Peer.Report != nil && paused(before.Peer.Report.Conditions):
		return "Automatic failover was not paused on " + before.Appliance.Name + ", but it is on " + before.Peer.Name + ": resume there."
	}
	return "Automatic failover was not paused on " + before.Appliance.Name + ": nothing was to be resumed. Automatic takeovers are counted from now on."
}
