package aiojobs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/contrib/aiojobs"
)

func TestEvery(t *testing.T) {
	run(t, aiojobs.Options{}, func(ctx context.Context, c *aiojobs.Client) error {
		ids := map[string]bool{}
		var three aio.Event
		tick := aiojobs.NewJob[string, int]("tick", nil)
		register(t, c, tick, func(ctx context.Context, s string) (int, error) {
			info, _ := aiojobs.InfoOf(ctx)
			ids[info.ID] = true
			if len(ids) == 3 {
				three.Set()
			}
			if s != "tock" || info.Priority != aiojobs.High {
				t.Errorf("argument %q, %+v", s, info)
			}
			return 0, nil
		})
		high := &aiojobs.SubmitOptions{Priority: aiojobs.High}
		return working(ctx, c, nil, func(ctx context.Context) error {
			if err := tick.Every(ctx, c, "clock", "@every 1h", "tick", high); err != nil {
				return err
			}
			for range 2 { // the second one changes nothing
				if err := tick.Every(ctx, c, "clock", "@every 1s", "tock", high); err != nil {
					return err
				}
			}
			if err := three.Wait(ctx); err != nil {
				return err
			}
			for _, want := range []bool{true, false} {
				if found, err := c.StopEvery(ctx, "clock"); found != want || err != nil {
					t.Errorf("StopEvery: %t, %v", found, err)
				}
			}
			if err := tick.Every(ctx, c, "clock", "now and then", "tock", nil); err == nil || errors.Is(err, aio.ErrUsage) {
				t.Errorf("a schedule that is no schedule: %v", err)
			}
			return nil
		})
	})
}

func TestDeadLetters(t *testing.T) {
	run(t, aiojobs.Options{}, func(ctx context.Context, c *aiojobs.Client) error {
		broken := true
		fragile := aiojobs.NewJob[string, string]("fragile", &aiojobs.JobOptions{Queue: "china", Attempts: 2, Pause: time.Millisecond})
		register(t, c, fragile, func(ctx context.Context, s string) (string, error) {
			if broken {
				return "", errors.New("broken:\n" + s)
			}
			return s, nil
		})
		return working(ctx, c, nil, func(ctx context.Context) error {
			var ids []string
			for _, s := range []string{"cup", "plate", "bowl"} {
				h, err := fragile.Submit(ctx, c, s, nil)
				if err != nil {
					return err
				}
				if _, err := h.Await(ctx); err == nil || !strings.Contains(err.Error(), "broken:\n"+s) {
					t.Errorf("%s: %v", s, err)
				}
				ids = append(ids, h.ID())
			}
			letters := func() (all []*aiojobs.DeadLetter) {
				for d, err := range c.DeadLetters(ctx) {
					if err != nil {
						t.Error(err)
						break
					}
					all = append(all, d)
				}
				return all
			}
			all := letters()
			if len(all) != 3 {
				t.Fatalf("%d dead letters", len(all))
			}
			d := all[1]
			if d.ID != ids[1] || d.Name != "fragile" || d.Queue != "china" || d.Attempts != 2 || d.Reason != "broken: plate" ||
				string(d.Args) != `"plate"` || time.Since(d.Time) > time.Hour {
				t.Errorf("dead letter %+v", d)
			}
			broken = false
			for range 2 {
				if err := c.Discard(ctx, all[0]); err != nil {
					return err
				}
			}
			if err := c.Resubmit(ctx, d); err != nil {
				return err
			}
			h, err := fragile.Attach(ctx, c, d.ID)
			if err != nil {
				return err
			}
			if s, err := h.Await(ctx); s != "plate" || err != nil {
				t.Errorf("the second time: %q, %v", s, err)
			}
			if rest := letters(); len(rest) != 1 || rest[0].ID != ids[2] {
				t.Errorf("dead letters %+v", rest)
			}
			return nil
		})
	})
}
