package aio_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// The programs in testdata/taskviews, of which the files there have what python -m
// asyncio ps and pstree print (make.py writes them), with the same names.
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

// outline has a line for each line of a tree: how deep it is, and the task or function.
// Frames of the package itself are not in trees of this package, so those of asyncio are
// left out.
func outline(tree string) string {
	var lines []string
	var left []int // depths of frames that were left out, above this line
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
	ofAsyncio = regexp.MustCompile(`(\w+\.\w+|sleep) -> `)
	ofTest    = regexp.MustCompile(`aio_test\.\(\*view\w+\)\.`)
	addresses = regexp.MustCompile(`0x[0-9a-f]+`)
)

func sameFunctions(s string) string { return ofTest.ReplaceAllString(s, "") }

// rows has the cells of a table, with a space between them. The first column, which has
// threads there and loops here, is left out, and addresses are numbered in the order in
// which they appear.
func rows(table string) string {
	var lines []string
	numbers := map[string]string{"0x0": "0x0"}
	for i, line := range strings.Split(strings.TrimSpace(table), "\n") {
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

// CPython prints the same table and the same tree for the same program.
func TestTaskViewsOfPython(t *testing.T) {
	for name, main := range map[string]func(ctx context.Context) error{
		"chain": (&viewChain{}).main, "gather": (&viewGather{}).main, "shared": (&viewShared{}).main,
	} {
		t.Run(name, func(t *testing.T) {
			l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
			defer l.Close()
			var tasks []aio.TaskInfo
			task := aio.CreateTask(l.Context(), aio.NoResult(main))
			l.CallLater(time.Second, func() {
				tasks = aio.CaptureTasks(l.Context())
				l.Stop()
			})
			l.RunForever()
			tree, err := aio.FormatTaskTree(tasks, nil)
			matches(t, "FormatTaskTree", err, nil)
			for view, got := range map[string]string{"ps": rows(aio.FormatTaskTable(tasks)), "pstree": outline(tree)} {
				text, err := os.ReadFile(filepath.Join("testdata", "taskviews", name+"."+view))
				if err != nil {
					t.Fatal(err)
				}
				want := outline(string(text))
				if view == "ps" {
					want = rows(string(text))
				}
				sameText(t, view, got, want)
			}
			for _, other := range aio.AllTasks(l.Context()) {
				other.Cancel()
			}
			if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
				_, _, err := aio.Wait(ctx, []aio.AnyFuture{task}, aio.NoTimeout, aio.AllCompleted)
				return err
			})); err != nil {
				t.Error(err)
			}
		})
	}
}
