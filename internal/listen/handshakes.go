package listen

import (
	"crypto/tls"
	"errors"
	"sync"
	"time"
)

// handshakes lets one stranger at a time do a TLS handshake. Signing and the exchange of keys cost a
// processor some tenths of a millisecond; thousands at a time would leave none for what
// keeps the site up. The peer never waits.
type handshakes struct{ turn chan struct{} }

// How long a stranger waits for its turn, and may have it.
const (
	handshakeWait = 5 * time.Second
	handshakeTurn = time.Second
)

func newHandshakes() *handshakes { return &handshakes{turn: make(chan struct{}, 1)} }

var errManyHandshakes = errors.New("too many TLS handshakes at a time")

// pace makes a configuration whose handshakes wait for their turn once the client has
// said hello, and give it back with the first that is written: what costs lies between.
func (h *handshakes) pace(inner *tls.Config) *tls.Config {
	paced := inner.Clone()
	paced.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if from, ok := hello.Conn.(*admitted); ok && !from.ofPeer {
			if err := h.await(hello, from); err != nil {
				return nil, err
			}
		}
		if inner.GetConfigForClient != nil {
			return inner.GetConfigForClient(hello)
		}
		return nil, nil
	}
	return paced
}

func (h *handshakes) await(hello *tls.ClientHelloInfo, from *admitted) error {
	late := time.NewTimer(handshakeWait)
	defer late.Stop()
	select {
	case h.turn <- struct{}{}:
		end := sync.OnceFunc(func() { <-h.turn })
		time.AfterFunc(handshakeTurn, end) // also of one that was closed meanwhile
		from.begin(end)
		return nil
	case <-late.C:
		return errManyHandshakes
	case <-hello.Context().Done():
		return hello.Context().Err()
	}
}
