package aiokit

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
)

// Errors of memory channels.
var (
	// ErrEndOfChannel reports that no more items can arrive: all senders are
	// closed. (trio: EndOfChannel; anyio: EndOfStream)
	ErrEndOfChannel = errors.New("aiokit: end of channel")
	// ErrBrokenChannel reports that items can no longer be received: all receivers
	// are closed. (trio, anyio: BrokenResourceError)
	ErrBrokenChannel = errors.New("aiokit: all receivers are closed")
	// ErrClosedChannel reports that this end was closed. It is misuse. (trio,
	// anyio: ClosedResourceError)
	ErrClosedChannel = fmt.Errorf("aiokit: this end of the channel was closed: %w", aio.ErrUsage)
	// ErrWouldBlock reports that a call that never awaits would have to wait.
	// (trio, anyio: WouldBlock)
	ErrWouldBlock = errors.New("aiokit: the call would have to wait")
)

// Unlimited is the size of a memory channel whose senders never wait.
const Unlimited = -1

// memory is the state that the ends of a channel share.
type memory[T any] struct {
	size      int
	items     fifo[T]
	senders   int // open ends
	receivers int
	sending   list.List // of *offer[T]
	receiving list.List // the same
}

// offer is a waiting task: a sender with an item, or a receiver. It is in two lists, so
// that closing an end finds its tasks without a search.
type offer[T any] struct {
	item T
	// done when the item was passed; fails when an end is closed
	met          *aio.Future[struct{}]
	all, own     *list.List // the tasks of this side of the channel, those of its end
	inAll, inOwn *list.Element
}

func newOffer[T any](ctx context.Context, item T, all, own *list.List) *offer[T] {
	o := &offer[T]{item: item, met: aio.CreateFuture[struct{}](ctx), all: all, own: own}
	o.inAll, o.inOwn = all.PushBack(o), own.PushBack(o)
	return o
}

// leave removes o from its lists.
func (o *offer[T]) leave() {
	o.all.Remove(o.inAll)
	o.own.Remove(o.inOwn)
}

// first removes and returns the first task of a list that still waits, nil if there is
// none.
func first[T any](waits *list.List) *offer[T] {
	for waits.Len() > 0 {
		o := waits.Front().Value.(*offer[T])
		o.leave()
		if !o.met.Done() { // otherwise it was cancelled
			return o
		}
	}
	return nil
}

// failAll removes the tasks of a list, and makes their calls fail.
func failAll[T any](waits *list.List, err error) {
	for o := first[T](waits); o != nil; o = first[T](waits) {
		_ = o.met.SetException(err)
	}
}

// Sender is a sending end of a memory channel. Any number of tasks may use it.
// [Sender.Clone] makes another end that is closed separately. (trio: MemorySendChannel;
// anyio: MemoryObjectSendStream)
type Sender[T any] struct {
	m      *memory[T]
	waits  list.List // of *offer[T]
	closed bool
}

// Receiver is a receiving end of a memory channel. Each item goes to one receiver.
// (trio: MemoryReceiveChannel; anyio: MemoryObjectReceiveStream)
type Receiver[T any] struct {
	m      *memory[T]
	waits  list.List // of *offer[T]
	closed bool
}

// NewMemoryChannel returns both ends of a channel between tasks of one loop, which
// buffers up to size items. With a size of 0 a sender waits for its receiver; with
// [Unlimited] senders never wait. Unlike a queue it ends when all ends of one side are
// closed, and calls on the other side report that. It panics if size is less than
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

// SendNowait sends v without waiting. It returns [ErrWouldBlock] if the buffer is full
// and no receiver waits; the other errors are those of [Sender.Send]. (trio, anyio:
// send_nowait)
func (s *Sender[T]) SendNowait(v T) error {
	if err := s.m.usable("Sender", s.closed); err != nil {
		return err
	}
	m := s.m
	switch {
	case m.receivers == 0:
		return ErrBrokenChannel
	case m.hand(v):
		return nil
	case m.size != Unlimited && m.items.len() >= m.size:
		return ErrWouldBlock
	}
	m.items.push(v)
	return nil
}

// usable returns an error if an end of m cannot be used: it was closed, or
// NewMemoryChannel has not made it.
func (m *memory[T]) usable(end string, closed bool) error {
	switch {
	case m == nil:
		return usagef("%s: make the ends of a channel with NewMemoryChannel", end)
	case closed:
		return ErrClosedChannel
	}
	return nil
}

// hand gives v to the first waiting receiver.
func (m *memory[T]) hand(v T) bool {
	if r := first[T](&m.receiving); r != nil {
		r.item = v
		_ = r.met.SetResult(struct{}{})
		return true
	}
	return false
}

// Send sends v, and suspends the calling task until there is room for v, or a receiver.
// Senders proceed in the order of their calls.
//
// If Send is cancelled the item was not sent. The error is [ErrBrokenChannel] if all
// receivers are closed, and [ErrClosedChannel] if this end is closed, both also while
// Send waits; otherwise a *aio.CancelledError, or one of those of aio.Future.Await.
//
// (trio, anyio: send)
func (s *Sender[T]) Send(ctx context.Context, v T) error {
	if err := entered(ctx); err != nil {
		return err
	}
	err := s.SendNowait(v)
	if err != ErrWouldBlock {
		return err
	}
	m := s.m
	o := newOffer(ctx, v, &m.sending, &s.waits)
	_, err = o.met.Await(ctx)
	if err != nil {
		if o.met.Done() && !o.met.Cancelled() && o.met.Exception() == nil {
			return m.late(ctx, err)
		}
		o.leave()
	}
	return err
}

// late handles a task that was cancelled at the moment in which its item was passed:
// the item stays sent or received, and the next await delivers the cancellation.
func (m *memory[T]) late(ctx context.Context, err error) error {
	if !aio.IsCancellation(err) {
		return err
	}
	plug.CancelLater(ctx, err)
	return nil
}

// Clone returns another sending end of the channel, which has to be closed too. It
// panics if this end is closed. (trio, anyio: clone)
func (s *Sender[T]) Clone() *Sender[T] {
	if err := s.m.usable("Sender", s.closed); err != nil {
		panic(err)
	}
	s.m.senders++
	return &Sender[T]{m: s.m}
}

// Close closes this end. When the last sender is closed, receivers get the remaining
// items and then [ErrEndOfChannel]. Sends that wait on this end fail with
// [ErrClosedChannel]. It never awaits; a second call has no effect. (trio, anyio:
// close)
func (s *Sender[T]) Close() {
	if s.closed {
		return
	}
	m := s.m
	if err := m.usable("Sender", false); err != nil {
		panic(err)
	}
	s.closed = true
	m.senders--
	failAll[T](&s.waits, ErrClosedChannel)
	if m.senders == 0 {
		failAll[T](&m.receiving, ErrEndOfChannel)
	}
}

// ReceiveNowait receives an item without waiting. It returns [ErrWouldBlock] if there
// is none; the other errors are those of [Receiver.Receive]. (trio, anyio:
// receive_nowait)
func (r *Receiver[T]) ReceiveNowait() (v T, err error) {
	m := r.m
	if err := r.m.usable("Receiver", r.closed); err != nil {
		return v, err
	}
	// the items of waiting senders come after the buffered ones
	if o := first[T](&m.sending); o != nil {
		m.items.push(o.item)
		_ = o.met.SetResult(struct{}{})
	}
	switch {
	case m.items.len() > 0:
		return m.items.pop(), nil
	case m.senders == 0:
		return v, ErrEndOfChannel
	}
	return v, ErrWouldBlock
}

// Receive receives an item, and suspends the calling task until there is one. Receivers
// proceed in the order of their calls. A cancellation never loses an item: if an item
// was received at the moment in which the task was cancelled, Receive returns it, and
// the next await is cancelled instead.
//
// The error is [ErrEndOfChannel] when all senders are closed and no item is left,
// [ErrClosedChannel] if this end is closed, also while Receive waits, a
// *aio.CancelledError, or one of those of aio.Future.Await.
//
// (trio, anyio: receive)
func (r *Receiver[T]) Receive(ctx context.Context) (v T, err error) {
	if err := entered(ctx); err != nil {
		return v, err
	}
	v, err = r.ReceiveNowait()
	if err != ErrWouldBlock {
		return v, err
	}
	m := r.m
	o := newOffer(ctx, v, &m.receiving, &r.waits)
	_, err = o.met.Await(ctx)
	if err != nil {
		if o.met.Done() && !o.met.Cancelled() && o.met.Exception() == nil {
			return o.item, m.late(ctx, err)
		}
		o.leave()
		return v, err
	}
	return o.item, nil
}

// All iterates over the items until the channel ends. Any error other than
// [ErrEndOfChannel] is yielded as the last element. (trio, anyio: async for)
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

// Clone returns another receiving end of the channel, which has to be closed too. It
// panics if this end is closed. (trio, anyio: clone)
func (r *Receiver[T]) Clone() *Receiver[T] {
	if err := r.m.usable("Receiver", r.closed); err != nil {
		panic(err)
	}
	r.m.receivers++
	return &Receiver[T]{m: r.m}
}

// Close closes this end. When the last receiver is closed, senders fail with
// [ErrBrokenChannel], and buffered items are dropped. Receives that wait on this end
// fail with [ErrClosedChannel]. It never awaits; a second call has no effect.
//
// (trio, anyio: close)
func (r *Receiver[T]) Close() {
	if r.closed {
		return
	}
	m := r.m
	if err := m.usable("Receiver", false); err != nil {
		panic(err)
	}
	r.closed = true
	m.receivers--
	failAll[T](&r.waits, ErrClosedChannel)
	if m.receivers == 0 {
		m.items = fifo[T]{}
		failAll[T](&m.sending, ErrBrokenChannel)
	}
}

// Len returns the number of buffered items, without those of waiting senders.
func (r *Receiver[T]) Len() int {
	if err := r.m.usable("Receiver", false); err != nil {
		panic(err)
	}
	return r.m.items.len()
}
