//go:build !solution

package exercise

import (
	"context"

	"github.com/goaio/aio"
)

// Pool lends up to Size connections of a server.
type Pool struct {
	Server *Server
	Size   int

	open    int                  // connections that are open or being dialled
	idle    []*Conn              // connections that no task uses
	waiting []*aio.Future[*Conn] // tasks that wait for a connection
}

// With lends a connection to body.
func (p *Pool) With(ctx context.Context, body func(ctx context.Context, c *Conn) error) error {
	// TODO: make it survive a cancellation at each await.
	c, err := p.get(ctx)
	if err != nil {
		return err
	}
	err = body(ctx, c)
	p.put(c)
	return err
}

func (p *Pool) get(ctx context.Context) (*Conn, error) {
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return c, nil
	}
	if p.open < p.Size {
		p.open++
		return p.Server.Dial(ctx)
	}
	f := aio.CreateFuture[*Conn](ctx)
	p.waiting = append(p.waiting, f)
	return f.Await(ctx)
}

func (p *Pool) put(c *Conn) {
	if len(p.waiting) > 0 {
		f := p.waiting[0]
		p.waiting = p.waiting[1:]
		if err := f.SetResult(c); err != nil {
			panic(err)
		}
		return
	}
	p.idle = append(p.idle, c)
}
