package app

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"

	"baton/internal/api"
	"baton/internal/licences"
)

// Software implements api.Maintaining.
func (b *backend) Software(context.Context) (api.Software, error) {
	software := api.Software{Version: b.version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Started: b.begun}
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
	if pinned, paired := b.link.Paired(); paired {
		s := b.agent.Look().State
		software.Peer = &api.PeerSoftware{Name: pinned.Name, Version: s.Peer.Version, Same: s.Peer.Version == b.version}
	}
	return software, nil
}

// Licences implements api.Maintaining.
func (b *backend) Licences(context.Context) ([]api.Licence, error) {
	list := licences.List()
	told := make([]api.Licence, len(list))
	for i, licence := range list {
		told[i] = api.Licence(licence)
	}
	return told, nil
}
