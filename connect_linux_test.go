package aio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// On Linux all addresses in 127.0.0.0/8 are local, so a host can have any number of
// addresses. The tests use those from 127.0.0.11 on, which other programs are unlikely
// to use.

// Behaviours of an address of a host.
const (
	listens = "listens" // listens, but never accepts
	refuses = "refuses" // bound but not listening, so connections are refused
	hangs   = "hangs"   // drops packets, as a firewall does
)

// cnHost adds a host to the zone of the default resolver, and returns its name and
// port.
func cnHost(t testing.TB, zone dnsZone, name string, kinds ...string) string {
	t.Helper()
	var records []dnsRecord
	for i := range kinds {
		records = append(records, dnsRecord{name, dnsA, fmt.Sprintf("127.0.0.%d", 11+i)})
	}
	zone[name] = records
	for range 20 {
		if port, ok := cnPorts(t, kinds); ok {
			return fmt.Sprintf("%s:%d", name, port)
		}
	}
	t.Fatal("no port is free at all addresses")
	return ""
}

// cnPorts creates the sockets of a host on one port. ok is false if the port is in use
// at one of the addresses.
func cnPorts(t testing.TB, kinds []string) (port int, ok bool) {
	t.Helper()
	var fds []int
	closeAll := func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
	for i, kind := range kinds {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
		if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, byte(11 + i)}}); err != nil {
			closeAll()
			return 0, false
		}
		sa, _ := unix.Getsockname(fd)
		port = sa.(*unix.SockaddrInet4).Port
		switch kind {
		case listens:
			err = unix.Listen(fd, 100)
		case hangs:
			cnHang(t, fd, fmt.Sprintf("127.0.0.%d:%d", 11+i, port))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(closeAll)
	return port, true
}

// cnHang makes the listening socket fd drop connection attempts: its queue is full.
func cnHang(t testing.TB, fd int, addr string) {
	t.Helper()
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// Dial returns as soon as the listener's SYN-ACK has arrived. Only the client's
	// ACK puts the connection into the queue; until then the queue has room for
	// another connection.
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if n != 1 || err != nil {
			t.Fatalf("the queue of %s is empty: %v", addr, err)
		}
		return
	}
}

// cnZone returns a zone for cnHost.
func cnZone(t testing.TB) dnsZone {
	zone := dnsZone{}
	r, _ := zone.resolver()
	dnsDefault(t, r)
	return zone
}

// cnTexts formats the errors of a *GroupError on one line.
func cnTexts(err error) string {
	var group *aio.GroupError
	if !errors.As(err, &group) {
		return fmt.Sprintf("no group: %v", err)
	}
	var texts []string
	for _, err := range group.Errors {
		var op *net.OpError
		var errno syscall.Errno
		if !errors.As(err, &op) || !errors.As(err, &errno) {
			return fmt.Sprintf("not a network error: %v", err)
		}
		texts = append(texts, fmt.Sprintf("%s %s", op.Addr.(*net.TCPAddr).IP, unix.ErrnoName(errno)))
	}
	return strings.Join(texts, ", ")
}

// LOOP-106, LOOP-107, LOOP-108, LOOP-109, LOOP-110
func TestConnectManyAddresses(t *testing.T) {
	zone := cnZone(t)
	second := cnHost(t, zone, "second.example.", refuses, listens, listens)
	none := cnHost(t, zone, "none.example.", refuses, refuses, refuses)
	alone := cnHost(t, zone, "alone.example.", refuses)
	_, port, _ := net.SplitHostPort(alone)
	twin := "twin.example.:" + port
	zone["twin.example."] = []dnsRecord{zone["alone.example."][0], zone["alone.example."][0]}
	connect := func(ctx context.Context, addr string, all bool) (aio.Transport, error) {
		tr, _, err := aio.CreateConnection(ctx, newCnClient, addr, &aio.ConnectionOptions{AllErrors: all})
		return tr, err
	}
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		cnLeaks(t, ctx, func() {
			before := openFiles()
			tr, err := connect(ctx, second, false)
			if err != nil {
				t.Fatal(err)
			}
			if peer := tr.GetExtraInfo("peername").(*net.TCPAddr).IP.String(); peer != "127.0.0.12" {
				t.Errorf("the peer is %s", peer)
			}
			if files := opened(before); len(files) > 1 {
				t.Errorf("more than one descriptor for a connection: %q", files)
			}

			_, err = connect(ctx, none, false)
			const refusals = "127.0.0.11 ECONNREFUSED, 127.0.0.12 ECONNREFUSED, 127.0.0.13 ECONNREFUSED"
			if got := cnTexts(err); got != refusals || !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("three refused: %s", got)
			}
			for _, ip := range []string{"127.0.0.11", "127.0.0.12", "127.0.0.13"} {
				if err != nil && !strings.Contains(err.Error(), ip) {
					t.Errorf("%s is not in %q", ip, err)
				}
			}
			for _, addr := range []string{alone, twin} {
				_, err = connect(ctx, addr, false)
				if op, ok := err.(*net.OpError); !ok || !errors.Is(err, syscall.ECONNREFUSED) || op.Op != "dial" {
					t.Errorf("one refused, %s: %v", addr, err)
				}
			}
			_, err = connect(ctx, alone, true)
			if got := cnTexts(err); got != "127.0.0.11 ECONNREFUSED" {
				t.Errorf("one refused, with all errors: %s", got)
			}
			_, err = connect(ctx, twin, true)
			if got := cnTexts(err); got != "127.0.0.11 ECONNREFUSED, 127.0.0.11 ECONNREFUSED" {
				t.Errorf("one refused twice, with all errors: %s", got)
			}
			tr.Abort()
		})
		return nil
	})
}

// LOOP-111
func TestConnectOutOfDescriptors(t *testing.T) {
	zone := cnZone(t)
	addr := cnHost(t, zone, "many.example.", listens, listens)
	port, _ := netip.ParseAddrPort("127.0.0.11" + addr[strings.LastIndex(addr, ":"):])
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return err
		}
		cnLeaks(t, ctx, func() {
			// the name has been resolved
			tr, _, err := aio.CreateConnection(ctx, newCnClient, addr, nil)
			if err != nil {
				t.Fatal(err)
			}
			tr.Abort()
			few := limit
			few.Cur = 1
			if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
				t.Fatal(err)
			}
			_, _, err = aio.CreateConnection(ctx, newCnClient, port.String(), nil)
			if serr := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); serr != nil {
				t.Fatal(serr)
			}
			var op *net.OpError
			if !errors.Is(err, syscall.EMFILE) || !errors.As(err, &op) || op.Addr.String() != port.String() {
				t.Errorf("without descriptors: %v", err)
			}
		})
		return nil
	})
}

// LOOP-115, LOOP-116, LOOP-117, LOOP-118, LOOP-119
func TestConnectLocalAddr(t *testing.T) {
	zone := cnZone(t)
	addr := cnHost(t, zone, "there.example.", listens)
	refused := cnHost(t, zone, "nothere.example.", refuses)
	// an attempt from a port that is in use fails too
	busy := cnHost(t, zone, "busy.example.", refuses)
	_, port, _ := net.SplitHostPort(busy)
	zone["local.example."] = []dnsRecord{
		{"local.example.", dnsAAAA, "::1"},
		{"local.example.", dnsA, "127.0.0.11"},
		{"local.example.", dnsA, "to be set"},
	}
	last := 100
	connect := func(ctx context.Context, addr, local string) (string, error) {
		tr, _, err := aio.CreateConnection(ctx, newCnClient, addr, &aio.ConnectionOptions{LocalAddr: local})
		if err != nil {
			return "", err
		}
		own := tr.GetExtraInfo("sockname").(net.Addr).String()
		tr.Abort()
		return own, nil
	}
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		cnLeaks(t, ctx, func() {
			free, err := net.Listen("tcp", "127.0.0.98:0")
			if err != nil {
				t.Fatal(err)
			}
			want := free.Addr().String()
			free.Close()
			if own, err := connect(ctx, addr, want); err != nil || own != want {
				t.Errorf("from %s, want %s: %v", own, want, err)
			}
			if own, err := connect(ctx, addr, "local.example.:0"); err != nil || !strings.HasPrefix(own, "127.0.0.11:") {
				t.Errorf("from %s: %v", own, err)
			}
			if _, err := connect(ctx, addr, "[::1]:0"); err == nil || !strings.Contains(err.Error(), "no local address of the same family") {
				t.Errorf("local address of the other family: %v", err)
			}
			_, err = connect(ctx, addr, busy)
			if in := "127.0.0.11:" + port; !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), in) {
				t.Errorf("local address in use: %v", err)
			}
			// A closed connection keeps its address in use for a while, so
			// use a new one.
			last++
			zone["local.example."][2].value = fmt.Sprintf("127.0.0.%d", last)
			_, err = connect(ctx, refused, "local.example.:"+port)
			if got := cnTexts(err); got != "127.0.0.11 EADDRINUSE, 127.0.0.11 ECONNREFUSED" {
				t.Errorf("from one in use and one free, to one that refuses: %s", got)
			}
			want = fmt.Sprintf("127.0.0.%d:%s", last, port)
			if own, err := connect(ctx, addr, "local.example.:"+port); err != nil || own != want {
				t.Errorf("from one in use and one free: %s, want %s: %v", own, want, err)
			}
		})
		return nil
	})
}

// cnVirtual runs main in a loop with a virtual clock, with the poller. Connections
// served by goroutines count as outside work, for which such a clock waits.
func cnVirtual(t *testing.T, main func(ctx context.Context, l *aio.Loop) error) {
	t.Helper()
	l, reports := newLoop(t)
	if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error { return main(ctx, l) })); err != nil {
		t.Error(err)
	}
	for _, r := range *reports {
		t.Errorf("reported: %s: %v", r.Message, r.Err)
	}
}

// LOOP-121, LOOP-123
func TestHappyEyeballs(t *testing.T) {
	zone := cnZone(t)
	const delay = 250 * time.Millisecond
	for _, tt := range []struct {
		kinds string
		took  time.Duration
		want  string // the address of the peer, or the errors
	}{
		{"listens listens", 0, "127.0.0.11"},
		{"refuses listens", 0, "127.0.0.12"},
		{"hangs listens", delay, "127.0.0.12"},
		{"hangs hangs listens hangs", 2 * delay, "127.0.0.13"},
		{"refuses hangs listens", delay, "127.0.0.13"},
		{"hangs refuses listens", delay, "127.0.0.13"},
		{"hangs hangs refuses refuses listens", 2 * delay, "127.0.0.15"},
		{"refuses refuses", 0, "127.0.0.11 ECONNREFUSED, 127.0.0.12 ECONNREFUSED"},
	} {
		t.Run(tt.kinds, func(t *testing.T) {
			addr := cnHost(t, zone, "happy.example.", strings.Fields(tt.kinds)...)
			cnVirtual(t, func(ctx context.Context, l *aio.Loop) error {
				connect := func() string {
					start := l.Time()
					tr, _, err := aio.CreateConnection(ctx, newCnClient, addr, &aio.ConnectionOptions{HappyEyeballsDelay: delay})
					if took := l.Time().Sub(start); took != tt.took {
						t.Errorf("it took %v, want %v", took, tt.took)
					}
					if err != nil {
						return cnTexts(err)
					}
					defer tr.Abort()
					return tr.GetExtraInfo("peername").(*net.TCPAddr).IP.String()
				}
				cnLeaks(t, ctx, func() {
					if got := connect(); got != tt.want {
						t.Errorf("got %s, want %s", got, tt.want)
					}
				})
				return nil
			})
		})
	}
}

// With two address families, the first address of the second family does not wait for
// the remaining ones of the first.
func TestHappyEyeballsFamilies(t *testing.T) {
	zone := cnZone(t)
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no IPv6: %v", err)
	}
	defer unix.Close(fd)
	sa := &unix.SockaddrInet6{}
	sa.Addr[15] = 1
	if err := unix.Bind(fd, sa); err != nil {
		t.Skipf("no IPv6: %v", err)
	}
	own, _ := unix.Getsockname(fd)
	port := own.(*unix.SockaddrInet6).Port
	cnHang(t, fd, fmt.Sprintf("[::1]:%d", port))
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.11:%d", port))
	if err != nil {
		t.Skipf("the port is not free: %v", err)
	}
	defer ln.Close()
	zone["both.example."] = []dnsRecord{{"both.example.", dnsAAAA, "::1"}, {"both.example.", dnsA, "127.0.0.11"}}
	cnVirtual(t, func(ctx context.Context, l *aio.Loop) error {
		start := l.Time()
		tr, _, err := aio.CreateConnection(ctx, newCnClient, fmt.Sprintf("both.example.:%d", port),
			&aio.ConnectionOptions{HappyEyeballsDelay: time.Second})
		if err != nil {
			return err
		}
		if took := l.Time().Sub(start); took != time.Second || tr.GetExtraInfo("peername").(net.Addr).String() != ln.Addr().String() {
			t.Errorf("%v after %v", tr, took)
		}
		return tr.Close()
	})
}

// Overlapping attempts also work with the goroutine back end.
func TestHappyEyeballsGoroutines(t *testing.T) {
	zone := cnZone(t)
	addr := cnHost(t, zone, "happy.example.", hangs, hangs, listens)
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		cnLeaks(t, ctx, func() {
			tr, _, err := aio.CreateConnection(ctx, newCnClient, addr, &aio.ConnectionOptions{HappyEyeballsDelay: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if peer := tr.GetExtraInfo("peername").(*net.TCPAddr).IP.String(); peer != "127.0.0.13" {
				t.Errorf("the peer is %s", peer)
			}
			tr.Abort()
		})
		return nil
	})
}

// A connection attempt that gets no answer ends when the task is cancelled or the time
// limit expires.
//
// LOOP-113
func TestConnectGivenUp(t *testing.T) {
	zone := cnZone(t)
	addr := cnHost(t, zone, "hole.example.", hangs, hangs)
	for name, delay := range map[string]time.Duration{"one after another": 0, "happy eyeballs": 300 * time.Millisecond} {
		connect := func(ctx context.Context) (struct{}, error) {
			_, _, err := aio.CreateConnection(ctx, newCnClient, addr, &aio.ConnectionOptions{HappyEyeballsDelay: delay})
			return struct{}{}, err
		}
		t.Run(name, func(t *testing.T) {
			cnVirtual(t, func(ctx context.Context, l *aio.Loop) error {
				cnLeaks(t, ctx, func() {
					start := l.Time()
					if _, err := aio.WaitFor(ctx, aio.Coro[struct{}](connect), time.Second); err != aio.ErrTimeout {
						t.Errorf("after a second: %v", err)
					}
					if took := l.Time().Sub(start); took != time.Second {
						t.Errorf("it took %v", took)
					}
				})
				return nil
			})
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				cnLeaks(t, ctx, func() {
					task := aio.CreateTask(ctx, connect)
					before := openFiles()
					eventually(t, ctx, "a socket is open", func() bool { return len(opened(before)) > 0 })
					task.Cancel("no more")
					var ce *aio.CancelledError
					if _, err := task.Await(ctx); !errors.As(err, &ce) || ce.Message != "no more" {
						t.Errorf("cancelled: %v", err)
					}
					own, cancel := context.WithCancelCause(ctx)
					l, _ := aio.GetRunningLoop(ctx)
					l.CallLater(time.Millisecond, func() { cancel(errOne) })
					if _, err := connect(own); !errors.Is(err, errOne) || errors.Is(err, aio.ErrCancelled) {
						t.Errorf("with a context cancelled during the call: %v", err)
					}
				})
				return nil
			})
		})
	}
}

// The kernel does not report when the queue of a Unix socket has room again, so connect
// is retried.
func TestConnectUnixQueueFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	cnVirtual(t, func(ctx context.Context, l *aio.Loop) error {
		first, _, err := aio.CreateUnixConnection(ctx, newCnClient, path, nil)
		if err != nil {
			return err
		}
		connect := func(ctx context.Context) (aio.Transport, error) {
			tr, _, err := aio.CreateUnixConnection(ctx, newCnClient, path, nil)
			return tr, err
		}
		cnLeaks(t, ctx, func() {
			task := aio.CreateTask(ctx, connect)
			if err := aio.Sleep(ctx, time.Second); err != nil {
				t.Fatal(err)
			}
			task.Cancel()
			if _, err := task.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
				t.Errorf("cancelled: %v", err)
			}
		})
		task := aio.CreateTask(ctx, connect)
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if task.Done() {
			t.Fatal("the queue was not full")
		}
		accepted, _, err := unix.Accept(fd)
		if err != nil {
			return err
		}
		defer unix.Close(accepted)
		second, err := task.Await(ctx)
		if err != nil {
			return err
		}
		return errors.Join(first.Close(), second.Close())
	})
}

// LOOP-124
func TestConnectNoDelay(t *testing.T) {
	noDelay := func(t *testing.T, what string, tr aio.Transport) {
		t.Helper()
		rc, err := tr.GetExtraInfo("socket").(*aio.TransportSocket).SyscallConn()
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		on := -1
		if cerr := rc.Control(func(fd uintptr) {
			on, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY)
		}); cerr != nil || err != nil || on == 0 {
			t.Errorf("%s: TCP_NODELAY is %d, %v, %v", what, on, cerr, err)
		}
	}
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		var accepted []*ioEcho
		srv, err := aio.CreateServer(ctx, func() *ioEcho {
			accepted = append(accepted, &ioEcho{})
			return accepted[len(accepted)-1]
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		tr, p, err := aio.CreateConnection(ctx, newCnClient, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		noDelay(t, "the client", tr)
		cnTalk(t, ctx, p, "hello")
		conn, err := net.Dial("tcp", srv.Addr().String())
		if err != nil {
			return err
		}
		conn.(*net.TCPConn).SetNoDelay(false)
		if tr, p, err = aio.CreateConnection(ctx, newCnClient, "", &aio.ConnectionOptions{Conn: conn}); err != nil {
			return err
		}
		noDelay(t, "an existing connection", tr)
		tr.Write([]byte("hello"))
		if err := p.some.Wait(ctx); err != nil {
			return err
		}
		noDelay(t, "the server", accepted[1].t)
		tr.Close()
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// LOOP-178: connects to a path in the abstract namespace.
func TestConnectAbstract(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		path := fmt.Sprintf("@aio-test-%d", os.Getpid())
		srv, err := aio.CreateUnixServer(ctx, func() *ioEcho { return &ioEcho{} }, path, nil)
		if err != nil {
			return err
		}
		_, p, err := aio.CreateUnixConnection(ctx, newCnClient, path, nil)
		if err != nil {
			return err
		}
		cnTalk(t, ctx, p, "hello")
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}
