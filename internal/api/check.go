package api

import "baton/internal/pair"

// Check is one finding of the pre-flight or the doctor.
type Check struct {
	ID       string `json:"id"` // stable, as test-ips
	OK       bool   `json:"ok"`
	Text     string `json:"text"`      // one sentence: what was found
	NextStep string `json:"next_step"` // one sentence: what to do; empty if OK

	Severity pair.Severity `json:"severity"` // info if OK; else warning, or critical: it stands in the way
}

// Pass is the finding of a check that is all right.
func Pass(id, text string) Check {
	return Check{ID: id, OK: true, Text: text, Severity: pair.Info}
}

// Fail is the finding of a check that is not, with the next step. It stands in the way.
func Fail(id, text, nextStep string) Check {
	return Check{ID: id, Text: text, NextStep: nextStep, Severity: pair.Critical}
}

// Warn makes a finding one that does not stand in the way.
func Warn(check Check) Check {
	if !check.OK {
		check.Severity = pair.Warning
	}
	return check
}

// Unless turns the finding into a pass, with the same text, if all is right.
func (c Check) Unless(right bool) Check { //nolint:revive // what is found out is the argument
	if right {
		return Pass(c.ID, c.Text)
	}
	return c
}
