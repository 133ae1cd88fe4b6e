package page

import (
	"sync"

	"baton/internal/pair"
)

// followers bounds how many pages follow at a time, so that no user can take all places.
type followers struct {
	mu   sync.Mutex
	all  int
	each map[string]int // by user
}

// enter takes a place; the function that it returns gives it back.
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
	return func() { f.leave(user) }, nil
}

func (f *followers) leave(user string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all--
	if f.each[user]--; f.each[user] == 0 {
		delete(f.each, user)
	}
}
