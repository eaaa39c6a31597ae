package aio

// The Sock calls on a net.Conn, net.Listener or net.PacketConn. Each runs in a goroutine;
// calls in one direction are made one after the other. What a call that was cancelled has
// received nevertheless goes to the next call.

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

// goSocket makes the calls by the methods of sock.
type goSocket struct {
	loop *Loop
	call string
	sock any
}

// socket implements fileBackend. What only has a descriptor cannot be used here.
func (b goroutineBackend) socket(call string, sock any) (socket, error) {
	switch sock.(type) {
	case net.Conn, net.PacketConn, net.Listener:
		if !reflect.ValueOf(sock).Comparable() {
			return nil, usagef(call, "a %T cannot be told from others: pass a pointer", sock)
		}
		return &goSocket{b.loop, call, sock}, nil
	}
	if _, _, err := descriptorOf(call, sock); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("aio: %s: descriptors: %w", call, errors.ErrUnsupported)
}

// unable is the error of a call that sock has no methods for.
func (s *goSocket) unable() error {
	return usagef(s.call, "a %T cannot do that", s.sock)
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
			err = nil // the next call will get it, if there is more to say
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

// receive returns what a call that was cancelled has received, or else what fn receives,
// in a goroutine. Of a stream it takes limit bytes at most, and leaves the rest;
// otherwise limit is 0.
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
			// the end, which the next call finds too
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

// sendcopy leaves it to package io, and so to the connection, which may know a fast way.
func (s *goSocket) sendcopy(ctx context.Context, f *fileSend) error {
	if _, err := f.file.Seek(f.next, io.SeekStart); err != nil {
		return err
	}
	c := s.sock.(net.Conn) // as sendfile has made sure of
	return s.write(ctx, c.SetWriteDeadline, func() error {
		n, err := io.Copy(c, io.LimitReader(f.file, f.remaining))
		f.advance(n)
		return err
	})
}

// write has fn called in a goroutine after the writes of other calls.
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
	undelivered []delivery // for the next call
}

// delivery is what a call has received: data of a stream, a datagram, or a connection.
type delivery struct {
	data []byte
	addr net.Addr
	conn net.Conn
}

// next takes what was left first, of a stream at most limit bytes, if that is not 0.
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

// ioQueueKey tells queues apart. A socket that listens has the one for reading.
type ioQueueKey struct {
	sock any
	dir  netio.Readiness
}

// ioQueues are those in which there is a call or something undelivered. There is nearly
// never anything undelivered: a cancellation must have come just when something else did.
type ioQueues map[ioQueueKey]*ioQueue

// inTurn calls f when it is the turn of this call.
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

// leave makes q free for the next call.
func (m ioQueues) leave(key ioQueueKey, q *ioQueue) {
	if q.waiters.wakeNext() {
		return
	}
	q.busy = false
	if len(q.undelivered) == 0 {
		delete(m, key)
	}
}

// close closes the connections that nobody has asked for.
func (m ioQueues) close() {
	for _, q := range m {
		for _, k := range q.undelivered {
			if k.conn != nil {
				k.conn.Close()
			}
		}
	}
}

// inGoroutine calls fn in a goroutine, and suspends the calling task until it has
// returned. If the task is cancelled, fn is ended by a deadline in the past; late tells
// that it was successful nevertheless.
//
// deadline is called first, to make sure that it works: without, a cancelled call would
// go on, and take what is meant for the next one. It need not work on a connection that
// is closed, where fn will not block.
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
		// the loop is closed; the memory of the call is the caller's again
		o.end()
		<-o.returned
	}
	if err == nil {
		return false, o.err
	}
	return o.err == nil, err
}

// goroutineCall is a call in a goroutine that a deadline can end.
type goroutineCall struct {
	future   // owned by the token
	what     string
	fn       func() error
	deadline func(time.Time) error
	returned chan struct{}   // closed when fn has
	err      error           // of fn, set before that
	reason   *CancelledError // why the call was cancelled; owned by the token

	mu   sync.Mutex
	over bool // fn has returned
	cut  bool // the deadline was moved
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

// finish takes back what end has done. Nobody else uses the connection yet.
func (o *goroutineCall) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over = true; o.cut {
		// it fails if the connection is closed, which the next call will find
		_ = o.deadline(time.Time{})
	}
	close(o.returned)
}

// end has fn return.
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
