//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio_test

import (
	"context"
	"errors"
	"math"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// pollPipe returns the non-blocking ends of a pipe that are closed when the test ends.
func pollPipe(t *testing.T) (r, w int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		t.Fatal(err)
	}
	return pollEnds(t, p)
}

// pollPair is like pollPipe for two connected sockets.
func pollPair(t *testing.T) (a, b int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	return pollEnds(t, p)
}

func pollEnds(t *testing.T, p [2]int) (int, int) {
	t.Helper()
	for _, fd := range p {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
	}
	return p[0], p[1]
}

// pollWrite makes the other end of fd readable.
func pollWrite(t *testing.T, fd int, p string) {
	t.Helper()
	if _, err := unix.Write(fd, []byte(p)); err != nil {
		t.Fatal(err)
	}
}

// pollRead reads the available data.
func pollRead(t *testing.T, fd int) string {
	t.Helper()
	buf := make([]byte, 100)
	n, err := unix.Read(fd, buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// pollLoop returns a loop with a real clock that is closed when the test ends, and the
// reports to its exception handler.
func pollLoop(t *testing.T) (*aio.Loop, *[]aio.ExceptionContext) {
	t.Helper()
	l := aio.NewEventLoop(nil)
	reports := new([]aio.ExceptionContext)
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { *reports = append(*reports, ec) })
	t.Cleanup(func() { matches(t, "closing the loop", l.Close(), nil) })
	return l, reports
}

// pollAdd calls AddReader or AddWriter, which must succeed.
func pollAdd(t *testing.T, add func(fd any, fn func()) error, fd any, fn func()) {
	t.Helper()
	matches(t, "adding a callback", add(fd, fn), nil)
}

// pollRemove calls RemoveReader or RemoveWriter, which must return want.
func pollRemove(t *testing.T, remove func(fd any) (bool, error), fd any, want bool) {
	t.Helper()
	had, err := remove(fd)
	matches(t, "removing a callback", err, nil)
	same(t, "a callback was removed", had, want)
}

// LOOP-003, LOOP-004
func TestPollerOfClosedLoop(t *testing.T) {
	r, w := pollPipe(t)
	l := aio.NewEventLoop(nil)
	ran := func() { t.Error("a callback ran") }
	pollAdd(t, l.AddReader, r, ran)
	pollAdd(t, l.AddWriter, w, ran)
	matches(t, "Close", l.Close(), nil)
	matches(t, "AddReader", l.AddReader(r, ran), aio.ErrLoopClosed)
	matches(t, "AddWriter", l.AddWriter(w, ran), aio.ErrLoopClosed)
	for range 2 {
		pollRemove(t, l.RemoveReader, r, false)
		pollRemove(t, l.RemoveWriter, w, false)
	}
	pollWrite(t, w, "x") // the program may still use its descriptors
	same(t, "what is read", pollRead(t, r), "x")
}

// LOOP-006
func TestPollerLeavesNoDescriptor(t *testing.T) {
	r, w := pollPipe(t)
	before := openFiles()
	for range 3 {
		l := aio.NewEventLoop(nil)
		pollAdd(t, l.AddWriter, w, nop)
		pollAdd(t, l.AddReader, r, nop)
		onePass(t, l)
		matches(t, "Close", l.Close(), nil)
	}
	wantClosed(t, t.Context(), before)
}

// LOOP-301
func TestPollerTakesDescriptors(t *testing.T) {
	l, _ := pollLoop(t)
	r, w := pollPipe(t)
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pr.Close()
	defer pw.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, fd := range []any{r, uintptr(w), pr, pw, ln} {
		pollAdd(t, l.AddReader, fd, nop)
		pollRemove(t, l.RemoveReader, fd, true)
		pollAdd(t, l.AddWriter, fd, nop)
		pollRemove(t, l.RemoveWriter, fd, true)
	}
	tooLarge := int64(math.MaxInt32) + 1 // negative as a 32-bit integer
	for _, fd := range []any{-1, ^uintptr(0), int(tooLarge), nil, "3", 3.0, t, struct{}{}} {
		matches(t, "AddReader", l.AddReader(fd, nop), aio.ErrUsage)
		matches(t, "AddWriter", l.AddWriter(fd, nop), aio.ErrUsage)
		for _, remove := range []func(any) (bool, error){l.RemoveReader, l.RemoveWriter} {
			had, err := remove(fd)
			same(t, "a callback was removed", had, false)
			matches(t, "removing a callback", err, aio.ErrUsage)
		}
	}
	ln.Close()
	matches(t, "AddReader of a closed listener", l.AddReader(ln, nop), net.ErrClosed)
	matches(t, "AddReader of an unused descriptor number", l.AddReader(1<<20, nop), syscall.EBADF)
	pollRemove(t, l.RemoveReader, 1<<20, false)
	matches(t, "AddReader without a callback", l.AddReader(r, nil), aio.ErrUsage)
}

func TestPollerFromAnotherGoroutine(t *testing.T) {
	l, _ := pollLoop(t)
	r, _ := pollPipe(t)
	err := runMain(l, func(ctx context.Context) error {
		_, err := aio.ToThread(ctx, func(context.Context) (struct{}, error) {
			matches(t, "AddReader", l.AddReader(r, nop), aio.ErrWrongGoroutine)
			matches(t, "RemoveWriter", second(l.RemoveWriter(r)), aio.ErrWrongGoroutine)
			return struct{}{}, nil
		})
		return err
	})
	matches(t, "the run", err, nil)
}

// LOOP-302, LOOP-305
func TestPollerOneDirection(t *testing.T) {
	l, _ := pollLoop(t)
	a, b := pollPair(t) // always writable
	var log eventLog
	pollAdd(t, l.AddReader, a, func() { log.add("read") })
	onePass(t, l)
	log.want(t, "")
	pollAdd(t, l.AddWriter, a, func() { log.add("write") })
	onePass(t, l)
	log.want(t, "write")
	pollWrite(t, b, "x")
	onePass(t, l)
	log.want(t, "read write")
	pollRemove(t, l.RemoveWriter, a, true)
	onePass(t, l)
	log.want(t, "read")
	pollRemove(t, l.RemoveReader, a, true)
	onePass(t, l)
	log.want(t, "")
}

// LOOP-305
func TestPollerForgetsWithTheLast(t *testing.T) {
	l, _ := newLoop(t)
	a, _ := pollPair(t)
	pollAdd(t, l.AddReader, a, nop)
	pollAdd(t, l.AddWriter, a, nop)
	pollRemove(t, l.RemoveWriter, a, true)
	pollRemove(t, l.RemoveReader, a, true)
	err := runMain(l, func(ctx context.Context) error {
		// not a deadlock, as a descriptor could end the wait
		_, err := forever(ctx)
		return err
	})
	matches(t, "the run", err, aio.ErrDeadlock)
}

// LOOP-303
func TestPollerReplaces(t *testing.T) {
	l, _ := pollLoop(t)
	a, b := pollPair(t)
	pollWrite(t, b, "x")
	var log eventLog
	pollAdd(t, l.AddReader, a, func() { log.add("read1") })
	pollAdd(t, l.AddWriter, a, func() { log.add("write1") })
	pollAdd(t, l.AddReader, a, func() { log.add("read2") })
	onePass(t, l)
	log.want(t, "read2 write1")
	pollAdd(t, l.AddWriter, a, func() { log.add("write2") })
	onePass(t, l)
	log.want(t, "read2 write2")
	// A callback that is replaced when it is already due does not run, and the new
	// one runs in the next pass at the earliest.
	l.CallSoon(func() { pollAdd(t, l.AddReader, a, func() { log.add("read3") }) })
	onePass(t, l)
	log.want(t, "write2")
	onePass(t, l)
	log.want(t, "read3 write2")
}

// LOOP-304
func TestPollerRemoveTellsWhetherThereWas(t *testing.T) {
	l, _ := pollLoop(t)
	a, b := pollPair(t)
	pollAdd(t, l.AddReader, a, nop)
	pollRemove(t, l.RemoveWriter, a, false)
	pollRemove(t, l.RemoveReader, b, false)
	pollRemove(t, l.RemoveReader, a, true)
	pollRemove(t, l.RemoveReader, a, false)
	pollAdd(t, l.AddWriter, a, nop)
	pollRemove(t, l.RemoveReader, a, false)
	pollRemove(t, l.RemoveWriter, a, true)
	pollRemove(t, l.RemoveWriter, a, false)
}

// LOOP-306
func TestPollerFiresInEachPass(t *testing.T) {
	l, reports := pollLoop(t)
	r, w := pollPipe(t)
	pollWrite(t, w, "x")
	var log eventLog
	n := 0
	failure := errors.New("failure")
	pollAdd(t, l.AddReader, r, func() {
		n++
		log.add("read%d", n)
		l.CallSoon(func() { log.add("between") })
		switch n {
		case 3:
			pollRemove(t, l.RemoveReader, r, true)
			l.Stop()
		case 2:
			panic(failure) // the loop continues after the panic
		}
	})
	matches(t, "RunForever", l.RunForever(), nil)
	onePass(t, l)
	log.want(t, "read1 between read2 between read3 between")
	same(t, "the byte is still there", pollRead(t, r), "x")
	same(t, "reports", len(*reports), 1)
	matches(t, "the report", (*reports)[0].Err, failure)
	same(t, "the report has a handle", (*reports)[0].Handle != nil, true)
}

// If the peer has closed the connection, both callbacks are called. LOOP-306
func TestPollerHangUp(t *testing.T) {
	l, _ := pollLoop(t)
	a, b := pollPair(t)
	var log eventLog
	pollAdd(t, l.AddReader, a, func() { log.add("read%q", pollRead(t, a)) })
	pollAdd(t, l.AddWriter, a, func() {
		_, err := unix.Write(a, []byte("x"))
		log.add("%v", errors.Is(err, syscall.EPIPE))
	})
	unix.Shutdown(b, unix.SHUT_RDWR)
	onePass(t, l)
	log.want(t, `read"" true`)
}

// LOOP-307, LOOP-308
func TestPollerRemovedInTheSamePass(t *testing.T) {
	l, _ := pollLoop(t)
	a, b := pollPair(t)
	pollWrite(t, b, "x")
	var log eventLog
	pollAdd(t, l.AddReader, a, func() {
		log.add("read")
		pollRemove(t, l.RemoveWriter, a, true)
	})
	pollAdd(t, l.AddWriter, a, func() { log.add("write") })
	onePass(t, l)
	log.want(t, "read")
	// A callback that was removed before the loop polled is not called either.
	l.CallSoon(func() {
		log.add("remove")
		pollRemove(t, l.RemoveReader, a, true)
	})
	onePass(t, l)
	log.want(t, "remove")
	onePass(t, l)
	log.want(t, "")
}

// LOOP-309
func TestPollerDescriptorOfTransport(t *testing.T) {
	l, _ := pollLoop(t)
	err := runMain(l, func(ctx context.Context) error {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		tr, p, err := aio.CreateConnection(ctx, func() *ioClient {
			return &ioClient{lost: aio.CreateFuture[error](ctx)}
		}, ln.Addr().String(), nil)
		if err != nil {
			return err
		}
		sock := tr.GetExtraInfo("socket").(*aio.TransportSocket)
		raw, err := sock.SyscallConn()
		if err != nil {
			return err
		}
		var fd uintptr
		if err := raw.Control(func(n uintptr) { fd = n }); err != nil {
			return err
		}
		for _, file := range []any{sock, int(fd), fd} {
			matches(t, "AddReader", l.AddReader(file, nop), aio.ErrUsage)
			matches(t, "AddWriter", l.AddWriter(file, nop), aio.ErrUsage)
			_, err = l.RemoveReader(file)
			matches(t, "RemoveReader", err, aio.ErrUsage)
			_, err = l.RemoveWriter(file)
			matches(t, "RemoveWriter", err, aio.ErrUsage)
		}
		// a duplicate of the socket, which no transport uses
		other, err := sock.File()
		if err != nil {
			return err
		}
		defer other.Close()
		pollAdd(t, l.AddWriter, other, nop)
		pollRemove(t, l.RemoveWriter, other, true)
		r, _ := pollPipe(t)
		tr.Close()
		if _, err := p.lost.Await(ctx); err != nil {
			return err
		}
		for n := -1; n != int(fd); { // until the number is free again
			if n = pollDup(t, r); n > int(fd) {
				t.Fatalf("descriptor %d was not closed", fd)
			}
			defer unix.Close(n)
		}
		pollAdd(t, l.AddReader, int(fd), nop)
		pollRemove(t, l.RemoveReader, fd, true)
		return nil
	})
	matches(t, "the run", err, nil)
}

// A duplicate keeps a socket open after its transport is closed, and gets the number of
// the transport's descriptor. The new registration counts, whatever the kernel still
// knows of the old one.
func TestPollerDuplicateComesBack(t *testing.T) {
	l, _ := pollLoop(t)
	stays, peer := pollPair(t)
	err := runMain(l, func(ctx context.Context) error {
		first := -1
		for range 3 {
			f := os.NewFile(uintptr(pollDup(t, stays)), "socket")
			conn, err := net.FileConn(f)
			f.Close()
			if err != nil {
				return err
			}
			p := &ioClient{lost: aio.CreateFuture[error](ctx)}
			tr, _, err := aio.CreateConnection(ctx, func() *ioClient { return p }, "", &aio.ConnectionOptions{Conn: conn})
			if err != nil {
				return err
			}
			raw, err := tr.GetExtraInfo("socket").(*aio.TransportSocket).SyscallConn()
			fd := -1
			if err == nil {
				err = raw.Control(func(n uintptr) { fd = int(n) })
			}
			if err != nil {
				return err
			}
			if first < 0 {
				first = fd
			}
			same(t, "the number", fd, first)
			pollWrite(t, peer, "x")
			if err := p.more.Wait(ctx); err != nil {
				return err
			}
			same(t, "what it got", string(p.got), "x")
			tr.Close()
			if _, err := p.lost.Await(ctx); err != nil {
				return err
			}
		}
		fd := pollDup(t, stays)
		defer unix.Close(fd)
		same(t, "the number", fd, first)
		var more aio.Event
		pollAdd(t, l.AddReader, fd, more.Set)
		pollWrite(t, peer, "x")
		if err := more.Wait(ctx); err != nil {
			return err
		}
		pollRemove(t, l.RemoveReader, fd, true)
		return nil
	})
	matches(t, "the run", err, nil)
}

// LOOP-019
func TestPollerEventBesideStop(t *testing.T) {
	l, _ := pollLoop(t)
	r, w := pollPipe(t)
	pollWrite(t, w, "x")
	var log eventLog
	pollAdd(t, l.AddReader, r, func() {
		log.add("read")
		l.CallSoon(func() {
			log.add("left")
			pollRemove(t, l.RemoveReader, r, true)
		})
	})
	l.CallSoon(func() {
		log.add("stop")
		l.Stop()
	})
	matches(t, "RunForever", l.RunForever(), nil)
	log.want(t, "stop read")
	onePass(t, l)
	log.want(t, "left")
}

// Stop before the run makes one pass, which also polls. LOOP-019
func TestPollerStopBeforeRun(t *testing.T) {
	l, _ := pollLoop(t)
	_, w := pollPipe(t)
	var log eventLog
	pollAdd(t, l.AddWriter, w, func() { log.add("write") })
	onePass(t, l)
	log.want(t, "write")
}

// LOOP-020
func TestPollerOrderWithinPass(t *testing.T) {
	l, _ := pollLoop(t)
	a, b := pollPair(t)
	var log eventLog
	step := func(name string) func() {
		return func() {
			log.add("%s", name)
			l.CallSoon(func() { log.add("%s+", name) })
		}
	}
	l.CallSoon(func() {
		l.CallLater(time.Nanosecond, step("timer"))
		pollWrite(t, b, "x")
		pollAdd(t, l.AddReader, a, step("read"))
		pollAdd(t, l.AddWriter, a, step("write"))
		l.CallSoon(step("soon"))
		for due := l.Time().Add(time.Microsecond); l.Time().Before(due); {
			// wait until the timer is due, in the next pass
		}
		l.CallSoon(func() {
			pollRemove(t, l.RemoveReader, a, true)
			// This reader is removed before its first call.
			pollAdd(t, l.AddReader, a, step("never"))
			l.CallSoon(func() { pollRemove(t, l.RemoveReader, a, true) })
		})
	})
	onePass(t, l)
	log.want(t, "")
	onePass(t, l)
	log.want(t, "soon write timer")
	pollRemove(t, l.RemoveWriter, a, true)
	onePass(t, l)
	log.want(t, "soon+ write+ timer+")
}

// Calls from other goroutines that arrive before the loop polls run before the
// callbacks of descriptors. LOOP-020
func TestPollerOrderAgainstThreadsafe(t *testing.T) {
	l, _ := pollLoop(t)
	_, w := pollPipe(t)
	var log eventLog
	err := runMain(l, func(ctx context.Context) error {
		pollAdd(t, l.AddWriter, w, func() {
			log.add("write")
			pollRemove(t, l.RemoveWriter, w, true)
		})
		done := make(chan struct{})
		go func() {
			l.CallSoonThreadsafe(func() { log.add("threadsafe") })
			close(done)
		}()
		<-done
		l.CallSoon(func() { log.add("soon") })
		return aio.Sleep(ctx, 0)
	})
	matches(t, "the run", err, nil)
	log.want(t, "threadsafe soon write")
}

// A callback of a descriptor is one entry of the ready queue, and so is the task that
// it wakes.
func TestPollerWakesTask(t *testing.T) {
	l, _ := pollLoop(t)
	r, w := pollPipe(t)
	var log eventLog
	err := runMain(l, func(ctx context.Context) error {
		ready := aio.CreateFuture[string](ctx)
		pollAdd(t, l.AddReader, r, func() {
			log.add("callback")
			ready.SetResult(pollRead(t, r))
			l.CallSoon(func() { log.add("after") })
		})
		l.CallSoon(func() { pollWrite(t, w, "x") })
		got, err := ready.Await(ctx)
		log.add("task:%s", got)
		pollRemove(t, l.RemoveReader, r, true)
		return errors.Join(err, aio.Sleep(ctx, 0))
	})
	matches(t, "the run", err, nil)
	log.want(t, "callback task:x after")
}

// While a descriptor is registered the loop waits in the poller, and a call from
// another goroutine wakes it there.
func TestPollerWokenByGoroutine(t *testing.T) {
	l, _ := pollLoop(t)
	r, _ := pollPipe(t)
	pollAdd(t, l.AddReader, r, func() { t.Error("the pipe is not readable") })
	rounds := 0
	err := runMain(l, func(ctx context.Context) error {
		for range 500 {
			woken := aio.CreateFuture[struct{}](ctx)
			begin := make(chan struct{})
			go func() {
				<-begin
				l.CallSoonThreadsafe(func() { woken.SetResult(struct{}{}) })
			}()
			close(begin)
			if _, err := woken.Await(ctx); err != nil {
				return err
			}
			rounds++
		}
		return nil
	})
	matches(t, "the run", err, nil)
	same(t, "rounds", rounds, 500)
}

// A descriptor that another goroutine makes ready wakes a loop that waits in the poller.
func TestPollerWokenByDescriptor(t *testing.T) {
	l, _ := pollLoop(t)
	there, here := pollPair(t)
	file := os.NewFile(uintptr(pollDup(t, there)), "there")
	echoed := make(chan error, 1)
	go func() {
		buf := make([]byte, 1)
		for {
			if _, err := file.Read(buf); err != nil {
				echoed <- file.Close()
				return
			}
			if _, err := file.Write(buf); err != nil {
				t.Error(err)
			}
		}
	}()
	rounds := 0
	done := aio.CreateFuture[struct{}](l.Context())
	pollAdd(t, l.AddReader, here, func() {
		same(t, "what comes back", pollRead(t, here), "x")
		if rounds++; rounds == 200 {
			done.SetResult(struct{}{})
			return
		}
		pollWrite(t, here, "x")
	})
	pollWrite(t, here, "x")
	_, err := aio.RunUntilComplete(l, done)
	matches(t, "the run", err, nil)
	pollRemove(t, l.RemoveReader, here, true)
	unix.Shutdown(here, unix.SHUT_RDWR)
	matches(t, "the other end", <-echoed, nil)
}

// pollDup duplicates a descriptor.
func pollDup(t *testing.T, fd int) int {
	t.Helper()
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// LOOP-022: a timer of any duration does not fire early when the loop waits in the
// poller.
func TestPollerTimersBesideDescriptor(t *testing.T) {
	l, _ := pollLoop(t)
	r, _ := pollPipe(t)
	pollAdd(t, l.AddReader, r, func() { t.Error("the pipe is not readable") })
	err := runMain(l, func(ctx context.Context) error {
		for d := 10 * time.Millisecond; d > 0; d /= 10 {
			start := l.Time()
			if err := aio.Sleep(ctx, d); err != nil {
				return err
			}
			if took := l.Time().Sub(start); took < d {
				t.Errorf("Sleep(%v) took %v", d, took)
			}
		}
		return nil
	})
	matches(t, "the run", err, nil)
}

// Timers of many durations fire in order while the loop waits in the poller.
func TestPollerTimerOrderBesideDescriptor(t *testing.T) {
	l, _ := pollLoop(t)
	r, _ := pollPipe(t)
	pollAdd(t, l.AddReader, r, func() { t.Error("the pipe is not readable") })
	var got []int
	err := runMain(l, func(ctx context.Context) error {
		base := l.Time().Add(time.Millisecond)
		last := aio.CreateFuture[struct{}](ctx)
		for _, ns := range []int{5000, 1, 70, 300, 2, 1000, 71} {
			l.CallAt(base.Add(time.Duration(ns)), func() {
				got = append(got, ns)
				if len(got) == 7 {
					last.SetResult(struct{}{})
				}
			})
		}
		_, err := last.Await(ctx)
		return err
	})
	matches(t, "the run", err, nil)
	same(t, "in order", slices.IsSorted(got), true)
}

// Ready descriptors are handled before a virtual clock advances, and waiting for a
// descriptor is not a deadlock.
func TestPollerVirtualClock(t *testing.T) {
	l, _ := newLoop(t)
	r, w := pollPipe(t)
	var log eventLog
	err := runMain(l, func(ctx context.Context) error {
		start := l.Time()
		arrived := aio.CreateFuture[struct{}](ctx)
		pollAdd(t, l.AddReader, r, func() {
			log.add("read%q", pollRead(t, r))
			arrived.SetResult(struct{}{})
		})
		pollWrite(t, w, "now")
		timer := l.CallLater(time.Hour, func() { log.add("timer") })
		if _, err := arrived.Await(ctx); err != nil {
			return err
		}
		same(t, "time passed", l.Time().Sub(start), 0)
		timer.Cancel()
		if err := aio.Sleep(ctx, time.Hour); err != nil {
			// nothing arrives, so the clock jumps
			return err
		}
		same(t, "time passed", l.Time().Sub(start), time.Hour)
		arrived = aio.CreateFuture[struct{}](ctx)
		written := make(chan struct{})
		go func() {
			pollWrite(t, w, "later")
			close(written)
		}()
		// no timer: the loop waits for the descriptor
		_, err := arrived.Await(ctx)
		<-written
		same(t, "time passed", l.Time().Sub(start), time.Hour)
		pollRemove(t, l.RemoveReader, r, true)
		return err
	})
	matches(t, "the run", err, nil)
	log.want(t, `read"now" read"later"`)
}

// Closing a descriptor without removing its callbacks is misuse, but affects no other
// descriptor.
func TestPollerClosedDescriptor(t *testing.T) {
	l, _ := pollLoop(t)
	r, w := pollPipe(t)
	gone := pollDup(t, w)
	pollAdd(t, l.AddReader, gone, func() { t.Error("a reader of a closed descriptor") })
	unix.Close(gone)
	matches(t, "AddWriter", l.AddWriter(gone, func() { t.Error("a writer of a closed descriptor") }), syscall.EBADF)
	var log eventLog
	pollAdd(t, l.AddWriter, w, func() { log.add("write") })
	pollAdd(t, l.AddReader, r, func() { log.add("read") })
	onePass(t, l)
	log.want(t, "write")
	pollRemove(t, l.RemoveWriter, gone, false)
	pollRemove(t, l.RemoveReader, gone, true)
	pollWrite(t, w, "x")
	onePass(t, l)
	same(t, "events", len(log), 2)
}

// One pass handles all ready descriptors, even more than the loop's initial buffer
// holds.
func TestPollerManyDescriptors(t *testing.T) {
	l, _ := pollLoop(t)
	ready := map[int]int{}
	for range 200 {
		_, w := pollPipe(t)
		pollAdd(t, l.AddWriter, w, func() { ready[w]++ })
	}
	for range 5 {
		onePass(t, l)
	}
	same(t, "ready descriptors", len(ready), 200)
}
