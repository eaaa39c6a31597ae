//go:build linux

package main

// The measured processes and the load generators. Processes of this program print a
// line when they are ready, continue when they read a line, and take their options as
// JSON.

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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

// child is a child process.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// start starts a process on a core. The process must have this affinity from its start:
// a Go program takes GOMAXPROCS from the number of cores that it may use when it
// starts.
func start(core int, name string, args ...string) (*child, error) {
	cmd := exec.Command(name, args...)
	// no child outlives this process
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

// startOn starts cmd while this thread is pinned to core, so that cmd inherits the
// affinity.
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

// output runs a program on a core and returns its standard output.
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

// line returns the next line that the process prints.
func (c *child) line() (string, error) {
	if !c.out.Scan() {
		return "", fmt.Errorf("%s ended early", c.cmd.Args)
	}
	return c.out.Text(), nil
}

// next makes the process continue, and returns the line that it prints then.
func (c *child) next() (string, error) {
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		return "", err
	}
	return c.line()
}

// stop kills the process.
func (c *child) stop() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// cpu returns the processor time that the process has used, in µs.
func (c *child) cpu() float64 {
	var t unix.Timespec
	// the clock id of the process's CPU-time clock, as the kernel encodes it
	clock := int32(^c.cmd.Process.Pid)<<3 | 2
	_ = unix.ClockGettime(clock, &t)
	return float64(t.Nano()) / 1e3
}

// rss returns the resident memory of the process, in bytes.
func (c *child) rss() float64 {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", c.cmd.Process.Pid))
	fields := strings.Fields(string(stat))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return float64(pages * os.Getpagesize())
}

// server starts a server, a process of this program or of Python, and returns it with
// its address.
func (b *bench) server(core int, rival string, o serveOptions) (*child, string, error) {
	var c *child
	var err error
	if loop, style, ok := python(rival); ok {
		c, err = start(core, b.interpreter(loop), "serve.py", loop, style, strconv.FormatBool(o.TLS), o.File)
	} else if network, ok := strings.CutPrefix(rival, "gnet "); ok {
		c, err = b.gnetServer(core, network)
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

// gnetServer starts the rival on gnet. It is built first: it is a module of its own.
func (b *bench) gnetServer(core int, network string) (*child, error) {
	if b.gnet == "" {
		program := filepath.Join(b.dir, "gnetecho")
		build := exec.Command("go", "build", "-o", program, ".")
		build.Dir = "gnetecho"
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build gnetecho: %w: %s", err, out)
		}
		b.gnet = program
	}
	addr, _, err := freeAddress()
	if err != nil {
		return nil, err
	}
	// its log is on the standard output: only errors
	return start(core, "env", "GNET_LOGGING_LEVEL=2", b.gnet, network+"://"+addr)
}

// python reports whether a rival, for example uvloop-stream, is a Python program.
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

// underLoad runs a load against a server. It returns the result of the load and the
// processor time in µs that the server used during it.
func (b *bench) underLoad(server *child, core int, o loadOptions) (r loadResult, cpu float64, err error) {
	o.Seconds = b.seconds
	load, err := start(core, b.self, "load", asJSON(o))
	if err != nil {
		return r, 0, err
	}
	defer load.stop()
	if _, err = load.line(); err != nil { // the warm-up has ended
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

// listening starts a server that prints nothing, and waits until it accepts
// connections.
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
	return nil, fmt.Errorf("%s does not accept connections", name)
}

// freeAddress returns an address that is not in use.
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
	text, _ := json.Marshal(options) // plain structs always marshal
	return string(text)
}
