package signin

import (
	"context"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"baton/internal/api"
	"baton/internal/guesses"
	"baton/internal/pair"
)

// Bounds of failed sign-ins: a burst, then one at an interval.
const (
	wrongPasswords = 10
	passwordEvery  = 6 * time.Second
	// An account bears more than one source may do, so that one stranger does not
	// keep its owner out.
	wrongOfAccount = 50
	accountEvery   = 2 * time.Second
	// Six digits, of which three numbers are right at a time: at one guess a minute
	// one in 230 finds a right one within a day, who has to know the password, too;
	// as many from each source where the account was entered before.
	wrongCodes = 5
	codeEvery  = time.Minute

	failuresNoted = 20 // in a row; then one an hour each failuresEvery
	failuresEvery = time.Minute
	maxTrusted    = 1024 // pairs of account and source
	maxAccount    = 64   // bytes of what was typed as a name; none that exists is longer
)

// gate slows down people who guess passwords and codes, by where they come from and by
// the account that they try. If somebody has signed in from a source before, what others do
// to that account does not hold that source up.
type gate struct {
	sources  *guesses.Counter[netip.Prefix]
	accounts *guesses.Counter[string]
	codes    *guesses.Counter[string]
	now      func() time.Time

	mu      sync.Mutex
	trusted map[trust]bool
	noting  *rate.Limiter // of failures in the history
	untold  int           // failures that were not noted
}

type trust struct {
	account string
	source  netip.Prefix
}

// newGate returns one that has seen nobody; now tells the time.
func newGate(now func() time.Time) *gate {
	return &gate{
		sources:  guesses.New[netip.Prefix](wrongPasswords, passwordEvery, now),
		accounts: guesses.New[string](wrongOfAccount, accountEvery, now),
		codes:    guesses.New[string](wrongCodes, codeEvery, now),
		now:      now,
		trusted:  map[trust]bool{},
		noting:   rate.NewLimiter(rate.Every(failuresEvery), failuresNoted),
	}
}

// begin refuses a source that has guessed too often, and a stranger to an account at which
// too many guesses were made; tries that still run count, too. The account need not exist.
// A caller who may try calls end once the result is known.
func (g *gate) begin(account string, source netip.Prefix) (end func(), err error) {
	account = short(account)
	if !g.sources.Allowed(source) {
		return nil, tooMany()
	}
	end, allowed := g.accounts.Begin(account)
	if !allowed && !g.trusts(account, source) {
		return nil, tooMany()
	}
	if !allowed {
		end = func() {}
	}
	return end, nil
}

// beginCode is begin for a one-time code of an account whose password was right. The tries
// of a source from which somebody has signed in before are counted apart: a stranger who
// has the password but not the code does not keep the owner out there.
func (g *gate) beginCode(account string, source netip.Prefix) (failed, end func(), err error) {
	key := account
	if g.trusts(account, source) {
		key += " at " + source.String() // no account has a space in its name
	}
	end, allowed := g.codes.Begin(key)
	if !allowed {
		return nil, nil, tooMany()
	}
	return func() { g.codes.Failed(key) }, end, nil
}

// short is the part of a name that is remembered: a stranger may have typed it, and it may
// be a megabyte long.
func short(account string) string { return strings.Clone(account[:min(len(account), maxAccount)]) }

func tooMany() error {
	return pair.Refuse(pair.TooMany, "too many failed sign-ins: wait a minute, then try again")
}

func (g *gate) trusts(account string, source netip.Prefix) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.trusted[trust{account, source}]
}

func (g *gate) wrong(account string, source netip.Prefix) {
	g.sources.Failed(source)
	g.accounts.Failed(short(account))
}

func (g *gate) right(account string, source netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for known := range g.trusted {
		if len(g.trusted) < maxTrusted {
			break
		}
		delete(g.trusted, known) // any: it is trusted again with its next sign-in
	}
	g.trusted[trust{account, source}] = true
}

// forget trusts no source with an account any more: its password or codes have changed,
// perhaps because somebody else knew them.
func (g *gate) forget(account string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.DeleteFunc(g.trusted, func(known trust, _ bool) bool { return known.account == account })
}

// note says whether a failure is for the history, and how many before it were not.
// A flood of them must not fill it.
func (g *gate) note() (untold int, noted bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.noting.AllowN(g.now(), 1) {
		g.untold++
		return 0, false
	}
	untold, g.untold = g.untold, 0
	return untold, true
}

// from is the address that somebody asks from.
func from(ctx context.Context) string {
	caller, _ := api.CallerFrom(ctx)
	return caller.From
}

// source is what counts as one of them.
func source(ctx context.Context) netip.Prefix {
	address, err := netip.ParseAddr(from(ctx))
	if err != nil {
		return netip.Prefix{}
	}
	return guesses.SourceOf(address)
}
