//go:build weakened

package app

import (
	"fmt"
	"os"

	"baton/internal/failover"
)

// weaken takes the guards out of the decision that BATON_WITHOUT names, so that the
// campaign of faults (test/faults) can show that it notices. No release is built so.
func weaken(c failover.Config) failover.Config {
	name := os.Getenv("BATON_WITHOUT")
	if name == "" {
		return c
	}
	c, known := c.Weakened(name)
	if !known {
		panic(fmt.Sprintf("BATON_WITHOUT names no guard: %q", name))
	}
	return c
}
