package lockheld

import (
	"context"
	"sync"

	"github.com/goaio/aio"
)

type store struct {
	mu   sync.Mutex
	rw   sync.RWMutex
	lock aio.Lock
	data map[string]int
	q    *aio.Queue[int]
}

func (s *store) flush(ctx context.Context) error { return s.q.Put(ctx, len(s.data)) }

func (s *store) wrong(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flush(ctx) // want `s.flush awaits while s.mu is locked`
}

func (s *store) wrongBetween(ctx context.Context) error {
	s.rw.RLock()
	err := aio.Sleep(ctx, 1) // want `aio.Sleep awaits while s.rw is locked`
	s.rw.RUnlock()
	return err
}

func (s *store) wrongBranch(ctx context.Context, all bool) error {
	s.mu.Lock()
	if all {
		if err := s.flush(ctx); err != nil { // want `s.flush awaits while s.mu is locked`
			return err
		}
	}
	s.mu.Unlock()
	return nil
}

func (s *store) wrongLoop(ctx context.Context) {
	for range 3 {
		s.mu.Lock()
		_, _ = s.q.Get(ctx) // want `s.q.Get awaits while s.mu is locked`
		s.mu.Unlock()
	}
}

func wrongGlobal(ctx context.Context, w *aio.StreamWriter) error {
	global.Lock()
	defer global.Unlock()
	if w == nil {
		return nil
	}
	return w.Drain(ctx) // want `w.Drain awaits while global is locked`
}

var global sync.Mutex

func (s *store) rightUnlocked(ctx context.Context) error {
	s.mu.Lock()
	s.data["a"]++
	s.mu.Unlock()
	return s.flush(ctx)
}

func (s *store) rightAioLock(ctx context.Context) error {
	return s.lock.With(ctx, func(ctx context.Context) error { return s.flush(ctx) })
}

func (s *store) rightShort() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.data)
}

func (s *store) rightBranch(ctx context.Context) error {
	s.mu.Lock()
	if len(s.data) == 0 {
		s.mu.Unlock()
		return s.flush(ctx)
	}
	s.mu.Unlock()
	return nil
}

func (s *store) rightTask(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return s.flush(ctx) }))
}

func (s *store) wrongTried(ctx context.Context) {
	if s.mu.TryLock() {
		_ = s.flush(ctx) // want `s.flush awaits while s.mu is locked`
		s.mu.Unlock()
	}
}

func wrongLocker(ctx context.Context, l sync.Locker) {
	l.Lock()
	_ = aio.Sleep(ctx, 1) // want `aio.Sleep awaits while l is locked`
	l.Unlock()
}

func (s *store) rightBranches(ctx context.Context) error {
	s.mu.Lock()
	if len(s.data) == 0 {
		s.data["a"] = 1
		s.mu.Unlock()
	} else {
		s.mu.Unlock()
	}
	return s.flush(ctx)
}

func (s *store) rightTried(ctx context.Context) error {
	if s.mu.TryLock() {
		s.data["a"] = 1
		s.mu.Unlock()
	}
	return s.flush(ctx)
}
