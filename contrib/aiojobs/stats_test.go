package aiojobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiomon"
	"github.com/goaio/aio/contrib/aiojobs"
)

// The numbers of a namespace in all its states, and the same on a page of a monitor, also
// while a task blocks the loop.
func TestQueues(t *testing.T) {
	run(t, aiojobs.Options{}, func(ctx context.Context, c *aiojobs.Client) error {
		var begun, gate aio.Event
		hold := aiojobs.NewJob[int, int]("hold", &aiojobs.JobOptions{Queue: "held"})
		fail := aiojobs.NewJob[int, int]("fail", &aiojobs.JobOptions{Queue: "failed", Attempts: 1})
		register(t, c, hold, func(ctx context.Context, i int) (int, error) {
			begun.Set()
			return i, gate.Wait(ctx)
		})
		register(t, c, fail, func(context.Context, int) (int, error) { return 0, errors.New("no") })
		submit := func(j *aiojobs.Job[int, int], o aiojobs.SubmitOptions) *aiojobs.Handle[int] {
			h, err := j.Submit(ctx, c, 1, &o)
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		items, err := aiojobs.OpenQueue[int](ctx, c, "items", 5)
		if err != nil {
			return err
		}
		for i := range 3 {
			if err := items.Put(ctx, i); err != nil {
				return err
			}
		}
		if _, err := items.Get(ctx); err != nil {
			return err
		}
		if err := items.Shutdown(ctx, false); err != nil {
			return err
		}
		submit(hold, aiojobs.SubmitOptions{Delay: time.Hour})
		if err := hold.Every(ctx, c, "yearly", "@yearly", 1, nil); err != nil {
			return err
		}
		return working(ctx, c, &aiojobs.WorkOptions{Limit: 1}, func(ctx context.Context) error {
			if _, err := submit(fail, aiojobs.SubmitOptions{}).Await(ctx); err == nil {
				t.Error("a job that fails has a result")
			}
			held := []*aiojobs.Handle[int]{submit(hold, aiojobs.SubmitOptions{})}
			if err := begun.Wait(ctx); err != nil {
				return err
			}
			for _, p := range []aiojobs.Priority{aiojobs.High, aiojobs.Normal, aiojobs.Low, aiojobs.Low} {
				held = append(held, submit(hold, aiojobs.SubmitOptions{Priority: p}))
			}
			want := []aiojobs.QueueStats{
				{Queue: "failed", Kind: "jobs", Dead: 1},
				// Of each priority one was delivered.
				{Queue: "held", Kind: "jobs", Waiting: 2, Low: 1, Taken: 3},
				{Kind: "delayed", Waiting: 1},
				{Kind: "periodic", Waiting: 1},
				{Queue: "items", Kind: "items", Waiting: 2, Taken: 1, Limit: 5, State: "shut down"},
			}
			// Deliveries and acknowledgements may still be on their way.
			var got []aiojobs.QueueStats
			var err error
			for range 1000 {
				if got, err = c.Queues(ctx); err != nil || slices.Equal(got, want) {
					break
				}
				if err := aio.Sleep(ctx, 10*time.Millisecond); err != nil {
					return err
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("Queues: %+v, %v", got, err)
			}
			// The server runs in goroutines of its own; this task blocks the
			// loop.
			m := aiomon.New(nil)
			m.AddPage("jobs", c.Rows)
			server := httptest.NewServer(m)
			defer server.Close()
			fetch := func(path string) string {
				r, err := http.Get(server.URL + path)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Body.Close()
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Fatal(err)
				}
				return string(body)
			}
			var rows []aiojobs.QueueStats
			if err := json.Unmarshal([]byte(fetch("/api/page/jobs")), &rows); err != nil {
				return err
			}
			if !slices.Equal(rows, want) {
				t.Errorf("the page of the monitor: %+v", rows)
			}
			text := fetch("/text/pages")
			for _, line := range []string{
				"jobs",
				"queue   kind      waiting  high  low  taken  dead  limit  state",
				"held    jobs      2        0     1    3      0     0      ",
				"items   items     2        0     0    1      0     5      shut down",
			} {
				if !strings.Contains(text, line+"\n") {
					t.Errorf("the text of the monitor lacks %q:\n%s", line, text)
				}
			}
			gate.Set()
			for _, h := range held {
				if _, err := h.Await(ctx); err != nil {
					return err
				}
			}
			return errors.Join(err, items.TaskDone(ctx), items.Close(ctx))
		})
	})
}

// A monitor shows that there is no answer.
func TestRowsOfAClosedClient(t *testing.T) {
	var closed *aiojobs.Client
	run(t, aiojobs.Options{}, func(ctx context.Context, c *aiojobs.Client) error {
		closed = c
		return nil
	})
	rows, ok := closed.Rows().([]map[string]string)
	if !ok || len(rows) != 1 || rows[0]["error"] == "" {
		t.Errorf("rows %v", closed.Rows())
	}
}
