//go:build linux

package main

// The measured servers.

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/goaio/aio"
)

// serveOptions are the options of a server, passed as JSON.
type serveOptions struct {
	Kind  string
	Size  int // size of a request in bytes, for the buffers
	TLS   bool
	Loops int    // zero means one
	Work  int    // KiB to hash for each request
	File  string // to send
}

// The kinds of servers: those that run on an event loop, and those that serve a
// net.Listener.
var (
	loopKinds = map[string]func(ctx context.Context, o serveOptions, so aio.ServerOptions) (*aio.Server, error){
		"protocol":             serveProtocol,
		"stream":               streamServer(echoStream),
		"stream with a buffer": streamServer(echoStream),
		"stream that reads":    streamServer(echoRead),
		"Sendfile":             streamServer(sendFile),
	}
	netKinds = map[string]func(o serveOptions, ln net.Listener) error{
		"net":              netServer(echoNet),
		"io.Copy":          netServer(copyFile),
		"Handler":          serveHandler,
		"Serve":            serveWeb,
		"net/http":         serveHTTP,
		"net/http, limits": serveLimited,
	}
)

// datagramKinds are the servers of datagrams. They print their address themselves.
var datagramKinds = map[string]func() error{
	"datagram":     serveDatagram,
	"net datagram": serveNetDatagram,
}

// serveMain prints the address of a server, and serves.
func serveMain(args []string) error {
	var o serveOptions
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return err
	}
	if serve := datagramKinds[o.Kind]; serve != nil {
		return serve()
	}
	var config *tls.Config
	if o.TLS {
		config = serverConfig()
	}
	loops := &aio.LoopGroup{N: max(o.Loops, 1)}
	listeners, err := aio.SharedListeners(loops.N, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listeners[0].Addr())
	go answer()
	if serve := netKinds[o.Kind]; serve != nil {
		ln := listeners[0]
		if o.TLS {
			ln = tls.NewListener(ln, config)
		}
		return serve(o, ln)
	}
	return loops.Run(func(ctx context.Context, i int) error {
		srv, err := loopKinds[o.Kind](ctx, o, aio.ServerOptions{Listener: listeners[i], Backlog: 1024, TLS: config})
		if err != nil {
			return err
		}
		return srv.ServeForever(ctx)
	})
}

// answer prints heap and stack in use for each line of standard input, after returning
// unused memory to the system.
func answer() {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		runtime.GC()
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Println(m.HeapAlloc + m.StackInuse)
	}
	os.Exit(0)
}

func serveProtocol(ctx context.Context, o serveOptions, so aio.ServerOptions) (*aio.Server, error) {
	return aio.CreateServer(ctx, func() *echo { return &echo{work: o.Work} }, "", &so)
}

func streamServer(handler func(o serveOptions) aio.StreamHandler) func(context.Context, serveOptions, aio.ServerOptions) (*aio.Server, error) {
	return func(ctx context.Context, o serveOptions, so aio.ServerOptions) (*aio.Server, error) {
		return aio.StartServer(ctx, handler(o), "", &so)
	}
}

// netServer is the rival: one goroutine for each connection.
func netServer(handle func(o serveOptions, c net.Conn)) func(serveOptions, net.Listener) error {
	return func(o serveOptions, ln net.Listener) error {
		for {
			c, err := ln.Accept()
			if err != nil {
				return err
			}
			go handle(o, c)
		}
	}
}

// echo is the protocol of the echo server.
type echo struct {
	t    aio.Transport
	work int
}

func (e *echo) ConnectionMade(t aio.Transport) { e.t = t }

func (e *echo) DataReceived(p []byte) {
	hash(e.work)
	e.t.Write(p)
}

// echoStream reads into its own buffer, as the rival does.
func echoStream(o serveOptions) aio.StreamHandler {
	return func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
		defer w.Close()
		buf := make([]byte, max(o.Size, 4096))
		in := r.Reader(ctx)
		for {
			n, err := in.Read(buf)
			if err != nil {
				// The load resets its connections at its end.
				return nil
			}
			w.Write(buf[:n])
			if err := w.Drain(ctx); err != nil {
				return nil
			}
		}
	}
}

// echoRead is an echo server written as in asyncio.
func echoRead(serveOptions) aio.StreamHandler {
	return func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
		defer w.Close()
		for {
			p, err := r.Read(ctx, 4096)
			if err != nil || len(p) == 0 {
				return nil
			}
			w.Write(p)
			if err := w.Drain(ctx); err != nil {
				return nil
			}
		}
	}
}

func echoNet(o serveOptions, c net.Conn) {
	defer c.Close()
	buf := make([]byte, max(o.Size, 4096))
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		hash(o.Work)
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// serverConfig returns a TLS configuration with a new certificate.
func serverConfig() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		exit(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		exit(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
