package aiotest_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

// echo sends back what it reads until EOF.
func echo(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
	for {
		p, err := r.Read(ctx, 4096)
		if connectionEnded(err) {
			return nil // for example a connection reset by a cancelled client
		}
		if err != nil {
			return err
		}
		if len(p) == 0 {
			return nil
		}
		if _, err := w.Write(p); err != nil && !connectionEnded(err) {
			return err
		}
		if err := w.Drain(ctx); err != nil && !connectionEnded(err) {
			return err
		}
	}
}

// exploreNetwork explores main in the modes for small programs.
func exploreNetwork(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	for _, mode := range []aiotest.Mode{aiotest.Environment, aiotest.AnyOrder, aiotest.PCT} {
		aiotest.Explore(t, aiotest.Exploration{Mode: mode, Runs: 60, Network: true}, main)
	}
	aiotest.CancelEverywhere(t, aiotest.Sweep{Network: true}, aiotest.Whole(main))
}

func TestNetworkStreams(t *testing.T) {
	exploreNetwork(t, func(ctx context.Context) error {
		server, err := aio.StartServer(ctx, echo, "localhost:7000", nil)
		if err != nil {
			return err
		}
		defer server.Close()
		r, w, err := aio.OpenConnection(ctx, "localhost:7000", nil)
		if err != nil {
			return err
		}
		defer w.Close()
		for i := range 3 {
			line := fmt.Sprintf("line %d\n", i)
			_, _ = w.Write([]byte(line))
			got, err := r.ReadLine(ctx)
			if err != nil {
				return err
			}
			if string(got) != line {
				return fmt.Errorf("%q came back as %q", line, got)
			}
		}
		w.WriteEOF()
		rest, err := r.Read(ctx, -1)
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("%q is left", rest)
		}
		return err
	})
}

// connectionEnded reports whether err says that the connection was closed or broken.
func connectionEnded(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

// tlsConfigs returns the configurations of a server at 127.0.0.1 and of a client that
// trusts it. Ed25519 signatures have a fixed length, so every handshake sends the same
// number of bytes.
func tlsConfigs(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}, &tls.Config{RootCAs: roots}
}

func TestNetworkTLS(t *testing.T) {
	server, client := tlsConfigs(t)
	exploreNetwork(t, func(ctx context.Context) error {
		s, err := aio.StartServer(ctx, echo, "127.0.0.1:7000", &aio.ServerOptions{TLS: server})
		if err != nil {
			return err
		}
		defer s.Close()
		r, w, err := aio.OpenConnection(ctx, "127.0.0.1:7000", &aio.ConnectionOptions{TLS: client})
		if err != nil {
			return err
		}
		defer w.Close()
		if _, err := w.Write([]byte("hello\n")); err != nil {
			return err
		}
		got, err := r.ReadLine(ctx)
		if err == nil && string(got) != "hello\n" {
			err = fmt.Errorf("got %q", got)
		}
		return err
	})
}

func TestNetworkUnix(t *testing.T) {
	exploreNetwork(t, func(ctx context.Context) error {
		s, err := aio.StartUnixServer(ctx, echo, "/run/echo.sock", nil)
		if err != nil {
			return err
		}
		defer s.Close()
		if _, err := aio.StartUnixServer(ctx, echo, "/run/echo.sock", nil); !errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("a second server: %v", err)
		}
		if _, _, err := aio.OpenUnixConnection(ctx, "/run/other.sock", nil); !errors.Is(err, syscall.ENOENT) {
			return fmt.Errorf("nobody there: %v", err)
		}
		r, w, err := aio.OpenUnixConnection(ctx, "/run/echo.sock", nil)
		if err != nil {
			return err
		}
		defer w.Close()
		_, _ = w.Write([]byte("hello"))
		w.WriteEOF()
		got, err := r.Read(ctx, -1)
		if err == nil && string(got) != "hello" {
			err = fmt.Errorf("got %q", got)
		}
		return err
	})
}

// catcher is a datagram protocol that puts the datagrams into a queue.
type catcher struct {
	got  *aio.Queue[string]
	errs []error
}

func (c *catcher) DatagramReceived(p []byte, from net.Addr) {
	_ = c.got.PutNowait(fmt.Sprintf("%s from %v", p, from))
}
func (c *catcher) ErrorReceived(err error) { c.errs = append(c.errs, err) }

func newCatcher() *catcher { return &catcher{got: aio.NewQueue[string](0)} }

func TestNetworkDatagrams(t *testing.T) {
	exploreNetwork(t, func(ctx context.Context) error {
		here, a, err := aio.CreateDatagramEndpoint(ctx, newCatcher, &aio.DatagramOptions{LocalAddr: "127.0.0.1:5000"})
		if err != nil {
			return err
		}
		defer here.Close()
		there, b, err := aio.CreateDatagramEndpoint(ctx, newCatcher, &aio.DatagramOptions{RemoteAddr: "localhost:5000"})
		if err != nil {
			return err
		}
		defer there.Close()
		if err := there.SendTo([]byte("ping"), nil); err != nil {
			return err
		}
		from := there.GetExtraInfo("sockname").(net.Addr)
		got, err := a.got.Get(ctx)
		if err != nil {
			return err
		}
		if want := "ping from " + from.String(); got != want {
			return fmt.Errorf("got %q, not %q", got, want)
		}
		if err := here.SendTo([]byte("pong"), from); err != nil {
			return err
		}
		if got, err = b.got.Get(ctx); err != nil || got != "pong from 127.0.0.1:5000" {
			return fmt.Errorf("got %q, %w", got, err)
		}
		here.Close()
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if err := there.SendTo([]byte("ping"), nil); err != nil {
			return err
		}
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if len(b.errs) != 1 || !errors.Is(b.errs[0], syscall.ECONNREFUSED) {
			return fmt.Errorf("no receiver: the errors are %v", b.errs)
		}
		if err := there.SendTo(make([]byte, 70_000), nil); err != nil {
			return err
		}
		if len(b.errs) != 2 || !errors.Is(b.errs[1], syscall.EMSGSIZE) {
			return fmt.Errorf("a datagram too large: the errors are %v", b.errs)
		}
		return nil
	})
}

func TestNetworkErrors(t *testing.T) {
	exploreNetwork(t, func(ctx context.Context) error {
		var dns *net.DNSError
		if _, _, err := aio.OpenConnection(ctx, "nowhere:80", nil); !errors.As(err, &dns) || !dns.IsNotFound {
			return fmt.Errorf("an unknown name: %w", err)
		}
		if _, _, err := aio.OpenConnection(ctx, "127.0.0.1:80", nil); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("nobody listens: %w", err)
		}
		if _, _, err := aio.OpenConnection(ctx, "192.0.2.1:80", nil); !errors.Is(err, syscall.EHOSTUNREACH) {
			return fmt.Errorf("no such host: %w", err)
		}
		if _, err := aio.StartServer(ctx, echo, "192.0.2.1:80", nil); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			return fmt.Errorf("an address without a listener: %w", err)
		}
		s, err := aio.StartServer(ctx, echo, "localhost:0", nil)
		if err != nil {
			return err
		}
		defer s.Close()
		addr := s.Addr().String()
		if _, err := aio.StartServer(ctx, echo, addr, nil); !errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("an address in use: %w", err)
		}
		here, there := net.Pipe()
		defer here.Close()
		defer there.Close()
		if _, _, err := aio.OpenConnection(ctx, "", &aio.ConnectionOptions{Conn: here}); !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("a connection of another network: %w", err)
		}
		r, w, err := aio.OpenConnection(ctx, addr, nil)
		if err != nil {
			return err
		}
		defer w.Close()
		sock := w.Transport().GetExtraInfo("socket").(*aio.TransportSocket)
		if _, err := sock.SyscallConn(); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "simulated network") {
			return fmt.Errorf("its descriptor: %w", err)
		}
		_, _ = w.Write([]byte("x"))
		_, err = r.ReadExactly(ctx, 1)
		return err
	})
}

// A writer waits while the peer does not read, and everything that it wrote arrives.
func TestNetworkFlowControl(t *testing.T) {
	aiotest.Explore(t, aiotest.Exploration{Network: true, Runs: stage.Amount(30, 100, 1000)}, func(ctx context.Context) error {
		const size = 400_000
		received := aio.CreateFuture[int](ctx)
		s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			if err := aio.Sleep(ctx, time.Second); err != nil {
				// a slow reader
				return err
			}
			p, err := r.Read(ctx, -1)
			if err != nil {
				return err
			}
			for i, b := range p {
				if b != byte(i%251) {
					return fmt.Errorf("byte %d is %d", i, b)
				}
			}
			return received.SetResult(len(p))
		}, "localhost:7000", nil)
		if err != nil {
			return err
		}
		defer s.Close()
		_, w, err := aio.OpenConnection(ctx, "localhost:7000", nil)
		if err != nil {
			return err
		}
		defer w.Close()
		p := make([]byte, size)
		for i := range p {
			p[i] = byte(i % 251)
		}
		loop, _ := aio.GetRunningLoop(ctx)
		start := loop.Time()
		_, _ = w.Write(p)
		if err := w.Drain(ctx); err != nil {
			return err
		}
		if took := loop.Time().Sub(start); took < 900*time.Millisecond {
			return fmt.Errorf("%d bytes were buffered after %v without a read", size, took)
		}
		w.Close()
		n, err := received.Await(ctx)
		if err == nil && n != size {
			err = fmt.Errorf("%d of %d bytes arrived", n, size)
		}
		return err
	})
}

// Data written before Close or Abort is still sent.
func TestNetworkAbort(t *testing.T) {
	aiotest.Explore(t, aiotest.Exploration{Network: true}, func(ctx context.Context) error {
		over := aio.CreateFuture[error](ctx)
		s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			p, err := r.Read(ctx, -1)
			if err == nil && string(p) != "x" {
				err = fmt.Errorf("%q arrived", p)
			}
			return over.SetResult(err)
		}, "localhost:7000", nil)
		if err != nil {
			return err
		}
		defer s.Close()
		for _, abort := range []bool{false, true} {
			over = aio.CreateFuture[error](ctx)
			_, w, err := aio.OpenConnection(ctx, "localhost:7000", nil)
			if err != nil {
				return err
			}
			_, _ = w.Write([]byte("x"))
			if abort {
				w.Transport().Abort()
			} else {
				w.Close()
			}
			if got, err := over.Await(ctx); err != nil || got != nil {
				return fmt.Errorf("abort %v: the server's read: %v, %w", abort, got, err)
			}
		}
		return nil
	})
}

func TestFailEverywhere(t *testing.T) {
	// The client treats EOF as the end of the response.
	ask := func(mended bool) func(ctx context.Context, c *aiotest.Failing) error {
		return func(ctx context.Context, c *aiotest.Failing) error {
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
				defer w.Close()
				if _, err := r.ReadLine(ctx); err != nil {
					return nil // the client reports the error
				}
				_, _ = w.Write([]byte("HTTP/1.0 200 OK\r\n\r\nhalf an answer"))
				_ = aio.Sleep(ctx, time.Second)
				_, _ = w.Write([]byte(" and the other half"))
				return nil
			}, "localhost:80", nil)
			if err != nil {
				return err
			}
			defer s.Close()
			var answer []byte
			err = c.Do(ctx, func(ctx context.Context) error {
				r, w, err := aio.OpenConnection(ctx, "localhost:80", nil)
				if err != nil {
					return err
				}
				defer w.Close()
				_, _ = w.Write([]byte("GET / HTTP/1.0\r\n"))
				if mended {
					answer, err = r.ReadExactly(ctx, 52)
				} else {
					answer, err = r.Read(ctx, -1)
				}
				return err
			})
			switch {
			case err != nil && c.Happened():
				return nil // the client got an error
			case err != nil:
				return err
			case !strings.HasSuffix(string(answer), "other half"):
				return fmt.Errorf("the answer is %q", answer)
			}
			return nil
		}
	}
	found := aiotest.Failures{}.Run(ask(false))
	if len(found.Failures) == 0 || !strings.Contains(found.Failures[0].Err.Error(), "the answer is ") {
		t.Fatalf("not found: %+v", found)
	}
	f := found.Failures[0]
	if !strings.Contains(f.Record, "fail=") || !strings.Contains(f.Cancelled, "of the network failed") {
		t.Errorf("the failure does not name the failed operation: %q, %q", f.Record, f.Cancelled)
	}
	tb := try(t, func(tb *fakeTB) { aiotest.FailEverywhere(tb, aiotest.Failures{}, ask(false)) })
	if !tb.failed || !strings.Contains(tb.log.String(), "AIOTEST_REPLAY='fail=") {
		t.Errorf("the failure does not say how to repeat it:\n%s", tb.log.String())
	}
	t.Setenv("AIOTEST_REPLAY", f.Record)
	tb = try(t, func(tb *fakeTB) { aiotest.FailEverywhere(tb, aiotest.Failures{}, ask(false)) })
	if !tb.failed || !strings.Contains(tb.log.String(), f.Err.Error()) {
		t.Errorf("it does not fail again:\n%s", tb.log.String())
	}
	t.Setenv("AIOTEST_REPLAY", "")
	r := aiotest.FailEverywhere(t, aiotest.Failures{Schedules: 10}, ask(true))
	if r.Moments < 100 {
		t.Errorf("only %d failures were tried", r.Moments)
	}
}

// Each datagram is refused once and lost once. EndOfFile and ShortOperation do not
// apply to datagrams.
func TestFailEverywhereDatagrams(t *testing.T) {
	failed := map[string]int{}
	r := aiotest.FailEverywhere(t, aiotest.Failures{}, func(ctx context.Context, c *aiotest.Failing) error {
		here, a, err := aio.CreateDatagramEndpoint(ctx, newCatcher, &aio.DatagramOptions{LocalAddr: "127.0.0.1:5000"})
		if err != nil {
			return err
		}
		defer here.Close()
		there, b, err := aio.CreateDatagramEndpoint(ctx, newCatcher, &aio.DatagramOptions{RemoteAddr: "localhost:5000"})
		if err != nil {
			return err
		}
		defer there.Close()
		var outcome string
		if err := c.Do(ctx, func(ctx context.Context) error {
			if err := there.SendTo([]byte("ping"), nil); err != nil {
				return err
			}
			if err := aio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			outcome = fmt.Sprint(a.got.QSize(), " arrived ", b.errs)
			return here.SendTo([]byte("pong"), there.GetExtraInfo("sockname").(net.Addr))
		}); err != nil {
			return err
		}
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		failed[fmt.Sprint(c.Happened(), " ", outcome, "; ", b.got.QSize(), " answered ", a.errs)]++
		return nil
	})
	// The run without a failure, and the runs with EndOfFile and ShortOperation.
	if n := failed["false 1 arrived []; 1 answered []"]; n < 5 {
		t.Errorf("%d runs without a failure", n)
	}
	delete(failed, "false 1 arrived []; 1 answered []")
	refused, unreachable := syscall.ECONNREFUSED.Error(), syscall.ENETUNREACH.Error()
	want := map[string]int{
		"true 0 arrived [write udp4 127.0.0.1:32768->127.0.0.1:5000: sendto: " + refused + "]; 1 answered []": 1,
		"true 0 arrived []; 1 answered []": 1,
		"true 1 arrived []; 0 answered [write udp4 127.0.0.1:5000->127.0.0.1:32768: sendto: " + unreachable + "]": 1,
		"true 1 arrived []; 0 answered []": 1,
	}
	if diff := cmp.Diff(want, failed); diff != "" || r.Moments != 8 {
		t.Errorf("%d moments (-want +got):\n%s", r.Moments, diff)
	}
}

// The paths of the simulated network are not files. In the system's network, a server
// or an endpoint removes its socket file before it binds and when it is closed; in the
// simulated network it must not remove a file of that name.
func TestNetworkKeepsFiles(t *testing.T) {
	dir, err := os.MkdirTemp("", "aio") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	paths := map[string]string{}
	for _, network := range []string{"unix", "unixgram"} {
		path := filepath.Join(dir, network)
		fd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			t.Skipf("the system has no sockets with a path: %v", err)
		}
		// In js/wasm package net simulates Unix sockets, without files.
		if _, err := os.Stat(path); err != nil {
			t.Skipf("a socket of the system is not a file: %v", err)
		}
		defer fd.Close()
		paths[network] = path
	}
	before := map[string]os.FileInfo{}
	for network, path := range paths {
		if before[network], err = os.Stat(path); err != nil {
			t.Fatal(err)
		}
	}
	exploreNetwork(t, func(ctx context.Context) error {
		server, err := aio.StartUnixServer(ctx, func(context.Context, *aio.StreamReader, *aio.StreamWriter) error { return nil }, paths["unix"], nil)
		if err != nil {
			return err
		}
		server.Close()
		if err := server.WaitClosed(ctx); err != nil {
			return err
		}
		endpoint, _, err := aio.CreateDatagramEndpoint(ctx, newCatcher, &aio.DatagramOptions{Network: "unixgram", LocalAddr: paths["unixgram"]})
		if err != nil {
			return err
		}
		endpoint.Close()
		for _, network := range []string{"unix", "unixgram"} {
			s, err := aiotest.NewSocket(ctx, network)
			if err != nil {
				return err
			}
			// the path of the endpoint is still taken, as a file would be
			if err := s.Bind(paths[network] + "2"); err != nil {
				return err
			}
			if err := s.Close(); err != nil {
				return err
			}
		}
		for network, path := range paths {
			now, err := os.Stat(path)
			if err != nil {
				return err
			}
			if !os.SameFile(now, before[network]) {
				return fmt.Errorf("%s was replaced", path)
			}
			if _, err := os.Stat(path + "2"); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s2 was made: %w", path, err)
			}
		}
		return nil
	})
}

// A job of RealThreads uses a connection: packets, deadlines and timeouts take as long
// as in reality while it runs, and none of them makes the job wait forever.
func TestNetworkRealThreads(t *testing.T) {
	x := aiotest.Exploration{Runs: 10, Network: true, RealThreads: true, AllowDifferences: true}
	r := aiotest.Explore(t, x, func(ctx context.Context) error {
		conns := aio.NewQueue[net.Conn](0)
		maker := func() connProtocol {
			// the queue has no limit
			return func(c net.Conn) { _ = conns.PutNowait(c) }
		}
		s, err := aio.CreateServer(ctx, maker, "127.0.0.1:1", nil)
		if err != nil {
			return err
		}
		defer s.Close()
		if _, _, err := aio.CreateConnection(ctx, maker, "127.0.0.1:1", nil); err != nil {
			return err
		}
		var ends [2]net.Conn
		for i := range ends {
			if ends[i], err = conns.Get(ctx); err != nil {
				return err
			}
			defer ends[i].Close()
		}
		// the timeout must not expire because the clock jumps
		return aio.Timeout(ctx, time.Hour, func(ctx context.Context) error {
			_, err := aio.ToThread(ctx, func(context.Context) (int, error) {
				if _, err := ends[0].Write([]byte("hello")); err != nil {
					return 0, err
				}
				got := make([]byte, 5)
				if _, err := io.ReadFull(ends[1], got); err != nil || string(got) != "hello" {
					return 0, fmt.Errorf("%q has come: %w", got, err)
				}
				if err := ends[1].SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
					return 0, err
				}
				if _, err := ends[1].Read(got); !errors.Is(err, os.ErrDeadlineExceeded) {
					return 0, fmt.Errorf("after the deadline Read returns %w", err)
				}
				return 0, nil
			})
			return err
		})
	})
	if r.Runs != x.Runs {
		t.Errorf("%d runs", r.Runs)
	}
}
