//go:build linux

package main

import (
	"crypto/tls"
	"io"
	"math"
	"net"
	"strconv"
)

// measureIdle measures the memory of a server with idle connections.
func measureIdle(o loadOptions) func(*bench, string) ([]float64, error) {
	return func(b *bench, rival string) ([]float64, error) {
		kind := rival
		if kind == "stream" {
			kind = "stream that reads"
		}
		s, addr, err := b.server(serverCore, kind, serveOptions{TLS: o.TLS})
		if err != nil {
			return nil, err
		}
		defer s.stop()
		before, err := s.memory(rival)
		if err != nil {
			return nil, err
		}
		o := o
		o.Addr = addr
		load, err := start(loadCore, b.self, "load", asJSON(o))
		if err != nil {
			return nil, err
		}
		defer load.stop()
		if _, err := load.line(); err != nil {
			return nil, err
		}
		after, err := s.memory(rival)
		if err != nil {
			return nil, err
		}
		n := float64(o.Conns)
		return []float64{(after[0] - before[0]) / n, (after[1] - before[1]) / n}, nil
	}
}

// memory returns heap and stack, if the server can report them, and RSS.
func (c *child) memory(rival string) ([]float64, error) {
	heap := math.NaN()
	if _, _, ok := python(rival); !ok {
		said, err := c.next()
		if err == nil {
			heap, err = strconv.ParseFloat(said, 64)
		}
		if err != nil {
			return nil, err
		}
	}
	return []float64{heap, c.rss()}, nil
}

// loadIdle opens connections, makes one round trip on each, and leaves them idle.
func loadIdle(o loadOptions) (r loadResult, err error) {
	buf := make([]byte, o.Size)
	for range o.Conns {
		var c net.Conn
		if o.TLS {
			c, err = tls.Dial("tcp", o.Addr, &tls.Config{InsecureSkipVerify: true})
		} else {
			c, err = net.Dial("tcp", o.Addr)
		}
		if err != nil {
			return r, err
		}
		defer c.Close()
		if _, err := c.Write(buf); err != nil {
			return r, err
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			return r, err
		}
	}
	begin()
	return r, nil
}
