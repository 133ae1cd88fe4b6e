package service

import (
	"baton/internal/health"
	"baton/internal/pair"
)

// CheckText is how to tell that a service works, as a person writes it. What is left out is as usual.
type CheckText struct {
	Health string `json:"health,omitempty" maxLength:"2048" doc:"URL, tcp:HOST:PORT or exec:LINE"`
	Status string `json:"health_status,omitempty" maxLength:"40" doc:"With which status an URL has to answer: one, or a range; 200-399 if absent"`
	Body   string `json:"health_body,omitempty" maxLength:"1000" doc:"A text that the answer of an URL has to contain in its first 64 KiB"`
	Every  string `json:"every,omitempty" maxLength:"40" doc:"Time from one check to the next, as 2s; 500ms to 1h; 2s if absent"`
	Wait   string `json:"wait,omitempty" maxLength:"40" doc:"How long a check may take, as 2s; 100ms to 1m, and not longer than the time between two"`
	Fails  int    `json:"fails,omitempty" minimum:"0" maximum:"100" doc:"So many failures in a row, and the service is sick; 3 if absent"`
	Passes int    `json:"passes,omitempty" minimum:"0" maximum:"100" doc:"So many passes in a row, and it is healthy again; 2 if absent"`
}

// CheckTextOf is how a check is shown: what is as usual is left out.
func CheckTextOf(s Definition) CheckText {
	shown := CheckText{Health: s.Check.String(), Status: s.Answer.Status.String(), Body: s.Answer.Body, Fails: s.Pace.Fails, Passes: s.Pace.Passes}
	if s.Pace.Every != 0 {
		shown.Every = pair.DurationText(s.Pace.Every)
	}
	if s.Pace.Wait != 0 {
		shown.Wait = pair.DurationText(s.Pace.Wait)
	}
	return shown
}

// Definition reads it into a service of which nothing else is known.
func (c CheckText) Definition() (read Definition, err error) {
	if read.Check, err = pair.ParseCheck(c.Health); err != nil {
		return read, pair.RefuseField("health", "%s", err)
	}
	if read.Answer.Status, err = health.ParseStatuses(c.Status); err != nil {
		return read, pair.RefuseField("health_status", "%s", err)
	}
	read.Answer.Body, read.Pace.Fails, read.Pace.Passes = c.Body, c.Fails, c.Passes
	if c.Every != "" {
		if read.Pace.Every, err = pair.ParseDuration(c.Every); err != nil {
			return read, pair.RefuseField("every", "%s", err)
		}
	}
	if c.Wait != "" {
		if read.Pace.Wait, err = pair.ParseDuration(c.Wait); err != nil {
			return read, pair.RefuseField("wait", "%s", err)
		}
	}
	return read, nil
}
