package main

// The chat in a simulation with crashing hosts and cut links: every user gets the lines
// of another user in order and at most once, and a user who has left remains nowhere.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

func TestSimulation(t *testing.T) {
	runs := stage.Amount(33, 100, 1000)
	var sum aiotest.Counters
	heard := 0
	r := aiotest.Simulate(t, aiotest.Simulation{Runs: runs}, func(ctx context.Context, w *aiotest.World) error {
		house := w.Host("house", func(ctx context.Context) error {
			return serve(ctx, ":7777", 5*time.Second, time.Second, func(net.Addr) {})
		})
		// visit is one connection of a user, until the connection is closed.
		visit := func(ctx context.Context, nick string, lines int) error {
			r, c, err := aio.OpenConnection(ctx, "house:7777", nil)
			if err != nil {
				return nil // the server is down
			}
			defer c.Close()
			talk := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				fmt.Fprintf(c, "/nick %s\n", nick)
				for i := range lines {
					if _, err := fmt.Fprintf(c, "line %d\n", i); err != nil {
						return nil // the connection is lost
					}
					if err := aio.Sleep(ctx, 50*time.Millisecond); err != nil {
						return err
					}
				}
				fmt.Fprintf(c, "/quit\n")
				return nil
			}))
			defer talk.Cancel()
			last := map[string]int{} // last line received from each user
			for {
				line, err := r.ReadLine(ctx)
				if errors.Is(err, aio.ErrCancelled) || errors.Is(err, aio.ErrLoopClosed) {
					return err
				}
				if err != nil || !strings.HasSuffix(string(line), "\n") {
					return nil // the visit has ended
				}
				who, what, said := strings.Cut(strings.TrimSpace(string(line)), ": ")
				var i int
				if _, err := fmt.Sscanf(what, "line %d", &i); !said || err != nil {
					if strings.HasSuffix(string(line), "has joined\n") {
						// discard the lines of an earlier visit
						clear(last)
					}
					continue
				}
				heard++
				if before, ok := last[who]; ok && i != before+1 {
					return fmt.Errorf("%s got line %d of %s after line %d", nick, i, who, before)
				}
				last[who] = i
			}
		}
		var people []*aiotest.Host
		for _, nick := range []string{"ann", "bob", "cyd"} {
			people = append(people, w.Host(nick, func(ctx context.Context) error {
				for range 3 {
					if err := visit(ctx, nick, 10); err != nil {
						return err
					}
					if err := aio.Sleep(ctx, 300*time.Millisecond); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		for range 3 {
			if err := aio.Sleep(ctx, aiotest.Between(ctx, 20*time.Millisecond, time.Second)); err != nil {
				return err
			}
			somebody := people[aiotest.Choose(ctx, len(people), "host")]
			switch aiotest.Choose(ctx, 4, "harm") {
			case 1:
				house.Restart()
			case 2:
				somebody.Restart()
			case 3:
				w.Partition("house", somebody.Name())
				if err := aio.Sleep(ctx, aiotest.Between(ctx, 100*time.Millisecond, 8*time.Second)); err != nil {
					return err
				}
				w.Heal("house", somebody.Name())
			}
		}
		// A user may be connected to a server that was restarted and does not
		// know the user. No end of the connection arrives in that case, so the
		// wait has a timeout.
		var err error
		for _, h := range people {
			err = errors.Join(err, aio.Timeout(ctx, time.Minute, h.Wait))
		}
		if err != nil && !errors.Is(err, aio.ErrTimeout) {
			return err
		}
		c := w.Counters()
		sum.Crashes, sum.Resets, sum.Connections = sum.Crashes+c.Crashes, sum.Resets+c.Resets, sum.Connections+c.Connections
		return nil
	})
	t.Logf("%d runs, %d lines received, %+v", r.Runs, heard, sum)
	if heard < 30*runs || sum.Crashes < runs/2 || sum.Resets < runs/5 {
		t.Error("too few")
	}
}

// Each network operation fails once in each way, while two users talk. No user gets a
// line that was not sent, or only a part of a line. A user whose visit ends without an
// error has received every line. Afterwards no user is left in the house, and it serves
// the next users.
func TestFailEverywhere(t *testing.T) {
	said := map[string][]string{
		"ann": {"good evening", "is there tea?"},
		"bob": {"good evening to you", "there is, in the kitchen"},
	}
	r := aiotest.FailEverywhere(t, aiotest.Failures{Schedules: stage.Amount(3, 30, 200)}, func(ctx context.Context, f *aiotest.Failing) error {
		h := newHouse(time.Minute)
		server, err := aio.StartServer(ctx, h.welcome, "localhost:7777", &aio.ServerOptions{Limit: maxLine})
		if err != nil {
			return err
		}
		visit := func(ctx context.Context, nick string) (heard []string, err error) {
			r, c, err := aio.OpenConnection(ctx, "localhost:7777", nil)
			if err != nil {
				return nil, err
			}
			defer c.Close()
			for _, line := range slices.Concat([]string{"/nick " + nick}, said[nick], []string{"/quit"}) {
				if _, err := fmt.Fprintf(c, "%s\n", line); err != nil {
					return nil, err
				}
				if err := aio.Sleep(ctx, 10*time.Millisecond); err != nil {
					return nil, err
				}
			}
			for {
				line, err := r.ReadLine(ctx)
				if err != nil || !strings.HasSuffix(string(line), "\n") {
					return heard, err
				}
				heard = append(heard, strings.TrimSpace(string(line)))
			}
		}
		// evening is the visit of both users, who may each get an error. It
		// checks what they hear.
		evening := func(ctx context.Context) (ended int, err error) {
			var visits []*aio.Task[[]string]
			for _, nick := range []string{"ann", "bob"} {
				visits = append(visits, aio.CreateTask(ctx, func(ctx context.Context) ([]string, error) { return visit(ctx, nick) }))
			}
			for _, v := range visits {
				heard, err := v.Await(ctx)
				if errors.Is(err, aio.ErrCancelled) {
					return 0, err
				}
				for _, line := range heard {
					who, what, ok := strings.Cut(line, ": ")
					if ok && !strings.HasPrefix(line, "*") && !slices.Contains(said[who], what) && !strings.HasPrefix(who, "guest") {
						return 0, fmt.Errorf("%q was heard, and %s has not said it", line, who)
					}
					if ok && strings.HasPrefix(who, "guest") && !slices.Contains(slices.Concat(said["ann"], said["bob"]), what) {
						return 0, fmt.Errorf("%q was heard, and nobody has said it", line)
					}
				}
				if err == nil && len(heard) > 0 && heard[len(heard)-1] == "* good-bye" {
					ended++
				}
			}
			return ended, nil
		}
		err = f.Do(ctx, func(ctx context.Context) error {
			ended, err := evening(ctx)
			if err == nil && ended < 2 && !f.Happened() {
				err = errors.New("a visit has failed")
			}
			return err
		})
		if err != nil {
			return err
		}
		// a user whose connection has failed stays in the house until the
		// server notices the failure
		if err := aio.Sleep(ctx, 2*time.Minute); err != nil {
			return err
		}
		if len(h.nicks) > 0 || len(h.rooms) > 0 {
			return fmt.Errorf("users %v, rooms %v are left", h.nicks, h.rooms)
		}
		if ended, err := evening(ctx); err != nil || ended < 2 {
			return fmt.Errorf("of the next two visits %d end as they should: %w", ended, err)
		}
		return server.Shutdown(ctx, time.Second)
	})
	t.Logf("%d failures were tried", r.Moments)
	if r.Moments < 200 {
		t.Error("too few")
	}
}
