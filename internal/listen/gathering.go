package listen

import "sync"

// gathering is what a connection was given to send and does not send yet.
type gathering struct {
	mu      sync.Mutex // held while something is sent
	waits   bool
	waiting []byte
}

// Gather has what is written from now on wait, for the link to the peer, which writes much.
func (g *admitted) Gather() {
	g.gathering.mu.Lock()
	defer g.gathering.mu.Unlock()
	g.gathering.waits = true
}

// Send sends what waits; what is written from now on is sent at once.
func (g *admitted) Send() error {
	g.gathering.mu.Lock()
	defer g.gathering.mu.Unlock()
	g.gathering.waits = false
	waiting := g.gathering.waiting
	if g.gathering.waiting = waiting[:0]; len(waiting) == 0 {
		return nil
	}
	_, err := g.send(waiting)
	return err
}

// Write implements net.Conn.
func (g *admitted) Write(p []byte) (int, error) {
	g.gathering.mu.Lock()
	defer g.gathering.mu.Unlock()
	if g.gathering.waits {
		g.gathering.waiting = append(g.gathering.waiting, p...)
		return len(p), nil
	}
	return g.send(p)
}
