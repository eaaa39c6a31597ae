package aiohttp

// The goroutines of a client's requests. A goroutine waits for a further request when
// its request has ended, because that costs less than a new one: its stack has grown to
// the size that a request needs. A goroutine that finds no request for a while ends, so
// that a client that is no longer used leaves no goroutine behind. In a bubble of
// testing/synctest, where time stops when the test returns, a goroutine ends at once.
// Any goroutine may call the functions here.

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/goaio/aio/internal/plug"
)

const (
	// maxIdleWorkers is the maximum number of goroutines that wait for a request.
	maxIdleWorkers = 256
	// workerPeriod is the shortest time for which a goroutine waits; a goroutine
	// ends in its second period at the latest.
	workerPeriod = 50 * time.Millisecond
)

// job is a request for a goroutine.
type job struct {
	body   *responseBody
	client *http.Client
	req    *http.Request
	labels any // the profiling labels of the task
}

// workers are the goroutines of a client.
type workers struct {
	ending bool // goroutines end instead of waiting; immutable

	mu sync.Mutex
	// the channels of the waiting goroutines; the one that has waited longest is the
	// first
	idle []chan job
	// the smallest length of idle since the timer was started: the number of
	// goroutines that were not needed
	unused int
	timer  *time.Timer // nil until a goroutine waits
	ticks  bool        // the timer runs
}

func newWorkers() *workers { return &workers{ending: plug.InBubble()} }

// start runs a job in a goroutine.
func (w *workers) start(j job) {
	w.mu.Lock()
	n := len(w.idle) - 1
	if n < 0 {
		w.mu.Unlock()
		go w.work(j)
		return
	}
	next := w.idle[n]
	w.idle[n] = nil
	w.idle = w.idle[:n]
	w.unused = min(w.unused, n)
	w.mu.Unlock()
	// does not block: only the caller that has removed next from idle sends to it
	next <- j
}

// work is the body of a goroutine.
func (w *workers) work(j job) {
	next := make(chan job, 1)
	for ok := true; ok; {
		plug.SetLabels(j.labels)
		j.body.run(j.client, j.req)
		if !w.await(next) {
			return
		}
		j, ok = <-next
	}
}

// await makes a goroutine wait for a job from next, or for the end of next. It returns
// false if the goroutine must end, because enough others wait already.
func (w *workers) await(next chan job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ending || len(w.idle) == maxIdleWorkers {
		return false
	}
	w.idle = append(w.idle, next)
	switch {
	case w.ticks:
		return true
	case w.timer == nil:
		w.timer = time.AfterFunc(workerPeriod, w.trim)
	default:
		w.timer.Reset(workerPeriod)
	}
	w.ticks, w.unused = true, 0
	return true
}

// trim ends the goroutines that were not needed since the timer was started.
func (w *workers) trim() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.endFirst(w.unused)
	w.unused = len(w.idle)
	if w.ticks = w.unused > 0; w.ticks {
		w.timer.Reset(workerPeriod)
	}
}

// end ends all goroutines that wait.
func (w *workers) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.endFirst(len(w.idle))
	w.unused = 0
}

// endFirst ends the n goroutines that have waited longest. w is locked.
func (w *workers) endFirst(n int) {
	for _, next := range w.idle[:n] {
		close(next)
	}
	w.idle = slices.Delete(w.idle, 0, n)
}
