package play

import (
	"context"
	"strconv"
	"strings"

	"github.com/goaio/aio/aiotest"
)

// Found is the result of a search for a schedule in which a program fails.
type Found struct {
	// Runs is the number of schedules that were tried. Complete reports whether
	// these were all that a program can distinguish.
	Runs     int  `json:"runs"`
	Complete bool `json:"complete"`
	// Failed reports whether a schedule has failed, with the error Text. Choices
	// are its choices, for Do; Steps is the number of those that differ from
	// asyncio's order.
	Failed  bool   `json:"failed"`
	Text    string `json:"text,omitempty"`
	Choices []int  `json:"choices"`
	Changed int    `json:"changed"`
}

// Search looks for a schedule in which a program fails: first in all schedules, up to a
// number of runs, and then, if these were not all, in as many random ones. The failure
// has the smallest number of choices that was found.
func Search(p Program, runs int) Found {
	main := func(ctx context.Context) error { return p(ctx, &Scene{}) }
	f := Found{Choices: []int{}}
	for _, mode := range []aiotest.Mode{aiotest.Exhaustive, aiotest.AnyOrder} {
		r := aiotest.Exploration{Mode: mode, Runs: runs, MaxSteps: maxSteps}.Run(main)
		f.Runs += r.Runs
		f.Complete = f.Complete || r.Complete
		if len(r.Failures) > 0 {
			f.Failed = true
			f.Text, _, _ = strings.Cut(r.Failures[0].Err.Error(), "\n")
			f.Text = strings.TrimPrefix(f.Text, "main: ")
			f.Choices = parse(r.Failures[0].Record)
			for _, c := range f.Choices {
				if c != 0 {
					f.Changed++
				}
			}
		}
		if f.Failed || f.Complete {
			break
		}
	}
	return f
}

// parse returns the choices of a record of aiotest in mode AnyOrder or Exhaustive.
func parse(record string) []int {
	choices := []int{}
	for _, field := range strings.Fields(record) {
		at, rest, _ := strings.Cut(field, "=")
		index, _, _ := strings.Cut(rest, "/")
		i, err1 := strconv.Atoi(at)
		c, err2 := strconv.Atoi(index)
		if err1 != nil || err2 != nil {
			continue // "default"
		}
		for len(choices) <= i {
			choices = append(choices, 0)
		}
		choices[i] = c
	}
	return choices
}
