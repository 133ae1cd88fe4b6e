package page

import (
	"sync"

	"baton/internal/pair"
)

// followers bounds the pages that follow at a time, so that no user can take the
// places of all.
type followers struct {
	mu   sync.Mutex
	all  int
	each map[string]int // by user
}

// enter takes a place, which leave gives back.
func (f *followers) enter(user string) (leave func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.all >= maxFollowers:
		return nil, pair.Refuse(pair.Refused, "%d pages follow this appliance already: close some", maxFollowers)
	case f.each[user] >= maxEach:
		return nil, pair.Refuse(pair.Refused, "%d pages of yours follow this appliance already: close some", maxEach)
	}
	f.all++
	f.each[user]++
	return func() { f.left(user) }, nil
}

func (f *followers) left(user string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all--
	if f.each[user]--; f.each[user] == 0 {
		delete(f.each, user)
	}
}
