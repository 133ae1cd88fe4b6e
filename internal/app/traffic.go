package app

import (
	"context"
	"errors"
)

// endTraffic takes the traffic lease's rules away, unless an address that could not
// be taken off is still to be kept silent.
func (a *Appliance) endTraffic() error {
	held, err := a.host.Held(context.Background())
	if err != nil || len(held) > 0 {
		return errors.Join(err, a.traffic.Leave())
	}
	return a.traffic.Remove()
}
