//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

const answerText = "Hello, World!"

func hello(_ context.Context, w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answerText) }

var plainHello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answerText) })

func serveHTTP(_ serveOptions, ln net.Listener) error { return http.Serve(ln, plainHello) }

// serveLimited is net/http with the default limits of aiohttp.Serve.
func serveLimited(_ serveOptions, ln net.Listener) error {
	s := &http.Server{
		Handler:           plainHello,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		WriteTimeout:      time.Minute,
	}
	return s.Serve(ln)
}

func serveHandler(_ serveOptions, ln net.Listener) error {
	return aio.Run(func(ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		_, err = aio.ToThread(ctx, func(context.Context) (struct{}, error) {
			return struct{}{}, http.Serve(ln, aiohttp.Handler(l, aiohttp.HandlerFunc(hello)))
		})
		return err
	})
}

func serveWeb(_ serveOptions, ln net.Listener) error {
	return aio.Run(func(ctx context.Context) error {
		srv, err := aiohttp.Serve(ctx, aiohttp.HandlerFunc(hello), "", &aiohttp.ServeOptions{Listener: ln})
		if err != nil {
			return err
		}
		return srv.ServeForever(ctx)
	})
}

// measureWeb runs wrk with the given number of connections.
func measureWeb(conns int) func(*bench, string) ([]float64, error) {
	return func(b *bench, rival string) ([]float64, error) {
		s, addr, err := b.server(serverCore, rival, serveOptions{})
		if err != nil {
			return nil, err
		}
		defer s.stop()
		before := s.cpu()
		said, err := output(loadCore, "wrk", "-t1", "-c"+strconv.Itoa(conns), "-d"+strconv.Itoa(int(math.Ceil(b.seconds))), "--latency", "http://"+addr)
		if err != nil {
			return nil, err
		}
		cpu := s.cpu() - before
		if strings.Contains(said, "Non-2xx") {
			return nil, fmt.Errorf("wrk said %q", said)
		}
		return wrkFigures(said, cpu)
	}
}

var wrkSays = regexp.MustCompile(`(?s)\n +50%\s+(\S+).*\n +99%\s+(\S+).*\s(\d+) requests in .*Requests/sec:\s+(\S+)`)

// wrkFigures parses the output of wrk, and adds the processor time of the server.
func wrkFigures(said string, cpu float64) ([]float64, error) {
	m := wrkSays.FindStringSubmatch(said)
	if m == nil {
		return nil, fmt.Errorf("wrk said %q", said)
	}
	p50, err := time.ParseDuration(m[1])
	if err != nil {
		return nil, err
	}
	p99, err := time.ParseDuration(m[2])
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseFloat(m[3], 64)
	if err != nil {
		return nil, err
	}
	rate, err := strconv.ParseFloat(m[4], 64)
	return []float64{cpu / n, rate, micros(p50), micros(p99)}, err
}
