package aiokit

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/goaio/aio"
)

// PoolOptions are the settings of a [Pool]. Open is required.
type PoolOptions[T any] struct {
	// Open opens a connection. It may await.
	Open func(ctx context.Context) (T, error)
	// Close closes a connection; nil means nothing to do. It runs shielded, so it
	// cannot be cancelled; give it a timeout.
	Close func(ctx context.Context, conn T) error
	// Check checks an idle connection before it is lent. If it returns an error,
	// the connection is closed and the next one is tried. nil means no check.
	Check func(ctx context.Context, conn T) error
	// Max is the maximum number of connections; 0 means 10.
	Max int
	// MaxIdle is the maximum number of idle connections that are kept; 0 means Max.
	MaxIdle int
	// IdleTimeout is how long an idle connection is kept; 0 means no limit. It is
	// checked when connections are lent and returned.
	IdleTimeout time.Duration
}

// ErrPoolClosed reports that a [Pool] was closed.
var ErrPoolClosed = errors.New("aiokit: the pool is closed")

// Pool lends connections, or other objects that are expensive to make, each to one task
// at a time. It opens them on demand, up to Max, and lends the most recently used one
// first. Waiting tasks get a connection in the order of their calls. Make one with
// [NewPool], and Close it when it is no longer needed.
//
// When its loop is closed, another loop may use it. The connections that were lent then
// are forgotten; the idle ones are kept: if they depend on that loop, Check must reject
// them.
type Pool[T any] struct {
	home   home
	opts   PoolOptions[T]
	places *aio.Semaphore
	idle   []idleConn[T] // the most recently used last
	inUse  int
	closed bool
	empty  aio.Event // set when the last connection is returned after Close
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
// If body returns nil, the connection is kept. After an error or a panic its state is
// unknown, so it is closed, unless the error is marked with [Keep]. The error is that
// of body or Open, joined with that of Close, a *aio.CancelledError, or
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
	keep = err == nil || kept(err)
	if k, ok := err.(*keptError); ok {
		err = k.err
	}
	return err
}

// kept reports whether err is marked with [Keep]. If errors are joined, all of them must
// be marked.
func kept(err error) bool {
	switch e := err.(type) {
	case *keptError:
		return true
	case interface{ Unwrap() error }:
		return kept(e.Unwrap())
	case interface{ Unwrap() []error }:
		parts := e.Unwrap()
		return len(parts) > 0 && !slices.ContainsFunc(parts, func(part error) bool { return !kept(part) })
	}
	return false
}

// keptError marks an error after which a connection is still usable.
type keptError struct{ err error }

func (e *keptError) Error() string { return e.err.Error() }
func (e *keptError) Unwrap() error { return e.err }

// Keep marks an error of the body of [Pool.With] after which the connection is still
// usable, such as "no such row". With returns the unmarked error. The body may wrap the
// marked error; of joined errors all have to be marked. Keep(nil) is nil.
func Keep(err error) error {
	if err == nil {
		return nil
	}
	return &keptError{err}
}

// renew forgets the connections that tasks of a closed loop had: they will not be
// returned. The semaphore does so on its own.
func (p *Pool[T]) renew(ctx context.Context) {
	if p.home.moved(ctx) {
		p.inUse = 0
	}
}

// Acquire lends a connection, which must be returned with [Pool.Release]. [Pool.With]
// does both.
func (p *Pool[T]) Acquire(ctx context.Context) (conn T, err error) {
	if p.places == nil {
		return conn, usagef("Pool.Acquire: make a Pool with NewPool")
	}
	if err := entered(ctx); err != nil {
		return conn, err
	}
	p.renew(ctx)
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
					// the connection is unusable
					_ = p.end(ctx, last.conn) //aiovet:ok Check has the error
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

// Release returns a connection. If keep is false, the pool is closed or enough
// connections are idle, Release closes the connection and returns the error of closing
// it. It may await for that, and is not cancelled in the meantime. Returning more
// connections than were lent is misuse.
func (p *Pool[T]) Release(ctx context.Context, conn T, keep bool) (err error) {
	if err := entered(ctx); err != nil {
		return err
	}
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

// leave frees a slot.
func (p *Pool[T]) leave() {
	p.inUse--
	p.places.Release()
	if p.closed && p.inUse == 0 {
		p.empty.Set()
	}
}

// expire closes connections that have been idle for too long.
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

// Close closes the idle connections, and waits until the lent ones are returned, which
// closes them. Tasks that wait for a connection get [ErrPoolClosed], as does every
// later [Pool.Acquire]. If Close is cancelled while it waits, the pool is closed
// nevertheless.
func (p *Pool[T]) Close(ctx context.Context) error {
	if err := entered(ctx); err != nil {
		return err
	}
	p.renew(ctx)
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

// Idle returns the number of idle connections, InUse the number that are lent or being
// opened.
func (p *Pool[T]) Idle() int  { return len(p.idle) }
func (p *Pool[T]) InUse() int { return p.inUse }
