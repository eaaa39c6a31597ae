package main

import (
	"context"
	"errors"
	"time"

	"github.com/goaio/aio"
)

// link is the way to a peer: a connection, when there is one. Messages may be lost, as
// Raft repeats what matters.
type link struct {
	addr  string
	queue *aio.Queue[Message]
}

// maxQueued is how many messages wait for a connection.
const maxQueued = 16

func newLink(addr string) *link { return &link{addr, aio.NewQueue[Message](maxQueued)} }

// send queues m. When there is no room the oldest message is dropped.
func (l *link) send(m Message) {
	if l.queue.Full() {
		_, _ = l.queue.GetNowait() // it is full
	}
	_ = l.queue.PutNowait(m) // there is room
}

// run keeps a connection to the peer.
func (l *link) run(ctx context.Context) error {
	for {
		err := l.connected(ctx)
		if errors.Is(err, aio.ErrCancelled) || errors.Is(err, aio.ErrLoopClosed) {
			return err
		}
		if err := aio.Sleep(ctx, heartbeat); err != nil {
			return err
		}
	}
}

// connected connects, and sends messages until the connection is lost.
func (l *link) connected(ctx context.Context) error {
	var r *aio.StreamReader
	var w *aio.StreamWriter
	err := aio.Timeout(ctx, time.Second, func(ctx context.Context) (err error) {
		r, w, err = aio.OpenConnection(ctx, l.addr, nil)
		return err
	})
	if err != nil {
		return err
	}
	defer w.Close()
	// The peer sends nothing: what can be read is the end.
	end := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		_, err := r.Read(ctx, 1)
		w.Transport().Abort()
		return err
	}))
	defer end.Cancel()
	for {
		m, err := l.queue.Get(ctx)
		if err != nil {
			return err
		}
		if err := writeMessage(w, m); err != nil {
			return err
		}
		// A peer that takes nothing for a second has to connect anew.
		if err := aio.Timeout(ctx, time.Second, w.Drain); err != nil {
			w.Transport().Abort()
			return err
		}
	}
}
