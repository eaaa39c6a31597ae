package aiotest

import (
	"math"

	"github.com/goaio/aio/internal/plug"
)

// priorities choose the order of steps for mode PCT: each source of entries has a random
// priority, and the highest that is ready runs. At a few random steps the one that would
// run gets the lowest. With d such steps a fault that needs d+1 steps in a certain order
// is found with a probability that falls with the number of steps to the power of d, not
// with the number of schedules.
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

// depthFirst makes all choices there are, one run after another. path has the choices of
// the run under way: those that were made in the run before come first, the last of them
// with its next possibility.
type depthFirst struct {
	path []fork
	// a choice was not the one of the run before: the program is not deterministic
	misfit bool
}

// fork is a choice and the possibilities that are left, the one that is being tried
// first.
type fork struct {
	n    int
	left []int
}

func (d *depthFirst) start() { d.misfit = false }

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

// next goes on to the next run, and reports whether there is one.
func (d *depthFirst) next() bool {
	for len(d.path) > 0 {
		f := &d.path[len(d.path)-1]
		if f.left = f.left[1:]; len(f.left) > 0 {
			return true
		}
		d.path = d.path[:len(d.path)-1]
	}
	return false
}
