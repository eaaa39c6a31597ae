package aiotest

import (
	"math"

	"github.com/goaio/aio/internal/plug"
)

// priorities choose the order of steps for mode PCT: each source of entries has a
// random priority, and the ready source with the highest one runs. At a few random
// steps the source that would run gets the lowest priority. With d such steps a bug
// that needs d+1 steps in a certain order is found with a probability that falls with
// the number of steps to the power of d, not with the number of schedules.
type priorities struct {
	seeds  *seeded
	of     map[any]int
	change []int // steps at which the highest priority is lowered
	lowest int
}

// timers is the source of all timers.
type timers struct{}

func (p *priorities) reset(seeds *seeded, depth, length int) {
	p.seeds, p.lowest = seeds, -1
	seeds.bias = 0
	if p.of == nil {
		p.of = map[any]int{}
	}
	clear(p.of)
	p.change = p.change[:0]
	for range depth {
		p.change = append(p.change, 1+seeds.pick(0, max(length, 1), nil))
	}
}

// pick returns the entry whose source has the highest priority.
func (p *priorities) pick(view plug.Loop, n, step int) int {
	best, top := 0, math.MinInt
	var source any
	for i := range n {
		s := view.Source(i)
		if s == nil {
			s = timers{}
		}
		priority, ok := p.of[s]
		if !ok {
			priority = 1 + p.seeds.pick(0, 1<<20, nil)
			p.of[s] = priority
		}
		if priority > top {
			best, top, source = i, priority, s
		}
	}
	for i, at := range p.change {
		if step+1 == at {
			p.of[source] = p.lowest
			p.lowest--
			p.change[i] = 0
			return p.pick(view, n, step)
		}
	}
	return best
}

// depthFirst makes all possible choices, one run after another. path has the choices of
// the current run: first those of the previous run, the last of them with its next
// possibility.
//
// Different orders are not always different schedules. If entry A was tried first, and
// entry B is tried then, A is put to sleep if A and B commute: running A later leads to
// a state that was seen already. A wakes up with the first step with which it does not
// commute. (These are the sleep sets of partial order reduction.) The state that a step
// of a task accesses is unknown, so only the timers of plain Sleeps are put to sleep.
// Such a timer makes its task ready, which then still may run at any time. So the timer
// commutes with everything except a step that ends in Sleep(0): a task that is ready
// before that step ends must run before the sleeping task continues.
type depthFirst struct {
	path []fork
	// a choice differs from the previous run: the program is not deterministic
	misfit bool

	// The ready queue, as numbers that identify entries while they move.
	queue  []int
	last   int
	asleep map[int]bool
	front  any // the task of the entry that runs
}

// fork is a choice, the possibility that is being tried, and the remaining ones.
type fork struct {
	n     int
	left  []int
	tried []int // before
}

func (d *depthFirst) start() {
	d.misfit = false
	d.queue, d.last = d.queue[:0], 0
	if d.asleep == nil {
		d.asleep = map[int]bool{}
	}
	clear(d.asleep)
}

func (d *depthFirst) pick(at, n int, eligible func(i int) bool) int {
	if at < len(d.path) {
		f := d.path[at]
		if f.n != n {
			d.misfit = true
			return 0
		}
		return f.left[0]
	}
	f := fork{n: n}
	for i := range n {
		if eligible == nil || eligible(i) {
			f.left = append(f.left, i)
		}
	}
	d.path = append(d.path, f)
	return f.left[0]
}

// order chooses the next entry of a ready queue.
func (d *depthFirst) order(at int, view plug.Loop) int {
	n := view.Len()
	d.sync(view)
	awake, first := 0, -1
	may := func(i int) bool { return view.Oldest(i) == i && !d.asleep[d.queue[i]] }
	for i := range n {
		if may(i) {
			awake++
		} else if first < 0 && view.Oldest(i) == i {
			first = i
		}
	}
	if awake == 0 { // the rest of the run is equivalent to an earlier one
		may = func(i int) bool { return i == first }
	}
	v := d.pick(at, n, may)
	if d.misfit {
		return 0
	}
	for _, i := range d.path[at].tried {
		if view.Describe(i) == "timer of Sleep" {
			d.asleep[d.queue[i]] = true
		}
	}
	return v
}

// sync numbers the new entries of the ready queue.
func (d *depthFirst) sync(view plug.Loop) {
	for len(d.queue) < view.Len() {
		d.last++
		d.queue = append(d.queue, d.last)
	}
}

// moved updates the numbers after entry i became the first.
func (d *depthFirst) moved(view plug.Loop, i int) {
	d.sync(view)
	number := d.queue[i]
	copy(d.queue[1:i+1], d.queue[:i])
	d.queue[0] = number
}

// begin updates the numbers when the first entry runs.
func (d *depthFirst) begin(view plug.Loop) {
	d.sync(view)
	d.queue = append(d.queue[:0], d.queue[1:]...)
	d.front, _ = view.Task(0)
}

// end wakes the sleeping entries if the step has ended in Sleep(0).
func (d *depthFirst) end(view plug.Loop) {
	if len(d.asleep) > 0 && d.front != nil {
		for i := len(d.queue); i < view.Len(); i++ {
			if t, _ := view.Task(i); t == d.front && view.Cause(i) == "" {
				clear(d.asleep)
			}
		}
	}
	d.sync(view)
}

// next prepares the next run, and reports whether there is one.
func (d *depthFirst) next() bool {
	for len(d.path) > 0 {
		f := &d.path[len(d.path)-1]
		f.tried = append(f.tried, f.left[0])
		if f.left = f.left[1:]; len(f.left) > 0 {
			return true
		}
		d.path = d.path[:len(d.path)-1]
	}
	return false
}
