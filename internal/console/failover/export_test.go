package failover

import "baton/internal/pair"

// ConfigKeys are the settings of the page, in its order.
func ConfigKeys() []string { return configKeys() }

// FieldText renders a setting as its field shows it.
func FieldText(s pair.Settings, key string) string { return fieldText(s, key) }
