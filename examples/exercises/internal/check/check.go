// Package check runs the checks of the exercises. If one fails, it tells the learner what
// happened, in which order, and which idea the check is about.
package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// Lesson describes the idea of a check.
type Lesson struct {
	// Idea explains the idea of the check in one or two sentences.
	Idea string
	// Read names the page that explains more.
	Read string
}

// Run runs main once, in virtual time.
func (l Lesson) Run(t testing.TB, main func(ctx context.Context) error) {
	t.Helper()
	l.report(t, aiotest.Exploration{Runs: 1}.Run(main))
}

// Explore runs main with every order of steps that can make a difference.
func (l Lesson) Explore(t testing.TB, main func(ctx context.Context) error) {
	t.Helper()
	l.report(t, aiotest.Exploration{Mode: aiotest.Exhaustive, Runs: 3000}.Run(main))
}

// Cancel runs f once for each moment at which its region can be cancelled.
func (l Lesson) Cancel(t testing.TB, f func(ctx context.Context, c *aiotest.Cancelled) error) {
	t.Helper()
	l.report(t, aiotest.Sweep{}.Run(f))
}

// Clock returns a function that tells how much of the loop's time has passed.
func Clock(ctx context.Context) func() time.Duration {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		panic(err)
	}
	start := loop.Time()
	return func() time.Duration { return loop.Time().Sub(start) }
}

// report fails the test with the first failure, if there is one.
func (l Lesson) report(t testing.TB, r aiotest.Report) {
	t.Helper()
	if len(r.Failures) == 0 {
		return
	}
	f := r.Failures[0]
	text := what(f)
	if f.Cancelled != "" {
		text += fmt.Sprintf("\nThis is run %d. %s.", f.Run, f.Cancelled)
	}
	l.Fail(t, text, story(f))
}

// Fail fails the test. It tells what happened, the steps that led to it, and the lesson.
func (l Lesson) Fail(t testing.TB, what string, steps []string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("not yet\n\nWhat happened:\n")
	indent(&b, what)
	b.WriteString("\nThe last steps of the run:\n")
	if n := len(steps); n > shown {
		steps = append([]string{fmt.Sprintf("   ...  %d steps before", n-shown)}, steps[n-shown:]...)
	}
	indent(&b, strings.Join(steps, "\n"))
	b.WriteString("\nThe idea:\n")
	indent(&b, l.Idea)
	if l.Read != "" {
		b.WriteString("\nRead: " + l.Read + "\n")
	}
	t.Error(b.String())
}

// what explains the error of a failure.
func what(f *aiotest.Failure) string {
	text := strings.TrimPrefix(f.Err.Error(), "main: ")
	switch {
	case errors.Is(f.Err, aio.ErrDeadlock):
		text, _, _ = strings.Cut(text, "\nThe clock is virtual")
		return "All tasks wait, and none is left that could wake them:\n" + text
	case strings.Contains(text, "the cancellation was swallowed"):
		return "A task was cancelled, but did not end as cancelled: the error of the await was lost.\n" + text
	case strings.Contains(text, "tasks are left"):
		return "The function has returned, but tasks that it started still run:\n" + text
	case strings.Contains(text, "was never retrieved"):
		return "A task has failed, and no code looked at its error:\n" + text
	case errors.Is(f.Err, aio.ErrUsage):
		return "A function was called in a way that cannot be right:\n" + text
	}
	return text
}

// shown is the number of steps that a failure shows.
const shown = 12

// story describes the steps of a run, one on each line.
func story(f *aiotest.Failure) (lines []string) {
	verdict, _, _ := strings.Cut(strings.TrimPrefix(f.Err.Error(), "main: "), "\n")
	for _, s := range f.Timeline {
		if !s.Task && len(s.Notes) == 0 {
			continue // a callback of the library
		}
		line := fmt.Sprintf("%6v  %s", s.At, s.Name)
		if s.Why != "" {
			line += " (after " + s.Why + ")"
		}
		switch {
		case s.Where == "fails: "+verdict:
			line += " checks the result"
		case strings.HasPrefix(s.Where, "awaits at "):
			line += " awaits Sleep(0)" + strings.TrimPrefix(s.Where, "awaits")
		case s.Where != "":
			line += " " + s.Where
		}
		if len(s.Notes) > 0 {
			line += "   <- " + strings.Join(s.Notes, ", ")
		}
		lines = append(lines, line)
	}
	return lines
}

func indent(b *strings.Builder, text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		b.WriteString("    " + line)
	}
}
