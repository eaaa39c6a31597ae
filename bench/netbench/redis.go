//go:build linux

package main

import (
	"encoding/csv"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// measureRedis measures one command with redis-benchmark.
func measureRedis(command string, pipeline int) func(*bench, string) ([]float64, error) {
	return func(b *bench, rival string) ([]float64, error) {
		s, port, err := b.redis(rival)
		if err != nil {
			return nil, err
		}
		defer s.stop()
		// roughly the number of requests in that time
		n := int(b.seconds * 100_000)
		if pipeline > 1 {
			n *= 8
		}
		if _, err := redisBenchmark(port, "set", 1, 10_000); err != nil {
			// GET needs a key
			return nil, err
		}
		before := s.cpu()
		f, err := redisBenchmark(port, command, pipeline, n)
		if err != nil {
			return nil, err
		}
		return append([]float64{(s.cpu() - before) / float64(n)}, f...), nil
	}
}

// redis starts a server on a free port.
func (b *bench) redis(rival string) (s *child, port string, err error) {
	addr, port, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	if rival == "redis-server" {
		s, err = listening(serverCore, addr, rival, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", b.dir,
			"--loglevel", "warning")
		return s, port, err
	}
	kv := filepath.Join(b.dir, "kv")
	if out, err := exec.Command("go", "build", "-o", kv, "github.com/goaio/aio/examples/kv").CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("%v: %s", err, out)
	}
	s, err = listening(serverCore, addr, kv, "-addr", addr)
	return s, port, err
}

// redisBenchmark returns requests per second, and the round trips' p50 and p99 in µs.
func redisBenchmark(port, command string, pipeline, n int) ([]float64, error) {
	said, err := output(loadCore, "redis-benchmark", "-p", port, "-t", command, "-P", strconv.Itoa(pipeline), "-n", strconv.Itoa(n),
		"-r", "10000", "--csv")
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(strings.NewReader(said)).ReadAll()
	if err != nil || len(rows) != 2 {
		return nil, fmt.Errorf("redis-benchmark said %q", said)
	}
	says := map[string]float64{}
	for i, head := range rows[0] {
		says[head], _ = strconv.ParseFloat(rows[1][i], 64)
	}
	return []float64{says["rps"], says["p50_latency_ms"] * 1e3, says["p99_latency_ms"] * 1e3}, nil
}
