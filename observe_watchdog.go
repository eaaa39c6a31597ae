package aio

// The watchdog: a goroutine that reports a step of the loop while the step lasts too
// long. The cause of a blocked loop is rarely obvious from the code: the step waits for
// a channel, a mutex that another task holds, or a library that waits for the loop.
//
// The loop counts what it begins (passes, steps, callbacks, waits) in its meter, and
// reads no clock. The watchdog reads that number several times per threshold: if it has
// not changed, and the loop neither waits nor is stopped, one step has lasted that long.
// The current stack comes from the goroutine profile, because Go cannot print the stack
// of a single other goroutine.

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

// BlockedLoop is the report of a watchdog: a step of a task, or a callback, has
// exceeded the threshold and is still running.
type BlockedLoop struct {
	// Loop is the loop that is blocked.
	Loop *Loop
	// Task is the name of the task that runs the step, "" for a callback.
	Task string
	// For is how long the step has lasted, with a resolution of a quarter of the
	// threshold.
	For time.Duration
	// Stack is the current stack, from the innermost frame outwards: a line with
	// the function, and an indented one with the file and the line. It is "" if the
	// step ended while the watchdog captured it.
	Stack string
}

// String returns the report in one line, followed by the stack.
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

// WatchdogOptions are the settings of [Loop.StartWatchdog]. The zero value means the
// defaults.
type WatchdogOptions struct {
	// Threshold is how long a step may last; zero means 100 ms, as in debug mode.
	Threshold time.Duration
	// Report is called once for each step that lasts longer, by the goroutine of
	// the watchdog, which does not hold the token. nil logs a warning with
	// log/slog.
	Report func(BlockedLoop)
}

// StartWatchdog watches the loop from its own goroutine, until stop is called or the
// loop is closed. When a step of a task, or a callback, lasts longer than the
// threshold, the watchdog reports it with its current stack. Move the blocking call (a
// channel operation, a mutex, [time.Sleep], a library that waits for the loop) or the
// long computation to [ToThread]. The watchdog interrupts nothing.
//
// Any goroutine may call it, before the loop runs or while it runs. stop returns after
// the watchdog has ended; a second call has no effect. A Report must not call it. A
// negative threshold panics with [ErrUsage].
//
// The watchdog makes the loop count its steps, as [Loop.Stats] does. To find the stack
// of a blocked step the Go runtime examines all goroutines, which takes some
// milliseconds for each ten thousand of them; other goroutines keep running.
//
// asyncio's debug mode reports a slow step when it has ended. Debug mode here does so
// too, and also starts a watchdog.
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
	d.meter.watchdogs.Add(1)
	l.startCounting(d.meter)
	if l.holdsToken() {
		d.meter.task.Store(l.current)
	}
	go d.run()
	return sync.OnceFunc(func() {
		close(d.quit)
		<-d.ended
		d.meter.watchdogs.Add(-1)
	})
}

// watchDebug starts or stops the watchdog of a running loop in debug mode. There is no
// watchdog under a virtual clock, where the load of the machine would decide which
// steps are reported, nor in a bubble of testing/synctest, whose time would advance
// because of the ticker.
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
	progress, since, reported := d.meter.progress(), time.Now(), false
	for {
		select {
		case <-d.quit:
			return
		case <-tick.C:
		}
		if d.loop.closed.Load() {
			return
		}
		now := d.meter.progress()
		if now != progress || d.meter.waiting.Load() != 0 || !d.loop.running.Load() || !d.meter.counting.Load() {
			progress, since, reported = now, time.Now(), false
			continue
		}
		lasted := time.Since(since)
		if reported || lasted < d.threshold {
			continue
		}
		b := BlockedLoop{Loop: d.loop, For: lasted}
		b.Task, b.Stack = blockedStack(d.loop, d.meter.task.Load())
		if d.meter.progress() != progress {
			continue // the step has just ended
		}
		reported = true
		d.tell(b)
	}
}

// tell calls the user's Report. A panic of Report must end neither the program nor the
// watchdog.
func (d *watchdog) tell(b BlockedLoop) {
	defer func() {
		if v := recover(); v != nil {
			logException(ExceptionContext{Message: "exception in Report of a watchdog", Err: panicError(v)})
		}
	}()
	d.report(b)
}

// blockedStack finds the goroutine that holds the token of l by its stack: a running
// task has runTask there, but neither park nor resume, in which it would have released
// the token; a callback has Loop.call there. Labels distinguish the tasks of several
// loops; current is the task of the step if the labels are missing.
func blockedStack(l *Loop, current *task) (name, stack string) {
	var buf bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&buf, 1) // a bytes.Buffer never fails
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
			// for example "# 0x4a2f31 time.Sleep+0x114
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
		if name = labels[labelTask]; name == "" && running && current != nil {
			name = current.name()
		}
		return name, strings.Join(frames, "\n")
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
