package app

import (
	"strings"
	"testing"
)

func TestHealthWithoutASharedIP(t *testing.T) {
	t.Parallel()
	a := runningAppliance(t)
	waitFor(t, "it says that only its own address leads to its site", func() bool {
		health := a.tested().Health(t.Context())
		return health.Serving && strings.Contains(health.Text, "no shared IP is enabled on it")
	})
}
