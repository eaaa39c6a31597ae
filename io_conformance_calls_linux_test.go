package aio_test

// The statements that do not await.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/goaio/aio"
)

func (m *ioRun) script(stmts []statement, label string, me *ioEnd) {
	for _, s := range stmts {
		if s.op() == "raise" {
			panic(progError(s.str(0)))
		}
		m.sync(s, label, me)
	}
}

func (m *ioRun) endOf(name string, me *ioEnd) *ioEnd {
	if name == "@" {
		return me
	}
	return m.slots[name]
}

// sync runs s if it is a statement that does not await, and reports whether it is one.
func (m *ioRun) sync(s statement, label string, me *ioEnd) bool {
	f, ok := ioCalls[s.op()]
	if !ok {
		return false
	}
	var text string
	err := caught(func() (err error) {
		text, err = f(m, s, label, me)
		return err
	})
	if err != nil {
		text = ioError(err)
	}
	if text != "" {
		m.log(label, s.head()+" "+text)
	}
	return true
}

type ioCall func(m *ioRun, s statement, label string, me *ioEnd) (string, error)

var ioCalls map[string]ioCall

// onTransport returns the statement for a method of a transport.
func onTransport(f func(m *ioRun, e *ioEnd, s statement) (string, error)) ioCall {
	return func(m *ioRun, s statement, _ string, me *ioEnd) (string, error) {
		e := m.endOf(s.str(0), me)
		if e == nil || e.t == nil {
			return noslot, nil
		}
		return f(m, e, s)
	}
}

func onReader(f func(e *ioEnd, s statement)) ioCall {
	return func(m *ioRun, s statement, _ string, me *ioEnd) (string, error) {
		e := m.endOf(s.str(0), me)
		if e == nil || e.r == nil {
			return noslot, nil
		}
		f(e, s)
		return "ok", nil
	}
}

func onPeer(f func(m *ioRun, p *ioPair, s statement) (string, error)) ioCall {
	return func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
		p := m.pairs[s.str(0)]
		if p == nil || p.peer == nil {
			return noslot, nil
		}
		m.settle(p)
		defer m.settle(p)
		return f(m, p, s)
	}
}

func onOwn(f func(m *ioRun, p *ioPair, s statement) (string, error)) ioCall {
	return func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
		p := m.pairs[s.str(0)]
		if p == nil || p.own == nil {
			return noslot, nil
		}
		return f(m, p, s)
	}
}

func onServer(f func(m *ioRun, sv *ioServer) string) ioCall {
	return func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
		sv := m.servers[s.str(0)]
		if sv == nil || sv.s == nil {
			return noslot, nil
		}
		return f(m, sv), nil
	}
}

func onChild(f func(t aio.SubprocessTransport, s statement) (string, error)) ioCall {
	return func(m *ioRun, s statement, _ string, me *ioEnd) (string, error) {
		e := m.endOf(s.str(0), me)
		if e == nil || e.kind != "child" || e.t == nil {
			return noslot, nil
		}
		if s.op() != "pstate" {
			defer settleChild(e.t.(aio.SubprocessTransport).GetPID())
		}
		return f(e.t.(aio.SubprocessTransport), s)
	}
}

func bufSize(e *ioEnd) string {
	return fmt.Sprintf("buf=%d", e.t.(interface{ GetWriteBufferSize() int }).GetWriteBufferSize())
}

func init() {
	ioCalls = map[string]ioCall{
		"log": func(m *ioRun, s statement, label string, _ *ioEnd) (string, error) {
			m.log(label, s.str(0))
			return "", nil
		},
		"soon": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			m.loop.CallSoon(func() { m.log("loop", "soon "+s.str(0)) })
			return "", nil
		},
		"soon_raise": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			m.loop.CallSoon(func() { panic(progError(s.str(0))) })
			return "", nil
		},
		"later": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			m.loop.CallLater(m.tie(), func() { m.log("loop", "later "+s.str(0)) })
			return "", nil
		},
		"at": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			m.loop.CallAt(m.loop.Time().Add(m.tie()-time.Second), func() { m.log("loop", "at "+s.str(0)) })
			return "", nil
		},
		"spawn": func(m *ioRun, s statement, _ string, me *ioEnd) (string, error) {
			m.tasks[s.str(0)] = aio.CreateTask(m.loop.Context(), m.coro(s.str(1), s.str(0), me))
			return "", nil
		},
		"cancel": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			t := m.tasks[s.str(0)]
			if t == nil {
				return noslot, nil
			}
			return bit(t.Cancel()), nil
		},
		"future": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			m.tasks[s.str(0)] = aio.CreateFuture[any](m.loop.Context())
			return "", nil
		},
		"set": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			f, ok := m.tasks[s.str(0)].(*aio.Future[any])
			if !ok {
				return noslot, nil
			}
			if f.Done() {
				return "done", nil
			}
			return "", f.SetResult(nil)
		},

		"pair":  func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) { return "", m.newPair(s) },
		"psend": onPeer((*ioRun).psend),
		"precv": onPeer((*ioRun).precv),
		"pshut": onPeer(func(m *ioRun, p *ioPair, s statement) (string, error) {
			return "ok", p.peer.shut()
		}),
		"pclose": onPeer(func(m *ioRun, p *ioPair, s statement) (string, error) {
			p.peer.close(false)
			p.peer = nil
			return "ok", nil
		}),
		"preset": onPeer(func(m *ioRun, p *ioPair, s statement) (string, error) {
			p.peer.close(true)
			p.peer = nil
			return "ok", nil
		}),

		"fdread": onOwn(func(m *ioRun, p *ioPair, s statement) (string, error) {
			b := make([]byte, s.num(1))
			n, err := p.own.read(b)
			if err == io.EOF {
				err = nil
			}
			if err != nil {
				return "", err
			}
			return show(b[:n]), nil
		}),
		"fdwrite": onOwn(func(m *ioRun, p *ioPair, s statement) (string, error) {
			b, _ := payload(s.raw(1), p.opos)
			n, err := p.own.write(b)
			if err != nil {
				return "", err
			}
			if !s.isString(1) {
				p.opos += n
			}
			return fmt.Sprint(n), nil
		}),
		"fdclose": onOwn(func(m *ioRun, p *ioPair, s statement) (string, error) {
			p.own.close(false)
			p.own = nil
			return "ok", nil
		}),
		"add_reader": onOwn(func(m *ioRun, p *ioPair, s statement) (string, error) {
			return m.watch(m.loop.AddReader, "reader", p, s)
		}),
		"add_writer": onOwn(func(m *ioRun, p *ioPair, s statement) (string, error) {
			return m.watch(m.loop.AddWriter, "writer", p, s)
		}),
		"remove_reader": onOwn(func(m *ioRun, p *ioPair, s statement) (string, error) {
			ok, err := m.loop.RemoveReader(p.own.handle())
			return bit(ok), err
		}),
		"remove_writer": onOwn(func(m *ioRun, p *ioPair, s statement) (string, error) {
			ok, err := m.loop.RemoveWriter(p.own.handle())
			return bit(ok), err
		}),

		// The errors of Write and SendTo about dropped bytes have no
		// counterpart in asyncio.
		"write": onTransport(func(m *ioRun, e *ioEnd, s statement) (string, error) {
			b, pos := payload(s.raw(1), e.wpos)
			if _, err := e.writer().Write(b); errors.Is(err, aio.ErrUsage) {
				return "", err
			}
			e.wpos = pos
			return bufSize(e), nil
		}),
		"writelines": onTransport(func(m *ioRun, e *ioEnd, s statement) (string, error) {
			var bs [][]byte
			pos := e.wpos
			for _, raw := range arg[[]json.RawMessage](s, 1) {
				var b []byte
				b, pos = payload(raw, pos)
				bs = append(bs, b)
			}
			if err := e.writer().Writelines(bs); errors.Is(err, aio.ErrUsage) {
				return "", err
			}
			e.wpos = pos
			return bufSize(e), nil
		}),
		"sendto": onTransport(func(m *ioRun, e *ioEnd, s statement) (string, error) {
			b, pos := payload(s.raw(1), e.wpos)
			var to net.Addr
			if strings.HasSuffix(e.pair.kind, "open") {
				to = e.pair.dest
			}
			if err := e.t.(aio.DatagramTransport).SendTo(b, to); err != nil && !errors.Is(err, net.ErrClosed) {
				return "", err
			}
			e.wpos = pos
			return bufSize(e), nil
		}),
		"weof": onTransport(func(m *ioRun, e *ioEnd, s statement) (string, error) {
			e.writer().WriteEOF()
			return "ok", nil
		}),
		"close": onTransport(func(m *ioRun, e *ioEnd, s statement) (string, error) { return "ok", e.t.Close() }),
		"abort": onTransport(func(m *ioRun, e *ioEnd, s statement) (string, error) {
			if t, ok := e.t.(interface{ Abort() }); ok {
				// a pipe for reading has no Abort
				t.Abort()
			}
			return "ok", nil
		}),
		"pause": onTransport(func(m *ioRun, e *ioEnd, s statement) (string, error) {
			e.t.(aio.ReadTransport).PauseReading()
			return "ok", nil
		}),
		"resume": onTransport(func(m *ioRun, e *ioEnd, s statement) (string, error) {
			e.t.(aio.ReadTransport).ResumeReading()
			return "ok", nil
		}),
		"limits": onTransport(func(m *ioRun, e *ioEnd, s statement) (string, error) {
			high, low := aio.DefaultLimit, aio.DefaultLimit
			if !s.null(1) {
				high = s.num(1)
			}
			if !s.null(2) {
				low = s.num(2)
			}
			t := e.t.(interface {
				SetWriteBufferLimits(high, low int)
				GetWriteBufferLimits() (low, high int)
			})
			t.SetWriteBufferLimits(high, low)
			low, high = t.GetWriteBufferLimits()
			return fmt.Sprintf("%d,%d", low, high), nil
		}),
		"setproto": onTransport(func(m *ioRun, e *ioEnd, s statement) (string, error) {
			e.t.SetProtocol(m.protocol(s.str(1), e))
			return "ok", nil
		}),
		"state": onTransport(func(m *ioRun, e *ioEnd, s statement) (string, error) {
			out := "closing=" + bit(e.t.IsClosing())
			if e.kind == "stream" || e.kind == "rpipe" {
				out += " reading=" + bit(e.t.(aio.ReadTransport).IsReading())
			}
			if e.kind != "rpipe" {
				out += " " + bufSize(e)
			}
			if e.r != nil {
				out += " ateof=" + bit(e.r.AtEOF()) + " exc=" + ioError(e.r.Exception())
			}
			return out, nil
		}),

		"reader": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			m.slots[s.str(0)] = &ioEnd{name: s.str(0), kind: "stream", r: aio.NewStreamReader(m.loop.Context(), s.num(1))}
			return "", nil
		},
		"feed":    onReader(func(e *ioEnd, s statement) { e.r.FeedData(latin1(s.str(1))) }),
		"feedeof": onReader(func(e *ioEnd, s statement) { e.r.FeedEOF() }),
		"setexc":  onReader(func(e *ioEnd, s statement) { e.r.SetException(progError(s.str(1))) }),

		"dial": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			sv := m.servers[s.str(1)]
			if sv == nil {
				return noslot, nil
			}
			return m.dial(s.str(0), sv.kind, sv.addr)
		},
		"svclose":       onServer(func(m *ioRun, sv *ioServer) string { sv.s.Close(); return "ok" }),
		"close_clients": onServer(func(m *ioRun, sv *ioServer) string { sv.s.CloseClients(); return "ok" }),
		"abort_clients": onServer(func(m *ioRun, sv *ioServer) string { sv.s.AbortClients(); return "ok" }),
		"svstate": onServer(func(m *ioRun, sv *ioServer) string {
			return fmt.Sprintf("serving=%s sockets=%d", bit(sv.s.IsServing()), len(sv.s.Sockets()))
		}),

		"tsoon": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			thread(func() { m.loop.CallSoonThreadsafe(func() { m.log("loop", "tsoon "+s.str(0)) }) })
			return "", nil
		},
		"exec": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			start := make(chan struct{})
			m.tasks[s.str(0)] = aio.RunInExecutor(m.loop.Context(), m.pool, func() (any, error) {
				<-start
				if s.isString(1) {
					return nil, progError("job")
				}
				return s.num(1), nil
			})
			close(start)
			done := make(chan struct{})
			m.pool.Submit(func() { close(done) })
			<-done
			return "", nil
		},
		"tcoro": func(m *ioRun, s statement, _ string, me *ioEnd) (string, error) {
			var cf *aio.ConcurrentFuture[any]
			thread(func() { cf = aio.RunCoroutineThreadsafe(m.loop, m.coro(s.str(1), s.str(0), me)) })
			m.tasks[s.str(0)+"w"] = aio.WrapFuture(m.loop.Context(), cf)
			return "", nil
		},
		"bsoon": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			m.bsoon(s.str(0))
			return "", nil
		},
		"bcoro": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			m.bcoro(s.str(0), s.str(1))
			return "", nil
		},
		"signal": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			if !m.signals {
				return "nohandler", nil
			}
			before := aio.Posted(m.loop)
			syscall.Kill(os.Getpid(), syscall.SIGUSR1)
			for end := time.Now().Add(time.Second); aio.Posted(m.loop) == before && time.Now().Before(end); {
				time.Sleep(100 * time.Microsecond)
			}
			return "", nil
		},
		"on_signal": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			m.signals = true
			return "", m.loop.AddSignalHandler(syscall.SIGUSR1, func() { m.log("loop", "signal "+s.str(0)) })
		},
		"off_signal": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			m.signals = false
			return bit(m.loop.RemoveSignalHandler(syscall.SIGUSR1)), nil
		},
		"real": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			time.Sleep(time.Duration(s.num(0)) * time.Millisecond)
			return "", nil
		},
		"settle": onChild(func(t aio.SubprocessTransport, s statement) (string, error) { return "", nil }),
		"pwrite": onChild(func(t aio.SubprocessTransport, s statement) (string, error) {
			b, _ := payload(s.raw(1), 0)
			t.GetPipeTransport(0).(aio.WriteTransport).Write(b)
			return "ok", nil
		}),
		"pclosein": onChild(func(t aio.SubprocessTransport, s statement) (string, error) {
			return "ok", t.GetPipeTransport(0).Close()
		}),
		"psignal": onChild(func(t aio.SubprocessTransport, s statement) (string, error) {
			f := t.Kill
			if s.str(1) == "terminate" {
				f = t.Terminate
			}
			err := f()
			if errors.Is(err, os.ErrProcessDone) {
				return "gone", nil
			}
			return "ok", err
		}),
		"pclosetransport": onChild(func(t aio.SubprocessTransport, s statement) (string, error) { return "ok", t.Close() }),
		"pstate": onChild(func(t aio.SubprocessTransport, s statement) (string, error) {
			text := "nil"
			if code, ok := t.GetReturncode(); ok {
				text = fmt.Sprint(code)
			}
			return fmt.Sprintf("code=%s closing=%s", text, bit(t.IsClosing())), nil
		}),
		"paccept": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			q, p := m.pairs[s.str(0)], m.pairs[s.str(1)]
			if p == nil || p.own == nil || q == nil {
				return noslot, nil
			}
			peer, err := p.own.accept()
			if err != nil {
				return "", err
			}
			if q.peer != nil {
				q.peer.close(false)
			}
			q.peer = peer
			return "ok", nil
		},
		"pdial": func(m *ioRun, s statement, _ string, _ *ioEnd) (string, error) {
			p := m.pairs[s.str(1)]
			if p == nil || p.own == nil {
				return noslot, nil
			}
			return m.dial(s.str(0), "unix", p.addr)
		},
	}
}
