package aio_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/goaio/aio"
)

// graphStack returns a stack of functions without positions, the innermost first.
func graphStack(functions ...string) (stack []runtime.Frame) {
	for _, name := range functions {
		stack = append(stack, runtime.Frame{Function: name})
	}
	return stack
}

// graphBy returns an awaiter with its stack.
func graphBy(id uintptr, functions ...string) aio.TaskAwaiter {
	return aio.TaskAwaiter{ID: id, Stack: graphStack(functions...)}
}

// graphInfo returns a task without a stack.
func graphInfo(id uintptr, name string, awaiters ...aio.TaskAwaiter) aio.TaskInfo {
	return aio.TaskInfo{ID: id, Name: name, AwaitedBy: awaiters}
}

// wantTree compares the drawing of tasks with the lines in want.
func wantTree(t *testing.T, tasks []aio.TaskInfo, want ...string) {
	t.Helper()
	got, err := aio.FormatTaskTree(tasks, nil)
	matches(t, "FormatTaskTree", err, nil)
	if want := strings.Join(want, "\n"); got != want {
		t.Errorf("the tree\n%s\nwant\n%s", got, want)
	}
}

// TOOLS-001, TOOLS-002, TOOLS-003
func TestTaskTreeOfRoots(t *testing.T) {
	wantTree(t, nil)
	wantTree(t, []aio.TaskInfo{graphInfo(1, "lonely")}, "└── (T) lonely")

	one, idle, two := aio.NewEventLoop(nil), aio.NewEventLoop(nil), aio.NewEventLoop(nil)
	loops := []*aio.Loop{one, idle, two}
	for _, l := range loops {
		defer l.Close()
		// ignores the reports of pending tasks at Close
		l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
	}
	start := func(l *aio.Loop, name string) { aio.CreateTask(l.Context(), forever, aio.WithName(name)) }
	start(two, "b")
	start(one, "a")
	start(two, "c")
	var tasks []aio.TaskInfo
	for _, l := range loops {
		tasks = append(tasks, aio.CaptureTasks(l.Context())...)
	}
	for i := range tasks {
		same(t, "the stack", graphNames(tasks[i].Stack, func(f runtime.Frame) string { return f.Function }), "github.com/goaio/aio_test.forever")
		tasks[i].Stack = nil
	}
	same(t, "the loop of a", tasks[0].Loop, one)
	same(t, "the loop of b", tasks[1].Loop, two)
	wantTree(t, tasks, "└── (T) a", "└── (T) b", "└── (T) c")
}

// TOOLS-004, TOOLS-005, TOOLS-006, TOOLS-007
func TestTaskTreeOfAwaits(t *testing.T) {
	wantTree(t, []aio.TaskInfo{
		graphInfo(1, "root"),
		graphInfo(2, "leaf", graphBy(1, "f5", "f4", "f3", "f2", "f1")),
	},
		"└── (T) root",
		"    └──  f1",
		"        └──  f2",
		"            └──  f3",
		"                └──  f4",
		"                    └──  f5",
		"                        └── (T) leaf",
	)
	wantTree(t, []aio.TaskInfo{
		graphInfo(1, "root"),
		graphInfo(2, "a", graphBy(1, "same", "main"), graphBy(1, "same", "main"), graphBy(1, "main")),
		graphInfo(3, "b", graphBy(1, "same", "main"), graphBy(2, "same")),
		graphInfo(4, "c", graphBy(1, "other", "main"), graphBy(3)),
		graphInfo(5, "root too"),
		graphInfo(6, "d", graphBy(5, "same")),
	},
		"└── (T) root",
		"    └──  main",
		"        ├──  same",
		"        │   ├── (T) a",
		"        │   │   └──  same",
		"        │   │       └── (T) b",
		"        │   │           └── (T) c",
		"        │   └── (T) b",
		"        │       └── (T) c",
		"        ├── (T) a",
		"        │   └──  same",
		"        │       └── (T) b",
		"        │           └── (T) c",
		"        └──  other",
		"            └── (T) c",
		"└── (T) root too",
		"    └──  same",
		"        └── (T) d",
	)
}

// TOOLS-008
func TestTaskTreeFrames(t *testing.T) {
	wantTree(t, []aio.TaskInfo{{Name: "task", Stack: []runtime.Frame{
		{Function: "known", File: "dir/file.go", Line: 12},
		{Function: "no line", File: "dir/file.go"},
		{Function: "example.com/some/module/pkg.(*Type).Method", Line: 0},
	}}},
		"└── (T) task",
		"    └──  pkg.(*Type).Method",
		"        └──  no line dir/file.go",
		"            └──  known dir/file.go:12",
	)
}

// TOOLS-009
func TestTaskTreeMarkers(t *testing.T) {
	tasks := []aio.TaskInfo{graphInfo(1, "root"), graphInfo(2, "leaf", graphBy(1, "main"))}
	for _, tt := range []struct {
		opts *aio.TaskTreeOptions
		want string
	}{
		{nil, "└── (T) root\n    └──  main\n        └── (T) leaf"},
		{&aio.TaskTreeOptions{}, "└── (T) root\n    └──  main\n        └── (T) leaf"},
		{&aio.TaskTreeOptions{TaskMarker: "task", FrameMarker: "in"}, "└── task root\n    └── in main\n        └── task leaf"},
	} {
		got, err := aio.FormatTaskTree(tasks, tt.opts)
		matches(t, "FormatTaskTree", err, nil)
		same(t, fmt.Sprintf("%+v", tt.opts), got, tt.want)
	}
}

// TOOLS-011
func TestTaskTreeOfTasksThatAwaitNone(t *testing.T) {
	wantTree(t, []aio.TaskInfo{
		{ID: 1, Name: "awaits", Stack: graphStack("inner", "main")},
		{ID: 2, Name: "sleeps", Stack: graphStack("sleep", "work"), AwaitedBy: []aio.TaskAwaiter{graphBy(1, "inner", "main")}},
	},
		"└── (T) awaits",
		"    └──  main",
		"        └──  inner",
		"            └── (T) sleeps",
		"                └──  work",
		"                    └──  sleep",
	)
}

// TOOLS-012
func TestTaskTreeOfAnUnknownAwaiter(t *testing.T) {
	wantTree(t, []aio.TaskInfo{
		graphInfo(1, "child", graphBy(9, "main")),
		graphInfo(2, "grandchild", graphBy(1)),
		graphInfo(3, "root"),
	}, "└── (T) root")
}

// TOOLS-013, TOOLS-014, TOOLS-015, TOOLS-016, TOOLS-017
func TestTaskTreeOfCycles(t *testing.T) {
	for _, tt := range []struct {
		what  string
		tasks []aio.TaskInfo
		want  string
		text  string
	}{
		{"two tasks", []aio.TaskInfo{
			graphInfo(2, "a", graphBy(3)), graphInfo(3, "b", graphBy(2)),
		}, "[[3 2 3]]", "b awaits a awaits b"},
		{"and one outside", []aio.TaskInfo{
			graphInfo(2, "main"), graphInfo(3, "a", graphBy(4), graphBy(2)), graphInfo(4, "b", graphBy(3)),
		}, "[[4 3 4]]", "b awaits a awaits b"},
		{"two cycles through one task", []aio.TaskInfo{
			graphInfo(2, "main"),
			graphInfo(3, "a", graphBy(4), graphBy(2)),
			graphInfo(4, "b", graphBy(3), graphBy(5)),
			graphInfo(5, "c", graphBy(6)),
			graphInfo(6, "d", graphBy(4)),
		}, "[[4 3 4] [4 6 5 4]]", "b awaits a awaits b; b awaits d awaits c awaits b"},
		{"a task that awaits itself", []aio.TaskInfo{
			graphInfo(1, "a", graphBy(1)),
		}, "[[1 1]]", "a awaits a"},
		{"a ring with a chord", []aio.TaskInfo{
			graphInfo(1, "a", graphBy(3)), graphInfo(2, "b", graphBy(1)), graphInfo(3, "c", graphBy(2), graphBy(1)),
		}, "[[3 1 2 3] [3 1 3]]", "c awaits a awaits b awaits c; c awaits a awaits c"},
		{"a task that is not listed", []aio.TaskInfo{
			graphInfo(10, "a", graphBy(11)), graphInfo(11, "b", graphBy(10)), graphInfo(12, "", graphBy(255), graphBy(12)),
		}, "[[11 10 11] [12 12]]", "b awaits a awaits b;  awaits "},
	} {
		text, err := aio.FormatTaskTree(tt.tasks, nil)
		matches(t, tt.what, err, aio.ErrAwaitCycle)
		same(t, tt.what+": the text", text, "")
		var cycles *aio.TaskCycleError
		if !errors.As(err, &cycles) {
			t.Fatalf("%s: the error is %v", tt.what, err)
		}
		same(t, tt.what, fmt.Sprint(cycles.Cycles), tt.want)
		same(t, tt.what+": the error's text", err.Error(), "aio: tasks await each other: "+tt.text)
		same(t, tt.what+": names", len(cycles.Names), len(tt.tasks))
		for _, task := range tt.tasks {
			same(t, tt.what+": a name", cycles.Names[task.ID], task.Name)
		}
	}
	err := &aio.TaskCycleError{Cycles: [][]uintptr{{1, 171, 1}}, Names: map[uintptr]string{1: "a"}}
	same(t, "without a name", err.Error(), "aio: tasks await each other: a awaits 0xab awaits a")
	same(t, "another error", errors.Is(err, aio.ErrDeadlock), false)
}

// wantTable compares the rows of a table, with a bar between the cells.
func wantTable(t *testing.T, tasks []aio.TaskInfo, want ...string) {
	t.Helper()
	lines := strings.Split(aio.FormatTaskTable(tasks), "\n")
	if len(lines) < 2 {
		t.Fatalf("the table has no header: %q", lines)
	}
	// where the columns begin, according to the line below the header
	var starts []int
	for _, m := range regexp.MustCompile(`-+`).FindAllStringIndex(lines[1], -1) {
		starts = append(starts, m[0])
	}
	var got []string
	for i, line := range lines {
		if i == 1 {
			continue
		}
		var cells []string
		for i, start := range starts {
			end := len(line)
			if i+1 < len(starts) {
				end = min(end, starts[i+1])
			}
			cells = append(cells, strings.TrimSpace(line[min(start, end):end]))
		}
		got = append(got, strings.Join(cells, "|"))
	}
	want = append([]string{"loop|task id|task name|coroutine stack|awaiter chain|awaiter name|awaiter id"}, want...)
	equal(t, "the table", got, want)
}

// TOOLS-001, TOOLS-018, TOOLS-019, TOOLS-020, TOOLS-021, TOOLS-022, TOOLS-024
func TestTaskTable(t *testing.T) {
	wantTable(t, nil)
	l, _ := newLoop(t)
	root := aio.TaskInfo{Loop: l, ID: 0x1A, Name: "the root", Stack: graphStack("inner", "path/pkg.main")}
	wantTable(t, []aio.TaskInfo{
		root,
		graphInfo(0xb, "child", graphBy(0x1A, "inner", "path/pkg.main"), graphBy(0xff), graphBy(0xb, "a b", "c")),
	},
		fmt.Sprintf("%p|0x1a|the root|inner -> pkg.main|||0x0", l),
		"0x0|0xb|child||inner -> pkg.main|the root|0x1a",
		"0x0|0xb|child|||Unknown|0xff",
		"0x0|0xb|child||a b -> c|child|0xb",
	)
}

// TOOLS-023
func TestTaskTableOfACycle(t *testing.T) {
	wantTable(t, []aio.TaskInfo{graphInfo(1, "a", graphBy(2)), graphInfo(2, "b", graphBy(1))},
		"0x0|0x1|a|||b|0x2", "0x0|0x2|b|||a|0x1")
}

// graphPlaces removes file names and line numbers from a text.
func graphPlaces(text string) string {
	return regexp.MustCompile(` \S*\.go:\d+`).ReplaceAllString(text, "")
}

func TestCaptureTasks(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		f := aio.CreateFuture[int](ctx)
		relay := aio.CreateFuture[int](ctx)
		leaf := aio.CreateTask(ctx, graphEntry(f), aio.WithName("leaf"))
		aio.FutureAddToAwaitedBy(leaf, relay)
		aio.CreateTask(ctx, graphWaits{relay}.relayed, aio.WithName("relayed"))
		gathers := aio.CreateTask(ctx, graphWaits{leaf}.gathered, aio.WithName("gathers"))
		aio.FutureAddToAwaitedBy(relay, gathers) // known already
		aio.FutureAddToAwaitedBy(relay, relay)
		letPass(ctx, 1)

		tasks := aio.CaptureTasks(ctx)
		same(t, "tasks", graphNames(tasks, func(i aio.TaskInfo) string { return i.Name }), "Task-1 leaf relayed gathers")
		info := tasks[1]
		same(t, "Loop", info.Loop, l)
		same(t, "Stack", graphFunctions(info.Stack), "graphInner graphOuter graphEnter")
		same(t, "ID", strings.Contains(aio.FormatCallGraph(ctx, leaf, nil), fmt.Sprintf("id=%#x)", info.ID)), true)
		same(t, "awaiters", len(info.AwaitedBy), 2)
		same(t, "the first", info.AwaitedBy[0].ID, tasks[3].ID)
		same(t, "its stack", graphFunctions(info.AwaitedBy[0].Stack), "gathered")
		same(t, "the second", info.AwaitedBy[1].ID, tasks[2].ID)

		tree, err := aio.FormatTaskTree(tasks[1:], nil)
		matches(t, "FormatTaskTree", err, nil)
		const below = `
        └── (T) leaf
            └──  aio_test.graphEntered.graphEnter
                └──  aio_test.graphOuter[...]
                    └──  aio_test.graphInner[...]`
		same(t, "the tree\n", graphPlaces(tree),
			"└── (T) relayed\n    └──  aio_test.graphWaits.relayed"+below+
				"\n└── (T) gathers\n    └──  aio_test.graphWaits.gathered"+below)

		aio.FutureAddToAwaitedBy(relay, leaf) // relay now waits for itself
		_, err = aio.FormatTaskTree(aio.CaptureTasks(ctx), nil)
		matches(t, "a cycle", err, aio.ErrAwaitCycle)
		same(t, "its text", err.Error(), "aio: tasks await each other: leaf awaits leaf")

		relay.SetResult(1)
		f.SetResult(1)
		letPass(ctx, 5)
		same(t, "when they are done", len(aio.CaptureTasks(ctx)), 1)
	})
}

type graphWaits struct{ aw aio.AnyFuture }

//go:noinline
func (w graphWaits) relayed(ctx context.Context) (int, error) {
	return w.aw.(*aio.Future[int]).Await(ctx)
}

//go:noinline
func (w graphWaits) gathered(ctx context.Context) (int, error) {
	_, err := aio.Gather[int](ctx, w.aw.(*aio.Task[int])).Await(ctx)
	return 0, err
}
