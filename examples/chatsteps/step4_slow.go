package main

// Step 4: a client that reads too slowly costs the others nothing.

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/goaio/aio"
)

// maxUnsent is the number of lines that may wait for a client.
const maxUnsent = 100

// member is a client with a name. What it is to be sent waits in its queue.
type member struct {
	name string
	w    *aio.StreamWriter
	out  *aio.Queue[string]
}

// hall is a chat. It belongs to one loop, so its fields need no lock.
type hall struct {
	taken   names
	members []*member // in the order of their arrival
}

func newHall() *hall { return &hall{taken: names{}} }

// handle serves one client.
func (h *hall) handle(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
	name, err := h.taken.ask(ctx, r, w)
	if err != nil {
		return ignoreGone(err)
	}
	defer delete(h.taken, name)
	m := &member{name, w, aio.NewQueue[string](maxUnsent)}
	h.members = append(h.members, m)
	h.say(nil, "* "+name+" has joined")
	defer h.say(nil, "* "+name+" has left")
	defer h.leave(m)
	return ignoreGone(aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		send := tg.Go(m.send)
		defer send.Cancel() // a client that has left is sent nothing
		for line, err := range r.Lines(ctx) {
			if err != nil {
				return err
			}
			h.say(m, name+": "+string(line[:len(line)-1]))
		}
		return nil
	}))
}

// say puts a line into the queue of each member but one. It does not wait: a member whose
// queue is full reads too slowly, and is disconnected.
func (h *hall) say(but *member, line string) {
	for _, m := range h.members {
		if m != but && errors.Is(m.out.PutNowait(line), aio.ErrQueueFull) {
			m.w.Transport().Abort()
		}
	}
}

// send sends the lines of the queue, as fast as the client reads them.
func (m *member) send(ctx context.Context) error {
	for line, err := range m.out.All(ctx) {
		if err != nil {
			return err
		}
		fmt.Fprintln(m.w, line)
		if err := m.w.Drain(ctx); err != nil {
			return err
		}
	}
	m.w.Close() // the queue was shut down
	return nil
}

func (h *hall) leave(m *member) {
	h.members = slices.DeleteFunc(h.members, func(other *member) bool { return other == m })
}

// ignoreGone returns nil if a client has left, and err otherwise.
func ignoreGone(err error) error {
	if isGone(err) {
		return nil
	}
	return err
}
