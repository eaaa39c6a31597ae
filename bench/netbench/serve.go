//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// pin binds a process to a core, if there are as many.
func pin(pid, core int) {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil || set.Count() < 2 {
		return
	}
	var one unix.CPUSet
	one.Set(core)
	_ = unix.SchedSetaffinity(pid, &one)
}

// cpuTime is the processor time of this process, in µs.
func cpuTime() float64 {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r)
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e3
}

// answer prints the processor time for each line of standard input, and ends the process at its end.
func answer() {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(cpuTime())
	}
	os.Exit(0)
}

func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	kind := flags.String("kind", "protocol", "protocol, stream or net")
	size := flags.Int("size", 64, "bytes of a request, for the buffers of net")
	secure := flags.Bool("tls", false, "TLS")
	_ = flags.Parse(args)
	signal.Ignore(os.Interrupt)
	var config *tls.Config
	if *secure {
		config = serverConfig()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	go answer()
	if *kind == "net" {
		return serveNet(ln, config, *size)
	}
	return aio.Run(func(ctx context.Context) error {
		var srv *aio.Server
		var err error
		opts := aio.ServerOptions{Listener: ln, Backlog: 1024, TLS: config}
		if *kind == "protocol" {
			srv, err = aio.CreateServer(ctx, func() *echo { return &echo{} }, "", &opts)
		} else {
			srv, err = aio.StartServer(ctx, echoStream(*size), "", &opts)
		}
		if err != nil {
			return err
		}
		return srv.ServeForever(ctx)
	})
}

// echo is the protocol.
type echo struct{ t aio.Transport }

func (e *echo) ConnectionMade(t aio.Transport) { e.t = t }
func (e *echo) DataReceived(p []byte)          { e.t.Write(p) }

// echoStream is the stream handler, with a buffer of its own as the rival has.
func echoStream(size int) aio.StreamHandler {
	return func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
		defer w.Close()
		buf := make([]byte, max(size, 4096))
		in := r.Reader(ctx)
		for {
			n, err := in.Read(buf)
			if err != nil {
				return nil // the load resets its connections when it has enough
			}
			w.Write(buf[:n])
			if err := w.Drain(ctx); err != nil {
				return nil
			}
		}
	}
}

// serveNet is the rival: a goroutine for each connection.
func serveNet(ln net.Listener, config *tls.Config, size int) error {
	if config != nil {
		ln = tls.NewListener(ln, config)
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			buf := make([]byte, max(size, 4096))
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				if _, err := c.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
	}
}
