//go:build unix

package aio_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/goaio/aio"
)

// childWatchers lists the watchers of the package.
var childWatchers = []struct {
	name string
	make func() aio.AbstractChildWatcher
}{
	{"Pidfd", func() aio.AbstractChildWatcher { return &aio.PidfdChildWatcher{} }},
	{"Threaded", func() aio.AbstractChildWatcher { return &aio.ThreadedChildWatcher{} }},
	{"Safe", func() aio.AbstractChildWatcher { return &aio.SafeChildWatcher{} }},
	{"Fast", func() aio.AbstractChildWatcher { return &aio.FastChildWatcher{} }},
	{"MultiLoop", func() aio.AbstractChildWatcher { return &aio.MultiLoopChildWatcher{} }},
}

// childEach runs main with each of the named watchers, or with all of them, attached to
// the loop. It closes the watcher at the end, and checks that no child and no
// descriptor remains. Tests do not run in parallel, so a watcher may wait for any
// child.
func childEach(t *testing.T, main func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error, names ...string) {
	for _, c := range childWatchers {
		if len(names) > 0 && !slices.Contains(names, c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				l, err := aio.GetRunningLoop(ctx)
				if err != nil {
					return err
				}
				// opens the descriptors that the loop and os/exec keep
				// open
				r, _ := newPipe(t)
				if err := l.AddReader(r, func() {}); err != nil {
					return err
				}
				if _, err := l.RemoveReader(r); err != nil {
					return err
				}
				waitExit(t, ctx, startShell(t, ctx, "cat", &aio.SubprocessOptions{Stdin: aio.DEVNULL, Stdout: aio.PIPE}), 0)
				w := c.make()
				w.AttachLoop(l)
				if !w.IsActive() {
					t.Skip("the watcher is not supported on this system")
				}
				defer w.Close()
				before := openFiles()
				err = main(t, ctx, w)
				wantClosed(t, ctx, before)
				noChildren(t)
				return err
			})
		})
	}
}

// childStart starts a shell command. A watcher has to wait for it. end closes its
// standard input.
func childStart(t *testing.T, command string) (pid int, end func()) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", command)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid = cmd.Process.Pid
	if err := cmd.Process.Release(); err != nil {
		t.Fatal(err)
	}
	return pid, func() { stdin.Close() }
}

// childAdd adds a handler.
func childAdd(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher, pid int, callback func(pid, returncode int)) {
	t.Helper()
	w.Enter()
	defer w.Exit()
	if err := w.AddChildHandler(ctx, pid, callback); err != nil {
		t.Fatal(err)
	}
}

// childGone waits until the status of a child has been collected, and collects it if no
// other code does.
func childGone(t *testing.T, ctx context.Context, pid int) {
	t.Helper()
	eventually(t, ctx, "the child has exited", func() bool {
		_, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		return err == syscall.ECHILD
	})
}

// childLog records the calls of callbacks.
type childLog struct {
	log  eventLog
	more aio.Event
}

// ended returns a callback that logs name and code. It fails if it is called for
// another pid.
func (c *childLog) ended(t *testing.T, name string, pid int) func(pid, returncode int) {
	return func(got, code int) {
		same(t, "the process of "+name, got, pid)
		c.log.add("%s:%d", name, code)
		c.more.Set()
	}
}

// wait runs the loop until there are n events.
func (c *childLog) wait(t *testing.T, ctx context.Context, n int) {
	t.Helper()
	for len(c.log) < n {
		c.more.Clear()
		if err := c.more.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// childSet makes the package use w until the test ends.
func childSet(t *testing.T, w aio.AbstractChildWatcher) {
	t.Helper()
	policyReset(t)
	aio.SetChildWatcher(w)
}

func TestChildWatchers(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		l, _ := aio.GetRunningLoop(ctx)
		var c childLog
		var ends []func()
		for i, command := range []string{"read l; exit 0", "read l; exit 3", "read l; kill -9 $$", "read l; kill -TERM $$", "read l; exit 255"} {
			w.Enter()
			pid, end := childStart(t, command)
			told := c.ended(t, fmt.Sprint("child", i), pid)
			childAdd(t, ctx, w, pid, func(pid, code int) {
				// CallSoon panics outside of the loop's goroutine
				l.CallSoon(func() {})
				told(pid, code)
			})
			w.Exit()
			ends = append(ends, end)
		}
		for i := len(ends) - 1; i >= 0; i-- {
			ends[i]()
			c.wait(t, ctx, len(ends)-i)
		}
		c.log.want(t, "child4:255 child3:-15 child2:-9 child1:3 child0:0")

		// A child that has exited before it is watched.
		w.Enter()
		pid, end := childStart(t, "exit 7")
		end()
		waitZombie(t, pid)
		childAdd(t, ctx, w, pid, c.ended(t, "dead", pid))
		w.Exit()
		c.log.want(t, "") // the callback does not run inside AddChildHandler
		c.wait(t, ctx, 1)
		c.log.want(t, "dead:7")
		return nil
	})
}

// Many children that exit at the same time: their signals are merged.
func TestChildWatchersManyAtOnce(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		const n = 30
		var c childLog
		codes := map[int]int{}
		var ends []func()
		for i := range n {
			w.Enter()
			pid, end := childStart(t, fmt.Sprintf("read l; exit %d", i))
			childAdd(t, ctx, w, pid, func(pid, code int) {
				codes[pid] = code
				c.ended(t, "one", pid)(pid, 0)
			})
			w.Exit()
			codes[pid] = -1
			ends = append(ends, end)
		}
		for _, end := range ends {
			end()
		}
		c.wait(t, ctx, n)
		var got []int
		for _, code := range codes {
			got = append(got, code)
		}
		slices.Sort(got)
		for i, code := range got {
			if code != i {
				t.Fatalf("the codes are %v", got)
			}
		}
		return nil
	})
}

// The callbacks for children that one SIGCHLD reports run in the order in which they
// were added. A replaced callback keeps its place.
func TestChildWatcherOrder(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		var c childLog
		var pids []int
		var ends []func()
		for i := range 5 {
			pid, end := childStart(t, "read l")
			childAdd(t, ctx, w, pid, c.ended(t, fmt.Sprint("child", i), pid))
			pids, ends = append(pids, pid), append(ends, end)
		}
		childAdd(t, ctx, w, pids[1], c.ended(t, "again1", pids[1]))
		for i := len(ends) - 1; i >= 0; i-- {
			ends[i]()
			// this task holds the token, so the watcher cannot call back
			// yet
			waitZombie(t, pids[i])
		}
		c.wait(t, ctx, 5)
		c.log.want(t, "child0:1 again1:1 child2:1 child3:1 child4:1")
		return nil
	}, "Safe")
}

func TestChildWatchersReplace(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		var c childLog
		pid, end := childStart(t, "read l; exit 2")
		w.Enter()
		childAdd(t, ctx, w, pid, c.ended(t, "first", pid))
		childAdd(t, ctx, w, pid, c.ended(t, "second", pid))
		childAdd(t, ctx, w, pid, c.ended(t, "third", pid))
		w.Exit()
		letPass(ctx, 3)
		end()
		c.wait(t, ctx, 1)
		letPass(ctx, 3)
		c.log.want(t, "third:2")
		same(t, "RemoveChildHandler afterwards", w.RemoveChildHandler(pid), false)
		return nil
	})
}

func TestChildWatchersRemove(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		warnings := logLines(t, "")
		same(t, "RemoveChildHandler of an unknown pid", w.RemoveChildHandler(1), false)
		var c childLog
		pid, end := childStart(t, "read l; exit 2")
		childAdd(t, ctx, w, pid, c.ended(t, "removed", pid))
		same(t, "RemoveChildHandler", w.RemoveChildHandler(pid), true)
		same(t, "RemoveChildHandler again", w.RemoveChildHandler(pid), false)
		switch w.(type) {
		case *aio.ThreadedChildWatcher: // still waits for the child
			end()
			eventually(t, ctx, "the child has exited", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
		case *aio.FastChildWatcher: // waits for all children
			end()
			eventually(t, ctx, "the child has exited", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
			contains(t, "the warning", <-warnings, fmt.Sprintf("pid=%d returncode=2", pid))
		default: // leaves the child to others
			letPass(ctx, 3)
			end()
			waitZombie(t, pid)
			letPass(ctx, 3)
			var s syscall.WaitStatus
			if _, err := syscall.Wait4(pid, &s, 0, nil); err != nil || s.ExitStatus() != 2 {
				t.Errorf("the status is %v, %v", s, err)
			}
		}

		// A removed handler can be added again.
		pid, end = childStart(t, "read l; exit 4")
		childAdd(t, ctx, w, pid, c.ended(t, "removed", pid))
		w.RemoveChildHandler(pid)
		childAdd(t, ctx, w, pid, c.ended(t, "again", pid))
		end()
		c.wait(t, ctx, 1)
		c.log.want(t, "again:4")
		return nil
	})
}

// LOOP-353: other code has collected the status, or the pid is not a child.
func TestChildWatchersUnknown(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		warnings := logLines(t, "")
		var c childLog
		pid := 1
		if _, ok := w.(*aio.PidfdChildWatcher); ok {
			// process 1 never exits, so this watcher would wait forever
			var end func()
			pid, end = childStart(t, "read l")
			childAdd(t, ctx, w, pid, c.ended(t, "gone", pid))
			end()
			if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
				t.Fatal(err)
			}
		} else {
			childAdd(t, ctx, w, pid, c.ended(t, "gone", pid))
		}
		c.wait(t, ctx, 1)
		c.log.want(t, "gone:255")
		warning := <-warnings
		contains(t, "the warning", warning, "child process already reaped elsewhere")
		contains(t, "the warning", warning, fmt.Sprint("pid=", pid))
		same(t, "RemoveChildHandler afterwards", w.RemoveChildHandler(pid), false)
		return nil
	}, "Pidfd", "Threaded", "Safe", "MultiLoop")
}

func TestPidfdChildWatcherNoProcess(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		pid, end := childStart(t, "read l")
		end()
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
			t.Fatal(err)
		}
		matches(t, "AddChildHandler", w.AddChildHandler(ctx, pid, func(int, int) {}), syscall.ESRCH)
		same(t, "RemoveChildHandler", w.RemoveChildHandler(pid), false)
		return nil
	}, "Pidfd")
}

func TestChildWatchersMisuse(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		w.Enter()
		defer w.Exit()
		matches(t, "no callback", w.AddChildHandler(ctx, 1, nil), aio.ErrUsage)
		for _, pid := range []int{0, -1, -os.Getpid()} {
			matches(t, fmt.Sprint("process ", pid), w.AddChildHandler(ctx, pid, func(int, int) {}), aio.ErrUsage)
		}
		return nil
	})
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		err := w.AddChildHandler(context.Background(), 1, func(int, int) {})
		matches(t, "no loop", err, aio.ErrUsage)
		matches(t, "no loop", err, aio.ErrNoRunningLoop)
		inGoroutine(func() { err = w.AddChildHandler(ctx, 1, func(int, int) {}) })
		matches(t, "in another goroutine", err, aio.ErrWrongGoroutine)
		return nil
	}, "Pidfd", "Threaded", "MultiLoop")
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		l, _ := aio.GetRunningLoop(ctx)
		var errs [3]error
		inGoroutine(func() {
			errs[0] = panics(func() { w.AttachLoop(nil) })
			errs[1] = panics(func() { w.AttachLoop(l) })
			errs[2] = panics(w.Close)
		})
		for i, err := range errs {
			matches(t, fmt.Sprint("in another goroutine, call ", i), err, aio.ErrWrongGoroutine)
		}
		same(t, "it is active", w.IsActive(), true)
		closed := aio.NewEventLoop(nil)
		closed.Close()
		misused(t, "a closed loop", func() { w.AttachLoop(closed) }, aio.ErrLoopClosed)
		same(t, "it is still active", w.IsActive(), true)
		w.AttachLoop(nil)
		same(t, "it is active without a loop", w.IsActive(), false)
		w.Enter()
		defer w.Exit()
		matches(t, "without a loop", w.AddChildHandler(ctx, 1, func(int, int) {}), aio.ErrUsage)
		return nil
	}, "Safe", "Fast")
}

// Signals do not work in a bubble.
func TestChildWatchersInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := aio.NewEventLoop(nil)
		defer l.Close()
		for _, w := range []aio.AbstractChildWatcher{&aio.SafeChildWatcher{}, &aio.FastChildWatcher{}, &aio.MultiLoopChildWatcher{}} {
			misused(t, fmt.Sprintf("%T", w), func() { w.AttachLoop(l) }, errors.ErrUnsupported)
			same(t, "it is active", w.IsActive(), false)
			w.Close()
		}
	})
}

// inGoroutine runs f in another goroutine and waits for it.
func inGoroutine(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func TestChildWatchersCallbackPanics(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		l, _ := aio.GetRunningLoop(ctx)
		reports := reportsOf(l)
		var c childLog
		for _, name := range []string{"first", "second"} {
			w.Enter()
			pid, end := childStart(t, "read l; exit 1")
			told := c.ended(t, name, pid)
			childAdd(t, ctx, w, pid, func(pid, code int) { told(pid, code); panic(name) })
			w.Exit()
			end()
			c.wait(t, ctx, 1)
			c.log.want(t, name+":1")
			if len(*reports) != 1 {
				t.Fatalf("%d reports", len(*reports))
			}
			contains(t, "the report", (*reports)[0].Message, fmt.Sprint("child process ", pid))
			contains(t, "the report", (*reports)[0].Err.Error(), name)
			*reports = nil
		}
		return nil
	})
}

// Handlers run only in the loop that they were added in.
func TestChildWatchersOfSeveralLoops(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		main, _ := aio.GetRunningLoop(ctx)
		var c childLog
		errs := make(chan error)
		for i := range 3 {
			go func() {
				errs <- aio.Run(func(ctx context.Context) error {
					own, err := aio.GetRunningLoop(ctx)
					if err != nil {
						return err
					}
					of := own
					switch w.(type) {
					case *aio.SafeChildWatcher, *aio.FastChildWatcher:
						of = main
					}
					done := aio.CreateFuture[int](ctx)
					settle := func(code int) { own.CallSoonThreadsafe(func() { done.SetResult(code) }) }
					w.Enter()
					pid, end := childStart(t, fmt.Sprint("read l; exit ", i+5))
					childAdd(t, ctx, w, pid, func(pid, code int) {
						// CallSoon panics outside of the
						// goroutine of this loop
						of.CallSoon(func() { settle(code) })
					})
					w.Exit()
					end()
					code, err := done.Await(ctx)
					same(t, "the code", code, i+5)
					return err
				})
			}()
		}
		for range 3 {
			if err, _, _ := aio.Receive(ctx, errs); err != nil {
				t.Error(err)
			}
		}
		c.log.want(t, "")
		return nil
	})
}

// LOOP-354: the child exits after the loop of its handler has been closed.
func TestChildWatchersLoopClosed(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		warnings := logLines(t, "")
		var pid int
		var end func()
		inGoroutine(func() {
			if err := aio.Run(func(ctx context.Context) error {
				pid, end = childStart(t, "read l; exit 8")
				childAdd(t, ctx, w, pid, func(int, int) { t.Error("called") })
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
		end()
		contains(t, "the warning", <-warnings, fmt.Sprintf("event loop was closed\" pid=%d returncode=8", pid))
		return nil
	}, "Pidfd", "Threaded", "MultiLoop")
}

// Without a loop, handlers are kept until the next loop is attached.
func TestChildWatchersChangeLoops(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		l, _ := aio.GetRunningLoop(ctx)
		warnings := logLines(t, "")
		var c childLog
		pid, end := childStart(t, "read l; exit 6")
		childAdd(t, ctx, w, pid, c.ended(t, "detached", pid))
		w.AttachLoop(nil)
		contains(t, "the warning", <-warnings, "detached")
		end()
		waitZombie(t, pid)
		letPass(ctx, 3)
		c.log.want(t, "")
		w.AttachLoop(l)
		c.wait(t, ctx, 1)
		c.log.want(t, "detached:6")
		w.AttachLoop(l) // again

		pid, end = childStart(t, "read l; exit 5")
		childAdd(t, ctx, w, pid, c.ended(t, "closed", pid))
		other := aio.NewEventLoop(nil)
		w.AttachLoop(other)
		other.Close()
		same(t, "it is active with a closed loop", w.IsActive(), false)
		w.Enter()
		matches(t, "AddChildHandler with a closed loop", w.AddChildHandler(ctx, pid, func(int, int) {}), aio.ErrUsage)
		w.Exit()
		end()
		waitZombie(t, pid)
		letPass(ctx, 3)
		c.log.want(t, "")
		w.AttachLoop(l)
		c.wait(t, ctx, 1)
		c.log.want(t, "closed:5")
		same(t, "warnings", len(warnings), 0)

		same(t, "the loop has a handler", l.RemoveSignalHandler(syscall.SIGCHLD), true)
		return nil
	}, "Safe", "Fast")
}

func TestChildWatchersClose(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		l, _ := aio.GetRunningLoop(ctx)
		warnings := logLines(t, "")
		var c childLog
		pid, end := childStart(t, "read l; exit 6")
		childAdd(t, ctx, w, pid, c.ended(t, "pending", pid))
		w.Close()
		w.Close()
		end()
		switch w.(type) {
		case *aio.PidfdChildWatcher, *aio.ThreadedChildWatcher: // go on
			same(t, "it is active", w.IsActive(), true)
			c.wait(t, ctx, 1)
			c.log.want(t, "pending:6")
		default:
			same(t, "it is active", w.IsActive(), false)
			waitZombie(t, pid)
			letPass(ctx, 3)
			same(t, "RemoveChildHandler", w.RemoveChildHandler(pid), false)
			if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
				t.Error(err)
			}
			w.AttachLoop(l) // the watcher can be used again
			same(t, "it is active again", w.IsActive(), true)
			pid, end := childStart(t, "read l; exit 5")
			childAdd(t, ctx, w, pid, c.ended(t, "again", pid))
			end()
			c.wait(t, ctx, 1)
			c.log.want(t, "again:5")
		}
		same(t, "warnings", len(warnings), 0)
		return nil
	})
}

// A watcher that becomes active reports the children that exited before.
func TestMultiLoopChildWatcherBeforeAttach(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		var w aio.MultiLoopChildWatcher
		var c childLog
		same(t, "it is active", w.IsActive(), false)
		pid, end := childStart(t, "read l; exit 3")
		childAdd(t, ctx, &w, pid, c.ended(t, "before", pid))
		end()
		waitZombie(t, pid)
		w.AttachLoop(nil)
		defer w.Close()
		same(t, "it is active", w.IsActive(), true)
		c.wait(t, ctx, 1)
		c.log.want(t, "before:3")
		return nil
	})
}

// FastChildWatcher takes the status of children that others wait for, and keeps it for
// handlers that are added later.
func TestFastChildWatcherTakesAll(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		l, _ := aio.GetRunningLoop(ctx)
		warnings := logLines(t, "")
		cmd := exec.Command("/bin/sh", "-c", "exit 3")
		if err := cmd.Start(); err != nil {
			return err
		}
		pid := cmd.Process.Pid
		waitZombie(t, pid)
		w.AttachLoop(l)
		contains(t, "the warning", <-warnings, fmt.Sprintf("does not know\" pid=%d returncode=3", pid))
		matches(t, "os/exec", cmd.Wait(), syscall.ECHILD)
		cmd.Process.Release()

		misused(t, "Exit without Enter", w.Exit, aio.ErrOverRelease)
		var c childLog
		matches(t, "AddChildHandler without Enter", w.AddChildHandler(ctx, 1, c.ended(t, "one", 1)), aio.ErrUsage)
		w.Enter()
		w.Enter()
		late, end := childStart(t, "exit 4")
		end()
		never, end := childStart(t, "exit 5")
		end()
		waitZombie(t, late)
		waitZombie(t, never)
		w.AttachLoop(l)
		w.Exit()
		same(t, "warnings", len(warnings), 0)
		childAdd(t, ctx, w, late, c.ended(t, "late", late))
		c.log.want(t, "")
		w.Exit()
		contains(t, "the warning", <-warnings, fmt.Sprintf("does not know\" pid=%d returncode=5", never))
		c.wait(t, ctx, 1)
		c.log.want(t, "late:4")
		same(t, "warnings", len(warnings), 0)
		return nil
	}, "Fast")
}

// A virtual clock does not advance while a child is watched, and that is not a
// deadlock.
func TestChildWatchersVirtualClock(t *testing.T) {
	for _, c := range childWatchers {
		t.Run(c.name, func(t *testing.T) {
			l, reports := newLoop(t)
			w := c.make()
			w.AttachLoop(l)
			if err := runMain(l, func(ctx context.Context) error {
				if !w.IsActive() {
					t.Skip("the system has no such watcher")
				}
				var log childLog
				pid, end := childStart(t, "read l; exit 2")
				childAdd(t, ctx, w, pid, log.ended(t, "child", pid))
				end()
				log.wait(t, ctx, 1)
				log.log.want(t, "child:2")
				pid, _ = childStart(t, "read l")
				childAdd(t, ctx, w, pid, log.ended(t, "removed", pid))
				w.RemoveChildHandler(pid)
				syscall.Kill(pid, syscall.SIGKILL)
				childGone(t, ctx, pid)
				w.Close()
				return nil
			}); err != nil {
				t.Error(err)
			}
			// When no child is watched any more, waiting is a deadlock.
			matches(t, "a deadlock", runMain(l, func(ctx context.Context) error {
				_, err := forever(ctx)
				return err
			}), aio.ErrDeadlock)
			for _, ec := range *reports {
				if !strings.Contains(ec.Message, "destroyed") {
					t.Errorf("reported: %s: %v", ec.Message, ec.Err)
				}
			}
		})
	}
}

// LOOP-024: the watcher belongs to the policy, and is attached to the policy's current
// loop.
func TestPolicyChildWatcher(t *testing.T) {
	policyReset(t)
	first := aio.GetChildWatcher()
	same(t, "the default watcher, asked for again", aio.GetChildWatcher(), first)
	_, ok := first.(*aio.ThreadedChildWatcher)
	same(t, "it is a ThreadedChildWatcher", ok, true)
	same(t, "it is active", first.IsActive(), true)

	l, _ := newLoop(t)
	safe := &aio.SafeChildWatcher{}
	aio.SetChildWatcher(safe)
	same(t, "the watcher that was set", aio.GetChildWatcher(), aio.AbstractChildWatcher(safe))
	same(t, "the policy's watcher", aio.GetEventLoopPolicy().GetChildWatcher(), aio.AbstractChildWatcher(safe))
	attached := func(want bool) {
		t.Helper()
		active := false
		if err := runMain(l, func(context.Context) error { active = safe.IsActive(); return nil }); err != nil {
			t.Error(err)
		}
		same(t, "it is attached", active, want)
	}
	attached(false)
	aio.SetEventLoop(l)
	attached(true)
	aio.SetEventLoop(nil)
	attached(false)
	aio.SetEventLoop(l)
	probe := &childProbe{AbstractChildWatcher: first}
	aio.SetChildWatcher(probe)
	attached(false)
	probe.log.want(t, "")
	aio.SetChildWatcher(nil)
	probe.log.want(t, "close")
	same(t, "the watcher when there is none", aio.GetChildWatcher(), first)
}

// Concurrent use of watchers from many goroutines leaves no goroutines or descriptors
// behind.
func TestChildWatchersFromManyGoroutines(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		const n = 20
		var told, removed int
		var all sync.WaitGroup
		gone := make(chan bool, n)
		for i := range n {
			w.Enter()
			pid, end := childStart(t, "read l; exit 1")
			childAdd(t, ctx, w, pid, func(int, int) { told++ })
			w.Exit()
			all.Add(2)
			go func() { defer all.Done(); end() }()
			go func() {
				defer all.Done()
				if i%2 == 0 {
					runtime.Gosched()
					gone <- w.RemoveChildHandler(pid)
				}
			}()
		}
		all.Wait()
		for range n / 2 {
			if <-gone {
				removed++
			}
		}
		eventually(t, ctx, "all others are called", func() bool { return told == n-removed })
		for {
			// the children whose handlers were removed
			if _, err := syscall.Wait4(-1, nil, 0, nil); err == syscall.ECHILD {
				break
			}
		}
		letPass(ctx, 3)
		same(t, "the callbacks", told, n-removed)
		return nil
	}, "Pidfd", "Threaded", "Safe", "MultiLoop")
}
