package config

import _ "embed" // the sample is a file, so that the packages ship the same bytes

//go:embed sample.toml
var sample string

// Sample returns a configuration file with every key explained and the defaults
// written out; it is valid as it stands.
func Sample() string { return sample }
