package aio_test

// The statements for TLS, streams over pipes and name lookups.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goaio/aio"
)

// ioCertificate returns the certificate with which CPython's traces were made.
var ioCertificate = sync.OnceValues(func() (tls.Certificate, error) {
	pem, err := os.ReadFile(filepath.Join("testdata", "io-conformance", "tls.pem"))
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(pem, pem)
})

func ioTLS(server bool) (*tls.Config, error) {
	if !server {
		return &tls.Config{ServerName: "tls.test", InsecureSkipVerify: true}, nil
	}
	cert, err := ioCertificate()
	return &tls.Config{Certificates: []tls.Certificate{cert}}, err
}

// other returns the second loop.
func (m *ioRun) other() *aio.Loop {
	if m.second == nil {
		m.second, m.stopSecond = aio.StartLoop(&aio.LoopOptions{Debug: m.mode.debug})
	}
	return m.second
}

// bsoon makes the second loop log tag, and waits for it.
func (m *ioRun) bsoon(tag string) {
	done := make(chan struct{})
	m.other().CallSoonThreadsafe(func() { m.log("second", "soon "+tag); close(done) })
	<-done
}

// bcoro runs fn in the second loop; slot becomes a future of the first loop for its
// result.
func (m *ioRun) bcoro(slot, fn string) {
	m.tasks[slot] = aio.WrapFuture(m.loop.Context(), aio.RunCoroutineThreadsafe(m.other(), m.coro(fn, slot, nil)))
}

// hasLogged waits until the trace contains a line that begins with text.
func (m *ioRun) hasLogged(ctx context.Context, text string) (string, error) {
	for range 5000 {
		m.mu.Lock()
		there := slices.ContainsFunc(m.trace, func(line string) bool { return strings.HasPrefix(line, text) })
		m.mu.Unlock()
		if there {
			return "ok", nil
		}
		if err := aio.Sleep(ctx, time.Millisecond); err != nil {
			return "", err
		}
	}
	return "no", nil
}

// ioMoreAwaits are more entries of ioAwaits.
var ioMoreAwaits = map[string]ioAwait{
	"acoro": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
		f := aio.WrapFuture(ctx, aio.RunCoroutineThreadsafe(m.loop, m.coro(s.str(1), s.str(0), nil)))
		v, err := f.Await(ctx)
		if v == nil {
			v = "nil"
		}
		return fmt.Sprint("ok:", v), err
	},
	"begun": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
		return m.hasLogged(ctx, s.str(0)+" begin")
	},
	"ended": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
		return m.hasLogged(ctx, s.str(0)+" end")
	},
	"never": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
		_, err := aio.CreateFuture[any](ctx).Await(ctx)
		return "", err
	},
	"eyes": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
		if m.zone == nil {
			m.zone = cnZone(m.t)
		}
		m.hosts++
		addr := cnHost(m.t, m.zone, fmt.Sprintf("host%d.example.", m.hosts), s.strs(1)...)
		opts := &aio.ConnectionOptions{AllErrors: true}
		if !s.null(2) {
			opts.HappyEyeballsDelay = time.Duration(s.num(2)) * time.Millisecond
		}
		t, _, err := aio.CreateConnection(ctx, m.factory(s.str(3), s.str(0), nil, "stream"), addr, opts)
		var group *aio.GroupError
		if errors.As(err, &group) {
			var texts []string
			for _, err := range group.Errors {
				texts = append(texts, ioError(err))
			}
			return strings.Join(texts, " "), nil
		}
		if err != nil {
			return "", err
		}
		return "ok " + t.GetExtraInfo("peername").(*net.TCPAddr).IP.String(), nil
	},
	"ropen": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
		p, own := m.take(s.str(1))
		if p == nil {
			return noslot, nil
		}
		e := &ioEnd{name: s.str(0), kind: "rpipe", pair: p, r: aio.NewStreamReader(ctx, s.num(2))}
		proto := aio.NewStreamReaderProtocol(e.r, nil)
		t, _, err := aio.ConnectReadPipe(ctx, func() *aio.StreamReaderProtocol { return proto }, pipe(own))
		if err != nil {
			return "", err
		}
		e.t = t
		m.slots[e.name] = e
		return "ok", nil
	},
	"wopen": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
		p, own := m.take(s.str(1))
		if p == nil {
			return noslot, nil
		}
		e := &ioEnd{name: s.str(0), kind: "wpipe", pair: p}
		proto := aio.NewStreamReaderProtocol(aio.NewStreamReader(ctx, 0), nil)
		t, _, err := aio.ConnectWritePipe(ctx, func() *aio.StreamReaderProtocol { return proto }, pipe(own))
		if err != nil {
			return "", err
		}
		e.t, e.w = t, aio.NewStreamWriter(t, proto)
		m.slots[e.name] = e
		return "ok", nil
	},
	"lookup": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
		infos, err := aio.Getaddrinfo(ctx, s.str(0), "80", nil)
		var hosts []string
		for _, i := range infos {
			hosts = append(hosts, i.Addr.Addr().String())
		}
		slices.Sort(hosts)
		return strings.Join(slices.Compact(hosts), " "), err
	},
	"tlsopen": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
		sv := m.servers[s.str(1)]
		if sv == nil {
			return noslot, nil
		}
		config, _ := ioTLS(false)
		r, w, err := aio.OpenConnection(ctx, sv.addr, &aio.ConnectionOptions{Limit: s.num(2), TLS: config})
		if err != nil {
			return "", err
		}
		m.slots[s.str(0)] = &ioEnd{name: s.str(0), kind: "stream", r: r, w: w, t: w.Transport()}
		return "ok", nil
	},
	"tlsconnect": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
		sv := m.servers[s.str(1)]
		if sv == nil {
			return noslot, nil
		}
		config, _ := ioTLS(false)
		_, _, err := aio.CreateConnection(ctx, m.factory(s.str(2), s.str(0), nil, "stream"), sv.addr, &aio.ConnectionOptions{TLS: config})
		return "ok", err
	},
	"starttls": func(m *ioRun, ctx context.Context, s statement, me *ioEnd) (string, error) {
		e := m.endOf(s.str(0), me)
		if e == nil || e.w == nil {
			return noslot, nil
		}
		config, err := ioTLS(s.flag(1))
		if err != nil {
			return "", err
		}
		if err := e.w.StartTLS(ctx, config, nil); err != nil {
			return "", err
		}
		e.t = e.w.Transport()
		return "ok", nil
	},
}
