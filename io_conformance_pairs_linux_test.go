package aio_test

// Ends of connections that a program uses directly with system calls, outside the loop.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ioPair is a pair of connected ends: own is passed to a transport or used by the
// program; statements use peer.
type ioPair struct {
	kind       string
	own, peer  ioSocket // nil for none
	ppos, opos int
	dest       net.Addr
	addr       string
}

// ioSocket is a non-blocking socket or pipe that a program drives itself: a descriptor
// or, in a simulated network, its counterpart.
type ioSocket interface {
	read(p []byte) (int, error)
	write(p []byte) (int, error)
	shut() error
	close(reset bool)
	// handle is what the Sock calls and AddReader take
	handle() any
	conn() (net.Conn, error)
	packetConn() (net.PacketConn, error)
	// accept returns the next connection of a socket that listens
	accept() (ioSocket, error)
}

// ioFD is a descriptor.
type ioFD struct {
	m  *ioRun
	fd int
}

func (f ioFD) read(p []byte) (int, error) { return unix.Read(f.fd, p) }

func (f ioFD) write(p []byte) (int, error) {
	n, err := unix.SendmsgN(f.fd, p, nil, nil, unix.MSG_NOSIGNAL)
	if err == unix.ENOTSOCK {
		return unix.Write(f.fd, p)
	}
	return n, err
}

func (f ioFD) shut() error { return unix.Shutdown(f.fd, unix.SHUT_WR) }

func (f ioFD) close(reset bool) {
	if reset {
		// has an effect only for TCP
		unix.SetsockoptLinger(f.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	f.m.closeFD(f.fd)
}

func (f ioFD) handle() any { return f.fd }

func (f ioFD) conn() (net.Conn, error) { return f.m.conn(f.fd) }

func (f ioFD) packetConn() (net.PacketConn, error) {
	file := os.NewFile(uintptr(f.fd), "own")
	defer file.Close()
	return net.FilePacketConn(file)
}

func (f ioFD) accept() (ioSocket, error) {
	fd, _, err := unix.Accept4(f.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return f.m.keep(fd), nil
}

func (p *ioPair) datagrams() bool {
	return p.kind == "udp" || p.kind == "udpopen" || strings.HasPrefix(p.kind, "ugram")
}

func payload(raw json.RawMessage, pos int) ([]byte, int) {
	if raw[0] == '"' {
		return latin1(decode[string](raw)), pos
	}
	n := decode[int](raw)
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((pos + i) % 251)
	}
	return b, pos + n
}

func latin1(s string) []byte {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}

// settle gives the kernel's loopback network and the goroutines time to deliver data.
func (m *ioRun) settle(p *ioPair) {
	switch {
	case m.host != nil:
		m.host.Settle()
	case m.mode.goroutines:
		time.Sleep(2 * time.Millisecond)
	case p.kind == "tcp", p.kind == "udp", p.kind == "udpopen":
		time.Sleep(time.Millisecond)
	}
}

// settleChild waits until a process is idle: it waits for input, sleeps, or has exited.
func settleChild(pid int) {
	defer time.Sleep(time.Millisecond)
	// Require several idle samples in a row: a process that is being woken up still
	// looks idle for a moment.
	blocked := 0
	for range 3000 {
		time.Sleep(time.Millisecond)
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return
		}
		// the state, six numbers, and the flags
		state := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if state[0] == "Z" || state[0] == "X" {
			return
		}
		const exiting = 4 // PF_EXITING
		if flags, _ := strconv.Atoi(state[6]); flags&exiting != 0 {
			blocked = 0
			continue
		}
		call, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
		if err != nil {
			return
		}
		switch n, _, _ := strings.Cut(string(call), " "); n {
		case "0", "35", "230": // read, nanosleep, clock_nanosleep
			if blocked++; blocked == 3 {
				return
			}
		default:
			blocked = 0
		}
	}
}

func (m *ioRun) keep(fd int) ioFD { m.fds = append(m.fds, fd); return ioFD{m, fd} }

// release removes fd from the descriptors that are closed at the end.
func (m *ioRun) release(fd int) {
	for i, f := range m.fds {
		if f == fd {
			m.fds = append(m.fds[:i], m.fds[i+1:]...)
			return
		}
	}
}

func (m *ioRun) closeFD(fd int) { m.release(fd); unix.Close(fd) }

func socket(domain, typ int) (int, error) {
	return unix.Socket(domain, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}

var loopback = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}

func (m *ioRun) newPair(s statement) (err error) {
	p := &ioPair{kind: s.str(1)}
	m.pairs[s.str(0)] = p
	if m.host != nil {
		return m.newSimulatedPair(p, s)
	}
	own, peer := -1, -1
	check := func(e error) {
		if e != nil && err == nil {
			err = e
		}
	}
	sock := func(domain, typ int) int {
		fd, e := socket(domain, typ)
		check(e)
		return m.keep(fd).fd
	}
	switch p.kind {
	case "unix":
		fds, e := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		check(e)
		own, peer = m.keep(fds[0]).fd, m.keep(fds[1]).fd
	case "tcp":
		l, _ := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		check(unix.Bind(l, loopback))
		check(unix.Listen(l, 1))
		at, _ := unix.Getsockname(l)
		own, _ = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		check(unix.Connect(own, at))
		peer, _, _ = unix.Accept4(l, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		unix.Close(l)
		unix.SetNonblock(own, true)
		for _, fd := range []int{m.keep(own).fd, m.keep(peer).fd} {
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		}
	case "rpipe", "wpipe":
		var fds [2]int
		check(unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
		m.keep(fds[0])
		m.keep(fds[1])
		if own, peer = fds[0], fds[1]; p.kind == "wpipe" {
			own, peer = fds[1], fds[0]
		}
	case "udp", "udpopen":
		peer, own = sock(unix.AF_INET, unix.SOCK_DGRAM), sock(unix.AF_INET, unix.SOCK_DGRAM)
		check(unix.Bind(peer, loopback))
		check(unix.Bind(own, loopback))
		there, _ := unix.Getsockname(peer)
		here, _ := unix.Getsockname(own)
		p.dest = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: there.(*unix.SockaddrInet4).Port}
		check(unix.Connect(peer, here))
		if p.kind == "udp" {
			check(unix.Connect(own, there))
		}
	case "ugram", "ugramopen":
		a, b := m.path(s.str(0)+"a"), m.path(s.str(0)+"b")
		own, peer = sock(unix.AF_UNIX, unix.SOCK_DGRAM), sock(unix.AF_UNIX, unix.SOCK_DGRAM)
		check(unix.Bind(own, &unix.SockaddrUnix{Name: a}))
		check(unix.Bind(peer, &unix.SockaddrUnix{Name: b}))
		p.dest = &net.UnixAddr{Name: b, Net: "unixgram"}
		if p.kind == "ugram" {
			check(unix.Connect(own, &unix.SockaddrUnix{Name: b}))
		}
		check(unix.Connect(peer, &unix.SockaddrUnix{Name: a}))
	case "listen":
		p.addr = m.path(s.str(0))
		own = sock(unix.AF_UNIX, unix.SOCK_STREAM)
		check(unix.Bind(own, &unix.SockaddrUnix{Name: p.addr}))
		check(unix.Listen(own, 8))
	}
	if size := s.num(2); size > 0 {
		for _, fd := range []int{own, peer} {
			if fd >= 0 && !strings.HasSuffix(p.kind, "pipe") {
				unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, size)
			}
		}
	}
	p.own = ioFD{m, own}
	if peer >= 0 {
		p.peer = ioFD{m, peer}
	}
	return err
}

func (m *ioRun) psend(p *ioPair, s statement) (string, error) {
	b, _ := payload(s.raw(1), p.ppos)
	n, err := p.peer.write(b)
	if err != nil {
		return "", err
	}
	if !s.isString(1) {
		p.ppos += n
	}
	return fmt.Sprint(n), nil
}

func (m *ioRun) precv(p *ioPair, s statement) (string, error) {
	want, k, how := s.num(1), 0, ""
	var out []byte
	for p.datagrams() && k < want || !p.datagrams() && len(out) < want {
		b := make([]byte, 65536)
		if !p.datagrams() {
			b = b[:min(len(b), want-len(out))]
		}
		n, err := p.peer.read(b)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err == io.EOF {
			n, err = 0, nil
		}
		if err != nil {
			how = " " + ioError(err)
			break
		}
		if n == 0 && !p.datagrams() {
			how = " eof"
			break
		}
		out = append(out, b[:n]...)
		k++
	}
	text := show(out) + how
	if p.datagrams() {
		text = fmt.Sprint(k, " ", text)
	}
	return text, nil
}

func (m *ioRun) watch(add func(any, func()) error, op string, p *ioPair, s statement) (string, error) {
	bodies, n := arg[[][]statement](s, 2), 0
	return "ok", add(p.own.handle(), func() {
		m.log("loop", op+" "+s.str(1))
		k := min(n, len(bodies)-1)
		n++
		if k >= 0 {
			m.script(bodies[k], "loop", nil)
		}
	})
}

// dial creates a raw client, which is connected when dial returns.
func (m *ioRun) dial(name, kind, addr string) (string, error) {
	p := &ioPair{kind: "unix"}
	m.pairs[name] = p
	if m.host != nil {
		return m.dialSimulated(p, kind, addr)
	}
	var sa unix.Sockaddr = &unix.SockaddrUnix{Name: addr}
	domain := unix.AF_UNIX
	if kind != "unix" {
		p.kind, domain = "tcp", unix.AF_INET
		ap, err := net.ResolveTCPAddr("tcp4", addr)
		if err != nil {
			return "", err
		}
		sa = &unix.SockaddrInet4{Port: ap.Port, Addr: [4]byte(ap.IP.To4())}
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	unix.SetNonblock(fd, kind == "unix")
	if err := unix.Connect(fd, sa); err != nil {
		unix.Close(fd)
		return "", err
	}
	unix.SetNonblock(fd, true)
	p.peer = m.keep(fd)
	m.settle(p)
	return "ok", nil
}
