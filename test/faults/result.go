package main

import (
	"time"
)

// result is what one round cost: one line of rounds.jsonl.
type result struct {
	Plan        plan      `json:"plan"`
	At          time.Time `json:"at"`
	AgeMS       int64     `json:"age_ms"`   // data age that the backup showed right before
	OwnersMS    int64     `json:"two_ms"`   // for how long both answered, on the link or to visitors
	LinkMS      int64     `json:"link_ms"`  // on the link alone
	VisitsMS    int64     `json:"visit_ms"` // to visitors alone
	JobMS       int64     `json:"job_ms"`   // for how long both ran the service
	HeldMS      int64     `json:"held_ms"`  // for how long both kernels had the address
	Split       bool      `json:"split"`    // one of the cases in which two may serve (I5)
	GapMS       int64     `json:"gap_ms"`   // longest time without an answer
	BackMS      int64     `json:"back_ms"`  // from the end of all faults to one primary and one backup
	SafeMS      int64     `json:"safe_ms"`  // and to a backup that could take over again
	Answered    int       `json:"answered"`
	Failed      int       `json:"failed"`               // requests without an answer
	Unanswered  []string  `json:"unanswered,omitempty"` // why, of the first of them
	Aside       int       `json:"aside"`                // in diverged copies only
	Excused     int       `json:"excused"`              // lost, but younger than the data age shown
	Lost        int       `json:"lost"`
	Person      string    `json:"person,omitempty"` // why the pair did not find back by itself
	StallMS     int64     `json:"stall_ms"`         // longest wait of a ready program for a processor
	Broken      []string  `json:"broken,omitempty"` // promises
	TookSeconds float64   `json:"took_s"`
}

// mostNamed bounds of how many requests without an answer it is told why.
const mostNamed = 5

// Bounds of what is promised in docs/failover.md.
const (
	backTimeouts = 10               // I7
	backHandover = 35 * time.Second // I7, after a handover whose answer was lost
	stopBound    = time.Second      // without an answer, in an orderly stop: a handover, or a goodbye
	longLease    = time.Second      // a lease that outlasts the start of a daemon on a busy machine
	splitBound   = 3 * time.Second  // I5, where it allows two owners at all: until the kernel drops the address
	ageBound     = 5 * time.Second  // p99 of the data age at a fault
	giveUp       = 45 * time.Second // then a person is needed
)
