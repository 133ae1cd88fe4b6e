// Package notify tells people and programs what happened to the pair: by mail and
// by webhooks, from a queue that outlives a restart.
//
// It decides which event of the history goes to which channel, when it is tried
// again, and when it is given up. It never decides anything about the pair, and
// nothing of the daemon waits for it.
//
// Start reading at Notifier; outbox.go is the queue, without clock or I/O; Sender
// is what talks to the network.
package notify
