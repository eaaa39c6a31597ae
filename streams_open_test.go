package aio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/goaio/aio"
)

// streamEcho is a handler that echoes each line.
func streamEcho(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
	for line, err := range r.Lines(ctx) {
		if err != nil {
			return err
		}
		w.Write(line)
		if err := w.Drain(ctx); err != nil {
			return err
		}
	}
	return nil
}

// streamServe starts a server on a free port.
func streamServe(t *testing.T, ctx context.Context, handler aio.StreamHandler, opts *aio.ServerOptions) *aio.Server {
	t.Helper()
	srv, err := aio.StartServer(ctx, handler, "localhost:0", opts)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// streamOpen connects to a server.
func streamOpen(t *testing.T, ctx context.Context, srv *aio.Server) (*aio.StreamReader, *aio.StreamWriter) {
	t.Helper()
	r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// streamEnd closes the last connection of a server, and then the server.
func streamEnd(ctx context.Context, srv *aio.Server, w *aio.StreamWriter) error {
	w.Close()
	if err := w.WaitClosed(ctx); err != nil {
		return err
	}
	srv.Close()
	return srv.WaitClosed(ctx)
}

// streamWant compares the result of a read.
func streamWant(t *testing.T, ctx context.Context, r *aio.StreamReader, op streamOp, want string) {
	t.Helper()
	if got := op(ctx, r); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// STREAM-002, STREAM-082, STREAM-085, STREAM-086
func TestStreamServerEchoesLines(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, streamEcho, nil)
		if err := srv.StartServing(ctx); err != nil {
			t.Error(err)
		}
		if port := srv.Addr().(*net.TCPAddr).Port; port == 0 || len(srv.Sockets()) == 0 {
			t.Errorf("%d sockets, port %d", len(srv.Sockets()), port)
		}
		r, w := streamOpen(t, ctx, srv)
		w.Write([]byte("one\ntwo\nre"))
		streamWant(t, ctx, r, streamLine, `"one\n"`)
		w.Write([]byte("st"))
		w.WriteEOF()
		streamWant(t, ctx, r, streamRead(-1), `"two\nrest"`)
		return streamEnd(ctx, srv, w)
	})
}

// STREAM-082, STREAM-085
func TestStreamUnixServer(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "socket")
		srv, err := aio.StartUnixServer(ctx, streamEcho, path, &aio.ServerOptions{Limit: 4})
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		if err != nil {
			return err
		}
		r, w, err := aio.OpenUnixConnection(ctx, path, &aio.ConnectionOptions{Limit: 2})
		if err != nil {
			return err
		}
		w.Write([]byte("one\n"))
		streamWant(t, ctx, r, streamLine, "too-long")
		return streamEnd(ctx, srv, w)
	})
}

// STREAM-001, STREAM-082: connection errors are returned, and an invalid limit is
// refused before connecting.
func TestOpenConnectionFails(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		ln, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			return err
		}
		ln.Close()
		_, _, err = aio.OpenConnection(ctx, ln.Addr().String(), nil)
		if op := (*net.OpError)(nil); !errors.As(err, &op) {
			t.Errorf("a port without a listener: %v", err)
		}
		handler := func(context.Context, *aio.StreamReader, *aio.StreamWriter) error { return nil }
		for _, call := range []func() error{
			func() error {
				_, _, err := aio.OpenConnection(ctx, "nowhere.invalid:1", &aio.ConnectionOptions{Limit: -1})
				return err
			},
			func() error {
				_, _, err := aio.OpenUnixConnection(ctx, "/nowhere", &aio.ConnectionOptions{Limit: -1})
				return err
			},
			func() error {
				_, err := aio.StartServer(ctx, handler, "localhost:0", &aio.ServerOptions{Limit: -1})
				return err
			},
			func() error { _, err := aio.StartServer(ctx, nil, "localhost:0", nil); return err },
			func() error { _, err := aio.StartUnixServer(ctx, nil, "/nowhere", nil); return err },
			func() error { _, err := aio.StartServer(ctx, handler, "", nil); return err },
			func() error { _, _, err := aio.OpenConnection(ctx, "", nil); return err },
		} {
			if err := call(); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("a wrong option: %v", err)
			}
		}
		outside := context.Background()
		if _, _, err := aio.OpenConnection(outside, "localhost:1", nil); !errors.Is(err, aio.ErrNoRunningLoop) {
			t.Errorf("without a loop: %v", err)
		}
		if _, err := aio.StartServer(outside, handler, "localhost:0", nil); !errors.Is(err, aio.ErrNoRunningLoop) {
			t.Errorf("without a loop: %v", err)
		}
		return nil
	})
}

// STREAM-084, STREAM-085: existing connections and listeners.
func TestStreamOverExistingSockets(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		ln, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			return err
		}
		srv, err := aio.StartServer(ctx, streamEcho, "", &aio.ServerOptions{Listener: ln})
		if err != nil {
			return err
		}
		conn, err := net.Dial("tcp", srv.Addr().String())
		if err != nil {
			return err
		}
		r, w, err := aio.OpenConnection(ctx, "", &aio.ConnectionOptions{Conn: conn})
		if err != nil {
			return err
		}
		w.Write([]byte("one\n"))
		streamWant(t, ctx, r, streamLine, `"one\n"`)
		return streamEnd(ctx, srv, w)
	})
	// net.Pipe has neither a buffer nor a descriptor.
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		a, b := net.Pipe()
		ra, wa, err := aio.OpenConnection(ctx, "", &aio.ConnectionOptions{Conn: a})
		if err != nil {
			return err
		}
		rb, wb, err := aio.OpenConnection(ctx, "", &aio.ConnectionOptions{Conn: b})
		if err != nil {
			return err
		}
		wa.Write([]byte("one\n"))
		wb.Write([]byte("two\n"))
		streamWant(t, ctx, rb, streamLine, `"one\n"`)
		streamWant(t, ctx, ra, streamLine, `"two\n"`)
		wa.Close()
		streamWant(t, ctx, rb, streamLine, `""`)
		wb.Close()
		return errors.Join(wa.WaitClosed(ctx), wb.WaitClosed(ctx))
	})
}

// STREAM-056: the written data is sent even if the received data was not read.
func TestStreamCloseSendsTheRest(t *testing.T) {
	const size = 8 << 20
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		arrived := aio.CreateFuture[int](ctx)
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			got, err := r.Read(ctx, -1)
			if err != nil {
				return err
			}
			return arrived.SetResult(len(got))
		}, nil)
		_, w := streamOpen(t, ctx, srv)
		w.Write(make([]byte, size))
		w.Close()
		w.Close()
		if err := w.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
		if n, err := arrived.Await(ctx); n != size || err != nil {
			t.Errorf("%d bytes arrived, %v", n, err)
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, streamEcho, nil)
		r, w := streamOpen(t, ctx, srv)
		w.Write([]byte("never read\n"))
		streamWant(t, ctx, r, streamRead(1), `"n"`) // the echo has arrived
		return streamEnd(ctx, srv, w)
	})
}

// STREAM-060: a task that only writes and drains ends when the peer has closed the
// connection.
func TestStreamWritingToAPeerThatIsGoneEnds(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, func(_ context.Context, _ *aio.StreamReader, w *aio.StreamWriter) error { return w.Close() }, nil)
		r, w := streamOpen(t, ctx, srv)
		streamWant(t, ctx, r, streamRead(1), `""`)
		var err error
		for err == nil {
			w.Write(make([]byte, 1<<16))
			err = w.Drain(ctx)
		}
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNABORTED) && runtime.GOOS != "windows" {
			t.Errorf("Drain returned %v", err)
		}
		w.Close()
		if err2 := w.WaitClosed(ctx); err != aio.ErrConnectionLost && err2 != err {
			t.Errorf("WaitClosed: %v, not %v", err2, err)
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// STREAM-067
func TestStreamAbort(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		arrived := aio.CreateFuture[int](ctx)
		var aborted aio.Event
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			if err := aborted.Wait(ctx); err != nil {
				return err
			}
			got, _ := r.Read(ctx, -1) // the error may be a reset
			return arrived.SetResult(len(got))
		}, nil)
		r, w := streamOpen(t, ctx, srv)
		w.Write(make([]byte, 16<<20))
		if w.Transport().GetWriteBufferSize() == 0 {
			t.Error("nothing is in the write buffer")
		}
		w.Transport().Abort()
		aborted.Set()
		if err := w.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
		streamWant(t, ctx, r, streamRead(-1), `""`)
		if n, err := arrived.Await(ctx); n == 16<<20 || err != nil {
			t.Errorf("%d bytes arrived, %v", n, err)
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// STREAM-068
func TestStreamWriteEOF(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			all, err := r.Read(ctx, -1)
			fmt.Fprintf(w, "got %q", all)
			return err
		}, nil)
		r, w := streamOpen(t, ctx, srv)
		w.Write([]byte("question"))
		if !w.CanWriteEOF() {
			t.Error("CanWriteEOF is false")
		}
		w.WriteEOF()
		w.WriteEOF()
		if w.IsClosing() {
			t.Error("IsClosing after WriteEOF")
		}
		_, err := w.Write([]byte("x"))
		matches(t, "Write after WriteEOF", err, aio.ErrUsage)
		streamWant(t, ctx, r, streamRead(-1), `"got \"question\""`)
		return streamEnd(ctx, srv, w)
	})
}

// streamReports collects the reports of a loop.
func streamReports(ctx context.Context) *[]aio.ExceptionContext {
	reports := new([]aio.ExceptionContext)
	loop, _ := aio.GetRunningLoop(ctx)
	loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { *reports = append(*reports, ec) })
	return reports
}

func streamPanics(context.Context, *aio.StreamReader, *aio.StreamWriter) error { panic(errStreamBoom) }

func streamFails(context.Context, *aio.StreamReader, *aio.StreamWriter) error { return errStreamBoom }

// STREAM-076: other clients are not affected.
func TestStreamHandlerFails(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		reports := streamReports(ctx)
		for _, c := range []struct {
			name    string
			handler aio.StreamHandler
		}{{"streamFails", streamFails}, {"streamPanics", streamPanics}} {
			first := true
			var tr aio.WriteTransport
			srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
				if first {
					first = false
					return streamEcho(ctx, r, w)
				}
				tr = w.Transport()
				return c.handler(ctx, r, w)
			}, nil)
			r1, w1 := streamOpen(t, ctx, srv)
			w1.Write([]byte("one\n"))
			streamWant(t, ctx, r1, streamLine, `"one\n"`)
			r2, w2 := streamOpen(t, ctx, srv)
			streamWant(t, ctx, r2, streamRead(-1), `""`)
			w2.Close()
			if len(*reports) != 1 {
				t.Fatalf("reports are %v", *reports)
			}
			ec := (*reports)[0]
			*reports = nil
			if !strings.Contains(ec.Message, "client-connected callback") || !strings.Contains(ec.Message, "TestStreamHandlerFails") ||
				!errors.Is(ec.Err, errStreamBoom) || ec.Transport != aio.BaseTransport(tr) || ec.Task == nil || ec.Protocol == nil {
				t.Errorf("report %+v", ec)
			}
			w1.Write([]byte("two\n"))
			streamWant(t, ctx, r1, streamLine, `"two\n"`)
			if err := streamEnd(ctx, srv, w1); err != nil {
				t.Error(err)
			}
		}
		if len(*reports) > 0 {
			t.Errorf("reports are %v", *reports)
		}
		return nil
	})
}

// STREAM-077: a callback that is not a task panics.
func TestStreamCallbackPanicsOverASocket(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		reports := streamReports(ctx)
		srv, err := aio.CreateServer(ctx, func() *aio.StreamReaderProtocol {
			return aio.NewStreamReaderProtocol(aio.NewStreamReader(ctx, 0), func(*aio.StreamReader, *aio.StreamWriter) { panic(errStreamBoom) })
		}, "localhost:0", nil)
		if err != nil {
			return err
		}
		r, w := streamOpen(t, ctx, srv)
		streamWant(t, ctx, r, streamRead(-1), `""`)
		if len(*reports) != 1 || !errors.Is((*reports)[0].Err, errStreamBoom) || (*reports)[0].Transport == nil {
			t.Errorf("reports are %v", *reports)
		}
		return streamEnd(ctx, srv, w)
	})
}

// STREAM-078, STREAM-079
func TestStreamHandlerIsCancelledOrReturns(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		var task aio.AnyTask
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			task = aio.CurrentTask(ctx)
			w.Write([]byte("hello\n"))
			_, err := forever(ctx)
			return err
		}, nil)
		r, w := streamOpen(t, ctx, srv)
		streamWant(t, ctx, r, streamLine, `"hello\n"`)
		task.Cancel()
		streamWant(t, ctx, r, streamRead(-1), `""`)
		return streamEnd(ctx, srv, w)
	})
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		writers := aio.NewQueue[*aio.StreamWriter](0)
		srv := streamServe(t, ctx, func(_ context.Context, _ *aio.StreamReader, w *aio.StreamWriter) error {
			return writers.PutNowait(w)
		}, nil)
		r, w := streamOpen(t, ctx, srv)
		theirs, err := writers.Get(ctx)
		if err != nil {
			return err
		}
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		theirs.Write([]byte("still here"))
		theirs.Close()
		streamWant(t, ctx, r, streamRead(-1), `"still here"`)
		return streamEnd(ctx, srv, w)
	})
}

// STREAM-080
func TestStreamConnectionIsReset(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, func(_ context.Context, _ *aio.StreamReader, w *aio.StreamWriter) error {
			w.Write([]byte("x"))
			return nil
		}, nil)
		conn, err := net.Dial("tcp", srv.Addr().String())
		if err != nil {
			return err
		}
		r, w, err := aio.OpenConnection(ctx, "", &aio.ConnectionOptions{Conn: conn})
		if err != nil {
			return err
		}
		streamWant(t, ctx, r, streamRead(1), `"x"`)
		srv.AbortClients()
		streamWant(t, ctx, r, streamRead(-1), `""`)
		return streamEnd(ctx, srv, w)
	})
	// A real reset: the peer closes the connection with unread data.
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		ln, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		r, w, err := aio.OpenConnection(ctx, ln.Addr().String(), nil)
		if err != nil {
			return err
		}
		peer, err := ln.Accept()
		if err != nil {
			return err
		}
		if err := peer.(*net.TCPConn).SetLinger(0); err != nil {
			return err
		}
		peer.Close()
		_, err = r.Read(ctx, 1)
		if err == nil || !errors.Is(err, r.Exception()) {
			t.Errorf("Read: %v, Exception: %v", err, r.Exception())
		}
		if err2 := w.WaitClosed(ctx); err2 != err {
			t.Errorf("WaitClosed: %v, not %v", err2, err)
		}
		return w.Close()
	})
}

// STREAM-087
func TestStreamServerWaitsForItsClients(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		var log eventLog
		srv := streamServe(t, ctx, streamEcho, nil)
		r, w := streamOpen(t, ctx, srv)
		w.Write([]byte("one\n"))
		streamWant(t, ctx, r, streamLine, `"one\n"`)
		waiter := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			defer log.add("server")
			srv.Close()
			return srv.WaitClosed(ctx)
		}))
		letPass(ctx, 3)
		w.Write([]byte("two\n"))
		streamWant(t, ctx, r, streamLine, `"two\n"`)
		log.add("client")
		w.Close()
		_, err := waiter.Await(ctx)
		log.want(t, "client server")
		return errors.Join(err, w.WaitClosed(ctx))
	})
}

// STREAM-088
func TestStreamLimitIsTheReaders(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		outcomes := aio.NewQueue[string](0)
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			w.Write([]byte("12345\n"))
			return outcomes.PutNowait(streamLine(ctx, r))
		}, &aio.ServerOptions{Limit: 4})
		for _, c := range []struct {
			limit int
			want  string
		}{{4, "too-long"}, {5, `"12345\n"`}} {
			r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), &aio.ConnectionOptions{Limit: c.limit})
			if err != nil {
				return err
			}
			w.Write([]byte("12345\n"))
			streamWant(t, ctx, r, streamLine, c.want)
			if got, err := outcomes.Get(ctx); got != "too-long" || err != nil {
				t.Errorf("the server's reader: %s, %v", got, err)
			}
			w.Close()
			if err := w.WaitClosed(ctx); err != nil {
				t.Error(err)
			}
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// TestStreamHandlerHasTheValuesOfTheServer: the handler inherits the context values of
// the task that started the server, as with contextvars.
func TestStreamHandlerHasTheValuesOfTheServer(t *testing.T) {
	type key struct{}
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		var srv *aio.Server
		starter := aio.CreateTask(context.WithValue(ctx, key{}, "value"), aio.NoResult(func(ctx context.Context) error {
			srv = streamServe(t, ctx, func(ctx context.Context, _ *aio.StreamReader, w *aio.StreamWriter) error {
				fmt.Fprint(w, ctx.Value(key{}), ctx.Err())
				return w.Close()
			}, nil)
			return nil
		}))
		if _, err := starter.Await(ctx); err != nil {
			return err
		}
		r, w := streamOpen(t, ctx, srv)
		streamWant(t, ctx, r, streamRead(-1), `"value<nil>"`)
		return streamEnd(ctx, srv, w)
	})
}
