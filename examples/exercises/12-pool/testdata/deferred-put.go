// Fails: TestCancelledEverywhere, none is left that could wake them.

package exercise

import (
	"context"

	"github.com/goaio/aio"
)

type Pool struct {
	Server *Server
	Size   int

	open    int
	idle    []*Conn
	waiting []*aio.Future[*Conn]
}

func (p *Pool) With(ctx context.Context, body func(ctx context.Context, c *Conn) error) (err error) {
	c, err := p.get(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.Close()
			p.open--
			return
		}
		p.put(c)
	}()
	return body(ctx, c)
}

func (p *Pool) get(ctx context.Context) (*Conn, error) {
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return c, nil
	}
	if p.open < p.Size {
		p.open++
		c, err := p.Server.Dial(ctx)
		if err != nil {
			p.open--
		}
		return c, err
	}
	f := aio.CreateFuture[*Conn](ctx)
	p.waiting = append(p.waiting, f)
	return f.Await(ctx)
}

func (p *Pool) put(c *Conn) {
	for len(p.waiting) > 0 {
		f := p.waiting[0]
		p.waiting = p.waiting[1:]
		if f.SetResult(c) == nil {
			return
		}
	}
	p.idle = append(p.idle, c)
}
