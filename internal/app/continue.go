package app

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"baton/internal/agent"
	"baton/internal/config"
	"baton/internal/durable"
	"baton/internal/failover"
	"baton/internal/lease"
	"baton/internal/pair"
)

// storedContinuation is what a process leaves to the next one, in a file beside the local
// socket. It counts in the same boot, and until an instant of the boot clock: so it cannot be
// older than a lease.
type storedContinuation struct {
	Boot    string           `json:"boot"`
	Counter uint64           `json:"counter"` // of the epoch
	Holder  pair.ApplianceID `json:"holder"`
	Until   failover.Instant `json:"until"`
}

func continuationFile(c config.Config) string {
	return filepath.Join(filepath.Dir(c.Socket), "continue.json")
}

// saveContinuation writes it.
func saveContinuation(c config.Config, left failover.Continuation) error {
	boot, err := bootID()
	if err != nil {
		return err
	}
	return durable.WriteJSON(continuationFile(c), storedContinuation{boot, left.Epoch.Counter, left.Epoch.Holder, left.Until})
}

// readContinuation reads it; nil: there is none that counts.
func readContinuation(c config.Config) (*failover.Continuation, error) {
	var w storedContinuation
	if is, err := durable.ReadJSON(continuationFile(c), "boot", &w); err != nil || !is {
		return nil, err
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	if w.Boot != boot || agent.BootClock() >= w.Until {
		return nil, nil // of another boot, or over
	}
	return &failover.Continuation{Epoch: pair.Epoch{Counter: w.Counter, Holder: w.Holder}, Until: w.Until}, nil
}

// takeContinuation reads it and takes it away: it counts once.
func takeContinuation(c config.Config, log *slog.Logger) *failover.Continuation {
	left, err := readContinuation(c)
	if gone := os.Remove(continuationFile(c)); err == nil && !errors.Is(gone, fs.ErrNotExist) {
		err = gone
	}
	if err != nil {
		log.Warn("this process begins anew", slog.String("error", err.Error()))
		return nil
	}
	return left
}

// bootID is the kernel's name for this boot.
func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the id of this boot: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// passingOf is what it left on, of the shared IPs that are ticked.
func passingOf(left *failover.Continuation, ticked []pair.SharedIP) lease.Passing {
	if left == nil {
		return lease.Passing{}
	}
	return lease.Passing{IPs: ticked, Until: time.Duration(left.Until)}
}
