package keeper

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"baton/internal/pair"
)

// started notes that a service was started, and passes its check or is known to be sick.
func (k *Keeper) started(s *kept, began time.Time) {
	took := k.opt.Wall().Sub(began)
	s.mu.Lock()
	s.tally.LastStart, s.failing, s.starting = &pair.ServiceAct{At: began, TookMS: took.Milliseconds()}, "", time.Time{}
	s.mu.Unlock()
	k.opt.Log.Info("service started", slog.String("service", s.service.Name), slog.Duration("took", took))
	k.record(s, pair.KindServiceStarted, "was started in "+pair.LastingText(took), took)
}

// startedMeanwhile notes that a service is up whose start was interrupted, as by another duty.
func (k *Keeper) startedMeanwhile(s *kept, state State) {
	s.mu.Lock()
	began := s.starting
	s.mu.Unlock()
	if !began.IsZero() && state.Up {
		k.started(s, began)
	}
}

// stopped notes that a service was stopped, and nothing of it is left.
func (k *Keeper) stopped(s *kept, began time.Time) {
	took := k.opt.Wall().Sub(began)
	s.mu.Lock()
	s.tally.LastStop, s.failing = &pair.ServiceAct{At: began, TookMS: took.Milliseconds()}, ""
	s.mu.Unlock()
	k.opt.Log.Info("service stopped", slog.String("service", s.service.Name), slog.Duration("took", took))
	k.record(s, pair.KindServiceStopped, "was stopped in "+pair.LastingText(took), took)
}

// ended notes that a service had ended by itself, and was started again, or not.
func (k *Keeper) ended(s *kept, began time.Time, why string, failed error) {
	if failed != nil {
		k.failed(s, "start", "has ended by itself ("+why+"), and does not start: "+failed.Error())
		return
	}
	s.mu.Lock()
	s.tally.Restarts++
	s.tally.LastStart = &pair.ServiceAct{At: began, TookMS: k.opt.Wall().Sub(began).Milliseconds()}
	s.mu.Unlock()
	k.tellEnd(s, why)
}

// endsTooOften is how a service fails that ends again and again.
const endsTooOften = "ends"

// tellEnd tells the history that a service has ended by itself and runs again: a few times, then
// that it ends too often.
func (k *Keeper) tellEnd(s *kept, why string) {
	s.mu.Lock()
	n := len(s.recent(k.opt.Wall()))
	if n < tooOften && s.failing == endsTooOften { // it had rested
		s.failing = ""
	}
	s.mu.Unlock()
	if n < tooOften {
		k.record(s, pair.KindServiceRestarted, "has ended by itself, and was started again: "+why, -1)
		return
	}
	k.failed(s, endsTooOften, fmt.Sprintf("has ended %s: %s", times(n), why))
}

// failed tells the history that a service fails, once until it fails in another way, or no longer.
func (k *Keeper) failed(s *kept, how, text string) {
	s.mu.Lock()
	again := s.failing == how
	s.failing = how
	s.mu.Unlock()
	if !again {
		k.record(s, pair.KindServiceFailed, text, -1)
	}
}

// recovered notes that a service passes its check, or has none, and does not end too often.
func (s *kept) recovered(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.recent(now)) < tooOften {
		s.failing = ""
	}
}

// record writes into the history what happened to a service; took below zero: it is not told.
func (k *Keeper) record(s *kept, kind, text string, took time.Duration) {
	detail := map[string]string{"service": s.service.Name}
	if took >= 0 {
		detail["took_ms"] = strconv.FormatInt(took.Milliseconds(), 10)
	}
	k.opt.Record(pair.Event{Kind: kind, Text: fmt.Sprintf("Service %s %s.", s.service.Name, strings.TrimRight(text, ".")), Detail: detail})
}
