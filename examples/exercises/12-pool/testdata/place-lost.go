// Fails: TestManyCancelledEverywhere, none is left that could wake them.

package exercise

import (
	"context"

	"github.com/goaio/aio"
)

type Pool struct {
	Server *Server
	Size   int

	places *aio.Semaphore
	idle   []*Conn
}

func (p *Pool) With(ctx context.Context, body func(ctx context.Context, c *Conn) error) (err error) {
	if p.places == nil {
		p.places = aio.NewSemaphore(p.Size)
	}
	if err := p.places.Acquire(ctx); err != nil {
		return err
	}
	var c *Conn
	if n := len(p.idle); n > 0 {
		c, p.idle = p.idle[n-1], p.idle[:n-1]
	} else if c, err = p.Server.Dial(ctx); err != nil {
		return err
	}
	defer p.places.Release()
	if err := body(ctx, c); err != nil {
		c.Close()
		return err
	}
	p.idle = append(p.idle, c)
	return nil
}
