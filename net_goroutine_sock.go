package aio

// The Sock calls on a net.Conn, net.Listener or net.PacketConn. Each runs in a
// goroutine; the calls in one direction run one after the other. Data that a cancelled
// call has received nevertheless goes to the next call.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/goaio/aio/internal/netio"
)

// goSocket implements the calls with the methods of sock.
type goSocket struct {
	loop *Loop
	call string
	sock any
}

// socket implements fileBackend. A plain descriptor cannot be used here.
func (b goroutineBackend) socket(call string, sock any) (socket, error) {
	switch sock.(type) {
	case net.Conn, net.PacketConn, net.Listener:
		if !reflect.ValueOf(sock).Comparable() {
			return nil, usagef(call, "type %T is not comparable: pass a pointer", sock)
		}
		return &goSocket{b.loop, call, sock}, nil
	}
	if _, _, err := descriptorOf(call, sock); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("aio: %s: descriptors: %w", call, errors.ErrUnsupported)
}

// unable is the error of a call for which sock has no methods.
func (s *goSocket) unable() error {
	return usagef(s.call, "a %T does not support this call", s.sock)
}

func (s *goSocket) recv(ctx context.Context, memory func() []byte) ([]byte, error) {
	c, ok := s.sock.(net.Conn)
	if !ok {
		return nil, s.unable()
	}
	buf := memory()
	if len(buf) == 0 {
		return buf, nil
	}
	d, err := s.receive(ctx, c.SetReadDeadline, len(buf), func() (delivery, error) {
		n, err := c.Read(buf)
		if n > 0 || err == io.EOF {
			err = nil // the next call will get the error, if it persists
		}
		return delivery{data: buf[:n]}, err
	})
	if err != nil {
		return nil, err
	}
	return buf[:copy(buf, d.data)], nil
}

func (s *goSocket) recvfrom(ctx context.Context, memory func() []byte) ([]byte, net.Addr, error) {
	c, ok := s.sock.(net.PacketConn)
	if !ok {
		return nil, nil, s.unable()
	}
	buf := memory()
	d, err := s.receive(ctx, c.SetReadDeadline, 0, func() (delivery, error) {
		n, addr, err := c.ReadFrom(buf)
		return delivery{data: buf[:n], addr: addr}, err
	})
	if err != nil {
		return nil, nil, err
	}
	return buf[:copy(buf, d.data)], d.addr, nil
}

func (s *goSocket) accept(ctx context.Context) (net.Conn, error) {
	ln, ok := s.sock.(interface {
		net.Listener
		SetDeadline(time.Time) error
	})
	if !ok {
		return nil, s.unable()
	}
	d, err := s.receive(ctx, ln.SetDeadline, 0, func() (delivery, error) {
		conn, err := ln.Accept()
		return delivery{conn: conn}, err
	})
	return d.conn, err
}

// receive returns what a cancelled call has received, or otherwise what fn receives, in
// a goroutine. For a stream it returns at most limit bytes, and leaves the rest; for
// others limit is 0.
func (s *goSocket) receive(ctx context.Context, deadline func(time.Time) error, limit int, fn func() (delivery, error)) (d delivery, err error) {
	err = s.inTurn(ctx, netio.Readable, func(q *ioQueue) error {
		if len(q.undelivered) > 0 {
			d = q.next(limit)
			return nil
		}
		var got delivery
		late, err := s.inGoroutine(ctx, deadline, func() (err error) {
			got, err = fn()
			return err
		})
		switch {
		case late && limit > 0 && len(got.data) == 0:
			// EOF, which the next call will find too
		case late:
			got.data = bytes.Clone(got.data)
			q.undelivered = append(q.undelivered, got)
		case err == nil:
			d = got
		}
		return err
	})
	return d, err
}

func (s *goSocket) sendall(ctx context.Context, p []byte) error {
	c, ok := s.sock.(net.Conn)
	if !ok {
		return s.unable()
	}
	if len(p) == 0 {
		return nil
	}
	return s.write(ctx, c.SetWriteDeadline, func() error {
		_, err := c.Write(p)
		return err
	})
}

func (s *goSocket) sendto(ctx context.Context, p []byte, addr net.Addr) error {
	c, ok := s.sock.(net.PacketConn)
	if !ok {
		return s.unable()
	}
	return s.write(ctx, c.SetWriteDeadline, func() (err error) {
		if conn, ok := c.(net.Conn); ok && addr == nil {
			_, err = conn.Write(p)
		} else {
			_, err = c.WriteTo(p, addr)
		}
		return err
	})
}

func (s *goSocket) connect(context.Context, string) error { return s.unable() }

func (s *goSocket) sendfile(context.Context, *fileSend) error {
	if c, ok := s.sock.(net.Conn); !ok || c.LocalAddr() != nil && isDatagram(c.LocalAddr().Network()) {
		return s.unable()
	}
	return ErrSendfileNotAvailable
}

// isDatagram reports whether network is one of datagrams.
func isDatagram(network string) bool {
	return strings.HasPrefix(network, "udp") || strings.HasPrefix(network, "ip") || network == "unixgram"
}

// sendcopy copies with package io, which uses a fast path of the connection if there is
// one.
func (s *goSocket) sendcopy(ctx context.Context, f *fileSend) error {
	if _, err := f.file.Seek(f.next, io.SeekStart); err != nil {
		return err
	}
	c := s.sock.(net.Conn) // sendfile has checked this
	return s.write(ctx, c.SetWriteDeadline, func() error {
		n, err := io.Copy(c, io.LimitReader(f.file, f.remaining))
		f.advance(n)
		return err
	})
}

// write calls fn in a goroutine after the writes of other calls.
func (s *goSocket) write(ctx context.Context, deadline func(time.Time) error, fn func() error) error {
	return s.inTurn(ctx, netio.Writable, func(*ioQueue) error {
		_, err := s.inGoroutine(ctx, deadline, fn)
		return err
	})
}

// ioQueue is one direction of a socket. One call at a time uses it: the next call must
// not reset the deadline that is stopping a cancelled one.
type ioQueue struct {
	busy        bool
	waiters     waitList   // calls that wait for their turn
	undelivered []delivery // data for the next call
}

// delivery is the result of a receiving call: data of a stream, a datagram, or a
// connection.
type delivery struct {
	data []byte
	addr net.Addr
	conn net.Conn
}

// next returns undelivered data first, at most limit bytes of a stream, if limit is not
// 0.
func (q *ioQueue) next(limit int) delivery {
	d := q.undelivered[0]
	if limit > 0 && len(d.data) > limit {
		q.undelivered[0].data = d.data[limit:]
		d.data = d.data[:limit]
		return d
	}
	q.undelivered = q.undelivered[1:]
	return d
}

// ioQueueKey identifies a queue. A listening socket uses the one for reading.
type ioQueueKey struct {
	sock any
	dir  netio.Readiness
}

// ioQueues has the queues with a call or undelivered data. There is hardly ever
// undelivered data: a cancellation must coincide with an arrival.
type ioQueues map[ioQueueKey]*ioQueue

// inTurn calls f when it is the turn of its call.
func (s *goSocket) inTurn(ctx context.Context, dir netio.Readiness, f func(q *ioQueue) error) error {
	c, err := enter(ctx, s.call)
	if err != nil {
		return err
	}
	all, key := &s.loop.ioQueues, ioQueueKey{s.sock, dir}
	if *all == nil {
		*all = ioQueues{}
	}
	q := (*all)[key]
	if q == nil {
		q = &ioQueue{}
		(*all)[key] = q
	}
	if q.busy {
		if woken, err := c.waitIn(&q.waiters, s.call); err != nil {
			if woken {
				all.leave(key, q)
			}
			return err
		}
	}
	q.busy = true
	defer all.leave(key, q)
	return f(q)
}

// leave makes q available to the next call.
func (m ioQueues) leave(key ioQueueKey, q *ioQueue) {
	if q.waiters.wakeNext() {
		return
	}
	q.busy = false
	if len(q.undelivered) == 0 {
		delete(m, key)
	}
}

// closeWithLoop implements closer. It closes the connections that no call has taken.
func (m ioQueues) closeWithLoop() {
	for _, q := range m {
		for _, k := range q.undelivered {
			if k.conn != nil {
				k.conn.Close()
			}
		}
	}
}

// inGoroutine calls fn in a goroutine, and suspends the calling task until it has
// returned. If the task is cancelled, a deadline in the past ends fn; late reports that
// fn succeeded nevertheless.
//
// deadline is called first, to check that it works. Without a working deadline, a
// cancelled call would continue, and receive the data of the next call. On a closed
// connection deadline may fail, because fn does not block there.
func (s *goSocket) inGoroutine(ctx context.Context, deadline func(time.Time) error, fn func() error) (late bool, err error) {
	c, err := enter(ctx, s.call)
	if err != nil {
		return false, err
	}
	err = deadline(time.Time{})
	if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
		return false, err
	}
	o := &goroutineCall{what: s.call, fn: fn, deadline: deadline, returned: make(chan struct{})}
	o.loop, o.sub = s.loop, o
	s.loop.outsideWaits++
	go o.work()
	err = c.await(&o.future)
	s.loop.outsideWaits--
	if o.state == pending {
		// the loop is closed; the memory of the call belongs to the caller
		// again
		o.end()
		<-o.returned
	}
	if err == nil {
		return false, o.err
	}
	return o.err == nil, err
}

// goroutineCall is a call in a goroutine that can be ended by a deadline.
type goroutineCall struct {
	future   // owned by the token
	what     string
	fn       func() error
	deadline func(time.Time) error
	returned chan struct{}   // closed when fn has returned
	err      error           // the error of fn, set before returned is closed
	reason   *CancelledError // why the call was cancelled; owned by the token

	mu   sync.Mutex
	over bool // fn has returned
	cut  bool // the deadline was set to the past
}

// work is the goroutine.
func (o *goroutineCall) work() {
	defer o.loop.post(readyEntry{o, nil}, false)
	defer o.finish()
	o.err = ErrGoexit
	o.err = o.try()
}

func (o *goroutineCall) try() (err error) {
	defer recovered(&err)
	return o.fn()
}

// finish removes the deadline that end has set. No other call uses the connection yet.
func (o *goroutineCall) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over = true; o.cut {
		// fails if the connection is closed, which the next call will find
		_ = o.deadline(time.Time{})
	}
	close(o.returned)
}

// end makes fn return.
func (o *goroutineCall) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over {
		o.cut = true
		_ = o.deadline(time.Unix(1, 0))
	}
}

// cancelFuture implements subFuture. The future is not done before fn has returned: until
// then it uses the caller's memory.
func (o *goroutineCall) cancelFuture(reason *CancelledError) bool {
	if o.reason == nil {
		o.reason = reason
		o.end()
	}
	return true
}

// describe implements subFuture.
func (o *goroutineCall) describe() string { return o.what }

// run implements runnable: fn has returned.
func (o *goroutineCall) run(*future) {
	switch {
	case o.state != pending:
	case o.reason != nil:
		o.settle(cancelled, o.reason)
	default:
		o.settle(finished, nil)
	}
}
