package aio_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// put returns a coroutine that puts one item.
func put(q *aio.Queue[int], item int) func(ctx context.Context) error {
	return func(ctx context.Context) error { return q.Put(ctx, item) }
}

// fill puts items without waiting.
func (s *scene) fill(q *aio.Queue[int], items ...int) {
	s.Helper()
	for _, item := range items {
		s.must(q.PutNowait(item))
	}
}

// holds removes all items from the queue and compares them.
func (s *scene) holds(q *aio.Queue[int], want ...int) {
	s.Helper()
	same(s, "QSize", q.QSize(), len(want))
	for i, want := range want {
		got, err := q.GetNowait()
		s.must(err)
		same(s, fmt.Sprint("item ", i), got, want)
	}
	if _, err := q.GetNowait(); !errors.Is(err, aio.ErrQueueEmpty) && !errors.Is(err, aio.ErrQueueShutDown) {
		s.Errorf("GetNowait from an empty queue: %v", err)
	}
}

// queueKinds lists the kinds of queues, with the order in which they return 1, 3, 2.
var queueKinds = []struct {
	name string
	new  func(maxsize int) *aio.Queue[int]
	out  []int
}{
	{"FIFO", aio.NewQueue[int], []int{1, 3, 2}},
	{"LIFO", aio.NewLifoQueue[int], []int{2, 3, 1}},
	{"ordered", aio.NewOrderedQueue[int], []int{1, 2, 3}},
	{"priority", func(n int) *aio.Queue[int] {
		// greatest first
		return aio.NewPriorityQueue(n, func(a, b int) int { return b - a })
	}, []int{3, 2, 1}},
}

// QUE-001, QUE-002, QUE-003, QUE-004, QUE-007, QUE-010, QUE-011, LIFO-001, PRIO-001
func TestQueueHoldsItemsInItsOrder(t *testing.T) {
	for _, kind := range queueKinds {
		for _, max := range []int{-1, 0, 3} {
			t.Run(fmt.Sprint(kind.name, " ", max), func(t *testing.T) {
				s := &scene{T: t} // this queue works without a loop
				q := kind.new(max)
				same(s, "MaxSize", q.MaxSize(), max)
				for i, item := range []int{1, 3, 2} {
					same(s, "QSize", q.QSize(), i)
					same(s, "Empty", q.Empty(), i == 0)
					same(s, "Full", q.Full(), false)
					s.fill(q, item)
				}
				same(s, "Full with 3 items", q.Full(), max == 3)
				if max == 3 {
					same(s, "PutNowait into a full queue", q.PutNowait(4), aio.ErrQueueFull)
				}
				s.holds(q, kind.out...)
				same(s, "Empty at the end", q.Empty(), true)
				_, err := q.GetNowait()
				same(s, "GetNowait from an empty queue", err, aio.ErrQueueEmpty)
				for range 3 {
					q.TaskDone()
				}
				misused(t, "TaskDone", q.TaskDone, aio.ErrOverRelease)
			})
		}
	}
}

func TestQueueZeroValueIsUnlimitedFIFO(t *testing.T) {
	s := &scene{T: t}
	var q aio.Queue[int]
	for item := range 100 {
		s.fill(&q, item)
	}
	for item := range 100 {
		got, err := q.GetNowait()
		s.must(err)
		same(s, "item", got, item)
	}
	misused(t, "NewPriorityQueue without a comparison", func() { aio.NewPriorityQueue[int](0, nil) })
}

// QUE-002, QUE-005, QUE-008
func TestQueuePutAndGetThatNeedNotWaitDoNotSwitch(t *testing.T) {
	play(t, func(s *scene) {
		for _, max := range []int{-1, 0, 100} {
			q := aio.NewQueue[int](max)
			s.start("other", ok)
			for item := range 100 {
				s.must(q.Put(s.ctx, item))
			}
			for item := range 100 {
				got, err := q.Get(s.ctx)
				s.must(err)
				same(s, "item", got, item)
			}
			s.add("main")
			s.after(1, "main other")
		}

		q := aio.NewQueue[int](0)
		fetch(s, "getter", q.Get)
		s.letPass(1)
		s.start("putter", put(q, 7))
		s.after(2, "putter getter=7")
	})
}

// QUE-006
func TestQueueGetWaitsForAPut(t *testing.T) {
	play(t, func(s *scene) {
		q := aio.NewQueue[int](0)
		fetch(s, "A", q.Get)
		fetch(s, "B", q.Get)
		s.after(3, "")
		s.fill(q, 1)
		s.after(1, "A=1")
		loop, err := aio.GetRunningLoop(s.ctx)
		s.must(err)
		loop.CallLater(time.Second, func() { s.fill(q, 2) })
		s.must(aio.Sleep(s.ctx, time.Second-1))
		s.want("")
		s.must(aio.Sleep(s.ctx, 2))
		s.want("B=2")
	})
}

// QUE-009, QUE-012
func TestQueuePutWaitsForASlot(t *testing.T) {
	play(t, func(s *scene) {
		q := aio.NewQueue[int](2)
		s.start("end", func(ctx context.Context) error {
			for item := range 3 {
				s.ended(fmt.Sprint("put", item), q.Put(ctx, item))
			}
			return nil
		})
		s.after(5, "put0 put1")
		item, err := q.Get(s.ctx)
		s.must(err)
		same(s, "item", item, 0)
		s.want("")
		same(s, "QSize before the putter resumes", q.QSize(), 1)
		s.after(1, "put2 end")
		s.holds(q, 1, 2)
	})
}

// QUE-013, QUE-014, PRIO-003
func TestQueueEachGetLetsThePutterInWhoCameFirst(t *testing.T) {
	for _, kind := range queueKinds[:3] {
		play(t, func(s *scene) {
			q := kind.new(2)
			s.fill(q, 5, 6)
			s.start("A", put(q, 9))
			s.start("B", put(q, 1))
			s.start("C", put(q, 3))
			s.letPass(1)
			for range 2 {
				_, err := q.GetNowait()
				s.must(err)
			}
			s.after(3, "A B")
			_, err := q.Get(s.ctx)
			s.must(err)
			s.after(3, "C")
		})
	}
	play(t, func(s *scene) {
		q := aio.NewOrderedQueue[int](1)
		s.fill(q, 5)
		s.start("A", put(q, 9))
		s.start("B", put(q, 1))
		s.letPass(1)
		for _, want := range []string{"out=5 A", "out=9 B", "out=1"} {
			item, err := q.GetNowait()
			s.must(err)
			s.add("out=%d", item)
			s.after(1, want)
		}
	})
}

// QUE-015
func TestQueueOfOneNeverLosesAWakeUp(t *testing.T) {
	play(t, func(s *scene) {
		q := aio.NewQueue[int](1)
		s.start("producer", func(ctx context.Context) error {
			for item := range 5 {
				s.must(q.Put(ctx, item))
			}
			return nil
		})
		s.start("consumer", func(ctx context.Context) error {
			for range 5 {
				item, err := q.Get(ctx)
				s.must(err)
				s.add("%d", item)
			}
			return nil
		})
		s.after(20, "0 1 2 3 producer 4 consumer")
	})
}

// QUE-016, QUE-017
func TestQueueGetterThatGaveUpIsNotWoken(t *testing.T) {
	play(t, func(s *scene) {
		q := aio.NewQueue[int](0)
		s.start("late", func(ctx context.Context) error {
			return aio.Timeout(ctx, time.Second, func(ctx context.Context) error { _, err := q.Get(ctx); return err })
		})
		a := fetch(s, "A", q.Get)
		fetch(s, "B", q.Get)
		s.letPass(1)
		a.Cancel()
		s.after(1, "A!cancelled")
		s.must(aio.Sleep(s.ctx, time.Second))
		s.after(1, "late!timeout")
		s.fill(q, 1)
		s.after(1, "B=1")
		s.fill(q, 2)
		s.after(3, "")
		s.holds(q, 2)
	})
}

// QUE-018, QUE-019
func TestQueueWokenGetterThatIsCancelledLosesNothing(t *testing.T) {
	play(t, func(s *scene) {
		q := aio.NewQueue[int](0)
		a := fetch(s, "A", q.Get)
		s.letPass(1)
		s.fill(q, 1)
		a.Cancel()
		s.fill(q, 2)
		s.after(1, "A!cancelled")
		s.holds(q, 1, 2)

		a = fetch(s, "A", q.Get)
		fetch(s, "B", q.Get)
		fetch(s, "C", q.Get)
		s.letPass(1)
		s.fill(q, 3, 4)
		a.Cancel()
		s.after(2, "A!cancelled B=3 C=4")
	})
}

// QUE-020
func TestQueueGetterThatWasOvertakenWaitsAgain(t *testing.T) {
	play(t, func(s *scene) {
		q := aio.NewQueue[int](0)
		fetch(s, "A", q.Get)
		fetch(s, "B", q.Get)
		s.letPass(1)
		s.fill(q, 1)
		s.holds(q, 1) // takes the item before A has run
		s.after(1, "")
		s.fill(q, 2, 3)
		s.after(3, "B=2 A=3")
	})
}

// QUE-018, QUE-025: a wake-up is passed on only if an item or a slot is still
// available.
func TestQueueOvertakenWaiterThatIsCancelledWakesNobody(t *testing.T) {
	play(t, func(s *scene) {
		q := aio.NewQueue[int](1)
		a := fetch(s, "A", q.Get)
		fetch(s, "B", q.Get)
		fetch(s, "C", q.Get)
		s.letPass(1)
		s.fill(q, 1)
		s.holds(q, 1) // takes the item before A has run
		a.Cancel()
		s.after(3, "A!cancelled")
		for _, want := range []string{"B=2", "C=2"} {
			// B is still before C
			s.fill(q, 2)
			s.after(1, want)
		}

		s.fill(q, 3)
		a = s.start("A", put(q, 4))
		s.start("B", put(q, 5))
		s.start("C", put(q, 6))
		s.letPass(1)
		s.holds(q, 3)
		s.fill(q, 7) // fills the queue before A has run
		a.Cancel()
		s.after(3, "A!cancelled")
		for _, want := range []string{"B", "C"} {
			_, err := q.GetNowait()
			s.must(err)
			s.after(1, want)
		}
	})
}

// QUE-021
func TestQueueItemsStayUntilTheGettersResume(t *testing.T) {
	play(t, func(s *scene) {
		q := aio.NewQueue[int](0)
		fetch(s, "A", q.Get)
		fetch(s, "B", q.Get)
		s.letPass(1)
		s.fill(q, 1, 2)
		same(s, "QSize", q.QSize(), 2)
		s.after(1, "A=1 B=2")
		same(s, "QSize", q.QSize(), 0)
	})
}

// QUE-022, QUE-023
func TestQueueCancelledPutterIsNotWoken(t *testing.T) {
	// whether X is put before b or after it
	for _, first := range []bool{false, true} {
		play(t, func(s *scene) {
			q := aio.NewQueue[int](1)
			s.fill(q, 1)
			var x *aio.Task[struct{}]
			if first {
				x = s.start("X", put(q, 666))
			}
			s.start("b", put(q, 2))
			if !first {
				x = s.start("X", put(q, 666))
			}
			s.letPass(1)
			x.Cancel()
			s.after(1, "X!cancelled")
			s.holds(q, 1)
			s.after(1, "b")
			s.holds(q, 2)
			s.after(3, "")
			s.holds(q)
		})
	}
}

// QUE-024, QUE-025
func TestQueueWokenPutterThatIsCancelledLeavesItsSlot(t *testing.T) {
	play(t, func(s *scene) {
		q := aio.NewQueue[int](1)
		s.fill(q, 1)
		a := s.start("A", put(q, 2))
		s.letPass(1)
		s.holds(q, 1)
		a.Cancel()
		s.after(1, "A!cancelled")
		same(s, "QSize", q.QSize(), 0)
		s.ended("main", q.Put(s.ctx, 3))

		a = s.start("A", put(q, 4))
		s.start("B", put(q, 5))
		s.start("C", put(q, 6))
		s.letPass(1)
		s.holds(q, 3)
		a.Cancel()
		s.after(3, "main A!cancelled B")
		s.holds(q, 5)
	})
}

// QUE-026, QUE-027, QUE-028, QUE-029, QUE-030, LIFO-002, PRIO-002
func TestQueueJoinWaitsUntilAllIsDone(t *testing.T) {
	for _, kind := range queueKinds {
		t.Run(kind.name, func(t *testing.T) {
			play(t, func(s *scene) {
				q := kind.new(0)
				misused(t, "TaskDone on a new queue", q.TaskDone, aio.ErrOverRelease)
				s.start("other", ok)
				s.must(q.Join(s.ctx))
				s.must(q.Join(s.ctx))
				s.want("") // Join did not suspend
				s.fill(q, 1, 3, 2)
				q.TaskDone() // allowed before the get
				s.start("A", q.Join)
				s.start("B", q.Join)
				s.holds(q, kind.out...)
				s.after(5, "other")
				q.TaskDone()
				s.after(5, "")
				q.TaskDone()
				s.fill(q, 4) // too late for the tasks that wait in Join
				s.after(1, "A B")
				c := s.start("C", q.Join)
				s.after(3, "")
				c.Cancel()
				s.after(1, "C!cancelled")
				q.TaskDone()
				misused(t, "TaskDone once more", q.TaskDone, aio.ErrOverRelease)
				s.must(q.Join(s.ctx))
			})
		})
	}
}

// QUE-028
func TestQueueJoinReturnsWhenTwoWorkersHaveDoneAll(t *testing.T) {
	for _, kind := range queueKinds {
		play(t, func(s *scene) {
			q := kind.new(0)
			sum := 0
			for item := range 100 {
				s.fill(q, item)
			}
			for range 2 {
				s.start("worker", func(ctx context.Context) error {
					for {
						item, err := q.Get(ctx)
						if err != nil {
							return err
						}
						s.must(aio.Sleep(ctx, time.Millisecond))
						sum += item
						q.TaskDone()
					}
				})
			}
			s.must(q.Join(s.ctx))
			same(s, kind.name+": sum of the finished items when Join returns", sum, 99*100/2)
		})
	}
}

// SHUT-001 to SHUT-015, LIFO-002, PRIO-002
func TestQueueShutdown(t *testing.T) {
	type env struct {
		*scene
		q   *aio.Queue[int]
		out []int // the order in which 1, 3, 2 are returned
	}
	get := func(s env) func(ctx context.Context) (int, error) { return s.q.Get }
	refuses := func(s env) {
		s.Helper()
		same(s, "PutNowait", s.q.PutNowait(9), aio.ErrQueueShutDown)
		same(s, "Put", s.q.Put(s.ctx, 9), aio.ErrQueueShutDown)
	}
	exhausted := func(s env) {
		s.Helper()
		refuses(s)
		same(s, "QSize", s.q.QSize(), 0)
		_, err := s.q.GetNowait()
		same(s, "GetNowait", err, aio.ErrQueueShutDown)
		_, err = s.q.Get(s.ctx)
		same(s, "Get", err, aio.ErrQueueShutDown)
	}
	tests := []struct {
		name string
		max  int
		run  func(s env)
	}{
		{"SHUT-001, SHUT-002, SHUT-003, SHUT-006: empty, a getter waits", 0, func(s env) {
			fetch(s.scene, "A", get(s))
			s.letPass(1)
			s.q.Shutdown(false)
			s.want("")
			s.after(1, "A!shut")
			exhausted(s)
			s.must(s.q.Join(s.ctx))
			s.q.Shutdown(false) // again
			exhausted(s)
		}},
		{"SHUT-004, SHUT-012: full, a putter waits", 1, func(s env) {
			s.fill(s.q, 1)
			s.start("A", put(s.q, 2))
			s.letPass(1)
			s.q.Shutdown(false)
			s.after(1, "A!shut")
			refuses(s)
			s.holds(s.q, 1)
			exhausted(s)
		}},
		{"SHUT-005: items can still be taken", 0, func(s env) {
			s.fill(s.q, 1, 3, 2)
			s.q.Shutdown(false)
			same(s, "QSize", s.q.QSize(), 3)
			refuses(s)
			for _, want := range s.out {
				item, err := s.q.Get(s.ctx)
				s.must(err)
				same(s, "item", item, want)
			}
			exhausted(s)
		}},
		{"SHUT-007: an item is not done", 0, func(s env) {
			s.fill(s.q, 1)
			s.start("join", s.q.Join)
			s.letPass(1)
			s.q.Shutdown(false)
			s.after(3, "")
			s.holds(s.q, 1)
			s.after(3, "")
			s.q.TaskDone()
			s.after(1, "join")
			misused(s.T, "TaskDone", s.q.TaskDone, aio.ErrOverRelease)
		}},
		{"SHUT-008, SHUT-009: immediate", 0, func(s env) {
			s.fill(s.q, 1, 3, 2)
			s.start("join", s.q.Join)
			s.letPass(1)
			s.q.Shutdown(true)
			exhausted(s)
			s.after(1, "join")
			misused(s.T, "TaskDone", s.q.TaskDone, aio.ErrOverRelease)
		}},
		{"SHUT-010: immediate, an item was taken", 0, func(s env) {
			s.fill(s.q, 1, 3)
			_, err := s.q.GetNowait()
			s.must(err)
			s.start("join", s.q.Join)
			s.letPass(1)
			s.q.Shutdown(true)
			s.after(3, "")
			s.q.TaskDone()
			s.after(1, "join")
			misused(s.T, "TaskDone", s.q.TaskDone, aio.ErrOverRelease)
		}},
		{"SHUT-011: immediate, getters wait", 0, func(s env) {
			fetch(s.scene, "A", get(s))
			fetch(s.scene, "B", get(s))
			s.letPass(1)
			s.q.Shutdown(true)
			s.after(1, "A!shut B!shut")
		}},
		{"SHUT-011: immediate, putters wait", 1, func(s env) {
			s.fill(s.q, 1)
			s.start("A", put(s.q, 2))
			s.start("B", put(s.q, 3))
			s.letPass(1)
			s.q.Shutdown(true)
			s.after(1, "A!shut B!shut")
			exhausted(s)
		}},
		{"SHUT-013: immediate after plain", 0, func(s env) {
			s.fill(s.q, 1, 2)
			s.q.Shutdown(false)
			same(s, "QSize", s.q.QSize(), 2)
			s.q.Shutdown(true)
			exhausted(s)
			s.must(s.q.Join(s.ctx))
		}},
		{"SHUT-014: in the step of a put", 0, func(s env) {
			fetch(s.scene, "A", get(s))
			fetch(s.scene, "B", get(s))
			s.letPass(1)
			s.fill(s.q, 1)
			s.q.Shutdown(false)
			s.after(1, "A=1 B!shut")
		}},
		{"SHUT-014: immediate in the step of a put", 0, func(s env) {
			fetch(s.scene, "A", get(s))
			s.letPass(1)
			s.fill(s.q, 1)
			s.q.Shutdown(true)
			s.after(1, "A!shut")
		}},
		{"SHUT-015: in the step of a get", 1, func(s env) {
			s.fill(s.q, 1)
			s.start("A", put(s.q, 2))
			s.letPass(1)
			s.holds(s.q, 1)
			s.q.Shutdown(false)
			s.after(1, "A!shut")
			exhausted(s)
		}},
	}
	for _, kind := range queueKinds {
		for _, test := range tests {
			t.Run(kind.name+"/"+strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
				play(t, func(s *scene) { test.run(env{s, kind.new(test.max), kind.out}) })
			})
		}
	}
}

func TestQueueAllEndsWithTheQueueOrWithTheError(t *testing.T) {
	play(t, func(s *scene) {
		q := aio.NewQueue[int](0)
		all := func(ctx context.Context) error {
			for item, err := range q.All(ctx) {
				if err != nil {
					return err
				}
				s.add("%d", item)
				if item == 3 {
					return nil
				}
			}
			s.add("exhausted")
			return nil
		}
		a := s.start("A", all)
		s.letPass(1)
		s.fill(q, 1)
		s.after(1, "1")
		a.Cancel()
		s.after(1, "A!cancelled")

		s.start("B", all)
		s.fill(q, 2, 3, 4)
		s.after(1, "2 3 B") // ended by return: 4 remains
		q.Shutdown(false)
		s.start("C", all)
		s.after(1, "4 exhausted C")
	})
}

// Items of equal priority leave the queue in the order of Python's heapq, which is
// neither that of insertion nor its reverse.
func TestPriorityQueueGivesEqualsInTheOrderOfHeapq(t *testing.T) {
	s := &scene{T: t}
	type job struct{ priority, number int }
	q := aio.NewPriorityQueue(0, func(a, b job) int { return a.priority - b.priority })
	for i, p := range []int{1, 0, 1, 0, 1, 0, 0, 1} {
		s.must(q.PutNowait(job{p, i}))
	}
	for !q.Empty() {
		j, err := q.GetNowait()
		s.must(err)
		s.add("%d/%d", j.priority, j.number)
	}
	s.want("0/1 0/5 0/6 0/3 1/2 1/7 1/4 1/0") // as measured with CPython
}
