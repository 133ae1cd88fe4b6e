//go:build weakened

package failover

// Weakened returns a configuration in which some guards are not in force: those that
// the campaign of faults (test/faults) calls so, which must notice. No release has it.
func (c Config) Weakened(name string) (_ Config, known bool) {
	named := map[string][]Guard{
		"timeout":      {GuardTimeout},
		"silence":      {GuardSilence},
		"isolation":    {GuardIsolation},
		"higher-epoch": {GuardHigherEpoch},
		"set-aside":    {GuardSetAside},
		// One of them alone is backed by the others.
		"return": {
			GuardReturnEpoch, GuardReturnTaken, GuardReturnWait, GuardReturnRival, GuardReturnTurn,
			GuardReturnNetwork, GuardReturnSilence, GuardReturnOwner, GuardReturnOwned,
		},
	}
	for _, guard := range named[name] {
		c.without = c.without.with(guard)
	}
	return c, len(named[name]) > 0
}
