//go:build linux

package main

// Processes that are measured or make a load. Those of this program print a line when
// they are ready, do what is next when they read one, and take their options as JSON.

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The cores on which a process may run.
const (
	serverCore = 0
	loadCore   = 1
	allCores   = -1
)

// child is a process.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// start starts a process on a core. From its beginning: what a Go program takes
// GOMAXPROCS from is the number of cores that it may use when it begins.
func start(core int, name string, args ...string) (*child, error) {
	cmd := exec.Command(name, args...)
	// none is to stay behind
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := startOn(core, cmd); err != nil {
		return nil, err
	}
	return &child{cmd, in, bufio.NewScanner(out)}, nil
}

// startOn starts cmd with the cores that this thread has meanwhile.
func startOn(core int, cmd *exec.Cmd) error {
	var cores, one unix.CPUSet
	if core == allCores || unix.SchedGetaffinity(0, &cores) != nil || cores.Count() < 2 {
		return cmd.Start()
	}
	one.Set(core)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	defer unix.SchedSetaffinity(0, &cores)
	return cmd.Start()
}

// output runs a program on a core, and returns what it prints.
func output(core int, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := startOn(core, cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, &errs)
	}
	return out.String(), err
}

// line is the next line that the process prints.
func (c *child) line() (string, error) {
	if !c.out.Scan() {
		return "", fmt.Errorf("%s ended early", c.cmd.Args)
	}
	return c.out.Text(), nil
}

// next has the process go on, and returns what it says then.
func (c *child) next() (string, error) {
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		return "", err
	}
	return c.line()
}

// stop ends the process.
func (c *child) stop() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// cpu is the processor time that the process has spent, in µs.
func (c *child) cpu() float64 {
	var t unix.Timespec
	// the kernel's number of the clock of a process
	clock := int32(^c.cmd.Process.Pid)<<3 | 2
	_ = unix.ClockGettime(clock, &t)
	return float64(t.Nano()) / 1e3
}

// rss is the memory of the process, in bytes.
func (c *child) rss() float64 {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", c.cmd.Process.Pid))
	fields := strings.Fields(string(stat))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return float64(pages * os.Getpagesize())
}

// server starts a server of this program, or of Python, and returns it with its address.
func (b *bench) server(core int, rival string, o serveOptions) (*child, string, error) {
	var c *child
	var err error
	if loop, style, ok := python(rival); ok {
		c, err = start(core, b.interpreter(loop), "serve.py", loop, style, strconv.FormatBool(o.TLS), o.File)
	} else {
		o.Kind = rival
		c, err = start(core, b.self, "serve", asJSON(o))
	}
	if err != nil {
		return nil, "", err
	}
	addr, err := c.line()
	if err != nil {
		c.stop()
		return nil, "", err
	}
	return c, addr, nil
}

// python tells whether a rival is one of Python, as uvloop-stream is.
func python(rival string) (loop, style string, ok bool) {
	loop, style, _ = strings.Cut(rival, "-")
	return loop, style, loop == "asyncio" || loop == "uvloop"
}

func (b *bench) interpreter(loop string) string {
	if loop == "uvloop" {
		return b.uvloop
	}
	return b.python
}

// underLoad has a load work on a server, and returns what it has counted and the
// processor time in µs that the server has spent meanwhile.
func (b *bench) underLoad(server *child, core int, o loadOptions) (r loadResult, cpu float64, err error) {
	o.Seconds = b.seconds
	load, err := start(core, b.self, "load", asJSON(o))
	if err != nil {
		return r, 0, err
	}
	defer load.stop()
	if _, err = load.line(); err != nil { // it is warm
		return r, 0, err
	}
	before := server.cpu()
	said, err := load.next()
	cpu = server.cpu() - before
	if err == nil {
		err = json.Unmarshal([]byte(said), &r)
	}
	return r, cpu, err
}

// listening starts a server on a core that says nothing, and waits until it can be
// reached.
func listening(core int, addr, name string, args ...string) (*child, error) {
	c, err := start(core, name, args...)
	if err != nil {
		return nil, err
	}
	for range 200 {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return c, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.stop()
	return nil, fmt.Errorf("%s cannot be reached", name)
}

// freeAddress is an address at which nobody listens.
func freeAddress() (addr, port string, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer ln.Close()
	addr = ln.Addr().String()
	_, port, err = net.SplitHostPort(addr)
	return addr, port, err
}

func asJSON(options any) string {
	text, _ := json.Marshal(options) // of plain structs
	return string(text)
}
