package aio_test

// The statements that await.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"syscall"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/simnet"
	"golang.org/x/sys/unix"
)

type ioAwait func(m *ioRun, ctx context.Context, s statement, me *ioEnd) (string, error)

// reading returns the await statement for a method of a StreamReader.
func reading(f func(ctx context.Context, r *aio.StreamReader, s statement) ([]byte, error)) ioAwait {
	return func(m *ioRun, ctx context.Context, s statement, me *ioEnd) (string, error) {
		e := m.endOf(s.str(0), me)
		if e == nil || e.r == nil {
			return noslot, nil
		}
		b, err := f(ctx, e.r, s)
		return show(b), err
	}
}

func writing(f func(ctx context.Context, w *aio.StreamWriter) error) ioAwait {
	return func(m *ioRun, ctx context.Context, s statement, me *ioEnd) (string, error) {
		e := m.endOf(s.str(0), me)
		if e == nil || e.w == nil {
			return noslot, nil
		}
		return "ok", f(ctx, e.w)
	}
}

func serving(f func(ctx context.Context, s *aio.Server) error) ioAwait {
	return func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
		sv := m.servers[s.str(0)]
		if sv == nil || sv.s == nil {
			return noslot, nil
		}
		return "ok", f(ctx, sv.s)
	}
}

func sock(f func(m *ioRun, ctx context.Context, p *ioPair, s statement) (string, error)) ioAwait {
	return func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
		p := m.pairs[s.str(0)]
		if p == nil || p.own == nil {
			return noslot, nil
		}
		return f(m, ctx, p, s)
	}
}

// take removes the own end of a pair from the pair and returns it.
func (m *ioRun) take(name string) (*ioPair, ioSocket) {
	p := m.pairs[name]
	if p == nil || p.own == nil {
		return nil, nil
	}
	own := p.own
	p.own = nil
	if f, ok := own.(ioFD); ok {
		m.release(f.fd)
	}
	return p, own
}

// pipe returns the file of a pipe.
func pipe(s ioSocket) *os.File { return os.NewFile(uintptr(s.(ioFD).fd), "pipe") }

// noDescriptor hides the type of a connection, so that goroutines serve it.
type noDescriptor struct{ net.Conn }

func (c noDescriptor) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

func (m *ioRun) conn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "own")
	defer f.Close()
	c, err := net.FileConn(f)
	if err == nil && m.mode.goroutines {
		return noDescriptor{c}, nil
	}
	return c, err
}

func (m *ioRun) factory(spec, name string, p *ioPair, kind string) func() aio.Protocol {
	return func() aio.Protocol { return m.protocol(spec, &ioEnd{name: name, kind: kind, pair: p}) }
}

func onProcess(f func(ctx context.Context, p *aio.Process, s statement) (string, error)) ioAwait {
	return func(m *ioRun, ctx context.Context, s statement, me *ioEnd) (string, error) {
		e := m.endOf(s.str(0), me)
		if e == nil || e.proc == nil {
			return noslot, nil
		}
		return f(ctx, e.proc, s)
	}
}

var ioAwaits map[string]ioAwait

// asMisuse returns err, or ErrUsage if aio returns net.ErrClosed where asyncio raises
// RuntimeError.
func asMisuse(err error) error {
	if errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.ECONNRESET) {
		return aio.ErrUsage
	}
	return err
}

func init() {
	defer func() { maps.Copy(ioAwaits, ioMoreAwaits) }()
	ioAwaits = map[string]ioAwait{
		"await": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
			t := m.tasks[s.str(0)]
			if t == nil {
				return noslot, nil
			}
			v, err := t.Await(ctx)
			if v == nil {
				v = "nil"
			}
			return fmt.Sprint("ok:", v), err
		},
		"connect": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
			p, own := m.take(s.str(1))
			if p == nil {
				return noslot, nil
			}
			c, err := own.conn()
			if err != nil {
				return "", err
			}
			f := m.factory(s.str(2), s.str(0), p, "stream")
			switch {
			case s.str(3) == "accepted":
				_, _, err = aio.ConnectAcceptedSocket(ctx, f, c, nil)
			case p.kind == "unix":
				_, _, err = aio.CreateUnixConnection(ctx, f, "", &aio.ConnectionOptions{Conn: c})
			default:
				_, _, err = aio.CreateConnection(ctx, f, "", &aio.ConnectionOptions{Conn: c})
			}
			return "ok", err
		},
		"open": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
			p, own := m.take(s.str(1))
			if p == nil {
				return noslot, nil
			}
			c, err := own.conn()
			if err != nil {
				return "", err
			}
			e := &ioEnd{name: s.str(0), kind: "stream", pair: p}
			open := aio.OpenConnection
			if p.kind == "unix" {
				open = aio.OpenUnixConnection
			}
			if e.r, e.w, err = open(ctx, "", &aio.ConnectionOptions{Conn: c, Limit: s.num(2)}); err != nil {
				return "", err
			}
			e.t = e.w.Transport()
			m.slots[e.name] = e
			return "ok", nil
		},
		"rpipe": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
			p, own := m.take(s.str(1))
			if p == nil {
				return noslot, nil
			}
			_, _, err := aio.ConnectReadPipe(ctx, m.factory(s.str(2), s.str(0), p, "rpipe"), pipe(own))
			return "ok", err
		},
		"wpipe": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
			p, own := m.take(s.str(1))
			if p == nil {
				return noslot, nil
			}
			_, _, err := aio.ConnectWritePipe(ctx, m.factory(s.str(2), s.str(0), p, "wpipe"), pipe(own))
			return "ok", err
		},
		"endpoint": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
			p, own := m.take(s.str(1))
			if p == nil {
				return noslot, nil
			}
			c, err := own.packetConn()
			if err != nil {
				return "", err
			}
			_, _, err = aio.CreateDatagramEndpoint(ctx, m.factory(s.str(2), s.str(0), p, "dgram"), &aio.DatagramOptions{Conn: c})
			return "ok", err
		},

		"child": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
			_, _, err := aio.SubprocessExec(ctx, m.factory(s.str(1), s.str(0), nil, "child"), "/bin/sh", []string{"-c", s.str(2)}, nil)
			if err == nil {
				settleChild(m.slots[s.str(0)].t.(aio.SubprocessTransport).GetPID())
			}
			return "ok", err
		},
		"process": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
			name := s.str(0)
			p, err := aio.CreateSubprocessExec(ctx, "/bin/sh", []string{"-c", s.str(1)}, &aio.SubprocessOptions{
				Stdin: aio.PIPE, Stdout: aio.PIPE, Stderr: aio.PIPE, Limit: s.num(2)})
			if err != nil {
				return "", err
			}
			m.slots[name] = &ioEnd{name: name, kind: "child", t: p.Transport(), w: p.Stdin, proc: p}
			m.slots[name+"o"] = &ioEnd{name: name + "o", kind: "stream", r: p.Stdout}
			m.slots[name+"e"] = &ioEnd{name: name + "e", kind: "stream", r: p.Stderr}
			settleChild(p.PID)
			return "ok", nil
		},
		"pwait": onProcess(func(ctx context.Context, p *aio.Process, s statement) (string, error) {
			code, err := p.Wait(ctx)
			return fmt.Sprint(code), err
		}),
		"pcomm": onProcess(func(ctx context.Context, p *aio.Process, s statement) (string, error) {
			out, errs, err := p.Communicate(ctx, latin1(s.str(1)))
			return show(out) + " " + show(errs), err
		}),

		"read": reading(func(ctx context.Context, r *aio.StreamReader, s statement) ([]byte, error) {
			return r.Read(ctx, s.num(1))
		}),
		"readline": reading(func(ctx context.Context, r *aio.StreamReader, s statement) ([]byte, error) {
			return r.ReadLine(ctx)
		}),
		"readexactly": reading(func(ctx context.Context, r *aio.StreamReader, s statement) ([]byte, error) {
			return r.ReadExactly(ctx, s.num(1))
		}),
		"readuntil": reading(func(ctx context.Context, r *aio.StreamReader, s statement) ([]byte, error) {
			var seps [][]byte
			for _, sep := range arg[[]string](s, 1) {
				seps = append(seps, latin1(sep))
			}
			return r.ReadUntil(ctx, seps...)
		}),
		"drain":       writing(func(ctx context.Context, w *aio.StreamWriter) error { return w.Drain(ctx) }),
		"wait_closed": writing(func(ctx context.Context, w *aio.StreamWriter) error { return w.WaitClosed(ctx) }),

		"server": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
			return m.server(ctx, s)
		},
		"start_serving":  serving(func(ctx context.Context, s *aio.Server) error { return asMisuse(s.StartServing(ctx)) }),
		"serve_forever":  serving(func(ctx context.Context, s *aio.Server) error { return asMisuse(s.ServeForever(ctx)) }),
		"sv_wait_closed": serving(func(ctx context.Context, s *aio.Server) error { return s.WaitClosed(ctx) }),
		"open_to": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
			sv := m.servers[s.str(1)]
			if sv == nil {
				return noslot, nil
			}
			open := aio.OpenConnection
			if sv.kind == "unix" {
				open = aio.OpenUnixConnection
			}
			r, w, err := open(ctx, sv.addr, &aio.ConnectionOptions{Limit: s.num(2)})
			if err != nil {
				return "", err
			}
			m.slots[s.str(0)] = &ioEnd{name: s.str(0), kind: "stream", r: r, w: w, t: w.Transport()}
			return "ok", nil
		},
		"connect_to": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
			sv := m.servers[s.str(1)]
			if sv == nil {
				return noslot, nil
			}
			f := m.factory(s.str(2), s.str(0), nil, "stream")
			var err error
			if sv.kind == "unix" {
				_, _, err = aio.CreateUnixConnection(ctx, f, sv.addr, nil)
			} else {
				_, _, err = aio.CreateConnection(ctx, f, sv.addr, nil)
			}
			return "ok", err
		},

		"sock_recv": sock(func(m *ioRun, ctx context.Context, p *ioPair, s statement) (string, error) {
			b, err := aio.SockRecv(ctx, p.own.handle(), s.num(1))
			return show(b), err
		}),
		"sock_recv_into": sock(func(m *ioRun, ctx context.Context, p *ioPair, s statement) (string, error) {
			b := make([]byte, s.num(1))
			n, err := aio.SockRecvInto(ctx, p.own.handle(), b)
			return show(b[:n]), err
		}),
		"sock_recvfrom": sock(func(m *ioRun, ctx context.Context, p *ioPair, s statement) (string, error) {
			b, _, err := aio.SockRecvfrom(ctx, p.own.handle(), s.num(1))
			return show(b), err
		}),
		"sock_sendall": sock(func(m *ioRun, ctx context.Context, p *ioPair, s statement) (string, error) {
			var b []byte
			b, p.opos = payload(s.raw(1), p.opos)
			return "ok", aio.SockSendall(ctx, p.own.handle(), b)
		}),
		"sock_sendto": sock(func(m *ioRun, ctx context.Context, p *ioPair, s statement) (string, error) {
			var b []byte
			b, p.opos = payload(s.raw(1), p.opos)
			n, err := aio.SockSendto(ctx, p.own.handle(), b, p.dest)
			return fmt.Sprint(n), err
		}),
		"sock_accept": sock(func(m *ioRun, ctx context.Context, p *ioPair, s statement) (string, error) {
			c, err := aio.SockAccept(ctx, p.own.handle())
			if err != nil {
				return "", err
			}
			q := &ioPair{kind: "unix"}
			m.pairs[s.str(1)] = q
			if u, ok := c.(*simnet.Socket); ok {
				q.own = ioSimulated{m, u}
				return "ok", nil
			}
			rc, _ := c.(syscall.Conn).SyscallConn()
			var own int
			rc.Control(func(fd uintptr) { own, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
			q.own = m.keep(own)
			c.Close()
			return "ok", err
		}),
		"sock_connect": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
			p := m.pairs[s.str(1)]
			if p == nil || p.own == nil {
				return noslot, nil
			}
			q := &ioPair{kind: "unix"}
			m.pairs[s.str(0)] = q
			if m.host != nil {
				q.own = m.newSimulated("unix")
			} else {
				fd, err := socket(unix.AF_UNIX, unix.SOCK_STREAM)
				if err != nil {
					return "", err
				}
				q.own = m.keep(fd)
			}
			return "ok", aio.SockConnect(ctx, q.own.handle(), p.addr)
		},
		"sendfile": func(m *ioRun, ctx context.Context, s statement, me *ioEnd) (string, error) {
			e := m.endOf(s.str(0), me)
			if e == nil || e.t == nil {
				return noslot, nil
			}
			f := file(s.num(1))
			defer f.Close()
			n, err := aio.Sendfile(ctx, e.t.(aio.Transport), f, sendfileOptions(s))
			return sent(f, n), asMisuse(err)
		},
		"sock_sendfile": sock(func(m *ioRun, ctx context.Context, p *ioPair, s statement) (string, error) {
			f := file(s.num(1))
			defer f.Close()
			n, err := aio.SockSendfile(ctx, p.own.handle(), f, sendfileOptions(s))
			return sent(f, n), err
		}),
	}
}

func sendfileOptions(s statement) *aio.SendfileOptions {
	return &aio.SendfileOptions{Offset: int64(s.num(2)), Count: int64(s.num(3)), NoFallback: !s.flag(4)}
}

// sent formats the result of Sendfile. If nothing was sent, the position of the file
// differs from asyncio's.
func sent(f *os.File, n int64) string {
	if n == 0 {
		return "ok:0"
	}
	at, _ := f.Seek(0, 1)
	return fmt.Sprintf("ok:%d at %d", n, at)
}

// file returns an unlinked file with n bytes of a pattern.
func file(n int) *os.File {
	f, err := os.CreateTemp("", "io")
	if err != nil {
		panic(err)
	}
	os.Remove(f.Name())
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((7 + i) % 251)
	}
	f.Write(b)
	return f
}

func (m *ioRun) server(ctx context.Context, s statement) (string, error) {
	name, kind := s.str(0), s.str(1)
	o := arg[struct {
		Start          *bool
		Limit, Backlog int
	}](s, 3)
	opts := &aio.ServerOptions{DeferServing: o.Start != nil && !*o.Start, Backlog: o.Backlog}
	number := func() string { m.counts[name]++; return fmt.Sprint(name, m.counts[name]) }
	addr := "127.0.0.1:0"
	if kind == "unix" {
		addr = m.path(name)
	}
	if kind == "tcp" || kind == "tls" {
		// a socket of the program; "host" is resolved
		ln, err := m.listen(addr)
		if err != nil {
			return "", err
		}
		opts.Listener, addr = ln, ""
	}
	if kind == "tls" {
		config, err := ioTLS(true)
		if err != nil {
			return "", err
		}
		opts.TLS = config
	}
	var sv *aio.Server
	var err error
	if s.raw(2)[0] == '[' {
		opts.Limit = o.Limit
		fn := arg[[]string](s, 2)[0]
		start := aio.StartServer
		if kind == "unix" {
			start = aio.StartUnixServer
		}
		sv, err = start(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			e := &ioEnd{name: number(), kind: "stream", r: r, w: w, t: w.Transport()}
			m.slots[e.name] = e
			_, err := m.coro(fn, e.name, e)(ctx)
			return err
		}, addr, opts)
	} else {
		make := func() aio.Protocol { return m.factory(s.str(2), number(), nil, "stream")() }
		if kind == "unix" {
			sv, err = aio.CreateUnixServer(ctx, make, addr, opts)
		} else {
			sv, err = aio.CreateServer(ctx, make, addr, opts)
		}
	}
	if err != nil {
		return "", err
	}
	if kind != "unix" {
		addr = sv.Addr().String()
	}
	m.servers[name] = &ioServer{sv, addr, kind}
	return "ok", nil
}
