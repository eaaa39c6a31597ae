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
	"github.com/goaio/aio/internal/stage"
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

// cores returns the cores by name, in both forms.
func cores() map[string]struct{ kit, hand core } {
	all := map[string]struct{ kit, hand core }{
		"streams": {streamCore(batchesKit), streamCore(batchesHand)},
		"jobs":    {jobsCore(runJobsKit), jobsCore(runJobsHand)},
		"mail":    {mailCore(newMailKit, 20*time.Second, 1, 7, 12, 23), mailCore(newMailHand, 20*time.Second, 1, 7, 12, 23)},
		"scheduler": {
			schedulerCore(func() (scheduler, *jobTable) { s := new(schedulerKit); return s, &s.jobTable }),
			schedulerCore(func() (scheduler, *jobTable) { s := new(schedulerHand); return s, &s.jobTable }),
		},
	}
	for _, c := range pipelineCases {
		all["pipeline, "+c.name] = struct{ kit, hand core }{pipelineCore(c, quotesKit), pipelineCore(c, quotesHand)}
	}
	return all
}

// coreLogs are the events of the cores.
var coreLogs = map[string]string{
	"jobs": "a b! c! b! c! b c! map[c:aiokit: after 3 attempts: flaky d:aiokit: after 3 attempts: aio: timed " +
		"out]@810",
	"mail": "EHLO EHLO AUTH AUTH MAIL RCPT MAIL! DATA EHLO NOOP AUTH MAIL! MAIL RCPT RSET NOOP MAIL RCPT RCPT " +
		"EHLO DATA AUTH MAIL! NOOP MAIL RCPT RSET NOOP MAIL RCPT DATA NOOP NOOP NOOP MAIL RCPT DATA QUIT " +
		"[ann:one bob+cyd:two/.hidden/end grey:four dan:five] 550 no such user",
	"pipeline, busy": "feed0@0 feed1@0 a2@4 b1@6 a1@18 [<a2> <b1>]/0@25 a4@30 b1@70 a1@79 a2@88 [<a1> <a4> <b1> " +
		"<a1>]/2@95 a1@106 feed1@130 [<a2> <a1>]/4@144 end@189",
	"pipeline, feed fails": "feed0@0 feed1@0 a5@4 b1@6 feed0@23 [<a5> <b1>]/0@50 feed0@52 b1@59 aiokit: after 3 attempts: " +
		"flaky@66 end@66",
	"pipeline, leave":        "feed0@0 feed1@0 a1@4 b3@6 [<a1>]/0@25 b1@31 [<b3> <b1>]/1@50 end@50",
	"pipeline, lookup fails": "feed0@0 feed1@0 a5@4 b1@6 a1@39 [<a5> <b1> <a1>]/0@50 b1@59 a0@71 no such line@71 end@71",
	"pipeline, settings end": "feed0@0 feed1@0 a2@4 [<a2>]/0@25 a1@35 [<a1>]/3@50 end@50",
	"pipeline, whole": "feed0@0 feed1@0 feed2@0 a1@7 b2@10 a2@20 [<a1> <b2>]/1@25 feed1@32 feed0@43 a3@54 [<a2>]/2@57 " +
		"feed2@60 feed1@60 b1@81 [<a3>]/4@89 c1@93 c1@94 b3@100 c1@101 feed0@114 [<b1> <c1> <c1>]/5@124 " +
		"a4@124 c1@125 [<b3> <c1>]/6@214 [<a4> <c1>]/7@296 end@296",
	"scheduler": "tick@10 tick.done@11 slow@11 late@12 late.done@14 flaky@15 flaky@16.125 flaky@18.25 " +
		"flaky.done@18.375 tick@20 tick.done@21 slow@21 late@22 hangs@23 late.done@24 broken@24 " +
		"broken@25.125 broken.aiokit: after 2 attempts: flaky@25.25 hangs.closed@28.5 hangs.aiokit: after " +
		"1 attempts: aio: timed out@28.5 save@29 tick@30 half@30 half.done@30.25 tick.done@31 " +
		"slow.skipped@31 late@32 late.done@34 --@35.5 slow.done@36 slow.done@46 save@58 --@64.5 tick@64.5 " +
		"late.missed@64.5 late.missed@64.5 late@64.5 slow@64.5 half@64.5 half.done@64.75 tick.done@65.5 " +
		"late.done@66.5 tick@70 --@70.5 tick.done@71 slow@71 late@72 late.done@74 slow.skipped@81 late@82 " +
		"late.done@84 --@85.5 save@87 slow.done@89.5 slow@89.5 tick@90 half@90 half.done@90.25 " +
		"tick.done@91 slow.skipped@91 --@95.5 slow.done@96 slow.done@114.5 slow@114.5 slow.closed@116 " +
		"end@116",
	"streams": "[1 44] [222 5] [3]",
}

// Both versions of a core behave the same, step by step, and leave nothing behind when
// cancelled at any moment.
func TestCores(t *testing.T) {
	for name, c := range cores() {
		logs := map[string]string{}
		for form, core := range map[string]core{"kit": c.kit, "hand": c.hand} {
			aiotest.Explore(t, aiotest.Exploration{Runs: 1, Network: true}, func(ctx context.Context) error {
				var log eventLog
				err := core(ctx, &log, func(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) })
				logs[form] = strings.Join(log, " ")
				return err
			})
			if form == "hand" && !stage.Amount(false, true, true) {
				// the short test sweeps only the version with aiokit
				continue
			}
			t.Run(name+"/"+form, func(t *testing.T) {
				aiotest.CancelEverywhere(t, aiotest.Sweep{Schedules: stage.Amount(1, 3, 10), Network: true}, func(ctx context.Context, c *aiotest.Cancelled) error {
					var log eventLog
					err := core(ctx, &log, c.Do)
					if c.Happened() && errors.Is(err, aio.ErrCancelled) {
						return nil
					}
					return err
				})
			})
		}
		if want := coreLogs[name]; logs["kit"] != want || logs["hand"] != want || want == "" {
			t.Errorf("%s\n kit %s\nhand %s\nwant %s", name, logs["kit"], logs["hand"], want)
		}
	}
}

// The mail client delivers each message also if any one operation of its network fails.
func TestMailCoreFailures(t *testing.T) {
	for form, newMailer := range map[string]newMailer{"kit": newMailKit, "hand": newMailHand} {
		t.Run(form, func(t *testing.T) {
			aiotest.FailEverywhere(t, aiotest.Failures{}, func(ctx context.Context, f *aiotest.Failing) error {
				return mailCore(newMailer, 20*time.Second, 2)(ctx, new(eventLog), f.Do)
			})
		})
	}
}

// The mail client and its server over the sockets of the system, in real time.
func TestMailCoreOverSockets(t *testing.T) {
	for form, newMailer := range map[string]newMailer{"kit": newMailKit, "hand": newMailHand} {
		t.Run(form, func(t *testing.T) {
			err := aio.Run(func(ctx context.Context) error {
				return mailCore(newMailer, 20*ms, 1, 7, 12, 23)(ctx, new(eventLog), func(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) })
			})
			if err != nil {
				t.Error(err)
			}
		})
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

// A core written with aiokit and aioiter has at most two thirds of the lines of the
// other version.
func TestCoresAreShorter(t *testing.T) {
	for _, c := range []struct {
		kit, hand []string
		file      string // the file with the version without aiokit
	}{
		{[]string{"batchesKit"}, []string{"batchesHand"}, "cores_hand_test.go"},
		{[]string{"runJobsKit"}, []string{"runJobsHand"}, "cores_hand_test.go"},
		{[]string{"mailKit", "newMailKit"}, []string{"mailHand", "idleHand", "newMailHand"}, "cores_hand_test.go"},
		{[]string{"schedulerKit"}, []string{"schedulerHand"}, "cores_hand_scheduler_test.go"},
		{[]string{"quotesKit", "windows"}, []string{"pipelineHand", "itemHand", "give", "quotesHand"}, "cores_hand_streams_test.go"},
	} {
		kit, hand := lines(t, "cores_kit_test.go", c.kit...), lines(t, c.file, c.hand...)
		t.Logf("%s: %d lines, by hand %d", c.kit[0], kit, hand)
		if kit == 0 || 3*kit > 2*hand {
			t.Errorf("%s has %d lines, by hand %d", c.kit[0], kit, hand)
		}
	}
}
