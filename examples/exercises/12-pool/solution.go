//go:build solution

package exercise

import (
	"context"

	"github.com/goaio/aio"
)

// Pool lends up to Size connections of a server. A semaphore counts the places; a task
// that has one may use an idle connection, or open one. A deferred call gives the place
// back, so it is never lost. The connections need no count of their own: one that is in
// use belongs to the task that has a place.
type Pool struct {
	Server *Server
	Size   int

	places *aio.Semaphore
	idle   []*Conn // connections that no task uses; never more than free places
}

// With lends a connection to body.
func (p *Pool) With(ctx context.Context, body func(ctx context.Context, c *Conn) error) (err error) {
	if p.places == nil {
		p.places = aio.NewSemaphore(p.Size)
	}
	if err := p.places.Acquire(ctx); err != nil {
		return err
	}
	defer p.places.Release()
	var c *Conn
	if n := len(p.idle); n > 0 {
		c, p.idle = p.idle[n-1], p.idle[:n-1]
	} else if c, err = p.Server.Dial(ctx); err != nil {
		return err
	}
	good := false
	defer func() {
		if good {
			p.idle = append(p.idle, c)
		} else {
			c.Close() // after an error or a panic its state is unknown
		}
	}()
	err = body(ctx, c)
	good = err == nil
	return err
}
