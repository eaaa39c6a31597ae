package aio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// connMaker is a protocol that makes a net.Conn for its transport.
type connMaker func(net.Conn)

func (f connMaker) ConnectionMade(t aio.Transport) { f(aio.NewConn(t)) }

// connLoop runs a loop in a new goroutine. stop closes it.
func connLoop(goroutines bool) (l *aio.Loop, stop func()) {
	l = aio.NewEventLoop(nil)
	aio.ForceGoroutines(l, goroutines)
	done := make(chan error)
	go func() {
		err := l.RunForever()
		if cerr := l.Close(); err == nil {
			err = cerr
		}
		done <- err
	}()
	return l, func() {
		l.CallSoonThreadsafe(l.Stop)
		if err := <-done; err != nil {
			panic(err)
		}
	}
}

// connTake makes a net.Conn for a transport of l over c. A config of a server makes it
// the server side.
func connTake(l *aio.Loop, c net.Conn, config *tls.Config) *aio.ConcurrentFuture[net.Conn] {
	return aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (made net.Conn, err error) {
		maker := func() connMaker { return func(c net.Conn) { made = c } }
		if config != nil && len(config.Certificates) > 0 {
			_, _, err = aio.ConnectAcceptedSocket(ctx, maker, c, &aio.ConnectionOptions{TLS: config})
		} else {
			_, _, err = aio.CreateConnection(ctx, maker, "", &aio.ConnectionOptions{Conn: c, TLS: config})
		}
		return made, err
	})
}

// connConfigs returns the TLS configurations of a client and a server.
func connConfigs() (client, server *tls.Config) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	defer web.Close()
	return &tls.Config{InsecureSkipVerify: true}, &tls.Config{Certificates: web.TLS.Certificates}
}

// connPair returns the two ends of a connection of package net.
func connPair(network, dir string) (c1, c2 net.Conn, err error) {
	addr := "127.0.0.1:0"
	switch network {
	case "pipe":
		c1, c2 = net.Pipe()
		return c1, c2, nil
	case "unix":
		addr = filepath.Join(dir, "s")
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	if c1, err = net.Dial(network, ln.Addr().String()); err != nil {
		return nil, nil, err
	}
	c2, err = ln.Accept()
	return c1, c2, err
}

// connPipe returns the two ends of a connection between transports of two loops. The
// configurations are nil without TLS.
func connPipe(network, dir string, goroutines bool, client, server *tls.Config) (c1, c2 net.Conn, stop func(), err error) {
	if c1, c2, err = connPair(network, dir); err != nil {
		return nil, nil, nil, err
	}
	l1, stop1 := connLoop(goroutines)
	l2, stop2 := connLoop(goroutines)
	stop = func() { stop1(); stop2() }
	one, two := connTake(l1, c1, client), connTake(l2, c2, server)
	if c1, err = one.Result(context.Background()); err == nil {
		c2, err = two.Result(context.Background())
	}
	if err != nil {
		stop()
	}
	return c1, c2, stop, err
}

// connNetworks runs test for each kind of connection. With TLS, whose implementation is
// the same for all, it uses only two kinds, because the tests of package nettest wait
// for deadlines.
func connNetworks(t *testing.T, test func(t *testing.T, network string, goroutines bool)) {
	for _, tt := range []struct {
		name, network string
		goroutines    bool
	}{
		{"tcp", "tcp", false},
		{"unix", "unix", false},
		{"tcp over goroutines", "tcp", true},
		{"pipe", "pipe", false},
	} {
		t.Run(tt.name, func(t *testing.T) { test(t, tt.network, tt.goroutines) })
	}
}

// connEnd is a net.Conn over a transport of the test's loop.
type connEnd struct {
	net.Conn
	t aio.Transport
}

func (c connEnd) closeWrite() error { return c.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// connOver returns a connEnd over c.
func connOver(t testing.TB, ctx context.Context, c net.Conn) connEnd {
	t.Helper()
	var made net.Conn
	tr, _, err := aio.CreateConnection(ctx, func() connMaker {
		return func(c net.Conn) { made = c }
	}, "", &aio.ConnectionOptions{Conn: c})
	if err != nil {
		t.Fatal(err)
	}
	return connEnd{made, tr}
}

// connBoth runs test with both back ends. One end belongs to the test's loop, the other
// one to package net.
func connBoth(t *testing.T, network string, test func(t *testing.T, ctx context.Context, c connEnd, peer net.Conn) error) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		c1, c2, err := connPair(network, t.TempDir())
		if err != nil {
			return err
		}
		defer c2.Close()
		return test(t, ctx, connOver(t, ctx, c1), c2)
	})
}

// inThread calls f, which blocks, in a worker goroutine.
func inThread(ctx context.Context, f func() error) error {
	_, err := aio.ToThread(ctx, func(context.Context) (struct{}, error) { return struct{}{}, f() })
	return err
}

// wantRead checks that the next bytes of c are want.
func wantRead(t *testing.T, c io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("read %q, %v; want %q", got[:n], err, want)
	}
}

// Two tasks of one loop communicate over net.Conns.
func TestConnTasks(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		a, b, err := connPair("tcp", "")
		if err != nil {
			return err
		}
		client, server := connOver(t, ctx, a), connOver(t, ctx, b)
		if client.LocalAddr().String() != server.RemoteAddr().String() || client.LocalAddr().Network() != "tcp" {
			t.Errorf("the client is at %v, the server's peer at %v", client.LocalAddr(), server.RemoteAddr())
		}
		echo := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
			_, err := io.Copy(server, struct{ io.Reader }{server})
			server.Close()
			return err
		}))
		for _, size := range []int{1, 100, 16 << 10, 1 << 20} {
			sent := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			var log eventLog
			write := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
				n, err := client.Write(sent)
				log.add("%d", n)
				return err
			}))
			got := make([]byte, size)
			if _, err := io.ReadFull(client, got); err != nil {
				return err
			}
			if !bytes.Equal(got, sent) {
				t.Errorf("the echo of %d bytes differs", size)
			}
			if _, err := write.Await(ctx); err != nil || len(log) != 1 {
				t.Errorf("Write: %v, %v", log, err)
			}
		}
		if err := client.closeWrite(); err != nil {
			t.Error(err)
		}
		if _, err := client.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write after CloseWrite: %v", err)
		}
		if n, err := client.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("Read at EOF: %d, %v", n, err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		_, err = echo.Await(ctx)
		return err
	})
}

// A cancelled Read has consumed no data, even if the data had already arrived.
func TestConnReadCancelled(t *testing.T) {
	connBoth(t, "tcp", func(t *testing.T, ctx context.Context, c connEnd, peer net.Conn) error {
		var readErr error
		read := func(size int) *aio.Task[int] {
			return aio.CreateTask(ctx, func(context.Context) (n int, err error) {
				n, readErr = c.Read(make([]byte, size))
				return n, readErr
			})
		}
		// It waits.
		task := read(10)
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		task.Cancel("enough")
		_, err := task.Await(ctx)
		var ce *aio.CancelledError
		if !errors.As(err, &ce) || ce.Message != "enough" || readErr != err {
			t.Errorf("the task returned %v, Read returned %v", err, readErr)
		}
		c.SetReadDeadline(time.Time{}) // otherwise each further Read would fail
		// The data has arrived, but the task has not run yet.
		for _, size := range []int{10, 32 << 10} {
			task = read(size)
			spy := &connSpy{connProtocol: c.t.GetProtocol().(connProtocol), updated: func() { task.Cancel() }}
			c.t.SetProtocol(spy)
			if err := inThread(ctx, func() error { _, err := peer.Write([]byte("hello")); return err }); err != nil {
				return err
			}
			if n, err := task.Await(ctx); n != 0 || !errors.Is(err, aio.ErrCancelled) || !errors.Is(readErr, aio.ErrCancelled) {
				t.Errorf("a Read whose data had arrived returned %d, %v, and %v", n, err, readErr)
			}
			c.SetReadDeadline(time.Time{})
			if n, err := read(3).Await(ctx); n != 3 || err != nil {
				t.Errorf("the next Read: %d, %v", n, err)
			}
			wantRead(t, c, "lo")
			c.t.SetProtocol(spy.connProtocol)
		}
		return c.Close()
	})
}

// connProtocol is the protocol interface of a net.Conn.
type connProtocol interface {
	aio.BufferedProtocol
	EOFReceived() bool
	ConnectionLost(error)
	PauseWriting()
	ResumeWriting()
}

// connSpy calls updated after each BufferUpdated.
type connSpy struct {
	connProtocol
	updated func()
}

func (s *connSpy) BufferUpdated(n int) {
	s.connProtocol.BufferUpdated(n)
	s.updated()
}

// Without a Read, at most 16 KiB are read from the kernel.
func TestConnReadsNotAhead(t *testing.T) {
	connBoth(t, "tcp", func(t *testing.T, ctx context.Context, c connEnd, peer net.Conn) error {
		taken := 0
		c.t.SetProtocol(&connSpy{connProtocol: c.t.GetProtocol().(connProtocol), updated: func() { taken++ }})
		sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
		written := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return inThread(ctx, func() error { _, err := peer.Write(sent); return err })
		}))
		eventually(t, ctx, "the transport has stopped reading", func() bool { return !c.t.IsReading() })
		first := make([]byte, 1<<20)
		if n, err := c.Read(first); n != 16<<10 || err != nil || !bytes.Equal(first[:n], sent[:n]) {
			t.Errorf("%d bytes were read ahead, %v", n, err)
		}
		rest := make([]byte, len(sent)-16<<10)
		if _, err := io.ReadFull(c, rest); err != nil || !bytes.Equal(rest, sent[16<<10:]) {
			t.Errorf("the rest differs, %v", err)
		}
		_, err := written.Await(ctx)
		return errors.Join(err, c.Close())
	})
}

// A Write waits while the peer does not read, and the transport's buffer stays small.
func TestConnWriteWaits(t *testing.T) {
	connBoth(t, "tcp", func(t *testing.T, ctx context.Context, c connEnd, peer net.Conn) error {
		sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
		var log eventLog
		// The data of concurrent writes is not interleaved.
		var tasks []aio.AnyFuture
		for _, p := range [][]byte{sent, []byte("end")} {
			tasks = append(tasks, aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
				n, err := c.Write(p)
				log.add("%d", n)
				return err
			})))
		}
		_, high := c.t.GetWriteBufferLimits()
		most := 0
		look := func() { most = max(most, c.t.GetWriteBufferSize()) }
		eventually(t, ctx, "the write buffer is full", func() bool { return c.t.GetWriteBufferSize() > high })
		log.want(t, "")
		spin := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for {
				look()
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
		}))
		got := make([]byte, len(sent)+3)
		if err := inThread(ctx, func() error { _, err := io.ReadFull(peer, got); return err }); err != nil {
			return err
		}
		if !bytes.Equal(got, append(sent, "end"...)) {
			t.Error("what arrived differs")
		}
		if _, _, err := aio.Wait(ctx, tasks, aio.NoTimeout, aio.AllCompleted); err != nil {
			return err
		}
		log.want(t, "16777216 3")
		if most <= high || most > high+64<<10 {
			t.Errorf("%d bytes were buffered", most)
		}
		spin.Cancel()
		return c.Close()
	})
}

// A Write that is cancelled or times out returns the number of bytes that the transport
// has accepted, and these arrive.
func TestConnWriteEnds(t *testing.T) {
	for name, end := range map[string]func(c connEnd, task aio.AnyTask){
		"cancelled":     func(_ connEnd, task aio.AnyTask) { task.Cancel() },
		"past deadline": func(c connEnd, _ aio.AnyTask) { c.SetWriteDeadline(time.Unix(1, 0)) },
		"closed":        func(c connEnd, _ aio.AnyTask) { c.Close() },
		"half closed":   func(c connEnd, _ aio.AnyTask) { c.closeWrite() },
	} {
		want := map[string]error{
			"cancelled": aio.ErrCancelled, "past deadline": os.ErrDeadlineExceeded,
			"closed": net.ErrClosed, "half closed": syscall.EPIPE,
		}[name]
		t.Run(name, func(t *testing.T) {
			connBoth(t, "tcp", func(t *testing.T, ctx context.Context, c connEnd, peer net.Conn) error {
				n := -1
				task := aio.CreateTask(ctx, aio.NoResult(func(context.Context) (err error) {
					n, err = c.Write(make([]byte, 64<<20))
					return err
				}))
				_, high := c.t.GetWriteBufferLimits()
				eventually(t, ctx, "the write buffer is full", func() bool { return c.t.GetWriteBufferSize() > high })
				end(c, task)
				if _, err := task.Await(ctx); !errors.Is(err, want) {
					t.Errorf("Write: %v, want %v", err, want)
				}
				if name == "cancelled" || name == "past deadline" {
					c.Close()
				}
				arrived := 0
				err := inThread(ctx, func() error {
					k, err := io.Copy(io.Discard, struct{ io.Reader }{peer})
					arrived = int(k)
					return err
				})
				if arrived != n || n <= high {
					t.Errorf("Write returned %d, %d bytes arrived", n, arrived)
				}
				c.Close()
				return err
			})
		})
	}
}

// Close ends all calls, and the written data arrives.
func TestConnClose(t *testing.T) {
	connBoth(t, "tcp", func(t *testing.T, ctx context.Context, c connEnd, peer net.Conn) error {
		var log eventLog
		var tasks []aio.AnyFuture
		for _, name := range []string{"first", "second"} {
			tasks = append(tasks, aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
				n, err := c.Read(make([]byte, 1))
				log.add("%s:%d:%t", name, n, errors.Is(err, net.ErrClosed))
				return nil
			})))
		}
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		if n, err := c.Write(make([]byte, 100<<10)); n != 100<<10 || err != nil {
			t.Errorf("Write: %d, %v", n, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if _, _, err := aio.Wait(ctx, tasks, aio.NoTimeout, aio.AllCompleted); err != nil {
			return err
		}
		log.want(t, "first:0:true second:0:true")
		for name, f := range map[string]func() error{
			"Read":       func() error { _, err := c.Read(nil); return err },
			"Write":      func() error { _, err := c.Write([]byte("x")); return err },
			"CloseWrite": c.closeWrite,
			"Close":      c.Close,
			"SetDeadline": func() error {
				return c.SetDeadline(time.Now())
			},
		} {
			var op *net.OpError
			if err := f(); !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) {
				t.Errorf("%s after Close: %v", name, err)
			}
		}
		return inThread(ctx, func() error {
			n, err := io.Copy(io.Discard, struct{ io.Reader }{peer})
			if n != 100<<10 {
				t.Errorf("%d bytes arrived", n)
			}
			return err
		})
	})
}

// Tests EOF and a reset from the peer.
func TestConnPeer(t *testing.T) {
	connBoth(t, "tcp", func(t *testing.T, ctx context.Context, c connEnd, peer net.Conn) error {
		tcp := peer.(*net.TCPConn)
		if err := tcp.CloseWrite(); err != nil {
			return err
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("Read: %d, %v", n, err)
		}
		if n, err := c.Write([]byte("still")); n != 5 || err != nil {
			t.Errorf("Write: %d, %v", n, err)
		}
		got := make([]byte, 5)
		if err := inThread(ctx, func() error { _, err := io.ReadFull(peer, got); return err }); err != nil || string(got) != "still" {
			t.Errorf("the peer got %q, %v", got, err)
		}
		return c.Close()
	})
	connBoth(t, "tcp", func(t *testing.T, ctx context.Context, c connEnd, peer net.Conn) error {
		if err := errors.Join(peer.(*net.TCPConn).SetLinger(0), peer.Close()); err != nil {
			return err
		}
		var op *net.OpError
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &op) ||
			strings.Count(err.Error(), c.LocalAddr().String()) != 1 {
			t.Errorf("Read: %v", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Write: %v", err)
		}
		return c.Close()
	})
	// The transport is aborted directly.
	connBoth(t, "tcp", func(t *testing.T, ctx context.Context, c connEnd, _ net.Conn) error {
		aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { c.t.Abort(); return nil }))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
		return c.Close()
	})
}

// With TLS, EOF ends both directions.
func TestConnPeerTLS(t *testing.T) {
	client, server := connConfigs()
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		a, b, err := connPair("tcp", "")
		if err != nil {
			return err
		}
		var one, two net.Conn
		accept := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, _, err := aio.ConnectAcceptedSocket(ctx, func() connMaker {
				return func(c net.Conn) { two = c }
			}, b, &aio.ConnectionOptions{TLS: server})
			return err
		}))
		if _, _, err := aio.CreateConnection(ctx, func() connMaker {
			return func(c net.Conn) { one = c }
		}, "", &aio.ConnectionOptions{Conn: a, TLS: client}); err != nil {
			return err
		}
		if _, err := accept.Await(ctx); err != nil {
			return err
		}
		if err := one.(interface{ CloseWrite() error }).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("CloseWrite: %v", err)
		}
		if _, err := one.Write([]byte("bye")); err != nil {
			t.Error(err)
		}
		if err := one.Close(); err != nil {
			t.Error(err)
		}
		wantRead(t, two, "bye")
		if n, err := two.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("Read: %d, %v", n, err)
		}
		if _, err := two.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
		return two.Close()
	})
}

// A callback cannot wait, but it can close a connection.
func TestConnCallback(t *testing.T) {
	connBoth(t, "tcp", func(t *testing.T, ctx context.Context, c connEnd, _ net.Conn) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		done := aio.CreateFuture[struct{}](ctx)
		l.CallSoon(func() {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, aio.ErrNoTask) {
				t.Errorf("Read: %v", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, aio.ErrNoTask) {
				t.Errorf("Write: %v", err)
			}
			if err := errors.Join(c.SetDeadline(time.Now()), c.Close()); err != nil {
				t.Error(err)
			}
			done.SetResult(struct{}{})
		})
		_, err = done.Await(ctx)
		return err
	})
}

// NewConn accepts a transport in any state.
func TestNewConnState(t *testing.T) {
	connBoth(t, "tcp", func(t *testing.T, ctx context.Context, c connEnd, peer net.Conn) error {
		// Reading is paused, and the write buffer is full.
		c.t.PauseReading()
		if _, err := c.t.Write(make([]byte, 16<<20)); err != nil {
			return err
		}
		buffered := c.t.GetWriteBufferSize()
		again := connEnd{aio.NewConn(c.t), c.t}
		written := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
			_, err := again.Write([]byte("end"))
			return err
		}))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		if size := c.t.GetWriteBufferSize(); written.Done() || size > buffered {
			t.Errorf("%d bytes were buffered, now %d; Write is done: %t", buffered, size, written.Done())
		}
		if err := inThread(ctx, func() error {
			if _, err := io.CopyN(io.Discard, peer, 16<<20); err != nil {
				return err
			}
			wantRead(t, peer, "end")
			_, err := peer.Write([]byte("hello"))
			return errors.Join(err, peer.(*net.TCPConn).CloseWrite())
		}); err != nil {
			return err
		}
		wantRead(t, again, "hello")
		if _, err := again.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read: %v", err)
		}
		// at EOF
		again = connEnd{aio.NewConn(c.t), c.t}
		if _, err := again.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read by the third: %v", err)
		}
		// The transport is closing, and later closed.
		for _, wait := range []int{0, 0, 3} {
			c.t.Close()
			letPass(ctx, wait)
			last := aio.NewConn(c.t)
			if _, err := last.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write on a closed connection: %v", err)
			}
			if err := last.Close(); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
}

func TestNewConnMisuse(t *testing.T) {
	connBoth(t, "tcp", func(t *testing.T, ctx context.Context, c connEnd, _ net.Conn) error {
		if err := panics(func() { aio.NewConn(struct{ aio.Transport }{c.t}) }); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("a foreign transport: %v", err)
		}
		if err := panics(func() { aio.NewConn(nil) }); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("no transport: %v", err)
		}
		if err := inThread(ctx, func() error { return panics(func() { aio.NewConn(c.t) }) }); !errors.Is(err, aio.ErrWrongGoroutine) {
			t.Errorf("another goroutine: %v", err)
		}
		return c.Close()
	})
	// The transport is used directly as well, which the net.Conn does not expect.
	connBoth(t, "tcp", func(t *testing.T, ctx context.Context, c connEnd, _ net.Conn) error {
		c.t.WriteEOF()
		if err := inThread(ctx, func() error { _, err := c.Write([]byte("x")); return err }); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("Write: %v", err)
		}
		return c.Close()
	})
	connBoth(t, "pipe", func(t *testing.T, ctx context.Context, c connEnd, _ net.Conn) error {
		if err := c.closeWrite(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("CloseWrite: %v", err)
		}
		return c.Close()
	})
}

// Closing the loop ends the calls of other goroutines, whatever state they are in.
func TestConnLoopClosed(t *testing.T) {
	for _, goroutines := range []bool{false, true} {
		l := aio.NewEventLoop(nil)
		aio.ForceGoroutines(l, goroutines)
		a, b, err := connPair("tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		var c connEnd
		var inTask error
		if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
			c = connOver(t, ctx, a)
			aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
				_, inTask = c.Read(make([]byte, 1))
				return inTask
			}))
			return nil
		})); err != nil {
			t.Fatal(err)
		}
		// ignores the report of the destroyed task
		l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
		results := make(chan error, 3)
		read := func() {
			_, err := c.Read(make([]byte, 1))
			results <- err
		}
		go read()
		for aio.Posted(l) == 0 {
			runtime.Gosched()
		}
		l.CallSoonThreadsafe(l.Stop)
		if err := l.RunForever(); err != nil {
			t.Fatal(err)
		}
		go read() // this call is still in the inbox
		for aio.Posted(l) == 0 {
			runtime.Gosched()
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		read()
		for range 3 {
			if err := <-results; !errors.Is(err, aio.ErrLoopClosed) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read: %v", err)
			}
		}
		if !errors.Is(inTask, aio.ErrLoopClosed) {
			t.Errorf("Read in a task: %v", inTask)
		}
		if err := c.SetDeadline(time.Now()); !errors.Is(err, aio.ErrLoopClosed) {
			t.Errorf("SetDeadline: %v", err)
		}
		if err := c.Close(); !errors.Is(err, aio.ErrLoopClosed) {
			t.Errorf("Close: %v", err)
		}
	}
}

// Reads and writes of a task over a net.Conn do not allocate.
func TestConnAllocations(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "js" || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("on this system goroutines serve the connections, or are identified by their stack traces")
	}
	err := aio.Run(func(ctx context.Context) error {
		a, b, err := connPair("tcp", "")
		if err != nil {
			return err
		}
		client, server := connOver(t, ctx, a), connOver(t, ctx, b)
		echo := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
			_, err := io.Copy(server, struct{ io.Reader }{server})
			return errors.Join(err, server.Close())
		}))
		p := make([]byte, 64)
		n := testing.AllocsPerRun(1000, func() {
			if _, err := client.Write(p); err != nil {
				t.Error(err)
			}
			if n, err := client.Read(p); n != 64 || err != nil {
				t.Errorf("Read: %d, %v", n, err)
			}
		})
		if n > 0 {
			t.Errorf("%v allocations", n)
		}
		if err := client.Close(); err != nil {
			return err
		}
		_, err = echo.Await(ctx)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
