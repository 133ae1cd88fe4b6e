package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/pprof"

	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/support"
)

const bundleEvents = 5000 // of the history, the newest

func (a *Appliance) bundleFiles(acts *acts) []support.File {
	return []support.File{
		{Name: "software.json", About: "versions of both appliances, build", Read: support.JSON(func(ctx context.Context) (api.Software, error) { return acts.software.Software(ctx) })},
		{Name: "status.json", About: "what baton status --json shows", Read: support.JSON(a.overview.Status)},
		{Name: "doctor.json", About: "what baton doctor finds", Read: support.JSON(acts.upkeep.Doctor)},
		{Name: "settings.json", About: "settings of the pair", Read: func(ctx context.Context) (string, error) {
			saved, err := acts.settings.Settings(ctx)
			return support.JSONText(pair.Texts(saved.Values), err)
		}},
		{Name: "configuration.json", About: "the configuration file as this daemon read it", Read: func(context.Context) (string, error) { return support.JSONText(a.config, nil) }},
		{Name: "data.json", About: "the list of protected data, without the data", Read: support.JSON(acts.data.Data)},
		{Name: "decision.txt", About: "what the decision knows", Read: func(context.Context) (string, error) {
			seen := a.agent.Decision()
			return fmt.Sprintf("now    %d\nconfig %+v\nstate  %+v\n", agent.BootClock(), seen.Config, seen.State), nil
		}},
		{Name: "history.jsonl", About: fmt.Sprintf("the newest %d events of both appliances", bundleEvents), Read: a.historyLines},
		{Name: "log.txt", About: "the newest lines of this daemon's log", Read: func(context.Context) (string, error) { return a.recent.Text(), nil }},
		{Name: "network.txt", About: "interfaces, addresses, routes and neighbours as this daemon sees them", Read: support.NetworkText},
		{Name: "machine.txt", About: "system, memory, disks, limits", Read: func(context.Context) (string, error) { return support.MachineText(a.config.DataDir), nil }},
		{Name: "metrics.txt", About: "what /metrics shows", Read: func(ctx context.Context) (string, error) {
			text, err := a.server.Metrics(ctx)
			return string(text), err
		}},
		{Name: "goroutines.txt", About: "what every part of the daemon does at this moment", Read: func(context.Context) (string, error) {
			var text bytes.Buffer
			err := pprof.Lookup("goroutine").WriteTo(&text, 2)
			return text.String(), err
		}},
	}
}

func (a *Appliance) historyLines(ctx context.Context) (string, error) {
	events, err := a.overview.History(ctx, api.HistoryFilter{Limit: bundleEvents})
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	for _, event := range events {
		err = errors.Join(err, encoder.Encode(event))
	}
	return text.String(), err
}
