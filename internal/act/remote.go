package act

import (
	"errors"

	"baton/internal/failover"
	"baton/internal/peer"
)

// Remote turns a refusal of the decision into an error that the peer is sent.
func Remote(err error) error {
	if _, ok := errors.AsType[failover.Reason](err); ok {
		return &peer.RemoteError{Code: "refused", Text: err.Error()}
	}
	return err
}
