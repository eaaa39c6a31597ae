package aio_test

// The I/O programs in a simulated network. Operations that the simulated network does not
// support are listed, and fail with an error that says so.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/plug"
	"github.com/goaio/aio/internal/simnet"
)

// simulate gives the loop a network with one host.
func (m *ioRun) simulate() {
	d := &ioDirector{}
	d.view = plug.Direct(m.loop, d)
	m.host = simnet.New(ioDriver{d}).Host("localhost")
	m.host.Start(ioHostLoop{m.loop})
	d.host = m.host
	d.view.SetNetwork(m.host)
}

// ioDirector leaves the order as it is, and advances the clock to the events of the
// network.
type ioDirector struct {
	view plug.Loop
	host *simnet.Host
}

func (d *ioDirector) Pass()   { d.host.Poll() }
func (d *ioDirector) Choose() {}

// Ran lets a step take time.
func (d *ioDirector) Ran() { d.view.SetNow(d.view.Now() + time.Microsecond) }

func (d *ioDirector) Idle() bool {
	when, ok := d.host.Next()
	if now := d.view.Now(); !ok || when <= now {
		return ok
	}
	if t, ok := d.view.Timer(); ok && t < when {
		return false
	}
	d.view.SetNow(when)
	return true
}

type ioHostLoop struct{ loop *aio.Loop }

func (h ioHostLoop) Soon(f func()) { h.loop.CallSoon(f) }

func (h ioHostLoop) Waiter(ctx context.Context) (wait func() error, wake func(), err error) {
	f := aio.CreateFuture[struct{}](ctx)
	wait = func() error {
		_, err := f.Await(ctx)
		return err
	}
	return wait, func() {
		if !f.Done() {
			f.SetResult(struct{}{})
		}
	}, nil
}

// ioSimulated is a socket of the simulated network.
type ioSimulated struct {
	m *ioRun
	u *simnet.Socket
}

func (m *ioRun) newSimulated(network string) ioSimulated {
	u, err := m.host.NewSocket(network)
	if err != nil {
		m.t.Fatal(err)
	}
	return ioSimulated{m, u}
}

func (s ioSimulated) read(p []byte) (int, error)  { return s.u.Read(p) }
func (s ioSimulated) write(p []byte) (int, error) { return s.u.Write(p) }
func (s ioSimulated) shut() error                 { return s.u.CloseWrite() }
func (s ioSimulated) handle() any                 { return s.u }
func (s ioSimulated) conn() (net.Conn, error)     { return s.u, nil }

func (s ioSimulated) packetConn() (net.PacketConn, error) { return s.u, nil }

func (s ioSimulated) close(reset bool) {
	if reset {
		_ = s.u.SetLinger(0)
	}
	s.u.Close()
}

func (s ioSimulated) accept() (ioSocket, error) {
	c, err := s.u.Accept()
	if err != nil {
		return nil, err
	}
	return ioSimulated{s.m, c.(*simnet.Socket)}, nil
}

// connect connects to an address of this network, at once.
func (s ioSimulated) connect(to net.Addr) error {
	err := s.u.Connect(to)
	for range 3 {
		s.m.host.Settle()
		err = s.u.Connect(to)
	}
	if err == netio.ErrWouldBlock {
		return syscall.EAGAIN
	}
	return err
}

// listen makes a listener of TCP.
func (m *ioRun) listen(addr string) (net.Listener, error) {
	if m.host == nil {
		return net.Listen("tcp", addr)
	}
	s := m.newSimulated("tcp4")
	err := s.u.Bind(addr)
	if err == nil {
		err = s.u.Listen(128)
	}
	return s.u, err
}

func (m *ioRun) newSimulatedPair(p *ioPair, s statement) error {
	local := "127.0.0.1:0"
	switch p.kind {
	case "unix":
		own, peer := m.host.SocketPair()
		p.own, p.peer = ioSimulated{m, own}, ioSimulated{m, peer}
		if size := s.num(2); size > 0 {
			return errors.Join(own.SetWriteBuffer(size), peer.SetWriteBuffer(size))
		}
		return nil
	case "listen":
		own := m.newSimulated("unix")
		p.own, p.addr = own, m.path(s.str(0))
		return errors.Join(own.u.Bind(p.addr), own.u.Listen(8))
	case "tcp":
		ln := m.newSimulated("tcp4")
		own := m.newSimulated("tcp4")
		err := errors.Join(ln.u.Bind(local), ln.u.Listen(1), own.connect(ln.u.Addr()))
		if err != nil {
			return err
		}
		p.own = own
		p.peer, err = ln.accept()
		ln.u.Close()
		return err
	case "udp", "udpopen", "ugram", "ugramopen":
		network, a, b := "udp4", local, local
		if strings.HasPrefix(p.kind, "ugram") {
			network, a, b = "unixgram", m.path(s.str(0)+"a"), m.path(s.str(0)+"b")
		}
		own, peer := m.newSimulated(network), m.newSimulated(network)
		err := errors.Join(own.u.Bind(a), peer.u.Bind(b))
		p.own, p.peer, p.dest = own, peer, peer.u.LocalAddr()
		err = errors.Join(err, peer.u.Connect(own.u.LocalAddr()))
		if !strings.HasSuffix(p.kind, "open") {
			err = errors.Join(err, own.u.Connect(p.dest))
		}
		return err
	}
	return fmt.Errorf("a pair of kind %s: %w", p.kind, errors.ErrUnsupported)
}

func (m *ioRun) dialSimulated(p *ioPair, kind, addr string) (string, error) {
	network, to := "unix", net.Addr(&net.UnixAddr{Name: addr, Net: "unix"})
	if kind != "unix" {
		p.kind, network = "tcp", "tcp4"
		at, err := net.ResolveTCPAddr("tcp4", addr)
		if err != nil {
			return "", err
		}
		to = at
	}
	s := m.newSimulated(network)
	if err := s.connect(to); err != nil {
		return "", err
	}
	p.peer = s
	return "ok", nil
}

// tie returns a duration that grows with each call: virtual time does not advance
// during a step, and without the difference two timers of a step would have the same
// time.
func (m *ioRun) tie() time.Duration {
	if m.host == nil {
		return 0
	}
	m.timers++
	return time.Duration(m.timers)
}

// ioDriver makes no choices.
type ioDriver struct{ d *ioDirector }

func (d ioDriver) Now() time.Duration     { return d.d.view.Now() }
func (d ioDriver) Choose(int, string) int { return 0 }
func (d ioDriver) Note(string)            {}

// ioRefused are the statements that a simulated network cannot serve.
// TestSimulatedNetworkRefuses tests the calls that these statements make.
var ioRefused = map[string]string{
	"rpipe": "a pipe of the system, refused", "ropen": "the same",
	"wpipe": "the same", "wopen": "the same",
	"child": "a subprocess, refused", "process": "the same",
	"on_signal": "a signal, refused", "signal": "the same",
	"bsoon": "a loop in another goroutine, which lives in real time", "bcoro": "the same",
	"eyes":     "a name with several addresses of a family: hosts have one of each",
	"sendfile": "the kernel sends no file: a worker reads it, in real time", "sock_sendfile": "the same",
}

// refused returns the first statement of the program that the simulated network cannot
// serve, "" if there is none.
func (p *ioProgram) refused() string {
	var in func(stmts []statement) string
	in = func(stmts []statement) string {
		for _, s := range stmts {
			op := s.op()
			switch {
			case ioRefused[op] != "":
				return op
			case op == "guard" || op == "timeout0":
				if op := in(s.body(len(s) - 2)); op != "" {
					return op
				}
			}
		}
		return ""
	}
	for _, c := range p.Coros {
		if op := in(c); op != "" {
			return op
		}
	}
	for _, proto := range p.Protos {
		for _, scripts := range proto.On {
			for _, script := range scripts {
				if op := in(script); op != "" {
					return op
				}
			}
		}
	}
	return ""
}

// The programs that a simulated network can serve take CPython's steps in it, pass by
// pass.
func TestIOConformanceSimulated(t *testing.T) {
	quiet(t)
	served, left := map[string]int{}, map[string]int{}
	for _, p := range ioPrograms(t, ioPart) {
		if op := p.refused(); op != "" {
			left[op]++
			continue
		}
		served[p.Profile]++
		if p.ID == "datagram-5-79" {
			t.Log(p.ID + " is left out: it depends on how many bytes Linux allows a sender, exactly")
			continue
		}
		if diff := ioDifference(t, p, ioMode{simulated: true}); diff != "" {
			t.Errorf("%s: %s", p.ID, diff)
		}
	}
	t.Logf("served, by profile: %v; not, by statement: %v", served, left)
	for _, profile := range []string{
		"calmprotocol", "calmstreams", "calmtls", "calmtlsbuffers", "connect", "datagram", "drain", "feed", "fill", "multi",
		"protocol", "server", "sock", "streams", "streamserver", "unixgrams", "watch",
	} {
		if served[profile] == 0 {
			t.Errorf("no program of profile %s was run", profile)
		}
	}
}

// Calls that need objects of the system fail in a simulated network, with an error that
// says so.
func TestSimulatedNetworkRefuses(t *testing.T) {
	real, other, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer real.Close()
	defer other.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	conn := func() net.Conn {
		c, other := net.Pipe()
		t.Cleanup(func() { c.Close(); other.Close() })
		return c
	}
	echo := func(context.Context, *aio.StreamReader, *aio.StreamWriter) error { return nil }
	fd := int(real.Fd())
	m := &ioRun{t: t, loop: aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})}
	m.simulate()
	l := m.loop
	defer l.Close()
	proto := func() aio.Protocol {
		return &ioPlain{ioCallbacks{m: m, spec: &ioProtocol{}, end: &ioEnd{}, n: map[string]int{}}}
	}
	calls := map[string]func(ctx context.Context, l *aio.Loop) error{
		"ConnectReadPipe": func(ctx context.Context, _ *aio.Loop) error {
			_, _, err := aio.ConnectReadPipe(ctx, proto, real)
			return err
		},
		"ConnectWritePipe": func(ctx context.Context, _ *aio.Loop) error {
			_, _, err := aio.ConnectWritePipe(ctx, proto, other)
			return err
		},
		"SubprocessExec": func(ctx context.Context, _ *aio.Loop) error {
			_, _, err := aio.SubprocessExec(ctx, proto, "true", nil, nil)
			return err
		},
		"CreateSubprocessShell": func(ctx context.Context, _ *aio.Loop) error {
			_, err := aio.CreateSubprocessShell(ctx, "true", nil)
			return err
		},
		"Loop.AddSignalHandler": func(_ context.Context, l *aio.Loop) error {
			return l.AddSignalHandler(syscall.SIGUSR1, func() {})
		},
		"Loop.AddReader": func(_ context.Context, l *aio.Loop) error { return l.AddReader(fd, func() {}) },
		"Loop.AddWriter": func(_ context.Context, l *aio.Loop) error { return l.AddWriter(fd, func() {}) },
		"Loop.RemoveReader": func(_ context.Context, l *aio.Loop) error {
			_, err := l.RemoveReader(fd)
			return err
		},
		"SockRecv": func(ctx context.Context, _ *aio.Loop) error {
			_, err := aio.SockRecv(ctx, fd, 1)
			return err
		},
		"SockSendto": func(ctx context.Context, _ *aio.Loop) error {
			_, err := aio.SockSendto(ctx, packets, []byte("x"), packets.LocalAddr())
			return err
		},
		"SockAccept": func(ctx context.Context, _ *aio.Loop) error {
			_, err := aio.SockAccept(ctx, ln)
			return err
		},
		"CreateConnection": func(ctx context.Context, _ *aio.Loop) error {
			_, _, err := aio.CreateConnection(ctx, proto, "", &aio.ConnectionOptions{Conn: conn()})
			return err
		},
		"ConnectAcceptedSocket": func(ctx context.Context, _ *aio.Loop) error {
			_, _, err := aio.ConnectAcceptedSocket(ctx, proto, conn(), nil)
			return err
		},
		"CreateDatagramEndpoint": func(ctx context.Context, _ *aio.Loop) error {
			_, _, err := aio.CreateDatagramEndpoint(ctx, proto, &aio.DatagramOptions{Conn: packets})
			return err
		},
		"StartServer": func(ctx context.Context, _ *aio.Loop) error {
			_, err := aio.StartServer(ctx, echo, "", &aio.ServerOptions{Listener: ln})
			return err
		},
	}
	for name, call := range calls {
		_, err := aio.RunUntilComplete(m.loop, aio.NoResult(func(ctx context.Context) error { return call(ctx, m.loop) }))
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "the simulated network cannot ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A server in a simulated network leaves the files of the system alone.
func TestSimulatedUnixServerHasNoFile(t *testing.T) {
	path := t.TempDir() + "/sock"
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	m := &ioRun{t: t, loop: aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})}
	m.simulate()
	defer m.loop.Close()
	_, err = aio.RunUntilComplete(m.loop, aio.NoResult(func(ctx context.Context) error {
		s, err := aio.StartUnixServer(ctx, func(context.Context, *aio.StreamReader, *aio.StreamWriter) error { return nil }, path, nil)
		if err != nil {
			return err
		}
		s.Close()
		return s.WaitClosed(ctx)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
