package aio_test

// Connections that are served by goroutines. The tests run in synctest bubbles, where
// they can wait until all goroutines are blocked, and control the time.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// connCase is a transport over a connection that the test provides.
type connCase struct {
	*testing.T
	ctx context.Context
	l   *aio.Loop
	p   *ioLogger
	t   aio.Transport
	log *eventLog
}

// connServed runs main in a task of a new loop in a bubble, with a transport over conn.
func connServed(t *testing.T, conn func() net.Conn, main func(c *connCase)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := new(eventLog)
		l := aio.NewEventLoop(nil)
		ioReportTo(l, log)
		if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
			tr, p, err := aio.ConnectAcceptedSocket(ctx, func() *ioLogger {
				return &ioLogger{log: log, on: map[string]func(){}}
			}, conn(), nil)
			if err != nil {
				return err
			}
			c := &connCase{t, ctx, l, p, tr, log}
			c.want("made")
			main(c)
			return nil
		})); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// settle runs the loop and the goroutines until they wait, without advancing the time.
func (c *connCase) settle() {
	c.Helper()
	for range 4 {
		synctest.Wait()
		if err := aio.Sleep(c.ctx, 0); err != nil {
			c.Fatal(err)
		}
	}
}

func (c *connCase) sleep(d time.Duration) {
	c.Helper()
	if err := aio.Sleep(c.ctx, d); err != nil {
		c.Fatal(err)
	}
	synctest.Wait()
}

func (c *connCase) want(events string, why ...string) { c.Helper(); c.log.want(c.T, events, why...) }

// connFake is a net.Conn that calls the given functions. If they are nil, a read waits
// for Close and a write accepts everything.
type connFake struct {
	read       func(p []byte) (int, error)
	write      func(p []byte) (int, error)
	closeWrite func() error
	closed     chan struct{}
	isClosed   atomic.Bool
}

func newConnFake() *connFake { return &connFake{closed: make(chan struct{})} }

func (c *connFake) Read(p []byte) (int, error) {
	if c.read != nil {
		return c.read(p)
	}
	<-c.closed
	return 0, net.ErrClosed
}

func (c *connFake) Write(p []byte) (int, error) {
	if c.write != nil {
		return c.write(p)
	}
	return len(p), nil
}

func (c *connFake) CloseWrite() error { return c.closeWrite() }

func (c *connFake) Close() error {
	if !c.isClosed.Swap(true) {
		close(c.closed)
	}
	return nil
}

func (c *connFake) LocalAddr() net.Addr              { return nil }
func (c *connFake) RemoteAddr() net.Addr             { return nil }
func (c *connFake) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (c *connFake) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (c *connFake) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

// script makes reads return these results, and then wait for Close.
func (c *connFake) script(results ...any) {
	c.read = func(p []byte) (n int, err error) {
		if len(results) == 0 {
			<-c.closed
			return 0, net.ErrClosed
		}
		if s, ok := results[0].(string); ok {
			n = copy(p, s)
			results = results[1:]
		}
		if len(results) > 0 {
			if e, ok := results[0].(error); ok || results[0] == nil {
				err = e
				results = results[1:]
			}
		}
		return n, err
	}
}

// The results of reads reach the protocol in order, also data that comes together with
// an error.
func TestConnStreamReads(t *testing.T) {
	for _, c := range []struct {
		name    string
		results []any
		want    string
	}{
		{"data and then EOF", []any{"one", nil, "two", nil, "", io.EOF}, "data:one data:two eof lost"},
		{"data with EOF", []any{"one", io.EOF}, "data:one eof lost"},
		{"data with an error", []any{"one", errIO}, "data:one lost:errIO"},
		{"an error", []any{"", errIO}, "lost:errIO"},
		{"nothing at all", []any{"", nil, "", nil, "one", nil, "", io.EOF}, "data:one eof lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			connServed(t, func() net.Conn {
				f := newConnFake()
				f.script(c.results...)
				return f
			}, func(s *connCase) {
				s.settle()
				s.settle()
				s.want(c.want)
			})
		})
	}
}

// While reading is paused, at most one buffer is read.
func TestConnStreamPausedReading(t *testing.T) {
	here, there := net.Conn(nil), net.Conn(nil)
	connServed(t, func() net.Conn { here, there = net.Pipe(); return here }, func(c *connCase) {
		c.t.PauseReading()
		sent := 0
		go func() {
			for {
				if _, err := there.Write(make([]byte, 1000)); err != nil {
					return
				}
				sent += 1000
			}
		}()
		c.settle()
		if sent > aio.ConnBuffer {
			c.Errorf("the peer could send %d bytes", sent)
		}
		c.want("")
		c.t.ResumeReading()
		c.settle()
		if len(c.p.got) == 0 {
			c.Error("nothing was received")
		}
		c.t.Abort()
		c.settle()
		there.Close()
	})
}

// The size of the read buffer adapts to the amount of data.
func TestConnStreamReadBuffer(t *testing.T) {
	var sizes []int
	connServed(t, func() net.Conn {
		f := newConnFake()
		f.read = func(p []byte) (int, error) {
			sizes = append(sizes, len(p))
			switch len(sizes) {
			case 3:
				return 10, nil
			case 8:
				return 0, io.EOF
			}
			return len(p), nil
		}
		return f
	}, func(c *connCase) {
		for !c.p.lost.IsSet() {
			c.settle()
		}
	})
	equal(t, "the sizes of the buffers", sizes, []int{4 << 10, 8 << 10, 16 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 64 << 10})
}

// Idle connections hold little memory, even after large transfers.
func TestConnStreamIdleMemory(t *testing.T) {
	const limit = 40 << 10
	conns := stage.Amount(25, 100, 100)
	l, _ := newLoop(t)
	if err := runMain(l, func(ctx context.Context) error {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var ps []*protoSmallBuffers
		for range conns {
			here, there := net.Pipe()
			defer there.Close()
			tr, p, err := aio.ConnectAcceptedSocket(ctx, func() *protoSmallBuffers {
				return &protoSmallBuffers{lost: aio.CreateFuture[error](ctx)}
			}, here, nil)
			if err != nil {
				return err
			}
			ps = append(ps, p)
			tr.Write(make([]byte, 5*aio.ConnBuffer))
			received := make(chan error)
			go func() {
				_, err := io.ReadFull(there, make([]byte, 5*aio.ConnBuffer))
				for range 5 {
					there.Write(make([]byte, aio.ConnBuffer))
				}
				for range 10 {
					there.Write([]byte("x"))
				}
				received <- err
			}()
			n := 5*aio.ConnBuffer + 10
			eventually(t, ctx, "everything has arrived", func() bool { return len(p.got) == n })
			if err := <-received; err != nil {
				t.Error(err)
			}
			p.got = nil
		}
		collected(t, ctx, fmt.Sprintf("memory of a connection below %d bytes", limit), func() bool {
			runtime.ReadMemStats(&after)
			return after.HeapAlloc < before.HeapAlloc+uint64(conns*limit)
		})
		runtime.KeepAlive(ps)
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// LOOP-228, LOOP-229, LOOP-240, LOOP-254: data that the connection does not accept at
// once is kept, first in a buffer that corresponds to the kernel's, then in the
// transport's buffer.
func TestConnStreamBackpressure(t *testing.T) {
	f := newConnFake()
	room := (chan int)(nil)
	var got bytes.Buffer
	connServed(t, func() net.Conn {
		f, room = newConnFake(), make(chan int)
		f.write = func(p []byte) (int, error) {
			for done := 0; done < len(p); {
				n := min(<-room, len(p)-done)
				got.Write(p[done : done+n])
				done += n
			}
			return len(p), nil
		}
		return f
	}, func(c *connCase) {
		buffered := func(want int) {
			c.Helper()
			c.settle()
			if n := c.t.GetWriteBufferSize(); n != want {
				c.Errorf("%d bytes are buffered, want %d", n, want)
			}
		}
		const kernel = aio.ConnBuffer
		sent := make([]byte, 3*kernel+100000)
		for i := range sent {
			sent[i] = byte(i ^ i>>8)
		}
		c.t.Write(sent[:10])
		buffered(0) // the goroutine is writing the data
		c.t.Write(sent[10 : 10+kernel+50])
		buffered(50)
		c.t.Write(sent[10+kernel+50 : 10+kernel+1000])
		buffered(1000)
		c.want("")
		c.t.Write(sent[10+kernel+1000:])
		buffered(len(sent) - 10 - kernel)
		c.want("pause")
		room <- 5
		buffered(len(sent) - 10 - kernel)
		room <- 5 // the connection accepts the content of the first buffer
		buffered(len(sent) - 10 - 2*kernel)
		c.t.Close()
		for !f.isClosed.Load() {
			room <- 1 << 20
			c.settle()
		}
		c.want("resume lost")
		if !bytes.Equal(got.Bytes(), sent) {
			c.Errorf("the connection received %d bytes, want %d, in order", got.Len(), len(sent))
		}
	})
}

// LOOP-236: an error of the connection is reported at the next write or by a read.
func TestConnStreamWriteErrors(t *testing.T) {
	fail := func(n int, err error) func() net.Conn {
		return func() net.Conn {
			f := newConnFake()
			calls := 0
			f.write = func(p []byte) (int, error) {
				if calls++; calls > 1 {
					return n, err
				}
				return len(p), nil
			}
			return f
		}
	}
	for name, c := range map[string]struct {
		conn func() net.Conn
		want error
	}{
		"an error":                  {fail(0, errIO), errIO},
		"an error after some bytes": {fail(3, errIO), errIO},
		"a short write":             {fail(3, nil), io.ErrShortWrite},
		"nothing written":           {fail(0, nil), io.ErrShortWrite},
	} {
		t.Run(name, func(t *testing.T) {
			connServed(t, c.conn, func(s *connCase) {
				for range 2 {
					if n, err := s.t.Write([]byte("hello")); n != 5 || err != nil {
						s.Errorf("Write() = %d, %v", n, err)
					}
					s.settle()
				}
				s.want("")
				if n, err := s.t.Write([]byte("hello")); n != 0 || err != c.want {
					s.Errorf("Write() = %d, %v, want %v", n, err, c.want)
				}
				s.settle()
				if s.p.err != c.want {
					s.Errorf("ConnectionLost(%v), want %v", s.p.err, c.want)
				}
			})
		})
	}
	t.Run("with something in the transport's buffer", func(t *testing.T) {
		connServed(t, fail(0, errIO), func(s *connCase) {
			s.t.Write([]byte("hello"))
			s.settle()
			s.t.Write(make([]byte, 3*aio.ConnBuffer))
			s.settle()
			s.want("pause lost:errIO")
		})
	})
	t.Run("while it is closing", func(t *testing.T) {
		connServed(t, fail(0, errIO), func(s *connCase) {
			s.t.Write([]byte("hello"))
			s.settle()
			s.t.Write(make([]byte, 3*aio.ConnBuffer))
			s.t.Close()
			s.settle()
			s.want("pause lost:errIO")
		})
	})
	t.Run("noticed by reading", func(t *testing.T) {
		connServed(t, func() net.Conn {
			here, _ := net.Pipe()
			return brokenConn{here}
		}, func(s *connCase) {
			s.t.Write([]byte("hello"))
			s.settle()
			s.want("")
			s.sleep(time.Second) // time to read remaining data
			s.settle()
			s.want("lost:errIO")
		})
	})
}

// brokenConn is a connection whose writes fail.
type brokenConn struct{ net.Conn }

func (brokenConn) Write([]byte) (int, error) { return 0, errIO }

// LOOP-250, LOOP-251: the writing half is closed after the buffered data, if the
// connection supports it.
func TestConnStreamWriteEOF(t *testing.T) {
	log := new(eventLog)
	connServed(t, func() net.Conn {
		f := newConnFake()
		f.write = func(p []byte) (int, error) {
			time.Sleep(time.Second)
			log.add("write:%d", len(p))
			return len(p), nil
		}
		// The error of CloseWrite cannot be reported.
		f.closeWrite = func() error { log.add("closeWrite"); return errIO }
		return f
	}, func(c *connCase) {
		if !c.t.CanWriteEOF() {
			c.Error("CanWriteEOF() = false")
		}
		c.t.Write([]byte("hello"))
		c.settle()
		c.t.Write([]byte("you"))
		c.t.WriteEOF()
		c.t.WriteEOF()
		c.sleep(3 * time.Second)
		log.want(t, "write:5 write:3 closeWrite")
		c.want("")
		c.t.Close()
		c.settle()
		c.want("lost")
	})
	connServed(t, func() net.Conn { here, _ := net.Pipe(); return here }, func(c *connCase) {
		if c.t.CanWriteEOF() {
			c.Error("CanWriteEOF() = true")
		}
		if err := panics(c.t.WriteEOF); !errors.Is(err, aio.ErrUsage) {
			c.Errorf("WriteEOF: %v", err)
		}
	})
}

// After Close the buffered data is still sent, as by a kernel, but only for a limited
// time.
func TestConnStreamLingers(t *testing.T) {
	for _, c := range []struct {
		name     string
		end      func(tr aio.Transport)
		reads    time.Duration // delay before the peer reads
		wantData bool
		wantEnd  time.Duration // time until the peer sees EOF
	}{
		{"a peer that reads late", func(tr aio.Transport) { tr.Close() }, 59 * time.Second, true, 59 * time.Second},
		{"a peer that reads too late", func(tr aio.Transport) { tr.Close() }, 61 * time.Second, false, 61 * time.Second},
		{"aborted", aio.Transport.Abort, 999 * time.Millisecond, true, 999 * time.Millisecond},
		{"aborted, too late", aio.Transport.Abort, 1001 * time.Millisecond, false, 1001 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			var there net.Conn
			connServed(t, func() (here net.Conn) { here, there = net.Pipe(); return here }, func(s *connCase) {
				start := time.Now()
				s.t.Write([]byte("hello"))
				c.end(s.t)
				s.settle()
				s.want("lost") // without waiting for the peer
				s.sleep(c.reads)
				data, err := io.ReadAll(there)
				if err != nil || (string(data) == "hello") != c.wantData {
					t.Errorf("the peer read %q, %v", data, err)
				}
				if d := time.Since(start); d != c.wantEnd {
					t.Errorf("the peer saw EOF after %v, want %v", d, c.wantEnd)
				}
			})
		})
	}
}

// Closing the loop sends the buffered data if that takes only a moment.
func TestConnStreamOfAClosedLoop(t *testing.T) {
	for _, c := range []struct {
		name  string
		close bool
		reads time.Duration
		want  string
		takes time.Duration
	}{
		{"closed, and a peer that reads", true, time.Second / 2, "hello", time.Second / 2},
		{"open, and a peer that reads", false, time.Second / 2, "hello", time.Second / 2},
		{"closed, and a peer that does not", true, time.Hour, "", time.Second},
		{"open, and a peer that does not", false, time.Hour, "", time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				l := aio.NewEventLoop(nil)
				if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
					tr, _, err := aio.ConnectAcceptedSocket(ctx, newIOLogger, here, nil)
					if err != nil {
						return err
					}
					tr.Write([]byte("hello"))
					if c.close {
						tr.Close()
					}
					return nil
				})); err != nil {
					t.Error(err)
				}
				read := make(chan string)
				go func() {
					time.Sleep(c.reads)
					data, _ := io.ReadAll(there)
					read <- string(data)
				}()
				start := time.Now()
				if err := l.Close(); err != nil {
					t.Error(err)
				}
				if d := time.Since(start); d != c.takes {
					t.Errorf("Close took %v, want %v", d, c.takes)
				}
				if got := <-read; got != c.want {
					t.Errorf("the peer read %q, want %q", got, c.want)
				}
			})
		})
	}
	t.Run("connections without deadlines", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := aio.NewEventLoop(nil)
			var fakes []*connFake
			if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
				for range 3 {
					f := newConnFake()
					f.write = func(p []byte) (int, error) { <-f.closed; return 0, net.ErrClosed }
					fakes = append(fakes, f)
					tr, _, err := aio.ConnectAcceptedSocket(ctx, newIOLogger, f, nil)
					if err != nil {
						return err
					}
					tr.Write([]byte("hello"))
					tr.Close()
				}
				idle := newConnFake()
				fakes = append(fakes, idle)
				_, _, err := aio.ConnectAcceptedSocket(ctx, newIOLogger, idle, nil)
				return err
			})); err != nil {
				t.Error(err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			for i, f := range fakes {
				if !f.isClosed.Load() {
					t.Errorf("connection %d is open", i)
				}
			}
		})
	})
}

// A connection that cannot be attached to a protocol is closed.
func TestConnStreamOfNoProtocol(t *testing.T) {
	f := newConnFake()
	l, _ := newLoop(t)
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		_, _, err := aio.ConnectAcceptedSocket(ctx, func() int { return 1 }, net.Conn(f), nil)
		return err
	}))
	if !errors.Is(err, aio.ErrUsage) || !strings.Contains(err.Error(), "int") {
		t.Errorf("the error is %v", err)
	}
	if !f.isClosed.Load() {
		t.Error("the connection is open")
	}
}

// LOOP-261: extra information about a connection without a descriptor.
func TestConnStreamExtraInfo(t *testing.T) {
	connServed(t, func() net.Conn { here, _ := net.Pipe(); return here }, func(c *connCase) {
		for _, name := range []string{"sockname", "peername"} {
			if a, ok := c.t.GetExtraInfo(name).(net.Addr); !ok || a.Network() != "pipe" {
				c.Errorf("%s is %v", name, a)
			}
		}
		s := c.t.GetExtraInfo("socket").(*aio.TransportSocket)
		if _, err := s.SyscallConn(); !errors.Is(err, errors.ErrUnsupported) {
			c.Errorf("SyscallConn: %v", err)
		}
		if _, err := s.File(); !errors.Is(err, errors.ErrUnsupported) {
			c.Errorf("File: %v", err)
		}
	})
	connServed(t, func() net.Conn { return newConnFake() }, func(c *connCase) {
		// a pipe has no addresses
		for _, name := range []string{"sockname", "peername"} {
			if a := c.t.GetExtraInfo(name); a != nil {
				c.Errorf("%s is %v", name, a)
			}
		}
	})
}
