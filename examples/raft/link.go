package main

import (
	"context"
	"errors"
	"time"

	"github.com/goaio/aio"
)

// link sends messages to a peer over a connection, which it reconnects. Messages may be
// lost: Raft repeats the important ones.
type link struct {
	addr  string
	queue *aio.Queue[Message]
}

// maxQueued is the number of messages that can wait for a connection.
const maxQueued = 16

func newLink(addr string) *link { return &link{addr, aio.NewQueue[Message](maxQueued)} }

// send queues m. If the queue is full, the oldest message is dropped.
func (l *link) send(m Message) {
	if l.queue.Full() {
		_, _ = l.queue.GetNowait() // does not fail: the queue is full
	}
	_ = l.queue.PutNowait(m) // does not fail: there is room
}

// run keeps the connection to the peer open.
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
	// The peer sends nothing, so a read returns at EOF or after an error.
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
		// If the peer reads nothing for a second, reconnect.
		if err := aio.Timeout(ctx, time.Second, w.Drain); err != nil {
			w.Transport().Abort()
			return err
		}
	}
}
