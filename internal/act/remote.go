package act

import (
	"errors"

	"baton/internal/failover"
	"baton/internal/peer"
)

// Remote gives the decision's no a form that travels.
func Remote(err error) error {
	if _, ok := errors.AsType[failover.Reason](err); ok {
		return &peer.RemoteError{Code: "refused", Text: err.Error()}
	}
	return err
}
