package wire

import "baton/internal/pair"

// Poll asks the peer how it is: a backup at every poll interval, a primary while it does not
// hear its backup.
type Poll struct {
	Versioned

	Seq  uint64    `json:"seq"` // rises by one with every poll since the sender started
	Ack  uint64    `json:"ack"` // Seq of the newest answer received; 0: none yet
	View pair.View `json:"view"`
}

// Answer is what the polled appliance answers.
type Answer struct {
	Versioned

	Seq  uint64    `json:"seq"` // of the poll that it answers
	View pair.View `json:"view"`
}
