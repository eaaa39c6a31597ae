package aiomon_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goaio/aio/aiomon"
	"github.com/goaio/aio/aiomon/testdata/troubles"
)

// reports is an Options.Report that records the warnings.
type reports struct {
	mu  sync.Mutex
	all []aiomon.Warning
}

func (r *reports) add(w aiomon.Warning) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, w)
}

// count returns the number of warnings of a trouble.
func (r *reports) count(of troubles.Trouble) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.all {
		if shows(of, w) {
			n++
		}
	}
	return n
}

func shows(of troubles.Trouble, w aiomon.Warning) bool {
	return w.Kind == of.Kind && strings.Contains(w.Text, of.Text) && strings.Contains(w.More, of.More)
}

// until polls until ok returns true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("never: " + what)
		}
	}
}

// The JSON of the page shows each trouble, and the monitor reports it once.
func TestTroubles(t *testing.T) {
	for _, trouble := range troubles.All {
		t.Run(trouble.Name, func(t *testing.T) {
			var told reports
			opts := troubles.Options()
			opts.Report = told.add
			program, err := trouble.Start(opts)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := program.Stop(); err != nil {
					t.Error(err)
				}
			}()
			var seen string
			shown := func() (n int) {
				r := httptest.NewRequest("GET", "http://localhost/api/health", nil)
				w := httptest.NewRecorder()
				program.Monitor.ServeHTTP(w, r)
				seen = w.Body.String()
				var health []struct{ Warnings []aiomon.Warning }
				if err := json.Unmarshal(w.Body.Bytes(), &health); err != nil {
					t.Fatal(err)
				}
				for _, w := range health[0].Warnings {
					if shows(trouble, w) {
						n++
					}
				}
				return n
			}
			until(t, "the health page shows it", func() bool { return shown() > 0 })
			until(t, "it is reported; the page has "+seen, func() bool { return told.count(trouble) > 0 })
			if trouble.Kind == "starving" {
				// half of the tasks starve at that time
				time.Sleep(20 * opts.Interval)
			}
			if trouble.Kind == "blocked" || trouble.Kind == "deadlock" {
				// long enough for a second report
				time.Sleep(3 * opts.Interval)
				if n := told.count(trouble); n != 1 {
					t.Errorf("it was reported %d times", n)
				}
			}
			// the current problem, and for some kinds the latest one that
			// has ended
			if n := shown(); n > 2 {
				t.Errorf("the health page shows it %d times:\n%s", n, seen)
			}
		})
	}
}
