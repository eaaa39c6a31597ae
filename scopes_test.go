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

// A model of the rules in docs/cancellation.md, with which the package is compared:
// every nesting of up to three scopes, every one or two cancellations, every order and
// moment of these, every way to handle an error.

// A nesting is a string of layers, from the outermost to the innermost: t is a Timeout,
// s a CancelScope, h a shielded CancelScope.
type nesting string

// outcomeOf returns the word for an error in the logs.
func outcomeOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case err == aio.ErrTimeout:
		return "timeout"
	case errors.Is(err, aio.ErrCancelled):
		return "cancelled"
	}
	return err.Error()
}

// scopeModel predicts the results. Events are numbered: -1 is a request to cancel the
// task, i is the expiry or cancellation of layer i.
type scopeModel struct {
	layers    nesting
	pending   []int // requests not delivered yet, by event
	delivered []int // requests that have been delivered and not withdrawn
	cancelled map[int]bool
	log       []string
}

// seen reports whether an event of layer i affects awaits inside layer depth.
func (m *scopeModel) seen(i, depth int) bool {
	return !strings.Contains(string(m.layers[i+1:depth+1]), "h")
}

func (m *scopeModel) apply(event int) {
	if event >= 0 && m.layers[event] != 't' {
		m.cancelled[event] = true
		return
	}
	m.pending = append(m.pending, event)
}

// await returns the result of an await inside layer depth. An await that has already
// been woken is not affected by a scope.
func (m *scopeModel) await(depth int, woken bool) string {
	var rest []int
	hit := false
	for _, r := range m.pending {
		if m.seen(r, depth) {
			hit = true
			m.delivered = append(m.delivered, r)
		} else {
			rest = append(rest, r)
		}
	}
	m.pending = rest
	if hit || !woken && m.inCancelled(depth) {
		return "cancelled"
	}
	return "ok"
}

// inCancelled reports whether a cancelled scope affects awaits inside layer depth.
func (m *scopeModel) inCancelled(depth int) bool {
	for i := depth; i >= 0; i-- {
		if m.cancelled[i] {
			return true
		}
		if m.layers[i] == 'h' {
			return false
		}
	}
	return false
}

// requested reports whether there are requests that affect layer i and were not made by
// it.
func (m *scopeModel) requested(i int) bool {
	if len(m.delivered) > 0 {
		return true
	}
	for _, r := range m.pending {
		if m.seen(r, i) {
			return true
		}
	}
	return false
}

// withdraw withdraws the request of layer i and reports whether there was one.
func (m *scopeModel) withdraw(i int) (found bool) {
	for _, list := range []*[]int{&m.pending, &m.delivered} {
		for k, r := range *list {
			if r == i {
				*list = append((*list)[:k:k], (*list)[k+1:]...)
				return true
			}
		}
	}
	return false
}

// leave returns the result of layer i if its body has returned err.
func (m *scopeModel) leave(i int, err string) string {
	if m.layers[i] == 't' {
		if m.withdraw(i) && !m.requested(i) && err == "cancelled" {
			return "timeout"
		}
		return err
	}
	if !m.cancelled[i] || err != "cancelled" {
		delete(m.cancelled, i)
		return err
	}
	delete(m.cancelled, i)
	switch {
	case m.requested(i):
		m.await(i, true) // delivers the pending requests
		return err
	case m.layers[i] == 's' && i > 0 && m.inCancelled(i-1):
		return err
	}
	return "ok"
}

// scopeCase is one program. The events in first happen at the given moment of the first
// await, those in second at that of the second await.
type scopeCase struct {
	layers        nesting
	first, second []int
	moment        string // "before", "during" or "woken"
	// how the body handles errors: "pass" returns one, "retry" awaits once more,
	// "ignore" twice
	body string
}

// predict returns the log of the program, or nil if the case is impossible.
func (c scopeCase) predict() []string {
	m := &scopeModel{layers: c.layers, cancelled: map[int]bool{}}
	inner := len(c.layers) - 1
	possible := true
	say := func(what, outcome string) { m.log = append(m.log, what+"="+outcome) }
	await := func(events []int) string {
		if m.inCancelled(inner) && c.moment != "before" && len(events) > 0 {
			possible = false // the await fails before the events
		}
		for _, e := range events {
			m.apply(e)
		}
		out := m.await(inner, c.moment == "woken" && len(events) > 0)
		say("await", out)
		return out
	}
	err := await(c.first)
	if c.body != "pass" || err == "ok" {
		err = await(c.second)
		if c.body == "ignore" {
			err = "ok"
		}
	}
	for i := inner; i >= 0; i-- {
		err = m.leave(i, err)
		say(fmt.Sprint("layer", i), err)
		if err == "ok" {
			err = m.await(i-1, false)
			say("await", err)
		}
	}
	if !possible {
		return nil
	}
	return m.log
}

// run runs the program.
func (c scopeCase) run(t *testing.T, l *aio.Loop) []string {
	var log []string
	say := func(what string, err error) error {
		log = append(log, what+"="+outcomeOf(err))
		return err
	}
	var task *aio.Task[struct{}]
	ends := map[int]func(){-1: func() { task.Cancel() }}
	fire := func(events []int) {
		for _, e := range events {
			ends[e]()
		}
	}
	const step = time.Second
	await := func(ctx context.Context, events []int) error {
		switch {
		case len(events) == 0:
		case c.moment == "before":
			fire(events)
		case c.moment == "during":
			l.CallLater(step/2, func() { fire(events) })
		default:
			// in the pass that wakes the task, after the timer that wakes
			// it
			l.CallLater(step/2, func() { l.CallLater(step/2, func() { fire(events) }) })
		}
		return say("await", aio.Sleep(ctx, step))
	}
	var enter func(ctx context.Context, i int) error
	enter = func(ctx context.Context, i int) error {
		if i == len(c.layers) {
			err := await(ctx, c.first)
			if c.body != "pass" || err == nil {
				err = await(ctx, c.second)
				if c.body == "ignore" {
					err = nil
				}
			}
			return err
		}
		var err error
		body := func(ctx context.Context) error { return enter(ctx, i+1) }
		if c.layers[i] == 't' {
			s := aio.NewTimeout(aio.NoTimeout)
			ends[i] = func() { aio.FireTimeout(s) }
			err = s.Run(ctx, body)
		} else {
			var s aio.CancelScope
			s.SetShield(c.layers[i] == 'h')
			ends[i] = func() { s.Cancel() }
			err = s.Run(ctx, body)
		}
		if say(fmt.Sprint("layer", i), err) == nil {
			err = say("await", aio.Sleep(ctx, step))
		}
		return err
	}
	task = aio.CreateTask(l.Context(), aio.NoResult(func(ctx context.Context) error { return enter(ctx, 0) }))
	_, _ = aio.RunUntilComplete(l, task) // the result of the task is in the log
	if !task.Done() {
		t.Fatalf("%+v does not end", c)
	}
	return log
}

func TestScopesMeet(t *testing.T) {
	l, reports := newLoop(t)
	cases := 0
	for _, layers := range nestings("tsh", 3) {
		n := len(layers)
		var plans [][2][]int
		for e := -1; e < n; e++ {
			plans = append(plans, [2][]int{{e}, nil}, [2][]int{nil, {e}})
			for f := -1; f < n; f++ {
				if f != e {
					plans = append(plans, [2][]int{{e, f}, nil}, [2][]int{{e}, {f}}, [2][]int{nil, {e, f}})
				}
			}
		}
		for _, p := range plans {
			for _, moment := range []string{"before", "during", "woken"} {
				for _, body := range []string{"pass", "retry", "ignore"} {
					c := scopeCase{layers, p[0], p[1], moment, body}
					predicted := c.predict()
					if predicted == nil {
						continue
					}
					cases++
					got, want := strings.Join(c.run(t, l), " "), strings.Join(predicted, " ")
					if got != want {
						t.Errorf("%+v\n got %s\nwant %s", c, got, want)
					}
				}
			}
		}
	}
	if len(*reports) > 0 {
		t.Errorf("reports: %v", (*reports)[0])
	}
	if cases < 10_000 {
		t.Errorf("only %d cases", cases)
	}
	t.Logf("%d cases", cases)
}

// nestings returns all strings of 1 to n letters of an alphabet.
func nestings(alphabet string, n int) (all []nesting) {
	words := []nesting{""}
	for range n {
		var longer []nesting
		for _, w := range words {
			for _, letter := range alphabet {
				longer = append(longer, w+nesting(letter))
			}
		}
		all = append(all, longer...)
		words = longer
	}
	return all
}
