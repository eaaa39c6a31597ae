package aio_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// The programs in testdata/taskviews, with the same names. The files there contain the
// output of python -m asyncio ps and pstree; make.py writes them.
type (
	viewChain  struct{ event aio.Event }
	viewGather struct{ queue *aio.Queue[int] }
	viewShared struct{ lock aio.Lock }
	viewUser   struct{ shared *aio.Task[struct{}] }
)

func (v *viewChain) leaf(ctx context.Context) error   { return v.event.Wait(ctx) }
func (v *viewChain) worker(ctx context.Context) error { return v.leaf(ctx) }
func (v *viewChain) main(ctx context.Context) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(v.worker, aio.WithName("a"))
		tg.Go(v.worker, aio.WithName("b"))
		return nil
	})
}

func (v *viewGather) get(ctx context.Context) (int, error) { return v.queue.Get(ctx) }
func (v *viewGather) both(ctx context.Context) error {
	_, err := aio.Gather[int](ctx,
		aio.CreateTask(ctx, v.get, aio.WithName("first")),
		aio.CreateTask(ctx, v.get, aio.WithName("second"))).Await(ctx)
	return err
}
func (v *viewGather) announce(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }
func (v *viewGather) main(ctx context.Context) error {
	v.queue = aio.NewQueue[int](0)
	aio.CreateTask(ctx, aio.NoResult(v.announce), aio.WithName("announcer"))
	return v.both(ctx)
}

func (v *viewShared) query(ctx context.Context) error {
	if err := v.lock.Acquire(ctx); err != nil {
		return err
	}
	defer v.lock.Release()
	return aio.Sleep(ctx, time.Hour)
}
func (u *viewUser) handler(ctx context.Context) error { _, err := u.shared.Await(ctx); return err }
func (v *viewShared) main(ctx context.Context) error {
	query := func(name string) *viewUser {
		return &viewUser{aio.CreateTask(ctx, aio.NoResult(v.query), aio.WithName(name))}
	}
	one := aio.CreateTask(ctx, aio.NoResult(query("query").handler), aio.WithName("handler-1"))
	aio.CreateTask(ctx, aio.NoResult(query("waiting").handler), aio.WithName("handler-2"))
	_, err := one.Await(ctx)
	return err
}

type viewGroups struct{ event aio.Event }

func (v *viewGroups) leaf(ctx context.Context) error { return v.event.Wait(ctx) }
func (v *viewGroups) named(name string) *viewInner   { return &viewInner{v, name} }

type viewInner struct {
	*viewGroups
	name string
}

func (v *viewInner) inner(ctx context.Context) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(v.leaf, aio.WithName(v.name+".1"))
		tg.Go(v.leaf, aio.WithName(v.name+".2"))
		return nil
	})
}
func (v *viewGroups) main(ctx context.Context) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(v.named("left").inner, aio.WithName("left"))
		tg.Go(v.named("right").inner, aio.WithName("right"))
		tg.Go(v.leaf, aio.WithName("leaf"))
		return nil
	})
}

// viewTasks are the programs whose tasks sleep.
type viewTasks struct{ tasks []*aio.Task[struct{}] }

func (v *viewTasks) leaf(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }

// start starts a task.
func (v *viewTasks) start(ctx context.Context, name string, f func(ctx context.Context) error) *aio.Task[struct{}] {
	return aio.CreateTask(ctx, aio.NoResult(f), aio.WithName(name))
}

type viewShield struct{ viewTasks }

func (v *viewShield) user(ctx context.Context) error {
	_, err := aio.Shield(ctx, v.tasks[0]).Await(ctx)
	return err
}
func (v *viewShield) main(ctx context.Context) error {
	kept := v.start(ctx, "kept", v.leaf)
	v.tasks = append(v.tasks, kept)
	v.start(ctx, "user", v.user)
	_, err := aio.Shield(ctx, kept).Await(ctx)
	return err
}

type viewWaitFor struct{ viewTasks }

func (v *viewWaitFor) bounded(ctx context.Context) error {
	_, err := aio.WaitFor(ctx, v.tasks[0], time.Hour)
	return err
}
func (v *viewWaitFor) main(ctx context.Context) error {
	v.tasks = append(v.tasks, v.start(ctx, "task", v.leaf))
	v.start(ctx, "bounded", v.bounded)
	_, err := aio.WaitFor(ctx, aio.NoResult(v.leaf), time.Hour)
	return err
}

type viewCompleted struct{ viewTasks }

func (v *viewCompleted) collect(ctx context.Context) error {
	for task, err := range aio.AsCompleted(ctx, v.tasks, aio.NoTimeout).All(ctx) {
		if err != nil {
			return err
		}
		if _, err := task.Await(ctx); err != nil {
			return err
		}
	}
	return nil
}
func (v *viewCompleted) main(ctx context.Context) error {
	v.tasks = append(v.tasks, v.start(ctx, "a", v.leaf), v.start(ctx, "b", v.leaf))
	return v.collect(ctx)
}

type viewWaits struct{ viewTasks }

func (v *viewWaits) all_of(ctx context.Context) error {
	_, _, err := aio.Wait(ctx, v.tasks, aio.NoTimeout, aio.AllCompleted)
	return err
}
func (v *viewWaits) main(ctx context.Context) error {
	v.tasks = append(v.tasks, v.start(ctx, "a", v.leaf), v.start(ctx, "b", v.leaf))
	v.start(ctx, "second", v.all_of)
	return v.all_of(ctx)
}

type viewSame struct{ viewTasks }

func (v *viewSame) user(ctx context.Context) error {
	_, err := v.tasks[0].Await(ctx)
	return err
}
func (v *viewSame) main(ctx context.Context) error {
	target := v.start(ctx, "target", v.leaf)
	v.tasks = append(v.tasks, target)
	var all []aio.Awaitable[struct{}]
	for i := range 3 {
		all = append(all, v.start(ctx, fmt.Sprint("user-", i), v.user))
	}
	v.start(ctx, "alone", v.user)
	_, err := aio.Gather[any](ctx, aio.Untyped(aio.Gather(ctx, all...)), aio.Untyped(aio.Gather[struct{}](ctx, target))).Await(ctx)
	return err
}

type viewCycle struct{ viewTasks }

type viewCycleOf struct {
	*viewCycle
	i int
}

func (v *viewCycleOf) waiter(ctx context.Context) error {
	_, err := v.tasks[v.i].Await(ctx)
	return err
}
func (v *viewCycle) main(ctx context.Context) error {
	for i, name := range []string{"a", "b", "c"} {
		v.tasks = append(v.tasks, v.start(ctx, name, (&viewCycleOf{v, (i + 1) % 3}).waiter))
	}
	v.start(ctx, "outside", (&viewCycleOf{v, 0}).waiter)
	return aio.Sleep(ctx, time.Hour)
}

type viewChained struct{ viewTasks }

type viewChainedOf struct {
	*viewChained
	name string
}

func (v *viewChainedOf) middle(ctx context.Context) error {
	_, err := aio.Gather[struct{}](ctx, v.start(ctx, v.name+".leaf", v.leaf)).Await(ctx)
	return err
}
func (v *viewChained) future_user(ctx context.Context) error {
	_, err := aio.CreateFuture[int](ctx).Await(ctx)
	return err
}
func (v *viewChained) main(ctx context.Context) error {
	first := v.start(ctx, "first", (&viewChainedOf{v, "first"}).middle)
	second := v.start(ctx, "second", (&viewChainedOf{v, "second"}).middle)
	v.start(ctx, "future-user", v.future_user)
	_, err := aio.Gather[any](ctx, aio.Untyped(aio.Gather[struct{}](ctx, first, second)), aio.Untyped(aio.Shield(ctx, second))).Await(ctx)
	return err
}

// outline has a line for each line of a tree: how deep it is, and the task or function.
// Frames of the package itself are not in trees of this package, so those of asyncio are
// left out.
func outline(tree string) string {
	var lines []string
	var left []int // depths of removed frames above this line
	for line := range strings.Lines(strings.TrimSpace(tree)) {
		branch, label, ok := strings.Cut(line, "── ")
		if !ok {
			return "no tree: " + line
		}
		depth := len([]rune(branch)) / 4
		for len(left) > 0 && left[len(left)-1] >= depth {
			left = left[:len(left)-1]
		}
		if strings.Contains(label, "/asyncio/") {
			left = append(left, depth)
			continue
		}
		if !strings.HasPrefix(label, "(T)") {
			label = strings.Fields(label)[0]
		}
		lines = append(lines, strings.Repeat("  ", depth-len(left))+sameFunctions(strings.TrimSpace(label)))
	}
	return strings.Join(lines, "\n")
}

var (
	ofAsyncio = regexp.MustCompile(`(\w+\.\w+|sleep|_wait|wait|wait_for) -> `)
	ofTest    = regexp.MustCompile(`aio_test\.\(\*view\w+\)\.`)
	addresses = regexp.MustCompile(`0x[0-9a-f]+`)
)

func sameFunctions(s string) string { return ofTest.ReplaceAllString(s, "") }

// cyclesOf is what CPython prints for tasks that await each other, changed by turned.
func cyclesOf(e *aio.TaskCycleError) string {
	text := "ERROR: await-graph contains cycles - cannot print a tree!\n"
	for _, cycle := range e.Cycles {
		var names []string
		for _, id := range cycle {
			names = append(names, e.Names[id])
		}
		text += "\ncycle: " + strings.Join(names, " → ")
	}
	return turned(text)
}

// turned rotates each cycle in a text so that it begins with its least name: CPython
// keeps the awaiters of a task in a set, so it may begin with any.
func turned(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		if circle, ok := strings.CutPrefix(line, "cycle: "); ok {
			names := strings.Split(circle, " → ")
			names = names[1:] // the first name is repeated as the last one
			at := slices.Index(names, slices.Min(names))
			names = append(slices.Concat(names[at:], names[:at]), names[at])
			lines[i] = "cycle: " + strings.Join(names, " → ")
		}
	}
	return strings.Join(lines, "\n")
}

// rows has the cells of a table, with a space between them. The first column, which has
// threads there and loops here, is left out, and addresses are numbered in the order in
// which they appear. The awaiters of a task are sorted: CPython keeps them in a set.
func rows(table string) string {
	var lines []string
	all := strings.Split(strings.TrimSpace(table), "\n")
	for i := 2; i < len(all); {
		j := i + 1
		for j < len(all) && strings.Fields(all[j])[1] == strings.Fields(all[i])[1] {
			j++
		}
		slices.SortFunc(all[i:j], func(a, b string) int {
			return cmp.Compare(addresses.ReplaceAllString(a, ""), addresses.ReplaceAllString(b, ""))
		})
		i = j
	}
	numbers := map[string]string{"0x0": "0x0"}
	for i, line := range all {
		if i == 1 {
			continue // the rule
		}
		_, line, _ = strings.Cut(sameFunctions(line), " ")
		if !strings.Contains(line, "asyncio") {
			line = ofAsyncio.ReplaceAllString(line, "")
		}
		line = addresses.ReplaceAllStringFunc(line, func(s string) string {
			if numbers[s] == "" {
				numbers[s] = fmt.Sprintf("%#x", len(numbers))
			}
			return numbers[s]
		})
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

// CPython prints the same table and tree for the same program.
func TestTaskViewsOfPython(t *testing.T) {
	for name, main := range map[string]func(ctx context.Context) error{
		"chain": (&viewChain{}).main, "gather": (&viewGather{}).main, "shared": (&viewShared{}).main,
		"groups": (&viewGroups{}).main, "shield": (&viewShield{}).main, "waitfor": (&viewWaitFor{}).main,
		"completed": (&viewCompleted{}).main, "waits": (&viewWaits{}).main, "same": (&viewSame{}).main,
		"cycle": (&viewCycle{}).main, "chained": (&viewChained{}).main, "none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
			defer l.Close()
			var tasks []aio.TaskInfo
			if main != nil {
				aio.CreateTask(l.Context(), aio.NoResult(main))
			}
			l.CallLater(time.Second, func() {
				tasks = aio.CaptureTasks(l.Context())
				l.Stop()
			})
			l.RunForever()
			tree, err := aio.FormatTaskTree(tasks, nil)
			got := map[string]string{"ps": rows(aio.FormatTaskTable(tasks)), "pstree": outline(tree)}
			var cycle *aio.TaskCycleError
			if errors.As(err, &cycle) {
				got["pstree"] = cyclesOf(cycle)
			} else {
				matches(t, "FormatTaskTree", err, nil)
			}
			for view, got := range got {
				text, err := os.ReadFile(filepath.Join("testdata", "taskviews", name+"."+view))
				if err != nil {
					t.Fatal(err)
				}
				var want string
				switch {
				case view == "ps":
					want = rows(string(text))
				case cycle != nil:
					want = turned(string(text))
				default:
					want = outline(string(text))
				}
				sameText(t, view, got, want)
			}
			if cycle != nil {
				// The tasks cannot be cancelled. Close ends and reports
				// them.
				l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
				return
			}
			if main == nil {
				return
			}
			var left []aio.AnyFuture
			for _, other := range aio.AllTasks(l.Context()) {
				left = append(left, other)
				other.Cancel()
			}
			if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
				_, _, err := aio.Wait(ctx, left, aio.NoTimeout, aio.AllCompleted)
				return err
			})); err != nil {
				t.Error(err)
			}
		})
	}
}
