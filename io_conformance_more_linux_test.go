package aio_test

// The statements for TLS, for streams over pipes and for lookups.

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/goaio/aio"
)

// ioCertificate is the one that CPython's traces were made with.
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

// ioMoreAwaits is added to ioAwaits.
var ioMoreAwaits = map[string]ioAwait{
	"ropen": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
		p, fd := m.take(s.str(1))
		if p == nil {
			return noslot, nil
		}
		e := &ioEnd{name: s.str(0), kind: "rpipe", pair: p, r: aio.NewStreamReader(ctx, s.num(2))}
		proto := aio.NewStreamReaderProtocol(e.r, nil)
		t, _, err := aio.ConnectReadPipe(ctx, func() *aio.StreamReaderProtocol { return proto }, os.NewFile(uintptr(fd), "pipe"))
		if err != nil {
			return "", err
		}
		e.t = t
		m.slots[e.name] = e
		return "ok", nil
	},
	"wopen": func(m *ioRun, ctx context.Context, s statement, _ *ioEnd) (string, error) {
		p, fd := m.take(s.str(1))
		if p == nil {
			return noslot, nil
		}
		e := &ioEnd{name: s.str(0), kind: "wpipe", pair: p}
		proto := aio.NewStreamReaderProtocol(aio.NewStreamReader(ctx, 0), nil)
		t, _, err := aio.ConnectWritePipe(ctx, func() *aio.StreamReaderProtocol { return proto }, os.NewFile(uintptr(fd), "pipe"))
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
