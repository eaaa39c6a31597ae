package aio_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/goaio/aio"
)

// A task whose goroutine is making the steps of others is asked where it is suspended, and goes on
// when its turn comes, as often as that may be.
func TestGetStackOfATaskThatServesOthers(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	below := aio.CreateTask(l.Context(), coro(func(ctx context.Context) error {
		for i := range 5 {
			log.add("below%d", i)
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		return nil
	}))
	_, err := aio.RunUntilComplete(l, coro(func(ctx context.Context) error {
		for i := range 5 {
			log.add("above%d", i)
			for range 2 {
				stack := below.GetStack(0)
				if len(stack) == 0 || !strings.Contains(stack[0].Function, t.Name()) {
					t.Errorf("step %d: the stack is %v", i, stack)
				}
			}
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
	log.want(t, "below0 above0 below1 above1 below2 above2 below3 above3 below4 above4")
}

// More tasks in turn than a nest may hold, with stacks being asked for across it.
func TestNestIsBounded(t *testing.T) {
	l, _ := newLoop(t)
	const n = 100
	var tasks []*aio.Task[struct{}]
	var got, want []string
	for i := range n {
		tasks = append(tasks, aio.CreateTask(l.Context(), coro(func(ctx context.Context) error {
			for turn := range 3 {
				got = append(got, fmt.Sprint(turn, " ", i))
				if i%7 == 0 {
					for _, other := range tasks {
						if other != tasks[i] && len(other.GetStack(1)) != 1 && !other.Done() {
							t.Errorf("turn %d: task %d finds no stack of %v", turn, i, other)
						}
					}
				}
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			return nil
		})))
	}
	for turn := range 3 {
		for i := range n {
			want = append(want, fmt.Sprint(turn, " ", i))
		}
	}
	var aws []aio.Awaitable[struct{}]
	for _, task := range tasks {
		aws = append(aws, task)
	}
	if _, err := aio.RunUntilComplete(l, aio.Gather(l.Context(), aws...)); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("steps\n got %v\nwant %v", got, want)
	}
}
