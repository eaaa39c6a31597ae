package aio

// The part of a back end for descriptors and files, for a loop whose network is
// simulated. It has no descriptors: it serves the sockets of that network, and refuses
// everything else, which would have an effect outside of the simulation.

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/plug"
)

// simulatedFiles implements fileBackend.
type simulatedFiles struct {
	loop *Loop
	net  netio.Simulated
}

func init() {
	plug.Unsupported = func(loop any, what string) error {
		if s, ok := loop.(*Loop).files.(simulatedFiles); ok {
			return s.net.Unsupported(what)
		}
		return nil
	}
}

// unsupported makes [Loop.refuse] refuse to use the system.
func (s simulatedFiles) unsupported(what string) error { return s.net.Unsupported(what) }

// SetNetwork implements plug.Loop.
func (d *directed) SetNetwork(b any) {
	d.net, d.files = nil, nil
	if sim, ok := b.(netio.Simulated); ok {
		d.net, d.files = sim, simulatedFiles{(*Loop)(d), sim}
	}
}

// pipe implements fileBackend.
func (s simulatedFiles) pipe(*os.File, bool, netio.Owner) (netio.Stream, error) {
	return nil, s.net.Unsupported("use a pipe of the system")
}

// watch implements fileBackend.
func (s simulatedFiles) watch(int, netio.Owner) error {
	return s.net.Unsupported("use a descriptor of the system")
}

// userSocket returns the simulated socket that sock is.
func (s simulatedFiles) userSocket(call string, sock any) (netio.UserSocket, error) {
	u := s.net.UserSocket(sock)
	if u == nil {
		return nil, fmt.Errorf("aio: %s: %w", call, s.net.Unsupported(fmt.Sprintf("use a %T, which belongs to the real network", sock)))
	}
	return u, nil
}

// socket implements fileBackend. The connections and listeners that the loop has made
// are served too.
func (s simulatedFiles) socket(call string, sock any) (socket, error) {
	if c, ok := sock.(interface{ ownLoop() *Loop }); ok && c.ownLoop() == s.loop {
		conn, _ := sock.(net.Conn)
		ln, _ := sock.(net.Listener)
		return &ownSocket{call, conn, ln}, nil
	}
	u, err := s.userSocket(call, sock)
	if err != nil {
		return nil, err
	}
	return &simSocket{triedSocket{loop: s.loop, call: call, watchable: watchable{sim: u}}}, nil
}

// simSocket is a socket of a simulated network that the user owns.
type simSocket struct{ triedSocket }

func (s *simSocket) recv(ctx context.Context, memory func() []byte) (p []byte, err error) {
	err = s.receive(ctx, func() error {
		buf := memory()
		n, _, err := s.sim.Receive(buf)
		if p = buf[:n]; err == io.EOF {
			err = nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (s *simSocket) recvfrom(ctx context.Context, memory func() []byte) (p []byte, addr net.Addr, err error) {
	err = s.receive(ctx, func() error {
		buf := memory()
		n, from, err := s.sim.Receive(buf)
		if p, addr = buf[:n], from; err == io.EOF { // a stream has no more data
			err = nil
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return p, addr, nil
}

func (s *simSocket) sendall(ctx context.Context, p []byte) error {
	return s.send(ctx, func() (done bool, err error) {
		n, err := s.sim.Send(p, nil)
		p = p[n:]
		return len(p) == 0, err
	})
}

func (s *simSocket) sendto(ctx context.Context, p []byte, addr net.Addr) error {
	switch addr.(type) {
	case nil, *net.UDPAddr, *net.UnixAddr:
	default:
		return usagef(s.call, "the address %v is a %T: it must be a *net.UDPAddr or *net.UnixAddr", addr, addr)
	}
	return s.send(ctx, func() (done bool, err error) {
		_, err = s.sim.Send(p, addr)
		return err == nil, err
	})
}

func (s *simSocket) connect(ctx context.Context, addr string) error {
	network := s.sim.Network()
	var to net.Addr = &net.UnixAddr{Name: addr, Net: network}
	if network[:4] != "unix" {
		host, port, err := splitAddr(s.call, addr)
		if err != nil {
			return err
		}
		found, err := s.loop.resolve(ctx, network, host, port, false)
		if err != nil {
			return err
		}
		if to = net.TCPAddrFromAddrPort(found[0]); network[0] == 'u' {
			to = net.UDPAddrFromAddrPort(found[0])
		}
	}
	err := s.send(ctx, func() (done bool, err error) {
		err = s.sim.Connect(to)
		return err == nil, err
	})
	if err != nil {
		return dialError(to.Network(), to, err)
	}
	return nil
}

func (s *simSocket) accept(ctx context.Context) (conn net.Conn, err error) {
	err = s.receive(ctx, func() (err error) {
		conn, err = s.sim.AcceptConn()
		return err
	})
	return conn, err
}

func (s *simSocket) sendfile(context.Context, *fileSend) error {
	if isDatagram(s.sim.Network()) {
		return usagef(s.call, "it takes stream sockets only")
	}
	return ErrSendfileNotAvailable
}

func (s *simSocket) sendcopy(ctx context.Context, f *fileSend) error {
	return f.copy(ctx, func(p []byte) error { return s.sendall(ctx, p) })
}

// ownSocket is a connection or listener that the loop has made, see NewConn and Listen.
// Its methods await.
type ownSocket struct {
	call string
	conn net.Conn
	ln   net.Listener
}

func (s *ownSocket) unable() error { return usagef(s.call, "the socket does not support this call") }

func (s *ownSocket) recv(_ context.Context, memory func() []byte) ([]byte, error) {
	if s.conn == nil {
		return nil, s.unable()
	}
	// a cancelled call does not concern the next one
	_ = s.conn.SetReadDeadline(time.Time{})
	buf := memory()
	n, err := s.conn.Read(buf)
	if err == io.EOF {
		err = nil
	}
	return buf[:n], err
}

func (s *ownSocket) recvfrom(context.Context, func() []byte) ([]byte, net.Addr, error) {
	return nil, nil, s.unable()
}

func (s *ownSocket) sendall(_ context.Context, p []byte) error {
	if s.conn == nil {
		return s.unable()
	}
	_ = s.conn.SetWriteDeadline(time.Time{})
	_, err := s.conn.Write(p)
	return err
}

func (s *ownSocket) sendto(context.Context, []byte, net.Addr) error { return s.unable() }

func (s *ownSocket) connect(context.Context, string) error { return s.unable() }

func (s *ownSocket) accept(context.Context) (net.Conn, error) {
	if s.ln == nil {
		return nil, s.unable()
	}
	return s.ln.Accept()
}

func (s *ownSocket) sendfile(context.Context, *fileSend) error {
	if s.conn == nil {
		return s.unable()
	}
	return ErrSendfileNotAvailable
}

func (s *ownSocket) sendcopy(ctx context.Context, f *fileSend) error {
	return f.copy(ctx, func(p []byte) error { return s.sendall(ctx, p) })
}
