package main

// Step 2: everybody hears everybody.

import (
	"context"
	"slices"

	"github.com/goaio/aio"
)

// room is a chat without names.
type room struct {
	members []*aio.StreamWriter // in the order of their arrival
}

// handle sends each line of a client to the others.
func (c *room) handle(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
	c.members = append(c.members, w)
	defer c.leave(w)
	for line, err := range r.Lines(ctx) {
		if err != nil {
			return err
		}
		for _, m := range c.members {
			if m != w {
				// the task of m notices that its client has gone
				_, _ = m.Write(line)
			}
		}
	}
	return nil
}

func (c *room) leave(w *aio.StreamWriter) {
	c.members = slices.DeleteFunc(c.members, func(m *aio.StreamWriter) bool { return m == w })
}
