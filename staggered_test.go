package aio_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// failsLater returns a coroutine that fails with err after d.
func failsLater(d time.Duration, err error) aio.Coro[string] {
	return func(ctx context.Context) (string, error) {
		if err := aio.Sleep(ctx, d); err != nil {
			return "", err
		}
		return "", err
	}
}

// outcome formats the result of a race.
func outcome(r aio.RaceResult[string], err error) string {
	var errs []string
	for _, e := range r.Errors {
		switch {
		case e == nil:
			errs = append(errs, "-")
		case errors.Is(e, aio.ErrCancelled):
			errs = append(errs, "cancelled")
		default:
			errs = append(errs, e.Error())
		}
	}
	return fmt.Sprintf("%q %d [%s] %v", r.Value, r.Index, strings.Join(errs, " "), err)
}

// STG-001, STG-002, STG-003, STG-004, STG-005, STG-006, STG-007, STG-012, STG-014
func TestStaggeredRace(t *testing.T) {
	type coros = []aio.Coro[string]
	hangs := after(time.Hour, "late")
	for _, tt := range []struct {
		name  string
		delay time.Duration
		coros coros
		want  string
		took  time.Duration
	}{
		{"nobody", aio.NoTimeout, nil, `"" -1 [] <nil>`, 0},
		{"the first succeeds", aio.NoTimeout, coros{returns("a"), returns("b")}, `"a" 0 [-] <nil>`, 0},
		{"the first succeeds before the delay", time.Second, coros{after(time.Millisecond, "a"), returns("b")}, `"a" 0 [-] <nil>`, time.Millisecond},
		{"the first fails", aio.NoTimeout, coros{failsLater(0, errOne), returns("b"), returns("c")}, `"b" 1 [one -] <nil>`, 0},
		{"all fail", aio.NoTimeout, coros{failsLater(time.Second, errOne), failsLater(time.Second, errTwo)}, `"" -1 [one two] <nil>`, 2 * time.Second},
		{"the first hangs", time.Second, coros{hangs, returns("b"), returns("c")}, `"b" 1 [cancelled -] <nil>`, time.Second},
		{"the first is slow and wins", time.Second, coros{after(1500*time.Millisecond, "a"), hangs, returns("c")}, `"a" 0 [- cancelled] <nil>`, 1500 * time.Millisecond},
		{"without delay one after another", aio.NoTimeout, coros{failsLater(time.Minute, errOne), after(time.Minute, "b")}, `"b" 1 [one -] <nil>`, 2 * time.Minute},
		{"a failure starts the next at once", time.Hour, coros{failsLater(time.Second, errOne), failsLater(time.Second, errTwo), after(time.Second, "c")}, `"c" 2 [one two -] <nil>`, 3 * time.Second},
		{"the winner's value is empty", aio.NoTimeout, coros{failsLater(0, errOne), returns("")}, `"" 1 [one -] <nil>`, 0},
		{"delay zero", 0, coros{hangs, hangs, returns("c")}, `"c" 2 [cancelled cancelled -] <nil>`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				now := clock(ctx)
				got := outcome(aio.StaggeredRace(ctx, tt.delay, tt.coros...))
				if got != tt.want || now() != tt.took {
					t.Errorf("got  %s after %v\nwant %s after %v", got, now(), tt.want, tt.took)
				}
				return nil
			})
		})
	}
}

// STG-007: two candidates are ready in the same pass, and a third one waits.
func TestStaggeredRaceHasOneWinner(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		gate := new(aio.Event)
		racer := func(name string) aio.Coro[string] {
			return func(ctx context.Context) (string, error) {
				err := gate.Wait(ctx)
				log.add("%s:%v", name, err == nil)
				return name, err
			}
		}
		l, _ := aio.GetRunningLoop(ctx)
		l.CallLater(time.Minute, gate.Set)
		hangs := aio.Coro[string](func(ctx context.Context) (string, error) {
			_, err := forever(ctx)
			return "", err
		})
		got := outcome(aio.StaggeredRace(ctx, time.Second, racer("a"), racer("b"), hangs))
		if want := `"a" 0 [- cancelled cancelled] <nil>`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		return nil
	})
	log.want(t, "a:true b:false")
}

// STG-008, STG-009, STG-010: if a candidate swallows a cancellation, the next one
// reaches it too; the race still ends as cancelled.
func TestStaggeredRaceForwardsEachCancellation(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		absorbs := func(name string) aio.Coro[string] {
			return func(ctx context.Context) (string, error) {
				for range 2 {
					var c *aio.CancelledError
					_, err := forever(ctx)
					if errors.As(err, &c) {
						log.add("%s:%v", name, c.Message)
					}
				}
				err := aio.Sleep(ctx, time.Minute)
				log.add("%s:ends", name)
				return name, err
			}
		}
		now := clock(ctx)
		race := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			_, err := aio.StaggeredRace(ctx, aio.NoTimeout, absorbs("a"))
			return 0, err
		})
		for _, msg := range []string{"first", "second"} {
			letPass(ctx, 5)
			race.Cancel(msg)
		}
		_, _ = race.Await(ctx)
		log.add("%s", state(race))
		if now() != time.Minute {
			t.Errorf("the race ended after %v, want it to wait for its candidate", now())
		}
		return nil
	})
	log.want(t, "a:first a:second a:ends cancelled")
}

// STG-011
func TestStaggeredRaceInNestedTimeouts(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		outer, inner := aio.NewTimeout(aio.NoTimeout), aio.NewTimeout(aio.NoTimeout)
		err := outer.Run(ctx, func(ctx context.Context) error {
			return inner.Run(ctx, func(ctx context.Context) error {
				_, err := aio.StaggeredRace(ctx, aio.NoTimeout, func(ctx context.Context) (string, error) {
					outer.Reschedule(l.Time().Add(-time.Second))
					inner.Reschedule(l.Time().Add(-time.Second))
					_, _ = forever(ctx)
					return "absorbed", nil
				})
				return err
			})
		})
		if err != aio.ErrTimeout || !outer.Expired() || !inner.Expired() {
			t.Errorf("%v, outer expired %v, inner expired %v", err, outer.Expired(), inner.Expired())
		}
		return nil
	})
}

// STG-013
func TestStaggeredRaceWaitsForItsLosers(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		now := clock(ctx)
		ended := false
		got := outcome(aio.StaggeredRace(ctx, time.Second, func(ctx context.Context) (string, error) {
			_, err := cleansUp(time.Minute)(ctx)
			ended = true
			return "", err
		}, returns("b")))
		if want := `"b" 1 [cancelled -] <nil>`; got != want || !ended || now() != time.Minute+time.Second {
			t.Errorf("%s after %v, loser ended %v; want %s", got, now(), ended, want)
		}
		return nil
	})
}

// When a derived context is done, the candidates are cancelled once: they may await in
// their clean-up.
func TestStaggeredRaceEndsWithADerivedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := aio.Run(func(ctx context.Context) error {
			derived, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := aio.StaggeredRace(derived, aio.NoTimeout, func(ctx context.Context) (string, error) {
				err := aio.Sleep(ctx, time.Hour)
				for range 3 {
					matches(t, "Sleep of the cleanup", aio.Sleep(ctx, time.Second), nil)
				}
				return "", err
			})
			return err
		})
		matches(t, "StaggeredRace", err, context.DeadlineExceeded)
		same(t, "time that passed", time.Since(start), 4*time.Second)
	})
}

func TestStaggeredRacePanicIsAFailure(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		blows := func(context.Context) (string, error) { panic(errOne) }
		r, err := aio.StaggeredRace(ctx, aio.NoTimeout, blows, returns("b"))
		var p *aio.PanicError
		if r.Value != "b" || r.Index != 1 || len(r.Errors) != 2 || !errors.As(r.Errors[0], &p) || p.Value != errOne {
			t.Errorf("got %s", outcome(r, err))
		}
		return err
	})
}

// STG-015
func TestStaggeredRaceSecondWinnerIsMisuse(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		absorbs := aio.Coro[string](func(ctx context.Context) (string, error) {
			_, _ = forever(ctx)
			return "a", nil
		})
		_, err := aio.StaggeredRace(ctx, time.Second, absorbs, returns("b"))
		var group *aio.GroupError
		if !errors.As(err, &group) || len(group.Errors) != 1 {
			t.Errorf("got %v, want a GroupError", err)
		}
		return nil
	})
}

// The result does not depend on whether tasks start eagerly.
func TestStaggeredRaceOfEagerTasks(t *testing.T) {
	l, _ := newLoop(t)
	l.SetTaskFactory(aio.EagerTaskFactory)
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		got := outcome(aio.StaggeredRace(ctx, time.Second, failsLater(0, errOne), after(time.Hour, "late"), returns("c"), returns("d")))
		if want := `"c" 2 [one cancelled -] <nil>`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
}
