package console

import (
	"context"
	"sync"
	"time"
)

// shared is something that all who watch read again and again: one reading
// serves everybody for a moment.
type shared[T any] struct {
	read func(context.Context) (T, error)

	mu    sync.Mutex
	taken time.Time
	value T
}

// sharedFor is how old a reading may be.
const sharedFor = 700 * time.Millisecond

func (s *shared[T]) get(ctx context.Context) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.taken) < sharedFor {
		return s.value, nil
	}
	value, err := s.read(ctx)
	if err != nil {
		return value, err
	}
	s.value, s.taken = value, time.Now()
	return value, nil
}
