package aiokit_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aioiter"
	"github.com/goaio/aio/aiotest"
)

type job struct {
	name  string
	limit time.Duration
	run   func(ctx context.Context) error
}

type rateOf struct {
	n   int
	per time.Duration
}

// core is a test workload for the core of a library. It calls do with the region that a
// sweep may cancel, and then checks the result.
type core func(ctx context.Context, log *eventLog, do func(ctx context.Context, fn func(ctx context.Context) error) error) error

func streamCore(batches func([]aioiter.Stream[string], time.Duration, int, int, func(context.Context, string) (int, error)) aioiter.Stream[[]int]) core {
	return func(ctx context.Context, log *eventLog, do func(ctx context.Context, fn func(ctx context.Context) error) error) error {
		began, ended := 0, 0
		parse := func(ctx context.Context, line string) (int, error) {
			began++
			defer func() { ended++ }()
			if err := aio.Sleep(ctx, time.Duration(len(line))*ms); err != nil {
				return 0, err
			}
			return strconv.Atoi(line)
		}
		err := do(ctx, func(ctx context.Context) error {
			sources := []aioiter.Stream[string]{sourceOf(3*ms, "1", "222", "3"), sourceOf(5*ms, "44", "5")}
			for batch, err := range batches(sources, 50*ms, 2, 2, parse)(ctx) {
				if err != nil {
					return err
				}
				log.add("%v", batch)
			}
			return nil
		})
		if began != ended {
			return fmt.Errorf("%d calls started, %d ended", began, ended)
		}
		return err
	}
}

func jobsCore(run func(context.Context, []job, int, *rateOf) (map[string]error, error)) core {
	return func(ctx context.Context, log *eventLog, do func(ctx context.Context, fn func(ctx context.Context) error) error) error {
		running := 0
		work := func(name string, takes time.Duration, fails int) job {
			return job{name, 50 * ms, func(ctx context.Context) error {
				if running++; running > 2 {
					return errors.New("more than two are running")
				}
				defer func() { running-- }()
				if err := aio.Sleep(ctx, takes); err != nil {
					return err
				}
				if fails--; fails >= 0 {
					log.add("%s!", name)
					return errFlaky
				}
				log.add("%s", name)
				return nil
			}}
		}
		err := do(ctx, func(ctx context.Context) error {
			now := clock(ctx)
			failed, err := run(ctx, []job{work("a", 10*ms, 0), work("b", 20*ms, 2), work("c", 10*ms, 9), work("d", time.Hour, 0)}, 2, &rateOf{2, 100 * ms})
			if err == nil {
				log.add("%v@%d", failed, now())
			}
			return err
		})
		if running != 0 {
			return fmt.Errorf("%d run still", running)
		}
		return err
	}
}

var cores = map[string]struct{ kit, hand core }{
	"streams": {streamCore(batchesKit), streamCore(batchesHand)},
	"jobs":    {jobsCore(runJobsKit), jobsCore(runJobsHand)},
	"mail": {
		mailCore(func(dial dialer, max int) mailer { return newMailKit(dial, max) }),
		mailCore(func(dial dialer, max int) mailer { return newMailHand(dial, max) }),
	},
}

// Both versions of a core behave the same, step by step, and leave nothing behind when
// cancelled at any moment.
func TestCores(t *testing.T) {
	for name, c := range cores {
		logs := map[string]string{}
		for form, core := range map[string]core{"kit": c.kit, "hand": c.hand} {
			aiotest.Explore(t, aiotest.Exploration{Runs: 1, Network: true}, func(ctx context.Context) error {
				var log eventLog
				err := core(ctx, &log, func(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) })
				logs[form] = strings.Join(log, " ")
				return err
			})
			t.Run(name+"/"+form, func(t *testing.T) {
				aiotest.CancelEverywhere(t, aiotest.Sweep{Schedules: 3, Network: true}, func(ctx context.Context, c *aiotest.Cancelled) error {
					var log eventLog
					err := core(ctx, &log, c.Do)
					if c.Happened() && errors.Is(err, aio.ErrCancelled) {
						return nil
					}
					return err
				})
			})
		}
		if logs["kit"] != logs["hand"] || logs["kit"] == "" {
			t.Errorf("%s\n kit %s\nhand %s", name, logs["kit"], logs["hand"])
		}
	}
}

// lines counts the lines of the named functions and types in a file.
func lines(t *testing.T, file string, names ...string) (n int) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		var name string
		switch d := d.(type) {
		case *ast.FuncDecl:
			name = d.Name.Name
			if d.Recv != nil {
				name = fmt.Sprint(d.Recv.List[0].Type.(*ast.StarExpr).X)
			}
		case *ast.GenDecl:
			if s, ok := d.Specs[0].(*ast.TypeSpec); ok {
				name = s.Name.Name
			}
		}
		for _, want := range names {
			if name == want {
				n += files.Position(d.End()).Line - files.Position(d.Pos()).Line + 1
			}
		}
	}
	return n
}

// A core written with the packages has at most two thirds of the lines.
func TestCoresAreShorter(t *testing.T) {
	for _, c := range []struct{ kit, hand []string }{
		{[]string{"batchesKit"}, []string{"batchesHand"}},
		{[]string{"runJobsKit"}, []string{"runJobsHand"}},
		{[]string{"mailKit", "newMailKit"}, []string{"mailHand", "idleHand", "newMailHand"}},
	} {
		kit, hand := lines(t, "cores_kit_test.go", c.kit...), lines(t, "cores_hand_test.go", c.hand...)
		t.Logf("%s: %d lines, by hand %d", c.kit[0], kit, hand)
		if kit == 0 || 3*kit > 2*hand {
			t.Errorf("%s has %d lines, by hand %d", c.kit[0], kit, hand)
		}
	}
}
