package aiotest

// Choices. Every decision that a run leaves to chance is one number out of n, made by a
// picker and recorded. The record does not depend on how the numbers were made, so a
// run of any mode is repeated in the same way: by a picker that reads the numbers from
// the record.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/simnet"
)

// Choice is one decision that a run left open, and its result. 0 is always the default:
// what would happen without an exploration.
type Choice struct {
	Index int // the result, from 0 to Size-1
	Size  int // the number of possibilities
	// the kind of decision: "order", "time", "job", or the text given to [Choose]
	What string
}

// String describes the choice.
func (c Choice) String() string {
	switch {
	case c.What == "time" && c.Index == 1:
		return "the pass before took so long that the next timer is due"
	case c.What == "order":
		return fmt.Sprintf("it overtakes %d of %d that are ready", c.Index, c.Size)
	case c.What == "job" && c.Size == len(jobTimes):
		return fmt.Sprintf("the job takes %v", jobTimes[c.Index])
	}
	return fmt.Sprintf("%s: %d of %d", c.What, c.Index, c.Size)
}

// Choose returns a number from 0 to n-1: a choice of the run. An exploration tries as
// many results as it can, and repeats the same result when it repeats the run. what
// names the choice in reports. Fakes use it for behaviour that the real counterpart
// leaves open: a delay, a failure, an order. 0 must be the ordinary case, because
// Choose returns 0 outside of an exploration.
//
// It must be called by a task or callback of the loop to which ctx belongs. It never
// awaits. It panics with ErrUsage if n is not positive, and with ErrNoRunningLoop or
// ErrWrongGoroutine for another caller.
func Choose(ctx context.Context, n int, what string) int {
	if n <= 0 {
		panic(usagef("Choose: there must be something to choose from, not %d", n))
	}
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		panic(fmt.Errorf("aiotest: Choose: %w", err))
	}
	loop.Time() // panics if the caller does not hold the token
	return chooseIn(loop, n, label(what))
}

// chooseIn makes a choice in the run of a loop.
func chooseIn(loop *aio.Loop, n int, what string) int {
	if r, ok := runs.Load(loop); ok {
		return r.(*run).choose(n, what)
	}
	return 0
}

// label removes from what the characters that a record cannot contain.
func label(what string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '.':
			return c
		}
		return '_'
	}, what)
}

// usagef makes an error that matches ErrUsage.
func usagef(format string, args ...any) error {
	return fmt.Errorf("aiotest: "+format+": %w", append(args, aio.ErrUsage)...)
}

// A picker makes choices.
type picker interface {
	// pick returns a number from 0 to n-1, the result of choice number at of the
	// run. eligible is nil, or reports which numbers differ in effect from all
	// smaller ones.
	pick(at, n int, eligible func(i int) bool) int
}

// seeded makes random choices. Of 16 choices, bias use the default without drawing a
// number: some bugs need one rare event among many ordinary ones.
type seeded struct {
	rng  rand.PCG
	bias uint64
}

// biases are used in turn by the runs of an exploration.
var biases = [...]uint64{0, 0, 8, 0, 0, 13}

func (p *seeded) reset(seed uint64) {
	p.rng.Seed(seed, 0x9e3779b97f4a7c15)
	p.bias = biases[seed%uint64(len(biases))]
}

func (p *seeded) pick(_, n int, _ func(int) bool) int {
	x := p.rng.Uint64()
	if x&15 < p.bias {
		return 0
	}
	return int((x >> 32) * uint64(n) >> 32)
}

// input makes choices from the input of a fuzz test; after its end it returns the
// default.
type input []byte

func (p input) pick(at, n int, _ func(int) bool) int {
	if at >= len(p) {
		return 0
	}
	if n > 256 {
		return int(p[at]) * n / 256
	}
	return int(p[at]) % n
}

// script repeats the choices of a record, and returns the default where the record has
// none.
type script struct {
	choices []Choice // Size is 0 where the record has no choice
	strict  bool     // a choice that does not match ends the run
	misfit  string   // the first choice that did not match
	what    func() string
}

func (p *script) pick(at, n int, _ func(int) bool) int {
	if at >= len(p.choices) {
		return 0
	}
	c := p.choices[at]
	if c.Size == 0 {
		return 0
	}
	if what := p.what(); p.strict && p.misfit == "" && (c.Size != n || c.What != what) {
		p.misfit = fmt.Sprintf("the record does not fit at choice %d: it has %s of %d there, the run %s of %d", at, c.What, c.Size, what, n)
	}
	if c.Index >= n {
		return 0
	}
	return c.Index
}

// record is a run in text form: the choices that are not the default, and the action of
// a sweep.
type record struct {
	choices []Choice
	// instead of the choices, if there are too many to write
	seed   string
	moment int // number of the moment of the cancellation, 0 if there was none
	// the number of the failed network operation, 0 if there was none
	op    int
	fault simnet.Fault // how
}

// String returns the text form of the record.
func (d record) String() string {
	var b strings.Builder
	if d.seed != "" {
		fmt.Fprintf(&b, "seed=%s ", d.seed)
	} else {
		for i, c := range d.choices {
			if c.Index != 0 {
				fmt.Fprintf(&b, "%d=%d/%d:%s ", i, c.Index, c.Size, c.What)
			}
		}
	}
	if d.moment > 0 {
		fmt.Fprintf(&b, "cancel=%d ", d.moment)
	}
	if d.op > 0 {
		fmt.Fprintf(&b, "fail=%d:%s ", d.op, NetworkFailure(d.fault-1))
	}
	if b.Len() == 0 {
		return "default"
	}
	return strings.TrimSuffix(b.String(), " ")
}

// maxWritten limits the number of choices that a record contains.
const maxWritten = 1000

// parseRecord is the inverse of String.
func parseRecord(text string) (d record, err error) {
	if text == "default" {
		return d, nil
	}
	for _, field := range strings.Fields(text) {
		if m, ok := strings.CutPrefix(field, "cancel="); ok {
			if d.moment, err = strconv.Atoi(m); err != nil || d.moment <= 0 {
				return d, usagef("%q is no moment of a record", field)
			}
			continue
		}
		if f, ok := strings.CutPrefix(field, "fail="); ok {
			if d.op, d.fault, ok = parseFailure(f); !ok {
				return d, usagef("%q is no failure of a record", field)
			}
			continue
		}
		if seed, ok := strings.CutPrefix(field, "seed="); ok {
			if _, err := strconv.ParseUint(seed, 10, 64); err != nil {
				return d, usagef("%q is no seed of a record", field)
			}
			d.seed = seed
			continue
		}
		position, rest, ok := strings.Cut(field, "=")
		index, rest, ok2 := strings.Cut(rest, "/")
		size, what, ok3 := strings.Cut(rest, ":")
		at, err1 := strconv.Atoi(position)
		i, err2 := strconv.Atoi(index)
		n, err3 := strconv.Atoi(size)
		if !ok || !ok2 || !ok3 || err1 != nil || err2 != nil || err3 != nil || at < 0 || i < 0 || i >= n || at >= maxRecord {
			return d, usagef("%q is no choice of a record", field)
		}
		for len(d.choices) <= at {
			d.choices = append(d.choices, Choice{})
		}
		d.choices[at] = Choice{i, n, what}
	}
	return d, nil
}

// maxRecord limits the choice numbers in a record.
const maxRecord = 1 << 24
