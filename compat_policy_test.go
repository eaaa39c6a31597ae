package aio_test

import (
	"context"
	"errors"
	"testing"

	"github.com/goaio/aio"
)

// policyReset installs a new default policy, now and at the end of the test.
func policyReset(t *testing.T) {
	aio.SetEventLoopPolicy(nil)
	t.Cleanup(func() { aio.SetEventLoopPolicy(nil) })
}

// policyLoop checks that GetEventLoop returns want, or an error if want is nil.
func policyLoop(t *testing.T, when string, ctx context.Context, want *aio.Loop) {
	t.Helper()
	l, err := aio.GetEventLoop(ctx)
	same(t, "the loop "+when, l, want)
	if want == nil {
		matches(t, "GetEventLoop "+when, err, aio.ErrNoRunningLoop)
	} else {
		matches(t, "GetEventLoop "+when, err, nil)
	}
}

// LOOP-024, LOOP-026, LOOP-027: passing something that is not a loop does not compile.
func TestCurrentLoop(t *testing.T) {
	policyReset(t)
	ctx := context.Background()
	a, _ := newLoop(t)
	b, _ := newLoop(t)
	policyLoop(t, "of a new policy", ctx, nil)
	// the first call has not created a loop
	policyLoop(t, "asked for again", ctx, nil)
	made := aio.GetEventLoopPolicy().NewEventLoop()
	defer made.Close()
	policyLoop(t, "after creating loops", ctx, nil)
	matches(t, "a run of the new loop", runMain(made, sleeps(0)), nil)
	for _, l := range []*aio.Loop{a, b, a, nil} {
		aio.SetEventLoop(l)
		policyLoop(t, "that was set", ctx, l)
	}
}

// LOOP-025: all goroutines share one current loop.
func TestCurrentLoopOfGoroutines(t *testing.T) {
	policyReset(t)
	l, _ := newLoop(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		aio.SetEventLoop(l)
	}()
	<-done
	policyLoop(t, "set by another goroutine", context.Background(), l)
}

// brokenPolicy is a policy whose methods fail.
type brokenPolicy struct{ aio.AbstractEventLoopPolicy }

var errBrokenPolicy = errors.New("broken policy")

func (*brokenPolicy) GetEventLoop() (*aio.Loop, error) { return nil, errBrokenPolicy }

// LOOP-028, LOOP-029, LOOP-030
func TestCurrentLoopAndRunningLoop(t *testing.T) {
	policyReset(t)
	l, _ := newLoop(t)
	other, _ := newLoop(t)
	outside := func() {
		for _, ctx := range []context.Context{context.Background(), l.Context()} {
			_, err := aio.GetRunningLoop(ctx)
			matches(t, "GetRunningLoop outside", err, aio.ErrNoRunningLoop)
		}
	}
	for name, set := range map[string]func(){
		"none":      func() { aio.SetEventLoop(nil) },
		"another":   func() { aio.SetEventLoop(other) },
		"this":      func() { aio.SetEventLoop(l) },
		"no policy": func() { aio.SetEventLoopPolicy(&brokenPolicy{}) },
	} {
		aio.SetEventLoopPolicy(nil)
		set()
		before, beforeErr := aio.GetEventLoop(l.Context())
		outside()
		l.CallSoon(func() { policyLoop(t, "in a callback, current is "+name, l.Context(), l) })
		matches(t, "the run", runMain(l, func(ctx context.Context) error {
			policyLoop(t, "in a task, current is "+name, ctx, l)
			running, err := aio.GetRunningLoop(ctx)
			same(t, "GetRunningLoop", running, l)
			return err
		}), nil)
		outside()
		after, err := aio.GetEventLoop(l.Context())
		same(t, "the loop after the run, current is "+name, after, before)
		same(t, "the error after the run, current is "+name, err, beforeErr)
	}
}

// LOOP-030: a run does not change the current loop.
func TestRunSetsNoCurrentLoop(t *testing.T) {
	policyReset(t)
	l, _ := newLoop(t)
	aio.SetEventLoop(l)
	matches(t, "Run", aio.Run(func(ctx context.Context) error {
		running, err := aio.GetRunningLoop(ctx)
		policyLoop(t, "in the run", ctx, running)
		policyLoop(t, "in the run, without a ctx of it", context.Background(), l)
		return err
	}), nil)
	policyLoop(t, "after the run", context.Background(), l)
}

// LOOP-031: passing something that is not a policy does not compile.
func TestEventLoopPolicy(t *testing.T) {
	policyReset(t)
	first := aio.GetEventLoopPolicy()
	same(t, "the default policy, asked for again", aio.GetEventLoopPolicy(), first)
	_, ok := first.(*aio.DefaultEventLoopPolicy)
	same(t, "it is a DefaultEventLoopPolicy", ok, true)
	mine := &brokenPolicy{}
	aio.SetEventLoopPolicy(mine)
	for range 2 {
		same(t, "the policy that was set", aio.GetEventLoopPolicy(), aio.AbstractEventLoopPolicy(mine))
	}
	_, err := aio.GetEventLoop(context.Background())
	matches(t, "GetEventLoop", err, errBrokenPolicy)
	aio.SetEventLoopPolicy(nil)
	same(t, "the policy is a new one", aio.GetEventLoopPolicy() != first, true)
}
