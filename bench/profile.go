package main

import (
	"time"

	"baton/internal/pair"
)

// profile is how quickly the programs are set to notice a death.
type profile struct {
	timeout time.Duration // Baton's primary_timeout
	advert  time.Duration // keepalived's advert_int; the backup waits for three and a little
}

// fast is the smallest timeout that Baton allows, and what keepalived is tuned to for the same.
func fast() profile { return profile{timeout: pair.MinTimeout, advert: 50 * time.Millisecond} }

// usual is what each does unless told otherwise.
func usual() profile { return profile{timeout: pair.LeasedTimeout, advert: time.Second} }

func (p profile) advertText() string  { return "keepalived, advert_int " + p.advert.String() }
func (p profile) timeoutText() string { return "Baton, primary_timeout " + p.timeout.String() }
