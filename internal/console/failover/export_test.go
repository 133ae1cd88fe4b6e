package failover

import "baton/internal/pair"

// ConfigKeys are the settings of the page, in its order.
func ConfigKeys() []string { return configKeys() }

// Typed renders a setting as its field shows it.
func Typed(s pair.Settings, key string) string { return typed(s, key) }
