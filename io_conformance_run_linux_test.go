package aio_test

// The interpreter of the I/O programs. One ioRun runs one program; its state is
// protected by the loop's token.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/simnet"
	"golang.org/x/sys/unix"
)

// ioPassLimit is the number of passes after which a program is stopped.
const ioPassLimit = 150

// ioProgram is one line of a file.
type ioProgram struct {
	ID      string
	Profile string
	Ticker  *bool // nil means true
	Protos  map[string]*ioProtocol
	Coros   map[string][]statement
	Trace   []string
	Differs string   // why the trace of this package differs
	Ours    []string // that trace
}

// byLabel reports whether only the order of the lines of each label is compared. Over
// TLS the duration of a handshake and the size of pieces depend on the TLS library;
// connecting to several addresses, or to a full backlog, takes time; and two loops run
// concurrently.
func (p *ioProgram) byLabel() bool {
	switch p.Profile {
	case "calmtls", "calmtlsbuffers", "calmeyes", "calmloops", "calmbacklog":
		return true
	}
	return false
}

// ticks reports whether the lines of the trace begin with the number of the pass.
func (p *ioProgram) ticks() bool { return p.Ticker == nil || *p.Ticker }

// ioProtocol describes a protocol: the n-th call of a callback runs the n-th script.
type ioProtocol struct {
	Kind string
	Keep bool // result of EOFReceived
	// GetBuffer is not logged: the number of calls depends on the TLS library
	Quiet bool
	Size  int // size of the result of GetBuffer, in bytes
	On    map[string][][]statement
}

// raw returns the i-th argument, undecoded.
func (s statement) raw(i int) json.RawMessage { return s[i+1] }

func (s statement) isString(i int) bool { return i < len(s)-1 && s[i+1][0] == '"' }

// head returns the beginning of the line that a statement logs.
func (s statement) head() string {
	if s.isString(0) {
		return s.op() + " " + s.str(0)
	}
	return s.op()
}

// noslot is logged by a statement that refers to an object that does not exist.
const noslot = "noslot"

// ioError formats an error.
func ioError(err error) string {
	var cancelled *aio.CancelledError
	var prog progError
	var inc *aio.IncompleteReadError
	var over *aio.LimitOverrunError
	var errno syscall.Errno
	var p *aio.PanicError
	// set if the transport lacks the method, because it is one for the other
	// direction; asyncio raises an exception then
	var lacks *runtime.TypeAssertionError
	switch {
	case err == nil:
		return "nil"
	case errors.As(err, &prog):
		return "error:" + string(prog)
	case errors.As(err, &cancelled):
		return "cancelled"
	case errors.As(err, &inc):
		return fmt.Sprintf("incomplete(%s,%d)", show(inc.Partial), inc.Expected)
	case errors.As(err, &over):
		return fmt.Sprintf("overrun(%d)", over.Consumed)
	case errors.Is(err, aio.ErrLineTooLong):
		return "toolong"
	case errors.Is(err, aio.ErrSendfileNotAvailable):
		return "nosendfile"
	case errors.Is(err, aio.ErrTimeout):
		return "timeout"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(err, syscall.EPIPE):
		return "pipe"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.EAGAIN):
		return "wouldblock"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	case errors.Is(err, aio.ErrUsage), errors.Is(err, aio.ErrInvalidState), errors.As(err, &lacks):
		return "misuse"
	case errors.Is(err, net.ErrClosed):
		return "closed"
	case errors.As(err, &p):
		return "panic:" + err.Error()
	}
	return fmt.Sprintf("%T:%v", err, err)
}

// show formats bytes for a trace: their number and CRC.
func show(b []byte) string {
	if len(b) == 0 {
		return "0"
	}
	return fmt.Sprintf("%d:%08x", len(b), crc32.ChecksumIEEE(b))
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// ioEnd is the content of a slot: a transport, or a stream with its transport.
type ioEnd struct {
	name string
	kind string // stream, rpipe, wpipe, dgram or child
	t    aio.BaseTransport
	r    *aio.StreamReader
	w    *aio.StreamWriter
	proc *aio.Process
	pair *ioPair
	wpos int // bytes of the running pattern that have been written
}

func (e *ioEnd) writer() aio.WriteTransport { return e.t.(aio.WriteTransport) }

type ioServer struct {
	s    *aio.Server
	addr string
	kind string
}

// ioMode says how a program is run.
type ioMode struct {
	// goroutines serve the connections; passes are not counted
	goroutines bool
	debug      bool // the loop is in debug mode
	simulated  bool // the network is simulated, and the time virtual
}

// ioExecutor is the default executor of a program's loop: a job is done when
// RunInExecutor returns, and its outcome is on the way to the loop.
type ioExecutor struct{}

func (ioExecutor) Submit(job func()) error { thread(job); return nil }
func (ioExecutor) Shutdown(bool)           {}

type ioRun struct {
	t          testing.TB
	prog       *ioProgram
	loop       *aio.Loop
	mode       ioMode
	ticker     bool // lines begin with the number of the pass
	npass      int
	mu         sync.Mutex // guards live and trace, because a second loop logs too
	live       bool       // events are logged
	trace      []string
	slots      map[string]*ioEnd
	pairs      map[string]*ioPair
	tasks      map[string]awaitable
	servers    map[string]*ioServer
	counts     map[string]int // number of connections of each server
	fds        []int          // descriptors that are closed at the end
	pool       *aio.ThreadPoolExecutor
	tmp        string    // directory for Unix sockets, "" until one is needed
	signals    bool      // a handler of SIGUSR1 is installed
	second     *aio.Loop // runs in another goroutine; nil until it is needed
	stopSecond func() error
	zone       dnsZone      // names of the hosts
	hosts      int          // number of hosts with several addresses
	host       *simnet.Host // of a simulated network, nil if there is none
	// the number of timers created in a run with a simulated network
	timers int
}

func (m *ioRun) log(label, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.live {
		return
	}
	text = label + " " + text
	if m.ticker {
		text = fmt.Sprint(m.npass, " ", text)
	}
	m.trace = append(m.trace, text)
}

func (m *ioRun) path(name string) string {
	if m.host != nil {
		return "/run/" + name
	}
	if m.tmp == "" {
		m.tmp, _ = os.MkdirTemp("", "io")
	}
	return filepath.Join(m.tmp, name)
}

// ioCallbacks is the common part of the protocols.
type ioCallbacks struct {
	m     *ioRun
	spec  *ioProtocol
	end   *ioEnd
	label string
	n     map[string]int // number of calls of each callback
	buf   []byte
}

// on logs a callback and runs its script.
func (c *ioCallbacks) on(what, text string) {
	line := what
	if text != "" {
		line += " " + text
	}
	c.m.log(c.label, line)
	k := c.n[what]
	c.n[what]++
	if scripts := c.spec.On[what]; k < len(scripts) {
		c.m.script(scripts[k], c.label, c.end)
	}
}

func (c *ioCallbacks) ConnectionMade(t aio.BaseTransport) {
	c.end.t = t
	c.m.slots[c.end.name] = c.end
	c.on("made", "")
}

func (c *ioCallbacks) ConnectionLost(err error) { c.on("lost", ioError(err)) }
func (c *ioCallbacks) PauseWriting()            { c.on("pause_writing", "") }
func (c *ioCallbacks) ResumeWriting()           { c.on("resume_writing", "") }

type ioPlain struct{ ioCallbacks }

func (p *ioPlain) DataReceived(b []byte) { p.on("data", show(b)) }
func (p *ioPlain) EOFReceived() bool     { p.on("eof", ""); return p.spec.Keep }

type ioBufferedPlain struct{ ioCallbacks }

func (p *ioBufferedPlain) GetBuffer(int) []byte {
	if !p.spec.Quiet {
		p.on("get_buffer", "")
	}
	size := p.spec.Size
	if size == 0 {
		size = 1024
	}
	p.buf = make([]byte, size)
	return p.buf
}

func (p *ioBufferedPlain) BufferUpdated(n int) { p.on("data", show(p.buf[:n])) }
func (p *ioBufferedPlain) EOFReceived() bool   { p.on("eof", ""); return p.spec.Keep }

type ioDatagrams struct{ ioCallbacks }

func (p *ioDatagrams) DatagramReceived(b []byte, _ net.Addr) { p.on("data", show(b)) }
func (p *ioDatagrams) ErrorReceived(err error)               { p.on("error", ioError(err)) }

type ioChild struct{ ioCallbacks }

func (p *ioChild) PipeDataReceived(fd int, b []byte) { p.on("pipe_data", fmt.Sprint(fd, " ", show(b))) }
func (p *ioChild) PipeConnectionLost(fd int, err error) {
	p.on("pipe_lost", fmt.Sprint(fd, " ", ioError(err)))
}
func (p *ioChild) ProcessExited() { p.on("exited", "") }

// protocol creates the protocol described by spec, for the transport of e.
func (m *ioRun) protocol(spec string, e *ioEnd) aio.Protocol {
	s := m.prog.Protos[spec]
	c := ioCallbacks{m: m, spec: s, end: e, label: e.name + "." + spec, n: map[string]int{}}
	switch s.Kind {
	case "plain":
		return &ioPlain{c}
	case "buffered":
		return &ioBufferedPlain{c}
	case "child":
		return &ioChild{c}
	}
	return &ioDatagrams{c}
}

// coro returns the coroutine fn of the program; label is the name of the task that runs
// it.
func (m *ioRun) coro(fn, label string, me *ioEnd) aio.Coro[any] {
	return func(ctx context.Context) (any, error) {
		m.log(label, "begin")
		if err := m.block(ctx, m.prog.Coros[fn], label, me); err != nil {
			m.log(label, "end "+ioError(err))
			return nil, err
		}
		m.log(label, "end ok")
		return nil, nil
	}
}

// block runs statements. Each logs its error and the next one runs; only a cancellation
// ends the block.
func (m *ioRun) block(ctx context.Context, stmts []statement, label string, me *ioEnd) error {
	for _, s := range stmts {
		if s.op() == "raise" {
			return progError(s.str(0))
		}
		if m.sync(s, label, me) {
			continue
		}
		switch s.op() {
		case "pass":
			n := s.num(0)
			if m.mode.goroutines {
				n = min(5*n, 40)
			}
			for range n {
				if m.mode.goroutines {
					time.Sleep(200 * time.Microsecond)
				}
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			continue
		case "timeout0":
			err := aio.Timeout(ctx, 0, func(ctx context.Context) error { return m.block(ctx, s.body(0), label, me) })
			switch {
			case err == nil:
				m.log(label, "timeout0 ok")
			case errors.Is(err, aio.ErrTimeout):
				m.log(label, "timeout0 timeout")
			default:
				return err
			}
			continue
		case "guard":
			err := m.block(ctx, s.body(0), label, me)
			var c *aio.CancelledError
			if errors.As(err, &c) {
				m.log(label, "caught cancelled")
			} else if err != nil {
				return err
			}
			continue
		}
		var text string
		err := caught(func() (err error) {
			text, err = ioAwaits[s.op()](m, ctx, s, me)
			return err
		})
		var c *aio.CancelledError
		if errors.As(err, &c) {
			m.log(label, s.head()+" cancelled")
			return err
		}
		if err != nil {
			text = ioError(err)
		}
		m.log(label, s.head()+" "+text)
	}
	return nil
}

// tick counts the passes.
func (m *ioRun) tick() {
	m.npass++
	if m.npass >= ioPassLimit {
		m.log("loop", "limit")
		m.loop.Stop()
		return
	}
	m.loop.CallSoon(m.tick)
}

// waitForProcesses is the last callback of each pass: a pass of asyncio takes longer
// than one of this package, so this callback gives processes the time that they have
// there.
func (m *ioRun) waitForProcesses() {
	time.Sleep(time.Millisecond)
	m.loop.CallAt(m.loop.Time(), m.waitForProcesses)
}

// whenIdle calls fn when nothing was logged during the given number of checks, 0.1 s
// apart. If the machine is busy, one check is late, but not the following ones.
func (m *ioRun) whenIdle(looks int, fn func()) {
	left, lines := looks, 0
	var look func()
	look = func() {
		m.mu.Lock()
		n := len(m.trace)
		m.mu.Unlock()
		if n > lines {
			left, lines = looks, n
		}
		if left--; left < 0 {
			fn()
			return
		}
		m.loop.CallLater(100*time.Millisecond, look)
	}
	look()
}

// runIO returns the trace of a program.
func runIO(t testing.TB, p *ioProgram, mode ioMode) []string {
	m := &ioRun{
		t: t, prog: p, mode: mode, live: true,
		slots: map[string]*ioEnd{}, pairs: map[string]*ioPair{}, tasks: map[string]awaitable{},
		servers: map[string]*ioServer{}, counts: map[string]int{},
		pool: aio.NewThreadPoolExecutor(1),
		loop: aio.NewEventLoop(&aio.LoopOptions{Debug: mode.debug, VirtualClock: mode.simulated}),
	}
	if mode.simulated {
		m.simulate()
	} else {
		aio.ForceGoroutines(m.loop, mode.goroutines)
	}
	m.loop.SetSlowCallbackDuration(time.Hour)
	if !mode.goroutines { // in goroutine mode the executor dials, which takes time
		m.loop.SetDefaultExecutor(ioExecutor{})
	}
	m.ticker = p.ticks() && !mode.goroutines
	m.loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
		if strings.Contains(ec.Message, "never retrieved") || strings.Contains(ec.Message, "was destroyed") {
			return
		}
		m.log("loop", "handler "+ioError(ec.Err))
	})
	if m.ticker {
		if p.Profile == "child" || p.Profile == "process" {
			m.waitForProcesses()
		}
		m.loop.CallSoon(m.tick)
	} else {
		looks := 2
		if mode.goroutines || p.Profile == "child" || p.Profile == "process" || p.byLabel() {
			looks = 30
		}
		m.whenIdle(looks, func() { m.log("loop", "limit"); m.loop.Stop() })
	}
	main := aio.CreateTask(m.loop.Context(), m.coro("main", "main", nil))
	_, err := aio.RunUntilComplete(m.loop, main)
	switch {
	case errors.Is(err, aio.ErrLoopStopped):
		m.log("loop", "stopped")
	case err != nil:
		m.log("loop", "run "+ioError(err))
	default:
		m.log("loop", "done")
	}
	m.mu.Lock()
	m.live = false
	trace := m.trace
	m.mu.Unlock()
	if m.stopSecond != nil {
		m.stopSecond()
	}
	for _, e := range m.slots {
		if e.kind == "child" && e.t != nil {
			if p, ok := e.t.GetExtraInfo("subprocess").(*os.Process); ok {
				p.Kill()
			}
		}
	}
	m.loop.Close()
	m.pool.Shutdown(true)
	for _, fd := range m.fds {
		unix.Close(fd)
	}
	if m.tmp != "" {
		os.RemoveAll(m.tmp)
	}
	return trace
}
