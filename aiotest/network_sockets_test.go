package aiotest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// Sendfile copies, because there is no file descriptor. The Sock calls use the methods
// of the connection.
func TestNetworkSendfileAndSockCalls(t *testing.T) {
	data := []byte(strings.Repeat("0123456789", 30_000))
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	aiotest.Explore(t, aiotest.Exploration{Network: true, Runs: 20, AllowDifferences: true}, func(ctx context.Context) error {
		s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err := aio.Sendfile(ctx, w.Transport().(aio.Transport), f, &aio.SendfileOptions{NoFallback: true}); !errors.Is(err, aio.ErrSendfileNotAvailable) {
				return fmt.Errorf("without a fallback: %w", err)
			}
			n, err := aio.Sendfile(ctx, w.Transport().(aio.Transport), f, nil)
			if err == nil && n != int64(len(data)) {
				err = fmt.Errorf("%d bytes were sent", n)
			}
			return err
		}, "localhost:1", nil)
		if err != nil {
			return err
		}
		defer s.Close()
		var conn net.Conn
		if _, _, err := aio.CreateConnection(ctx, func() connProtocol { return func(c net.Conn) { conn = c } }, "localhost:1", nil); err != nil {
			return err
		}
		defer conn.Close()
		var got []byte
		for {
			p, err := aio.SockRecv(ctx, conn, 10_000)
			if err != nil {
				return err
			}
			if len(p) == 0 {
				break
			}
			got = append(got, p...)
		}
		if string(got) != string(data) {
			return fmt.Errorf("%d bytes arrived", len(got))
		}
		return nil
	})
}

// All Sock calls, AddReader and the options that take a socket.
func TestNetworkSockCalls(t *testing.T) {
	exploreNetwork(t, func(ctx context.Context) error {
		for _, network := range []string{"tcp4", "tcp6", "unix"} {
			if err := useStreamSockets(ctx, network); err != nil {
				return fmt.Errorf("%s: %w", network, err)
			}
		}
		for _, network := range []string{"udp4", "udp6", "unixgram"} {
			if err := useDatagramSockets(ctx, network); err != nil {
				return fmt.Errorf("%s: %w", network, err)
			}
		}
		return nil
	})
}

// bindings are addresses for two sockets of each network.
var bindings = map[string][2]string{
	"tcp4": {"127.0.0.1:0"}, "tcp6": {"[::1]:0"}, "unix": {"/run/a"},
	"udp4": {"127.0.0.1:0", "127.0.0.1:0"}, "udp6": {"[::1]:0", "[::1]:0"}, "unixgram": {"/run/b", "/run/c"},
}

func newBound(ctx context.Context, network string, i int) (aiotest.Socket, error) {
	s, err := aiotest.NewSocket(ctx, network)
	if err == nil {
		err = s.Bind(bindings[network][i])
	}
	return s, err
}

func useStreamSockets(ctx context.Context, network string) error {
	ln, err := newBound(ctx, network, 0)
	if err != nil {
		return err
	}
	defer ln.Close()
	if err := ln.Listen(5); err != nil {
		return err
	}
	client, err := aiotest.NewSocket(ctx, network)
	if err != nil {
		return err
	}
	defer client.Close()
	accept := aio.CreateTask(ctx, func(ctx context.Context) (net.Conn, error) { return aio.SockAccept(ctx, ln) })
	if err := aio.SockConnect(ctx, client, ln.Addr().String()); err != nil {
		return err
	}
	server, err := accept.Await(ctx)
	if err != nil {
		return err
	}
	defer server.Close()
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, syscall.EAGAIN) {
		return fmt.Errorf("nothing has come, and Read returns %w", err)
	}
	if err := aio.SockSendall(ctx, client, []byte("hello")); err != nil {
		return err
	}
	got, err := aio.SockRecv(ctx, server, 2)
	if err != nil || string(got) == "" || got[0] != 'h' {
		return fmt.Errorf("SockRecv returns %q, %w", got, err)
	}
	rest := make([]byte, 10)
	for len(got) < 5 {
		n, err := aio.SockRecvInto(ctx, server, rest)
		if err != nil || n == 0 {
			return fmt.Errorf("SockRecvInto returns %d, %w", n, err)
		}
		got = append(got, rest[:n]...)
	}
	if string(got) != "hello" {
		return fmt.Errorf("%q has come", got)
	}
	file := strings.NewReader("a file")
	if n, err := aio.SockSendfile(ctx, server, file, nil); n != 6 || err != nil {
		return fmt.Errorf("SockSendfile returns %d, %w", n, err)
	}
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return err
	}
	readable := aio.CreateFuture[struct{}](ctx)
	err = loop.AddReader(client, func() {
		_, _ = loop.RemoveReader(client)
		_ = readable.SetResult(struct{}{})
	})
	if err != nil {
		return err
	}
	defer func() { _, _ = loop.RemoveReader(client) }()
	if _, err := readable.Await(ctx); err != nil {
		return err
	}
	r, w, err := aio.OpenConnection(ctx, "", &aio.ConnectionOptions{Conn: client})
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := client.Write(nil); !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("the transport has the socket, and Write returns %w", err)
	}
	answer, err := r.ReadExactly(ctx, 6)
	if err == nil && string(answer) != "a file" {
		err = fmt.Errorf("the stream has %q", answer)
	}
	return err
}

func useDatagramSockets(ctx context.Context, network string) error {
	here, err := newBound(ctx, network, 0)
	if err != nil {
		return err
	}
	defer here.Close()
	there, err := newBound(ctx, network, 1)
	if err != nil {
		return err
	}
	defer there.Close()
	if n, err := aio.SockSendto(ctx, there, []byte("ping"), here.LocalAddr()); n != 4 || err != nil {
		return fmt.Errorf("SockSendto returns %d, %w", n, err)
	}
	got, from, err := aio.SockRecvfrom(ctx, here, 10)
	if err != nil || string(got) != "ping" || from.String() != there.LocalAddr().String() {
		return fmt.Errorf("SockRecvfrom returns %q from %v, %w", got, from, err)
	}
	if err := aio.SockConnect(ctx, here, from.String()); err != nil {
		return err
	}
	if _, err := aio.SockSendto(ctx, here, []byte("pong"), nil); err != nil {
		return err
	}
	buf := make([]byte, 3)
	if n, _, err := aio.SockRecvfromInto(ctx, there, buf); n != 3 || err != nil {
		return fmt.Errorf("SockRecvfromInto returns %d, %w", n, err)
	}
	t, p, err := aio.CreateDatagramEndpoint(ctx, newCatcher, &aio.DatagramOptions{Conn: there})
	if err != nil {
		return err
	}
	defer t.Close()
	if _, err := aio.SockSendto(ctx, here, []byte("again"), nil); err != nil {
		return err
	}
	text, err := p.got.Get(ctx)
	if err == nil && !strings.HasPrefix(text, "again from ") {
		err = fmt.Errorf("the endpoint got %q", text)
	}
	return err
}

// The methods of sockets, and their errors.
func TestNetworkSockets(t *testing.T) {
	aiotest.Explore(t, aiotest.Exploration{Network: true, Runs: 10}, func(ctx context.Context) error {
		a, b, err := aiotest.SocketPair(ctx)
		if err != nil {
			return err
		}
		if n, err := a.Write([]byte("x")); n != 1 || err != nil {
			return fmt.Errorf("Write returns %d, %w", n, err)
		}
		if err := a.CloseWrite(); err != nil {
			return err
		}
		p := make([]byte, 10)
		if n, err := b.Read(p); n != 1 || err != nil {
			return fmt.Errorf("Read returns %d, %w", n, err)
		}
		if _, err := b.Read(p); err != io.EOF {
			return fmt.Errorf("at the end Read returns %w", err)
		}
		if err := b.SetDeadline(time.Time{}); !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("SetDeadline returns %w", err)
		}
		if err := errors.Join(a.Close(), b.Close()); err != nil {
			return err
		}
		if err := a.Close(); !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("the second Close returns %w", err)
		}
		var unknown net.UnknownNetworkError
		if _, err := aiotest.NewSocket(ctx, "sctp"); !errors.As(err, &unknown) {
			return fmt.Errorf("an unknown network: %w", err)
		}
		return nil
	})
	aiotest.Run(t, func(ctx context.Context) error {
		if _, err := aiotest.NewSocket(ctx, "tcp4"); !errors.Is(err, aio.ErrUsage) {
			return fmt.Errorf("the system's network: %w", err)
		}
		if _, _, err := aiotest.SocketPair(ctx); !errors.Is(err, aio.ErrUsage) {
			return fmt.Errorf("the system's network: %w", err)
		}
		return nil
	})
}
