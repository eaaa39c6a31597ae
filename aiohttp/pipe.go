package aiohttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/goaio/aio"
)

// Pipe returns the two ends of a pipe from a task of ctx's loop to another goroutine,
// for the body of a request that a task writes while it is being sent. The pipe has no
// buffer: a Write suspends the task until the other end has read all of it, so the task
// is never ahead of the server. Pipe never awaits.
//
//	body, w := aiohttp.Pipe(ctx)
//	tg.Go(func(ctx context.Context) error {
//		return w.CloseWithError(export(ctx, w))
//	})
//	resp, err := client.Post(ctx, url, "text/csv", body)
//
// Write has no context parameter, like that of [io.PipeWriter]. It ends when its task
// is cancelled, or when an end of the pipe is closed, but not when a context that the
// task derived is done. To end it with such a context:
//
//	defer context.AfterFunc(ctx, func() { w.CloseWithError(context.Cause(ctx)) })()
//
// It panics with an error that matches aio.ErrNoRunningLoop if ctx belongs to no loop.
func Pipe(ctx context.Context) (*PipeReader, *PipeWriter) {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		panic(fmt.Errorf("aiohttp: Pipe: %w", err))
	}
	p := &pipe{loop: loop}
	p.more.L = &p.mu
	return &PipeReader{p}, &PipeWriter{p: p}
}

// pipe is the shared state of the two ends. The task waits for it with events of the
// loop.
type pipe struct {
	loop  *aio.Loop
	taken aio.Event // set when data is nil

	mu     sync.Mutex
	more   sync.Cond
	data   []byte // the data of the waiting Write
	err    error  // set when the writer is closed; io.EOF without an error
	closed bool   // the reader is closed
}

// PipeReader is the end of a [Pipe] from which a goroutine reads. Read blocks.
type PipeReader struct{ p *pipe }

// PipeWriter is the end of a [Pipe] to which tasks write, one at a time. Any goroutine
// may close it.
type PipeWriter struct {
	p    *pipe
	turn direction
}

// errZeroPipe is the error of the methods of an end that [Pipe] has not made.
var errZeroPipe = fmt.Errorf("aiohttp: a zero PipeReader or PipeWriter: use Pipe: %w", aio.ErrUsage)

// Read implements [io.Reader].
func (r *PipeReader) Read(b []byte) (int, error) {
	p := r.p
	if p == nil {
		return 0, errZeroPipe
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.data) == 0 && p.err == nil && !p.closed {
		p.more.Wait()
	}
	switch {
	case p.closed:
		return 0, io.ErrClosedPipe
	case p.err != nil:
		return 0, p.err
	}
	n := copy(b, p.data)
	if p.data = p.data[n:]; len(p.data) == 0 {
		p.data = nil
		tell(p.loop, p.taken.Set)
	}
	return n, nil
}

// Close makes all reads and writes fail with [io.ErrClosedPipe]. net/http calls it when
// it does not need the rest of a body.
func (r *PipeReader) Close() error {
	p := r.p
	if p == nil {
		return errZeroPipe
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		p.more.Broadcast()
		tell(p.loop, p.taken.Set)
	}
	return nil
}

// Write suspends the running task until the other end has read b. If the task is
// cancelled in Write, the pipe is closed with that error, so the request fails. If an
// end is closed before all of b was read, the error is [io.ErrClosedPipe].
// ([io.Writer])
func (w *PipeWriter) Write(b []byte) (int, error) {
	p := w.p
	if p == nil {
		return 0, errZeroPipe
	}
	ctx := p.loop.Context()
	if err := w.turn.acquire(ctx); err != nil {
		return 0, err
	}
	defer w.turn.turn.Release()
	p.mu.Lock()
	if p.closed || p.err != nil {
		p.mu.Unlock()
		return 0, io.ErrClosedPipe
	}
	if len(b) == 0 {
		p.mu.Unlock()
		return 0, nil
	}
	p.data = b
	p.taken.Clear()
	p.more.Broadcast()
	p.mu.Unlock()
	err := p.taken.Wait(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(b) - len(p.data)
	p.data = nil
	switch {
	case err != nil:
		p.err = err
		p.more.Broadcast()
		return n, err
	case n < len(b):
		return n, io.ErrClosedPipe
	}
	return n, nil
}

// Close makes reads return [io.EOF] after the data. It never awaits.
func (w *PipeWriter) Close() error { return w.CloseWithError(nil) }

// CloseWithError makes reads fail with err, or with [io.EOF] if err is nil, and returns
// err. A Write in progress ends. Only the first call has an effect. It never awaits.
func (w *PipeWriter) CloseWithError(err error) error {
	p := w.p
	if p == nil {
		return errZeroPipe
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
		if err == nil || errors.Is(err, io.EOF) {
			p.err = io.EOF
		}
		p.more.Broadcast()
		tell(p.loop, p.taken.Set)
	}
	return err
}
