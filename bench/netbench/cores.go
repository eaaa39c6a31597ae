//go:build linux

package main

import (
	"crypto/sha256"
	"runtime"
	"strings"
)

// measureCores measures a server on one core, or on two cores that it shares with the
// load.
func measureCores(work, conns int) func(*bench, string) ([]float64, error) {
	return func(b *bench, rival string) ([]float64, error) {
		kind, o := "protocol", serveOptions{Size: 64, Work: work, Loops: 1}
		if strings.HasPrefix(rival, "net") {
			kind = "net"
		}
		server, load := serverCore, loadCore
		if strings.Contains(rival, "2") {
			o.Loops, server, load = 2, allCores, allCores
		}
		s, addr, err := b.server(server, kind, o)
		if err != nil {
			return nil, err
		}
		defer s.stop()
		r, cpu, err := b.underLoad(s, load, loadOptions{Kind: "echo", Addr: addr, Size: 64, Conns: conns})
		return r.figures(cpu), err
	}
}

// hash is the work of a request: it hashes kib KiB.
func hash(kib int) {
	var block [1024]byte
	for range kib {
		sum := sha256.Sum256(block[:])
		copy(block[:], sum[:])
	}
	runtime.KeepAlive(block)
}
