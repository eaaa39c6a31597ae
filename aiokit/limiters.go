package aiokit

import (
	"container/list"
	"context"
	"reflect"
	"time"

	"github.com/goaio/aio"
)

// RateLimiter limits the rate of events: up to n events at once, and n events per
// period in the long run (a token bucket). Tasks proceed in the order of their calls.
// Make one with [NewRateLimiter]. (Python: aiolimiter.AsyncLimiter)
type RateLimiter struct {
	line   aio.Lock
	burst  float64
	per    float64 // nanoseconds for one token; less than 1 for high rates
	tokens float64
	at     time.Time // when tokens was computed; zero before the first use
}

// NewRateLimiter returns a limiter for n events per period. It panics if n or the period
// is not positive.
func NewRateLimiter(n int, period time.Duration) *RateLimiter {
	if n <= 0 || period <= 0 {
		panic(usagef("NewRateLimiter: %d events in %v", n, period))
	}
	return &RateLimiter{burst: float64(n), tokens: float64(n), per: float64(period) / float64(n)}
}

// refill adds the tokens for the time since the last call.
func (r *RateLimiter) refill(now time.Time) {
	if !r.at.IsZero() {
		// the clock of another loop may be behind
		r.tokens = min(r.burst, r.tokens+float64(max(0, now.Sub(r.at)))/r.per)
	}
	r.at = now
}

// Wait suspends the calling task until the event may happen; it does not suspend if the
// event may happen at once. If the task is cancelled, the event does not count. The
// error is a *aio.CancelledError or one of those of aio.Future.Await.
func (r *RateLimiter) Wait(ctx context.Context) error { return r.WaitN(ctx, 1) }

// WaitN is [RateLimiter.Wait] for n events together. An n that is negative or larger
// than the n of [NewRateLimiter] is misuse.
func (r *RateLimiter) WaitN(ctx context.Context, n int) error {
	if r.burst == 0 {
		return usagef("RateLimiter.WaitN: make a RateLimiter with NewRateLimiter")
	}
	if n < 0 || float64(n) > r.burst {
		return usagef("RateLimiter.WaitN: %d events, of at most %v at once", n, r.burst)
	}
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return err
	}
	return r.line.With(ctx, func(ctx context.Context) error {
		for {
			r.refill(loop.Time())
			missing := float64(n) - r.tokens
			if missing <= 1e-9 {
				// tokens may be less than n by a rounding error of the
				// division
				r.tokens -= float64(n)
				return nil
			}
			if err := aio.Sleep(ctx, max(1, time.Duration(missing*r.per))); err != nil {
				return err
			}
		}
	})
}

// Allow reports whether an event may happen now, and counts it if so. It never awaits,
// and returns false while tasks wait.
func (r *RateLimiter) Allow(ctx context.Context) bool {
	if r.burst == 0 {
		panic(usagef("RateLimiter.Allow: make a RateLimiter with NewRateLimiter"))
	}
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		panic(err)
	}
	if r.line.Locked() {
		return false
	}
	r.refill(loop.Time())
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}

// CapacityLimiter limits how many tasks do something concurrently. Unlike a semaphore
// it records which task has borrowed a place, and the number of places may change.
// Tasks get places in the order of their requests. Make one with [NewCapacityLimiter].
//
// When its loop is closed, another loop may use it, and all places are free.
// (trio, anyio: CapacityLimiter)
type CapacityLimiter struct {
	home      home
	total     int
	borrowers map[any]struct{}
	waiting   list.List             // of *borrowRequest
	waiter    map[any]*list.Element // the elements of waiting, by borrower
}

type borrowRequest struct {
	who     any
	granted *aio.Future[struct{}]
}

// NewCapacityLimiter returns a limiter with total places. It panics if that is negative.
func NewCapacityLimiter(total int) *CapacityLimiter {
	l := &CapacityLimiter{borrowers: map[any]struct{}{}, waiter: map[any]*list.Element{}}
	l.SetTotal(total)
	return l
}

// Acquire borrows a place for the calling task. See [CapacityLimiter.AcquireFor].
func (l *CapacityLimiter) Acquire(ctx context.Context) error {
	if err := entered(ctx); err != nil {
		return err
	}
	return l.AcquireFor(ctx, aio.CurrentTask(ctx))
}

// AcquireFor borrows a place for who, a comparable value, and suspends the calling task
// until there is a place.
//
// If the task is cancelled, it leaves the queue, and the place that it would have got
// goes to the next waiting request. A who that is nil or not comparable, that already
// has a place, or that waits for one, is misuse. The error may be one of those of
// aio.Future.Await.
//
// (trio: acquire_on_behalf_of)
func (l *CapacityLimiter) AcquireFor(ctx context.Context, who any) error {
	if err := entered(ctx); err != nil {
		return err
	}
	l.renew(ctx)
	if err := l.check(who); err != nil {
		return err
	}
	if l.waiting.Len() == 0 && len(l.borrowers) < l.total {
		l.borrowers[who] = struct{}{}
		return nil
	}
	r := &borrowRequest{who, aio.CreateFuture[struct{}](ctx)}
	at := l.waiting.PushBack(r)
	l.waiter[who] = at
	_, err := r.granted.Await(ctx)
	switch {
	case err == nil:
	case l.waiter[who] == at:
		l.take(at)
		l.grant()
	case !r.granted.Cancelled(): // granted at the moment of the cancellation
		l.release(who)
	}
	return err
}

// TryAcquire is [CapacityLimiter.Acquire] without waiting; it reports whether there was
// a place. It never awaits. It panics where Acquire returns misuse.
func (l *CapacityLimiter) TryAcquire(ctx context.Context) bool {
	me := aio.CurrentTask(ctx)
	if me == nil {
		panic(aio.ErrNoTask)
	}
	l.renew(ctx)
	if err := l.check(me); err != nil {
		panic(err)
	}
	if l.waiting.Len() > 0 || len(l.borrowers) >= l.total {
		return false
	}
	l.borrowers[me] = struct{}{}
	return true
}

// renew takes back the places that tasks of a closed loop held, and can no longer return.
func (l *CapacityLimiter) renew(ctx context.Context) {
	if l.home.moved(ctx) {
		clear(l.borrowers)
		clear(l.waiter)
		l.waiting.Init()
	}
}

func (l *CapacityLimiter) check(who any) error {
	switch {
	case l.borrowers == nil:
		return usagef("CapacityLimiter: make a CapacityLimiter with NewCapacityLimiter")
	case who == nil:
		return usagef("CapacityLimiter: the borrower is nil")
	case !reflect.ValueOf(who).Comparable():
		return usagef("CapacityLimiter: a borrower must be comparable, and a %T is not", who)
	}
	if _, has := l.borrowers[who]; has || l.waiter[who] != nil {
		return usagef("CapacityLimiter: %v has a place already, or waits for one", who)
	}
	return nil
}

// Release returns the place of the calling task. It never awaits, and panics if the
// task has none.
func (l *CapacityLimiter) Release(ctx context.Context) {
	me := aio.CurrentTask(ctx)
	if me == nil {
		panic(aio.ErrNoTask)
	}
	l.ReleaseFor(me)
}

// ReleaseFor returns the place of who. It panics if who has none.
func (l *CapacityLimiter) ReleaseFor(who any) {
	if who == nil || !reflect.ValueOf(who).Comparable() {
		panic(usagef("CapacityLimiter: a %T is no borrower", who))
	}
	if _, has := l.borrowers[who]; !has {
		panic(usagef("CapacityLimiter: %v has no place", who))
	}
	l.release(who)
}

func (l *CapacityLimiter) release(who any) {
	delete(l.borrowers, who)
	l.grant()
}

// grant gives free places to the waiting requests.
func (l *CapacityLimiter) grant() {
	for l.waiting.Len() > 0 && len(l.borrowers) < l.total {
		r := l.take(l.waiting.Front())
		// otherwise the request was cancelled
		if r.granted.SetResult(struct{}{}) == nil {
			l.borrowers[r.who] = struct{}{}
		}
	}
}

// take removes a waiting request.
func (l *CapacityLimiter) take(at *list.Element) *borrowRequest {
	r := l.waiting.Remove(at).(*borrowRequest)
	delete(l.waiter, r.who)
	return r
}

// With runs body with a place for the calling task. (trio: async with limiter)
func (l *CapacityLimiter) With(ctx context.Context, body func(ctx context.Context) error) error {
	if body == nil {
		return usagef("CapacityLimiter.With: the body is nil")
	}
	if err := l.Acquire(ctx); err != nil {
		return err
	}
	defer l.Release(ctx)
	return body(ctx)
}

// SetTotal changes the number of places. Borrowed places beyond the new total stay
// borrowed. It panics if total is negative. (trio: total_tokens)
func (l *CapacityLimiter) SetTotal(total int) {
	if total < 0 {
		panic(usagef("CapacityLimiter: %d places", total))
	}
	l.total = total
	l.grant()
}

// Total returns the number of places, Borrowed the number of borrowed ones, and Waiting
// the number of waiting requests.
func (l *CapacityLimiter) Total() int    { return l.total }
func (l *CapacityLimiter) Borrowed() int { return len(l.borrowers) }
func (l *CapacityLimiter) Waiting() int  { return l.waiting.Len() }
