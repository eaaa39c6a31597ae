//go:build linux

// Command netbench measures servers of package aio beside plain Go, asyncio and uvloop. The load comes
// from another process, and what counts first is the processor time that the server spends on a
// request: on a machine whose load generator shares its cores, requests per second say more about
// both. Run it in its own directory:
//
//	go run . [-run REGEXP] [-seconds S] [-rounds N] [-python PATH] [-uvloop PATH]
//
// Each server runs on one core, the load on another, if the machine has two. It installs nothing.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "serve":
			exit(serve(os.Args[2:]))
		case "load":
			exit(loadMain(os.Args[2:]))
		}
	}
	var b bench
	run := flag.String("run", "", "measure the points and servers, as echo64x50/protocol, that match this")
	flag.Float64Var(&b.seconds, "seconds", 2, "how long each measurement takes")
	flag.IntVar(&b.rounds, "rounds", 3, "how often each is made; the medians count")
	flag.StringVar(&b.python, "python", "python3", "a Python for asyncio")
	flag.StringVar(&b.uvloop, "uvloop", "/usr/bin/python3", "a Python that has uvloop")
	flag.Parse()
	var err error
	if b.match, err = regexp.Compile(*run); err == nil {
		err = b.all()
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "netbench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bench is one run of the program.
type bench struct {
	match          *regexp.Regexp
	seconds        float64
	rounds         int
	python, uvloop string
}

// point is a load.
type point struct {
	size, conns int
	tls         bool
}

func (p point) String() string {
	name := fmt.Sprintf("echo%dx%d", p.size, p.conns)
	if p.tls {
		name = "tls" + name
	}
	return name
}

var points = []point{
	{size: 64, conns: 1}, {size: 64, conns: 50}, {size: 64, conns: 1000}, {size: 64, conns: 5000},
	{size: 64 << 10, conns: 50},
	{size: 64, conns: 1, tls: true}, {size: 64, conns: 50, tls: true}, {size: 64 << 10, conns: 50, tls: true},
}

var servers = []string{"protocol", "stream", "net", "asyncio", "asyncio-stream", "uvloop", "uvloop-stream"}

// figures are what one measurement found.
type figures struct {
	CPU      float64 // of the server, in µs per request
	Rate     float64 // requests per second
	P50, P99 float64 // round trip in µs
}

func (b *bench) all() error {
	fmt.Println("| load | server | µs CPU/request | requests/s | p50 µs | p99 µs |")
	fmt.Println("| --- | --- | ---: | ---: | ---: | ---: |")
	for _, p := range points {
		all := map[string][]figures{}
		for range b.rounds { // in turns, so that a slow time of the machine does not fall on one server
			for _, s := range servers {
				if !b.match.MatchString(p.String() + "/" + s) {
					continue
				}
				f, err := b.measure(p, s)
				if err != nil {
					fmt.Fprintf(os.Stderr, "%v/%s: %v\n", p, s, err)
					continue
				}
				all[s] = append(all[s], f)
			}
		}
		for _, s := range servers {
			if fs := all[s]; len(fs) > 0 {
				m := func(of func(figures) float64) float64 { return median(fs, of) }
				fmt.Printf("| %v | %s | %.2f | %.0f | %.0f | %.0f |\n", p, s,
					m(func(f figures) float64 { return f.CPU }), m(func(f figures) float64 { return f.Rate }),
					m(func(f figures) float64 { return f.P50 }), m(func(f figures) float64 { return f.P99 }))
			}
		}
	}
	return nil
}

func median(fs []figures, of func(figures) float64) float64 {
	var values []float64
	for _, f := range fs {
		values = append(values, of(f))
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// server is a process that serves. It prints its address, and then its processor time in µs each time it
// is asked by a line.
type server struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func (b *bench) start(p point, kind string) (*server, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	var cmd *exec.Cmd
	switch {
	case strings.HasPrefix(kind, "asyncio"), strings.HasPrefix(kind, "uvloop"):
		loop, style, _ := strings.Cut(kind, "-")
		python := b.python
		if loop == "uvloop" {
			python = b.uvloop
		}
		cmd = exec.Command(python, "echo.py", loop, style, strconv.FormatBool(p.tls))
	default:
		cmd = exec.Command(self, "serve", "-kind", kind, "-size", strconv.Itoa(p.size), "-tls="+strconv.FormatBool(p.tls))
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	}
	cmd.Stderr = os.Stderr
	s := &server{cmd: cmd}
	if s.in, err = cmd.StdinPipe(); err != nil {
		return nil, "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	s.out = bufio.NewScanner(out)
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	pin(cmd.Process.Pid, 0)
	if !s.out.Scan() {
		s.stop()
		return nil, "", fmt.Errorf("the server said nothing")
	}
	return s, s.out.Text(), nil
}

// cpu asks the server how much processor time it has spent, in µs.
func (s *server) cpu() (float64, error) {
	if _, err := io.WriteString(s.in, "\n"); err != nil {
		return 0, err
	}
	if !s.out.Scan() {
		return 0, fmt.Errorf("the server has gone")
	}
	return strconv.ParseFloat(s.out.Text(), 64)
}

func (s *server) stop() {
	s.in.Close()
	time.AfterFunc(time.Second, func() { s.cmd.Process.Kill() })
	_ = s.cmd.Wait()
}

func (b *bench) measure(p point, kind string) (figures, error) {
	s, addr, err := b.start(p, kind)
	if err != nil {
		return figures{}, err
	}
	defer s.stop()
	self, err := os.Executable()
	if err != nil {
		return figures{}, err
	}
	load := exec.Command(self, "load", "-addr", addr, "-size", strconv.Itoa(p.size), "-conns", strconv.Itoa(p.conns),
		"-seconds", fmt.Sprint(b.seconds), "-tls="+strconv.FormatBool(p.tls))
	load.Stderr = os.Stderr
	in, err := load.StdinPipe()
	if err != nil {
		return figures{}, err
	}
	out, err := load.StdoutPipe()
	if err != nil {
		return figures{}, err
	}
	if err := load.Start(); err != nil {
		return figures{}, err
	}
	pin(load.Process.Pid, 1)
	defer load.Wait()
	lines := bufio.NewScanner(out)
	var f figures
	var before, after float64
	var requests float64
	// The load says when it is warm, is told to go, and says what it has counted.
	if !lines.Scan() {
		return f, fmt.Errorf("the load ended early")
	}
	if before, err = s.cpu(); err != nil {
		return f, err
	}
	fmt.Fprintln(in)
	if !lines.Scan() {
		return f, fmt.Errorf("the load ended early")
	}
	if after, err = s.cpu(); err != nil {
		return f, err
	}
	var r loadResult
	if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
		return f, err
	}
	requests = float64(r.Requests)
	return figures{(after - before) / requests, requests / r.Seconds, r.P50, r.P99}, nil
}
