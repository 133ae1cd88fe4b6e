package support

import (
	"context"
	"io"
	"runtime"
	"runtime/debug"
	"time"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/licences"
)

// Software implements api.Maintaining.
type Software struct {
	Version string
	Started time.Time // when this daemon was made
	Agent   act.Agent
	Link    act.Link
	Bundle  *Bundle
}

// Software implements api.Maintaining.
func (s *Software) Software(context.Context) (api.Software, error) {
	software := api.Software{Version: s.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Started: s.Started}
	if info, known := debug.ReadBuildInfo(); known {
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				software.Commit = setting.Value
			case "vcs.time":
				software.Committed, _ = time.Parse(time.RFC3339, setting.Value) // else it is not known
			case "vcs.modified":
				software.Modified = setting.Value == "true"
			}
		}
	}
	if pinned, paired := s.Link.Paired(); paired {
		state := s.Agent.Decision().State
		software.Peer = &api.PeerSoftware{Name: pinned.Name, Version: state.Peer.Version, Same: state.Peer.Version == s.Version}
	}
	return software, nil
}

// Licences implements api.Maintaining.
func (s *Software) Licences(context.Context) ([]api.Licence, error) {
	list := licences.List()
	told := make([]api.Licence, len(list))
	for i, licence := range list {
		told[i] = api.Licence(licence)
	}
	return told, nil
}

// SupportBundle implements api.Maintaining.
func (s *Software) SupportBundle(ctx context.Context, to io.Writer) error {
	return s.Bundle.Write(ctx, to)
}
