package aio

// The watchdog: a goroutine beside a loop that says so while a step of it lasts too long.
// What blocks a loop is seldom found by looking at the code: it waits for a channel, a
// mutex that another task holds, or a library that waits for the loop.
//
// The loop counts its moves (steps, callbacks, waits) in its meter, and reads no clock.
// The watchdog looks at that number a few times within its threshold: if it has not
// moved, and the loop neither waits nor is stopped, one step has lasted for as long. The
// stack of the moment comes from the goroutine profile, as Go cannot print that of one
// other goroutine.

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"time"
)

// BlockedLoop is what a watchdog reports: a step of a task, or a callback, that has
// lasted longer than it should and lasts still.
type BlockedLoop struct {
	// Loop is the loop that is blocked.
	Loop *Loop
	// Task is the name of the task whose step it is, "" for a callback.
	Task string
	// For is how long it has lasted, to a quarter of the threshold.
	For time.Duration
	// Stack is where it is, from the innermost frame outwards: a line with the
	// function, and an indented one with the file and the line. It is "" if the step
	// ended while the watchdog was looking.
	Stack string
}

// String says it in one line, with the stack below.
func (b BlockedLoop) String() string {
	what := "a callback"
	if b.Task != "" {
		what = "task " + b.Task
	}
	s := fmt.Sprintf("aio: %s has blocked its event loop for %v", what, b.For.Round(time.Millisecond))
	if b.Stack != "" {
		s += ", in\n" + b.Stack
	}
	return s
}

// WatchdogOptions are the settings of [Loop.StartWatchdog]. The zero value has the
// defaults.
type WatchdogOptions struct {
	// Threshold is how long a step may last; zero is 100 ms, as in debug mode.
	Threshold time.Duration
	// Report is called for each step that lasts longer, once, by the goroutine of the
	// watchdog: it does not hold the token. nil writes a warning to log/slog.
	Report func(BlockedLoop)
}

// StartWatchdog watches the loop from a goroutine of its own, until stop is called or
// the loop is closed. While a step of a task, or a callback, lasts longer than the
// threshold, it is reported with its stack of that moment: a call that blocks (of a
// channel, a mutex, [time.Sleep], or a library that waits for the loop) belongs into
// [ToThread], a long computation too. The watchdog interrupts nothing.
//
// Any goroutine may call it, before the loop runs or while it does. stop does not
// return before the watchdog has ended, and calling it twice does nothing; a Report
// must not call it. A negative threshold panics with [ErrUsage].
//
// It makes the loop count its steps, as [Loop.Stats] does. To find the stack of a
// blocked step the Go runtime looks at all goroutines, which takes some milliseconds
// for each ten thousand of them; the others run on meanwhile.
//
// asyncio has debug mode for this, which reports a step when it has ended; so does
// debug mode here, which starts a watchdog besides.
func (l *Loop) StartWatchdog(opts *WatchdogOptions) (stop func()) {
	d := &watchdog{loop: l, meter: l.meterOf(), threshold: 100 * time.Millisecond, report: logBlocked,
		quit: make(chan struct{}), ended: make(chan struct{})}
	if opts != nil {
		switch {
		case opts.Threshold < 0:
			misuse("Loop.StartWatchdog", "the threshold is negative: %v", opts.Threshold)
		case opts.Threshold > 0:
			d.threshold = opts.Threshold
		}
		if opts.Report != nil {
			d.report = opts.Report
		}
	}
	l.startCounting(d.meter)
	go d.run()
	return sync.OnceFunc(func() {
		close(d.quit)
		<-d.ended
	})
}

// watchDebug starts or stops the watchdog that a running loop has in debug mode. There is
// none under a virtual clock, where other tests of the machine would decide what is
// reported, nor in a bubble of testing/synctest, whose time a ticker would set going.
func (l *Loop) watchDebug() {
	on := l.debug.Load() && !l.virtual && !l.bubble && l.slow > 0
	switch {
	case on && l.stopWatchdog == nil:
		l.stopWatchdog = l.StartWatchdog(&WatchdogOptions{Threshold: l.slow})
	case !on && l.stopWatchdog != nil:
		l.stopWatchdog()
		l.stopWatchdog = nil
	}
}

func logBlocked(b BlockedLoop) {
	what := b.Task
	if what == "" {
		what = "a callback"
	}
	slog.Warn("aio: event loop blocked", "by", what, "for", b.For, "stack", b.Stack)
}

// watchdog is owned by its goroutine.
type watchdog struct {
	loop        *Loop
	meter       *meter
	threshold   time.Duration
	report      func(BlockedLoop)
	quit, ended chan struct{}
}

func (d *watchdog) run() {
	defer close(d.ended)
	tick := time.NewTicker(max(d.threshold/4, time.Millisecond))
	defer tick.Stop()
	moves, since, reported := d.meter.moves.Load(), time.Now(), false
	for {
		select {
		case <-d.quit:
			return
		case <-tick.C:
		}
		if d.loop.closed.Load() {
			return
		}
		now := d.meter.moves.Load()
		if now != moves || d.meter.waiting.Load() != 0 || !d.loop.running.Load() || !d.meter.counting.Load() {
			moves, since, reported = now, time.Now(), false
			continue
		}
		lasted := time.Since(since)
		if reported || lasted < d.threshold {
			continue
		}
		b := BlockedLoop{Loop: d.loop, For: lasted}
		b.Task, b.Stack = blockedStack(d.loop)
		if d.meter.moves.Load() != moves {
			continue // it has just ended
		}
		reported = true
		d.tell(b)
	}
}

// tell calls the user's Report, whose panic must not end the program, nor the watchdog.
func (d *watchdog) tell(b BlockedLoop) {
	defer func() {
		if v := recover(); v != nil {
			logException(ExceptionContext{Message: "exception in Report of a watchdog", Err: panicError(v)})
		}
	}()
	d.report(b)
}

// blockedStack finds the goroutine that holds the token of l, by what is on its stack: a
// task that runs has runTask there, but is not inside park or resume, by which it would
// have given the token away; a callback has Loop.call there. Labels tell the tasks of
// several loops apart.
func blockedStack(l *Loop) (task, stack string) {
	var buf bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&buf, 1) // a bytes.Buffer takes everything
	loop := strconv.FormatUint(l.number, 10)
	for _, record := range strings.Split(buf.String(), "\n\n") {
		var frames []string
		labels := map[string]string{}
		running, callback, away := false, false, false
		for sc := bufio.NewScanner(strings.NewReader(record)); sc.Scan(); {
			line := sc.Text()
			if l, ok := strings.CutPrefix(line, "# labels: {"); ok {
				labels = parseLabels(strings.TrimSuffix(l, "}"))
				continue
			}
			// "# 0x4a2f31 time.Sleep+0x114
			// /usr/local/go/src/runtime/time.go:368"
			cells := strings.Fields(line)
			if len(cells) < 4 || cells[0] != "#" {
				continue
			}
			name := cells[2]
			if i := strings.LastIndexByte(name, '+'); i > 0 {
				name = name[:i]
			}
			switch strings.TrimPrefix(name, packagePath) {
			case "(*coroutine).runTask":
				running = true
			case "(*observation).call":
				callback = true
			case "(*coroutine).park", "(*Loop).resume":
				away = true
			}
			file := strings.Join(cells[3:], " ")
			file = file[:max(strings.LastIndexByte(file, ':'), 0)]
			if !internalFrame(runtime.Frame{Function: name, File: file}) {
				frames = append(frames, name+"\n\t"+strings.Join(cells[3:], " "))
			}
		}
		if !running && !callback || away {
			continue
		}
		if n, ok := labels[labelLoop]; ok && n != loop {
			continue
		}
		return labels[labelTask], strings.Join(frames, "\n")
	}
	return "", ""
}

// parseLabels reads `"key":"value", "key":"value"`, as the goroutine profile prints
// labels.
func parseLabels(s string) map[string]string {
	labels := map[string]string{}
	for s != "" {
		key, err := strconv.QuotedPrefix(s)
		if err != nil {
			break
		}
		s = strings.TrimPrefix(s[len(key):], ":")
		value, err := strconv.QuotedPrefix(s)
		if err != nil {
			break
		}
		s = strings.TrimPrefix(s[len(value):], ", ")
		k, _ := strconv.Unquote(key)
		labels[k], _ = strconv.Unquote(value)
	}
	return labels
}
