package failover

// Without returns a configuration in which a guard is not in force.
func (c Config) Without(g Guard) Config {
	c.without = c.without.with(g)
	return c
}
