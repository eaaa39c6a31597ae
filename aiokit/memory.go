package aiokit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
)

// Errors of memory channels.
var (
	// ErrEndOfChannel says that nothing can arrive any more: all senders are closed.
	// (trio: EndOfChannel; anyio: EndOfStream)
	ErrEndOfChannel = errors.New("aiokit: end of channel")
	// ErrBrokenChannel says that nobody can receive any more: all receivers are
	// closed. (trio, anyio: BrokenResourceError)
	ErrBrokenChannel = errors.New("aiokit: all receivers are closed")
	// ErrClosedChannel says that this end was closed. It is misuse. (trio, anyio:
	// ClosedResourceError)
	ErrClosedChannel = fmt.Errorf("aiokit: this end of the channel was closed: %w", aio.ErrUsage)
	// ErrWouldBlock says that a call that never awaits would have to. (trio, anyio:
	// WouldBlock)
	ErrWouldBlock = errors.New("aiokit: the call would have to wait")
)

// Unlimited is the size of a memory channel whose senders never wait.
const Unlimited = -1

// memory is what the ends of a channel share.
type memory[T any] struct {
	size      int
	items     []T
	senders   int // open ends
	receivers int
	sending   []*offer[T]
	receiving []*offer[T]
}

// offer is a task that waits: with an item, or for one.
type offer[T any] struct {
	item T
	end  any                   // the SendChannel or ReceiveChannel
	met  *aio.Future[struct{}] // done when the item was handed over, or with an error
}

// Sender is an end of a memory channel that sends. Any number of tasks may use it, and
// Clone makes another end that is closed by itself. (trio: MemorySendChannel; anyio:
// MemoryObjectSendStream)
type Sender[T any] struct {
	m      *memory[T]
	closed bool
}

// Receiver is an end of a memory channel that receives. Each item goes to one receiver.
// (trio: MemoryReceiveChannel; anyio: MemoryObjectReceiveStream)
type Receiver[T any] struct {
	m      *memory[T]
	closed bool
}

// NewMemoryChannel returns both ends of a channel between tasks of one loop, that holds
// size items which nobody has received yet. With a size of 0 a sender waits for its
// receiver; with [Unlimited] none waits. Unlike a queue it ends when all ends of one
// side are closed, and the other side learns of it. It panics if size is less than
// Unlimited.
//
// (trio: open_memory_channel; anyio: create_memory_object_stream)
func NewMemoryChannel[T any](size int) (*Sender[T], *Receiver[T]) {
	if size < Unlimited {
		panic(usagef("NewMemoryChannel: a size of %d", size))
	}
	m := &memory[T]{size: size, senders: 1, receivers: 1}
	return &Sender[T]{m: m}, &Receiver[T]{m: m}
}

// SendNowait sends v without waiting: [ErrWouldBlock] says that there is no room, and
// no receiver waits; else the error is that of Send. (trio, anyio: send_nowait)
func (s *Sender[T]) SendNowait(v T) error {
	m := s.m
	switch {
	case s.closed:
		return ErrClosedChannel
	case m.receivers == 0:
		return ErrBrokenChannel
	case m.hand(v):
		return nil
	case m.size != Unlimited && len(m.items) >= m.size:
		return ErrWouldBlock
	}
	m.items = append(m.items, v)
	return nil
}

// hand gives v to the first receiver that waits.
func (m *memory[T]) hand(v T) bool {
	for len(m.receiving) > 0 {
		r := m.receiving[0]
		m.receiving = slices.Delete(m.receiving, 0, 1)
		if r.met.Done() {
			continue // cancelled
		}
		r.item = v
		_ = r.met.SetResult(struct{}{})
		return true
	}
	return false
}

// Send sends v, and suspends the calling task until there is room for it, or a
// receiver. Senders get their turn in the order of their calls.
//
// If it is cancelled the item was not sent. The error is [ErrBrokenChannel] if nobody
// can receive it any more, also while it waits, [ErrClosedChannel] if this end was
// closed, also while it waits, a *aio.CancelledError, or one of those of
// aio.Future.Await.
//
// (trio, anyio: send)
func (s *Sender[T]) Send(ctx context.Context, v T) error {
	err := s.SendNowait(v)
	if err != ErrWouldBlock {
		return err
	}
	o := &offer[T]{item: v, end: s, met: aio.CreateFuture[struct{}](ctx)}
	m := s.m
	m.sending = append(m.sending, o)
	_, err = o.met.Await(ctx)
	if err != nil {
		if o.met.Done() && !o.met.Cancelled() && o.met.Exception() == nil {
			return m.late(ctx, err)
		}
		m.sending = remove(m.sending, o)
	}
	return err
}

// late is for a task that was cancelled in the moment in which its item was handed over:
// the item stays sent or received, and the cancellation is delivered by the next await.
func (m *memory[T]) late(ctx context.Context, err error) error {
	if !errors.Is(err, aio.ErrCancelled) {
		return err
	}
	plug.CancelLater(ctx, err)
	return nil
}

func remove[T any](list []*offer[T], o *offer[T]) []*offer[T] {
	if i := slices.Index(list, o); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}

// Clone returns another end of the channel, which has to be closed too. It panics if this
// end is closed. (trio, anyio: clone)
func (s *Sender[T]) Clone() *Sender[T] {
	if s.closed {
		panic(ErrClosedChannel)
	}
	s.m.senders++
	return &Sender[T]{m: s.m}
}

// Close closes this end. When the last sender is closed, receivers get what is left and
// then [ErrEndOfChannel]. Sends that wait on this end fail with [ErrClosedChannel]. It
// never awaits; a second time it does nothing. (trio, anyio: close)
func (s *Sender[T]) Close() {
	if s.closed {
		return
	}
	s.closed = true
	m := s.m
	m.senders--
	m.sending = failAll(m.sending, s, ErrClosedChannel)
	if m.senders == 0 {
		m.receiving = failAll(m.receiving, nil, ErrEndOfChannel)
	}
}

// failAll ends the waits of an end, of all if end is nil, and returns the rest.
func failAll[T any](list []*offer[T], end any, err error) (rest []*offer[T]) {
	for _, o := range list {
		if end != nil && o.end != end {
			rest = append(rest, o)
		} else if !o.met.Done() {
			_ = o.met.SetException(err)
		}
	}
	return rest
}

// ReceiveNowait receives an item without waiting: [ErrWouldBlock] says that there is
// none, else the error is that of Receive. (trio, anyio: receive_nowait)
func (r *Receiver[T]) ReceiveNowait() (v T, err error) {
	m := r.m
	if r.closed {
		return v, ErrClosedChannel
	}
	for len(m.sending) > 0 { // their items come after those in the channel
		o := m.sending[0]
		m.sending = slices.Delete(m.sending, 0, 1)
		if o.met.Done() {
			continue // cancelled
		}
		m.items = append(m.items, o.item)
		_ = o.met.SetResult(struct{}{})
		break
	}
	switch {
	case len(m.items) > 0:
		v = m.items[0]
		m.items = slices.Delete(m.items, 0, 1)
		return v, nil
	case m.senders == 0:
		return v, ErrEndOfChannel
	}
	return v, ErrWouldBlock
}

// Receive receives an item, and suspends the calling task until there is one. Receivers
// get their turn in the order of their calls. No item is lost to a cancellation: if one
// was received in the moment in which the task was cancelled, Receive returns it, and
// the next await is cancelled instead.
//
// The error is [ErrEndOfChannel] when all senders are closed and nothing is left,
// [ErrClosedChannel] if this end was closed, also while it waits, a
// *aio.CancelledError, or one of those of aio.Future.Await.
//
// (trio, anyio: receive)
func (r *Receiver[T]) Receive(ctx context.Context) (v T, err error) {
	v, err = r.ReceiveNowait()
	if err != ErrWouldBlock {
		return v, err
	}
	o := &offer[T]{end: r, met: aio.CreateFuture[struct{}](ctx)}
	m := r.m
	m.receiving = append(m.receiving, o)
	_, err = o.met.Await(ctx)
	if err != nil {
		if o.met.Done() && !o.met.Cancelled() && o.met.Exception() == nil {
			return o.item, m.late(ctx, err)
		}
		m.receiving = remove(m.receiving, o)
		return v, err
	}
	return o.item, nil
}

// All ranges over the items until the channel ends. Another error is yielded as the last
// item. (trio, anyio: async for)
func (r *Receiver[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := r.Receive(ctx)
			if err == ErrEndOfChannel || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// Clone returns another end of the channel, which has to be closed too. It panics if this
// end is closed. (trio, anyio: clone)
func (r *Receiver[T]) Clone() *Receiver[T] {
	if r.closed {
		panic(ErrClosedChannel)
	}
	r.m.receivers++
	return &Receiver[T]{m: r.m}
}

// Close closes this end. When the last receiver is closed, senders fail with
// [ErrBrokenChannel], and items that nobody has received are dropped. Receives that
// wait on this end fail with [ErrClosedChannel]. It never awaits; a second time it does
// nothing.
//
// (trio, anyio: close)
func (r *Receiver[T]) Close() {
	if r.closed {
		return
	}
	r.closed = true
	m := r.m
	m.receivers--
	m.receiving = failAll(m.receiving, r, ErrClosedChannel)
	if m.receivers == 0 {
		m.items = nil
		m.sending = failAll(m.sending, nil, ErrBrokenChannel)
	}
}

// Len returns how many items nobody has received yet, without those of senders that wait.
func (r *Receiver[T]) Len() int { return len(r.m.items) }
