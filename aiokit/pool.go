package aiokit

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/goaio/aio"
)

// PoolOptions say how a [Pool] makes and ends what it holds. Open is needed.
type PoolOptions[T any] struct {
	// Open makes a connection. It may await.
	Open func(ctx context.Context) (T, error)
	// Close ends one; nil does nothing. It is called in a shield, so it is not
	// cancelled; give it a limit.
	Close func(ctx context.Context, conn T) error
	// Check looks at a connection that was idle before it is given out; one for which
	// it returns an error is closed, and the next one is tried. nil takes all.
	Check func(ctx context.Context, conn T) error
	// Max is the number of connections at most; 0 is 10.
	Max int
	// MaxIdle is how many are kept while nobody uses them; 0 is Max.
	MaxIdle int
	// IdleTimeout is how long one is kept while nobody uses it; 0 means no limit. It
	// is applied when connections are taken and given back.
	IdleTimeout time.Duration
}

// ErrPoolClosed says that a [Pool] was closed.
var ErrPoolClosed = errors.New("aiokit: the pool is closed")

// Pool lends connections, or other things that are costly to make, to one task each. It
// makes them when they are needed, up to a number, and lends the one that was used
// last. Tasks that wait get one in the order in which they asked. Make one with
// [NewPool], and Close it in the end.
type Pool[T any] struct {
	opts   PoolOptions[T]
	places *aio.Semaphore
	idle   []idleConn[T] // the one used last at the end
	inUse  int
	closed bool
	empty  aio.Event // set by the last that is given back after Close
}

type idleConn[T any] struct {
	conn  T
	since time.Time
}

// NewPool returns an empty pool. It panics if Open is nil or a number is negative.
func NewPool[T any](opts PoolOptions[T]) *Pool[T] {
	if opts.Open == nil || opts.Max < 0 || opts.MaxIdle < 0 || opts.IdleTimeout < 0 {
		panic(usagef("NewPool: Open is needed, and no negative number"))
	}
	if opts.Max == 0 {
		opts.Max = 10
	}
	if opts.MaxIdle == 0 {
		opts.MaxIdle = opts.Max
	}
	return &Pool[T]{opts: opts, places: aio.NewSemaphore(opts.Max)}
}

// With runs body with a connection, and suspends the calling task until there is one.
// If body returns nil, the connection is kept; after an error or a panic its state is
// not known, so it is closed, unless the error is marked with [Keep]. The error is that
// of body or Open, with that of Close joined, a *aio.CancelledError, or
// [ErrPoolClosed].
func (p *Pool[T]) With(ctx context.Context, body func(ctx context.Context, conn T) error) (err error) {
	if body == nil {
		return usagef("Pool.With: the body is nil")
	}
	conn, err := p.Acquire(ctx)
	if err != nil {
		return err
	}
	keep := false
	defer func() {
		if e := p.Release(ctx, conn, keep); e != nil {
			err = join(err, e)
		}
	}()
	err = body(ctx, conn)
	var kept *keptError
	if errors.As(err, &kept) {
		keep, err = true, kept.err
	} else {
		keep = err == nil
	}
	return err
}

// keptError marks an error after which a connection is still good.
type keptError struct{ err error }

func (e *keptError) Error() string { return e.err.Error() }
func (e *keptError) Unwrap() error { return e.err }

// Keep marks an error of the body of [Pool.With] after which the connection is still
// good, as "no such row". With returns the error itself. Keep of nil is nil.
func Keep(err error) error {
	if err == nil {
		return nil
	}
	return &keptError{err}
}

// Acquire lends a connection, which has to be given back by Release. With does both.
func (p *Pool[T]) Acquire(ctx context.Context) (conn T, err error) {
	if p.closed {
		return conn, ErrPoolClosed
	}
	if err := p.places.Acquire(ctx); err != nil {
		return conn, err
	}
	taken := false
	p.inUse++
	defer func() {
		if !taken {
			p.leave()
		}
	}()
	if p.closed {
		return conn, ErrPoolClosed
	}
	if err := p.expire(ctx); err != nil {
		return conn, err
	}
	for len(p.idle) > 0 {
		last := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if p.opts.Check == nil {
			taken = true
			return last.conn, nil
		}
		good := false
		err := func() error {
			defer func() {
				if !good {
					// it is of no use any more
					_ = p.end(ctx, last.conn)
				}
			}()
			err := p.opts.Check(ctx, last.conn)
			good = err == nil
			return err
		}()
		if good {
			taken = true
			return last.conn, nil
		}
		if final(ctx, err) {
			return conn, err
		}
	}
	conn, err = p.opts.Open(ctx)
	taken = err == nil
	return conn, err
}

// Release gives back a connection. With keep false it is closed, as it is if the pool is
// closed or full; the error is that of closing it. It may await for that, and is not
// cancelled meanwhile. Giving back more than was lent is misuse.
func (p *Pool[T]) Release(ctx context.Context, conn T, keep bool) (err error) {
	if p.inUse == 0 {
		return usagef("Pool.Release: nothing is lent")
	}
	defer p.leave()
	if keep && !p.closed && len(p.idle) < p.opts.MaxIdle {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		p.idle = append(p.idle, idleConn[T]{conn, loop.Time()})
		return p.expire(ctx)
	}
	return p.end(ctx, conn)
}

// leave makes a place free.
func (p *Pool[T]) leave() {
	p.inUse--
	p.places.Release()
	if p.closed && p.inUse == 0 {
		p.empty.Set()
	}
}

// expire closes what nobody has used for too long.
func (p *Pool[T]) expire(ctx context.Context) (err error) {
	if p.opts.IdleTimeout == 0 {
		return nil
	}
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return err
	}
	for len(p.idle) > 0 && loop.Time().Sub(p.idle[0].since) >= p.opts.IdleTimeout {
		conn := p.idle[0].conn
		p.idle = slices.Delete(p.idle, 0, 1)
		err = errors.Join(err, p.end(ctx, conn))
	}
	return err
}

func (p *Pool[T]) end(ctx context.Context, conn T) error {
	if p.opts.Close == nil {
		return nil
	}
	return aio.Shielded(ctx, func(ctx context.Context) error { return p.opts.Close(ctx, conn) })
}

// Close closes the connections that are idle, and waits until those that are lent were
// given back, which closes them. Tasks that wait for one get [ErrPoolClosed], as does
// every later Acquire. If Close is cancelled while it waits, the pool is closed
// nevertheless.
func (p *Pool[T]) Close(ctx context.Context) error {
	p.closed = true
	var errs error
	for len(p.idle) > 0 {
		conn := p.idle[len(p.idle)-1].conn
		p.idle = p.idle[:len(p.idle)-1]
		errs = errors.Join(errs, p.end(ctx, conn))
	}
	if p.inUse > 0 {
		errs = errors.Join(errs, p.empty.Wait(ctx))
	}
	return errs
}

// Idle returns how many connections are idle, InUse how many are lent or being made.
func (p *Pool[T]) Idle() int  { return len(p.idle) }
func (p *Pool[T]) InUse() int { return p.inUse }
