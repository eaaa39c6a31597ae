package aio_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// cnClient is a protocol that logs its callbacks.
type cnClient struct {
	t    aio.Transport
	log  eventLog
	got  []byte
	some aio.Event // set when got contains data
	lost aio.Event
	err  error // of ConnectionLost
}

func (p *cnClient) ConnectionMade(t aio.Transport) { p.t = t; p.log.add("made") }

func (p *cnClient) DataReceived(b []byte) {
	if len(p.got) == 0 {
		p.log.add("data")
	}
	p.got = append(p.got, b...)
	p.some.Set()
}

func (p *cnClient) EOFReceived() bool { p.log.add("eof"); return false }

func (p *cnClient) ConnectionLost(err error) {
	p.log.add("lost")
	p.err = err
	p.lost.Set()
}

func newCnClient() *cnClient { return &cnClient{} }

// cnLeaks checks that the number of open descriptors is the same before and after f. f
// runs once before the count, for descriptors that are opened once and stay open. The
// loop's poller is created in any case, since f may return before it needs one.
func cnLeaks(t *testing.T, ctx context.Context, f func()) {
	t.Helper()
	l, err := aio.GetRunningLoop(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.AddReader(r, func() {}); err == nil {
		l.RemoveReader(r)
	} else if !errors.Is(err, errors.ErrUnsupported) {
		t.Fatal(err)
	}
	r.Close()
	w.Close()
	f()
	before := openFiles()
	f()
	wantClosed(t, ctx, before)
}

// cnEcho starts an echo server and returns its address.
func cnEcho(t *testing.T, ctx context.Context) string {
	t.Helper()
	srv, err := aio.CreateServer(ctx, func() *ioEcho { return &ioEcho{} }, "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	return srv.Addr().String()
}

// cnTalk sends text over p's connection, checks the echo and closes the connection.
func cnTalk(t *testing.T, ctx context.Context, p *cnClient, text string) {
	t.Helper()
	if _, err := p.t.Write([]byte(text)); err != nil {
		t.Error(err)
	}
	for len(p.got) < len(text) {
		p.some.Clear()
		if err := p.some.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if string(p.got) != text {
		t.Errorf("the echo is %q, want %q", p.got, text)
	}
	p.t.Close()
	if err := p.lost.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	p.log.want(t, "made data lost")
	if p.err != nil {
		t.Errorf("ConnectionLost(%v)", p.err)
	}
}

// LOOP-103, LOOP-105
func TestCreateConnection(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		addr := cnEcho(t, ctx)
		tr, p, err := aio.CreateConnection(ctx, newCnClient, addr, nil)
		if err != nil {
			return err
		}
		p.log.want(t, "made")
		p.log.add("made")
		if p.t != tr || tr.GetProtocol() != aio.Protocol(p) || tr.IsClosing() || !tr.IsReading() {
			t.Errorf("the transport is %v, ConnectionMade got %v", tr, p.t)
		}
		if peer := tr.GetExtraInfo("peername").(net.Addr).String(); peer != addr {
			t.Errorf("the peer is %s, want %s", peer, addr)
		}
		if own := tr.GetExtraInfo("sockname").(*net.TCPAddr); own.Port == 0 {
			t.Errorf("sockname is %v", own)
		}
		cnTalk(t, ctx, p, "over an address")

		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		// a deadline of the caller, which the transport must ignore
		conn.SetDeadline(time.Unix(1, 0))
		own := conn.LocalAddr().String()
		tr, p, err = aio.CreateConnection(ctx, newCnClient, "", &aio.ConnectionOptions{Conn: conn})
		if err != nil {
			return err
		}
		if got := tr.GetExtraInfo("sockname").(net.Addr).String(); got != own {
			t.Errorf("sockname is %s, want %s", got, own)
		}
		cnTalk(t, ctx, p, "over a connection")
		return nil
	})
}

// LOOP-175
func TestCreateUnixConnection(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "s")
		srv, err := aio.CreateUnixServer(ctx, func() *ioEcho { return &ioEcho{} }, path, nil)
		if err != nil {
			return err
		}
		tr, p, err := aio.CreateUnixConnection(ctx, newCnClient, path, nil)
		if err != nil {
			return err
		}
		if peer := tr.GetExtraInfo("peername").(net.Addr); peer.String() != path || peer.Network() != "unix" {
			t.Errorf("the peer is %v", peer)
		}
		cnTalk(t, ctx, p, "over a path")
		conn, err := net.Dial("unix", path)
		if err != nil {
			return err
		}
		if _, p, err = aio.CreateUnixConnection(ctx, newCnClient, "", &aio.ConnectionOptions{Conn: conn}); err != nil {
			return err
		}
		cnTalk(t, ctx, p, "over a connection")
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// LOOP-127
func TestConnectAcceptedSocket(t *testing.T) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	cert := web.TLS.Certificates[0]
	web.Close()
	for name, opts := range map[string]*aio.ConnectionOptions{
		"plain": nil,
		"TLS":   {TLS: &tls.Config{Certificates: []tls.Certificate{cert}}},
	} {
		t.Run(name, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				client, server, err := connPair("tcp", "")
				if err != nil {
					return err
				}
				talk := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					return inThread(ctx, func() error {
						if opts != nil {
							client = tls.Client(client, &tls.Config{InsecureSkipVerify: true})
						}
						_, err := client.Write([]byte("hello"))
						got, rerr := io.ReadAll(io.LimitReader(client, 3))
						if string(got) != "bye" {
							t.Errorf("the client got %q", got)
						}
						return errors.Join(err, rerr, client.Close())
					})
				}))
				tr, p, err := aio.ConnectAcceptedSocket(ctx, newCnClient, server, opts)
				if err != nil {
					return err
				}
				for string(p.got) != "hello" {
					p.some.Clear()
					if err := p.some.Wait(ctx); err != nil {
						return err
					}
				}
				if _, err := tr.Write([]byte("bye")); err != nil {
					t.Error(err)
				}
				if err := p.lost.Wait(ctx); err != nil {
					return err
				}
				p.log.want(t, "made data eof lost")
				_, err = talk.Await(ctx)
				return err
			})
		})
	}
}

// cnUsage returns a check that an error matches ErrUsage and contains why.
func cnUsage(why string) func(error) bool {
	return func(err error) bool {
		return errors.Is(err, aio.ErrUsage) && strings.Contains(err.Error(), why)
	}
}

// cnIs returns a check that an error matches target and contains parts.
func cnIs(target error, parts ...string) func(error) bool {
	return func(err error) bool {
		for _, part := range parts {
			if err == nil || !strings.Contains(err.Error(), part) {
				return false
			}
		}
		return errors.Is(err, target)
	}
}

// Invalid arguments return an error that describes them, and leave nothing open.
//
// LOOP-104, LOOP-107, LOOP-114, LOOP-125, LOOP-178, LOOP-179, LOOP-180, LOOP-181
func TestConnectBadInput(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(dir, "stale")
	ln, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	if ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := gone.Addr().String()
	gone.Close()
	r, _ := dnsTestZone.resolver()
	dnsDefault(t, r)

	tcp := func() net.Conn {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	udp := func() net.Conn {
		c, err := net.Dial("udp", "127.0.0.1:9")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	unixgram := func() net.Conn {
		c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "gram"), Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	closed := func() net.Conn {
		c := tcp()
		c.Close()
		return c
	}
	closedPipe := func() net.Conn {
		c, other := net.Pipe()
		c.Close()
		other.Close()
		return c
	}
	connect := func(addr string, opts aio.ConnectionOptions) func(context.Context) error {
		return func(ctx context.Context) error {
			_, _, err := aio.CreateConnection(ctx, newCnClient, addr, &opts)
			return err
		}
	}
	connectUnix := func(path string, opts aio.ConnectionOptions) func(context.Context) error {
		return func(ctx context.Context) error {
			_, _, err := aio.CreateUnixConnection(ctx, newCnClient, path, &opts)
			return err
		}
	}
	// over passes a connection to the function. If unused is set, the caller still
	// owns it afterwards and closes it.
	over := func(conn func() net.Conn, unused bool, f func(context.Context, net.Conn) error) func(context.Context) error {
		return func(ctx context.Context) error {
			c := conn()
			err := f(ctx, c)
			if cerr := c.Close(); unused != (cerr == nil) {
				t.Errorf("closing the connection: %v", cerr)
			}
			return err
		}
	}
	with := func(opts aio.ConnectionOptions) func(context.Context, net.Conn) error {
		return func(ctx context.Context, c net.Conn) error {
			opts.Conn = c
			return connect("", opts)(ctx)
		}
	}
	noServerName := &tls.Config{}
	type options = aio.ConnectionOptions
	for _, tt := range []struct {
		name string
		call func(ctx context.Context) error
		want func(error) bool
	}{
		{"neither address nor connection", connect("", options{}), cnUsage("neither an address nor a connection")},
		{"both", over(tcp, true, func(ctx context.Context, c net.Conn) error {
			return connect(refused, options{Conn: c})(ctx)
		}), cnUsage("both an address and a connection")},
		{"no port", connect("localhost", options{}), cnUsage("missing port")},
		{"an empty port", connect("localhost:", options{}), cnUsage("it must be like host:port")},
		{"an incomplete IPv6 address", connect("[::1:80", options{}), cnUsage("missing ']'")},
		{"an unknown network", connect(refused, options{Network: "udp"}), cnUsage(`not "udp"`)},
		{"an unknown port", connect("127.0.0.1:nosuchservice", options{}), func(err error) bool { return errors.As(err, new(*net.DNSError)) }},
		{"a port too high", connect("127.0.0.1:65536", options{}), func(err error) bool { return errors.As(err, new(*net.DNSError)) }},
		{"an unknown name", connect("nobody.example.:80", options{}), func(err error) bool {
			e := new(net.DNSError)
			return errors.As(err, &e) && e.IsNotFound && strings.Contains(err.Error(), "nobody.example")
		}},
		{"a broken resolver", connect("broken.example.:80", options{}), func(err error) bool {
			e := new(net.DNSError)
			return errors.As(err, &e) && !e.IsNotFound
		}},
		{"no address of the network", connect("127.0.0.1:80", options{Network: "tcp6"}), func(err error) bool { return errors.As(err, new(*net.DNSError)) }},
		{"a bad local address", connect(refused, options{LocalAddr: "127.0.0.1"}), cnUsage(`address "127.0.0.1": missing port`)},
		{"an unknown local name", connect(refused, options{LocalAddr: "nobody.example.:0"}), func(err error) bool { return errors.As(err, new(*net.DNSError)) }},
		{"a local address of another machine", connect(refused, options{LocalAddr: "192.0.2.1:0"}), cnIs(syscall.EADDRNOTAVAIL, "192.0.2.1:0")},
		{"a local address for a connection", over(tcp, true, with(options{LocalAddr: ":0"})), cnUsage("takes no LocalAddr")},
		{"a negative delay", connect(refused, options{HappyEyeballsDelay: -1}), cnUsage("HappyEyeballsDelay is negative")},
		{"a limit with a protocol", connect(refused, options{Limit: 1}), cnUsage("for OpenConnection")},
		{"a TLS timeout without TLS", connect(refused, options{HandshakeTimeout: 1}), cnUsage("with TLS only")},
		{"a negative timeout", connect(refused, options{TLS: noServerName, ShutdownTimeout: -1}), cnUsage("must be positive")},
		{"TLS without a server name", over(tcp, true, with(options{TLS: noServerName})), cnUsage("ServerName")},
		{"a refused port", connect(refused, options{}), func(err error) bool {
			var op *net.OpError
			return cnIs(syscall.ECONNREFUSED, "dial tcp", refused)(err) && errors.As(err, &op) && op.Addr.String() == refused
		}},
		{"a closed connection", over(closed, false, with(options{})), cnIs(net.ErrClosed, "CreateConnection", "closed already")},
		{"a closed pipe", over(closedPipe, true, with(options{})), cnIs(net.ErrClosed, "CreateConnection", "closed already")},
		{"a packet connection", over(udp, true, with(options{})), cnUsage("*net.UDPConn")},
		{"a Unix packet connection", over(unixgram, true, with(options{})), cnUsage("*net.UnixConn")},
		{"no protocol", func(ctx context.Context) error {
			_, _, err := aio.CreateConnection(ctx, func() int { return 1 }, ln.Addr().String(), nil)
			return err
		}, cnUsage("protocol int has none of the methods")},
		{"no protocol for a connection", over(tcp, false, func(ctx context.Context, c net.Conn) error {
			_, _, err := aio.CreateConnection(ctx, func() int { return 1 }, "", &options{Conn: c})
			return err
		}), cnUsage("protocol int has none of the methods")},
		{"a factory that panics", func(ctx context.Context) error {
			return panics(func() {
				aio.CreateConnection(ctx, func() *cnClient { panic(errOne) }, ln.Addr().String(), nil)
			})
		}, cnIs(errOne)},
		{"a factory that panics for a connection", over(tcp, false, func(ctx context.Context, c net.Conn) error {
			return panics(func() {
				aio.CreateConnection(ctx, func() *cnClient { panic(errOne) }, "", &options{Conn: c})
			})
		}), cnIs(errOne)},

		{"neither path nor connection", connectUnix("", options{}), cnUsage("neither an address nor a connection")},
		{"a path and a connection", over(tcp, true, func(ctx context.Context, c net.Conn) error {
			return connectUnix(stale, options{Conn: c})(ctx)
		}), cnUsage("both an address and a connection")},
		{"a missing path", connectUnix(filepath.Join(dir, "missing"), options{}), cnIs(fs.ErrNotExist, "dial unix", "missing")},
		{"a path too long", connectUnix(filepath.Join(dir, strings.Repeat("x", 200)), options{}), cnIs(syscall.ENAMETOOLONG, "dial unix", "too long")},
		{"a path with a zero byte", connectUnix(stale+"\x00x", options{}), cnIs(syscall.EINVAL, "dial unix")},
		{"a stale path", connectUnix(stale, options{}), cnIs(syscall.ECONNREFUSED, "dial unix", stale)},
		{"a path that is not a socket", connectUnix(file, options{}), func(err error) bool { return errors.As(err, new(*net.OpError)) }},
		{"options of TCP", connectUnix(stale, options{LocalAddr: ":0"}), cnUsage("are for TCP")},
		{"all errors of one attempt", connectUnix(stale, options{AllErrors: true}), cnUsage("are for TCP")},
		{"TLS to a path", connectUnix(stale, options{TLS: noServerName}), cnUsage("ServerName")},
		{"a TCP connection", over(tcp, true, func(ctx context.Context, c net.Conn) error {
			return connectUnix("", options{Conn: c})(ctx)
		}), cnUsage("not one of a Unix stream socket but a *net.TCPConn")},
		{"a datagram connection", over(unixgram, true, func(ctx context.Context, c net.Conn) error {
			return connectUnix("", options{Conn: c})(ctx)
		}), cnUsage("*net.UnixConn")},

		{"nothing accepted", func(ctx context.Context) error {
			_, _, err := aio.ConnectAcceptedSocket(ctx, newCnClient, nil, nil)
			return err
		}, cnUsage("the connection is nil")},
		{"accepted packets", over(udp, true, func(ctx context.Context, c net.Conn) error {
			_, _, err := aio.ConnectAcceptedSocket(ctx, newCnClient, c, nil)
			return err
		}), cnUsage("*net.UDPConn")},
		{"options of clients", over(tcp, true, func(ctx context.Context, c net.Conn) error {
			_, _, err := aio.ConnectAcceptedSocket(ctx, newCnClient, c, &options{AllErrors: true})
			return err
		}), cnUsage("only those of TLS")},
		{"accepted and closed", over(closed, false, func(ctx context.Context, c net.Conn) error {
			_, _, err := aio.ConnectAcceptedSocket(ctx, newCnClient, c, nil)
			return err
		}), cnIs(net.ErrClosed, "ConnectAcceptedSocket")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(tt.name, "nix connection of") {
				t.Skip("not supported on this system")
			}
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				cnLeaks(t, ctx, func() {
					if err := tt.call(ctx); !tt.want(err) {
						t.Errorf("%v", err)
					}
				})
				return nil
			})
		})
	}
}

// A connection whose descriptor has been moved into the loop cannot be passed to a
// second transport.
//
// LOOP-125
func TestConnectTakenTwice(t *testing.T) {
	err := aio.Run(func(ctx context.Context) error {
		a, b, err := connPair("tcp", "")
		if err != nil {
			return err
		}
		defer b.Close()
		tr, _, err := aio.CreateConnection(ctx, newCnClient, "", &aio.ConnectionOptions{Conn: a})
		if err != nil {
			return err
		}
		if tr.GetExtraInfo("socket").(*aio.TransportSocket) == nil {
			t.Error("the transport has no socket")
		}
		if _, _, err := aio.CreateConnection(ctx, newCnClient, "", &aio.ConnectionOptions{Conn: a}); runtime.GOOS != "windows" && !errors.Is(err, net.ErrClosed) {
			t.Errorf("the second time: %v", err)
		}
		return tr.Close()
	})
	if err != nil {
		t.Error(err)
	}
}

// LOOP-126
func TestConnectCancelledBeforeItIsMade(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		a, b, err := connPair("tcp", "")
		if err != nil {
			return err
		}
		defer b.Close()
		p := newCnClient()
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			tr, got, err := aio.CreateConnection(ctx, func() *cnClient { return p }, "", &aio.ConnectionOptions{Conn: a})
			if tr != nil || got != nil {
				t.Errorf("connected, but got %v", tr)
			}
			return err
		}))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		p.log.want(t, "")
		task.Cancel("no more")
		_, err = task.Await(ctx)
		var ce *aio.CancelledError
		if !errors.As(err, &ce) || ce.Message != "no more" {
			t.Errorf("the run returned %v", err)
		}
		if err := p.lost.Wait(ctx); err != nil {
			return err
		}
		p.log.want(t, "made lost")
		if p.err != nil {
			t.Errorf("ConnectionLost(%v)", p.err)
		}
		return inThread(ctx, func() error {
			if n, err := b.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the peer reads %d, %v", n, err)
			}
			return nil
		})
	})
}

// A task that has swallowed a cancellation can connect.
func TestConnectAfterCancellation(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		addr := cnEcho(t, ctx)
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			if err := aio.Sleep(ctx, time.Hour); !errors.Is(err, aio.ErrCancelled) {
				t.Errorf("Sleep: %v", err)
			}
			_, p, err := aio.CreateConnection(ctx, newCnClient, addr, nil)
			if err != nil {
				return err
			}
			cnTalk(t, ctx, p, "all the same")
			return nil
		}))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		task.Cancel()
		_, err := task.Await(ctx)
		return err
	})
}

// Wherever the task is cancelled, it either gets a connection or leaves nothing open.
func TestConnectCancelledAnywhere(t *testing.T) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	cert := web.TLS.Certificates[0]
	web.Close()
	r, _ := dnsZone{"here.example.": {{"here.example.", dnsA, "127.0.0.1"}}}.resolver()
	dnsDefault(t, r)
	path := filepath.Join(t.TempDir(), "s")
	type factory = func() *cnClient
	for name, connect := range map[string]func(ctx context.Context, f factory, port string) (aio.Transport, error){
		"address": func(ctx context.Context, f factory, port string) (aio.Transport, error) {
			t, _, err := aio.CreateConnection(ctx, f, "127.0.0.1:"+port, nil)
			return t, err
		},
		"name": func(ctx context.Context, f factory, port string) (aio.Transport, error) {
			t, _, err := aio.CreateConnection(ctx, f, "here.example.:"+port, &aio.ConnectionOptions{LocalAddr: "here.example.:0"})
			return t, err
		},
		"happy eyeballs": func(ctx context.Context, f factory, port string) (aio.Transport, error) {
			t, _, err := aio.CreateConnection(ctx, f, "localhost:"+port, &aio.ConnectionOptions{HappyEyeballsDelay: time.Millisecond})
			return t, err
		},
		"unix": func(ctx context.Context, f factory, _ string) (aio.Transport, error) {
			t, _, err := aio.CreateUnixConnection(ctx, f, path, nil)
			return t, err
		},
		"TLS": func(ctx context.Context, f factory, port string) (aio.Transport, error) {
			t, _, err := aio.CreateConnection(ctx, f, "127.0.0.1:"+port, &aio.ConnectionOptions{TLS: &tls.Config{InsecureSkipVerify: true}})
			return t, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				var opts *aio.ServerOptions
				if name == "TLS" {
					opts = &aio.ServerOptions{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}
				}
				srv, err := aio.CreateServer(ctx, func() *ioEcho { return &ioEcho{} }, "127.0.0.1:0", opts)
				if err != nil {
					return err
				}
				unix, err := aio.CreateUnixServer(ctx, func() *ioEcho { return &ioEcho{} }, path, nil)
				if err != nil {
					return err
				}
				_, port, _ := net.SplitHostPort(srv.Addr().String())
				cancelled := 0
				var before []string
				for passes := 0; passes < 2048; passes += 1 + passes/4 {
					var made []*cnClient
					task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
						tr, err := connect(ctx, func() *cnClient {
							p := newCnClient()
							made = append(made, p)
							return p
						}, port)
						if err == nil {
							return tr.Close()
						}
						return err
					}))
					letPass(ctx, passes)
					task.Cancel()
					switch _, err := task.Await(ctx); {
					case errors.Is(err, aio.ErrCancelled):
						cancelled++
					case err != nil:
						t.Errorf("cancelled after %d passes: %v", passes, err)
					}
					for _, p := range made {
						if len(p.log) > 0 && p.log[0] == "made" {
							if err := p.lost.Wait(ctx); err != nil {
								return err
							}
						}
						if text := fmt.Sprint(p.log); text != "[]" && text != "[made lost]" && text != "[made eof lost]" {
							t.Errorf("cancelled after %d passes: %s", passes, text)
						}
					}
					if passes == 0 {
						before = openFiles()
					}
				}
				if cancelled == 0 {
					t.Error("none was cancelled")
				}
				wantClosed(t, ctx, before)
				srv.Close()
				unix.Close()
				return errors.Join(srv.WaitClosed(ctx), unix.WaitClosed(ctx))
			})
		})
	}
}

// LOOP-122
func TestInterleave(t *testing.T) {
	for _, tt := range []struct {
		addrs string
		first int
		want  string
	}{
		{"4 4 4", 1, "4 4 4"},
		{"a b c 1 2 3", 1, "a 1 b 2 c 3"},
		{"1 2 3 a", 1, "1 a 2 3"},
		{"1 a b c", 1, "1 a b c"},
		{"a b c 1 2", 2, "a b 1 c 2"},
		{"a b c 1 2", 3, "a b c 1 2"},
		{"a b 1 2", 9, "a b 1 2"},
		{"1 a 2 b 3", 1, "1 a 2 b 3"},
		{"1 2 3 a b", 2, "1 2 a 3 b"},
	} {
		var addrs []netip.AddrPort
		for _, name := range strings.Fields(tt.addrs) {
			text := "192.0.2." + name
			if name >= "a" {
				text = "2001:db8::" + name
			}
			addrs = append(addrs, netip.AddrPortFrom(netip.MustParseAddr(text), 80))
		}
		var got []string
		for _, ap := range aio.Interleave(addrs, tt.first) {
			text := ap.Addr().String()
			got = append(got, text[len(text)-1:])
		}
		if text := strings.Join(got, " "); text != tt.want {
			t.Errorf("Interleave(%s, %d) = %s, want %s", tt.addrs, tt.first, text, tt.want)
		}
	}
}
