// Fails: TestError, its connection is still open.

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
	return p.places.With(ctx, func(ctx context.Context) error {
		var c *Conn
		if n := len(p.idle); n > 0 {
			c, p.idle = p.idle[n-1], p.idle[:n-1]
		} else if c, err = p.Server.Dial(ctx); err != nil {
			return err
		}
		defer func() { p.idle = append(p.idle, c) }()
		return body(ctx, c)
	})
}
