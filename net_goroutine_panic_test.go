package aio_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// Connections, sockets and listeners of the user run in goroutines of the package, where
// nothing but the package recovers a panic: it must not end the program.

// badConn is a net.Conn one of whose methods ends as bad does. The others are those of a
// pipe.
type badConn struct {
	net.Conn
	method string
	bad    func()
}

func (c badConn) does(method string) {
	if method == c.method {
		c.bad()
	}
}

func (c badConn) Read(p []byte) (int, error)  { c.does("Read"); return c.Conn.Read(p) }
func (c badConn) Write(p []byte) (int, error) { c.does("Write"); return c.Conn.Write(p) }
func (c badConn) CloseWrite() error           { c.does("CloseWrite"); return nil }
func (c badConn) Close() error                { defer c.does("Close"); return c.Conn.Close() }
func (c badConn) SetReadDeadline(t time.Time) error {
	c.does("SetReadDeadline")
	return c.Conn.SetReadDeadline(t)
}

func (c badConn) SetWriteDeadline(t time.Time) error {
	c.does("SetWriteDeadline")
	return c.Conn.SetWriteDeadline(t)
}

// badListener is a net.Listener whose Accept ends as bad does.
type badListener struct {
	net.Listener
	bad func()
}

func (l badListener) Accept() (net.Conn, error) { l.bad(); return nil, net.ErrClosed }

// badSocket is a net.PacketConn one of whose methods ends as bad does.
type badSocket struct {
	net.PacketConn
	method string
	bad    func()
}

func (s badSocket) ReadFrom(p []byte) (int, net.Addr, error) {
	if s.method == "ReadFrom" {
		s.bad()
	}
	return s.PacketConn.ReadFrom(p)
}

func (s badSocket) WriteTo(p []byte, to net.Addr) (int, error) {
	if s.method == "WriteTo" {
		s.bad()
	}
	return s.PacketConn.WriteTo(p, to)
}

// badEnds are the ways in which the method ends, with the error that must be reported.
var badEnds = map[string]struct {
	bad  func()
	want error
}{
	"panic":  {func() { panic(errBoom) }, errBoom},
	"Goexit": {runtime.Goexit, aio.ErrGoexit},
}

// told runs main in a loop, and fails unless want reaches its exception handler.
func told(t *testing.T, want error, main func(ctx context.Context) error) {
	t.Helper()
	reports := make(chan error, 100)
	err := aio.Run(func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
			select {
			case reports <- ec.Err:
			default: // Accept is called again after each error
			}
		})
		if err := main(ctx); err != nil || want == nil {
			return err
		}
		return aio.Timeout(ctx, patience, func(ctx context.Context) error {
			for {
				if err, _, waitErr := aio.Receive(ctx, reports); waitErr != nil || errors.Is(err, want) {
					return waitErr
				}
			}
		})
	})
	matches(t, "Run", err, nil)
}

func TestConnectionThatPanics(t *testing.T) {
	for how, end := range badEnds {
		for _, method := range []string{"Read", "Write", "CloseWrite", "Close", "SetReadDeadline", "SetWriteDeadline"} {
			t.Run(how+"/"+method, func(t *testing.T) {
				t.Parallel() // two of them wait for connAbortTimeout
				want := end.want
				if method != "Read" && method != "Write" {
					// no operation fails with an error of these
					// methods, so no report is required
					want = nil
				}
				if how == "Goexit" && method == "SetWriteDeadline" {
					t.Skip("the loop itself calls it")
				}
				told(t, want, func(ctx context.Context) error {
					near, far := net.Pipe()
					defer far.Close()
					go func() {
						b := make([]byte, 100)
						_, _ = far.Read(b)
						if method == "SetReadDeadline" {
							// makes a Write fail
							_ = far.Close()
						}
					}()
					r, w, err := aio.OpenConnection(ctx, "", &aio.ConnectionOptions{Conn: badConn{near, method, end.bad}})
					if err != nil {
						return err
					}
					_, _ = w.Write([]byte("question"))
					_ = w.Drain(ctx)
					if want != nil {
						_, err := r.Read(ctx, 1)
						matches(t, "a read", err, want)
					}
					if w.CanWriteEOF() && want == nil {
						w.WriteEOF()
					}
					_ = w.Close()
					// the error of WaitClosed depends on the method
					return aio.Timeout(ctx, patience, func(ctx context.Context) error { _ = w.WaitClosed(ctx); return nil })
				})
			})
		}
	}
}

func TestListenerThatPanics(t *testing.T) {
	for how, end := range badEnds {
		t.Run(how, func(t *testing.T) {
			told(t, end.want, func(ctx context.Context) error {
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				srv, err := aio.StartServer(ctx, func(context.Context, *aio.StreamReader, *aio.StreamWriter) error { return nil },
					"", &aio.ServerOptions{Listener: badListener{ln, end.bad}})
				if err != nil {
					return err
				}
				t.Cleanup(func() { ln.Close() })
				_ = srv
				return nil
			})
		})
	}
}

// badDatagrams keeps the errors that are reported to it.
type badDatagrams struct{ errs *[]error }

func (d badDatagrams) ErrorReceived(err error) { *d.errs = append(*d.errs, err) }

func TestSocketThatPanics(t *testing.T) {
	for how, end := range badEnds {
		for _, method := range []string{"ReadFrom", "WriteTo"} {
			t.Run(how+"/"+method, func(t *testing.T) {
				if how == "Goexit" && method == "WriteTo" {
					// the sender ends, and closes the socket
					end.want = net.ErrClosed
				}
				err := aio.Run(func(ctx context.Context) error {
					pc, err := net.ListenPacket("udp", "127.0.0.1:0")
					if err != nil {
						return err
					}
					var errs []error
					tr, _, err := aio.CreateDatagramEndpoint(ctx, func() badDatagrams { return badDatagrams{&errs} },
						&aio.DatagramOptions{Conn: badSocket{pc, method, end.bad}})
					if err != nil {
						return err
					}
					_ = tr.SendTo([]byte("x"), pc.LocalAddr())
					eventually(t, ctx, "the error is told", func() bool {
						for _, err := range errs {
							if errors.Is(err, end.want) {
								return true
							}
						}
						return tr.IsClosing()
					})
					return tr.Close()
				})
				matches(t, "Run", err, nil)
			})
		}
	}
}
