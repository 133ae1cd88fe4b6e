package inforce

import (
	"sync/atomic"

	"baton/internal/pair"
)

// Security are the security options in force, for every request to look at. Its methods
// are safe for use by several goroutines.
type Security struct{ now atomic.Pointer[pair.Security] }

// NewSecurity returns the defaults.
func NewSecurity() *Security {
	s := &Security{}
	s.Set(pair.DefaultSecurity())
	return s
}

// Get returns the options in force.
func (s *Security) Get() pair.Security { return *s.now.Load() }

// Set brings options into force.
func (s *Security) Set(options pair.Security) { s.now.Store(&options) }
