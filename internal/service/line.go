package service

import "time"

// Line is one line of a service's log.
type Line struct {
	Time time.Time `json:"time,omitzero"` // zero: not known, without systemd
	Text string    `json:"text"`          // as one may show it, without control characters
}
