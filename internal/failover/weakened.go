//go:build weakened

package failover

// Without returns a configuration in which a guard is not in force. No release
// has it: it is for the campaign of faults (test/faults), which must notice.
func (c Config) Without(g Guard) Config {
	c.without = g
	return c
}

// GuardNamed returns the guard that the campaign calls so.
func GuardNamed(name string) (Guard, bool) {
	named := map[string]Guard{
		"timeout":        GuardTimeout,
		"silence":        GuardSilence,
		"isolation":      GuardIsolation,
		"higher-epoch":   GuardHigherEpoch,
		"set-aside":      GuardSetAside,
		"return-epoch":   GuardReturnEpoch,
		"return-taken":   GuardReturnTaken,
		"return-wait":    GuardReturnWait,
		"return-network": GuardReturnNetwork,
		"return-silence": GuardReturnSilence,
		"return-owner":   GuardReturnOwner,
		"return-owned":   GuardReturnOwned,
	}
	guard, known := named[name]
	return guard, known
}
