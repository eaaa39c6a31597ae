package aiokit_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aioiter"
)

// pipelineHand is one run of the program. Its tasks pass items through queues. A task
// waits until its item has been received, so that the program does not read ahead.
type pipelineHand struct {
	*pipeline
	lines   *aio.Queue[itemHand]
	open    int // feeds
	calls   *aio.Queue[*aio.Task[string]]
	slots   *aio.Semaphore
	failure error // the error of a feed that has failed
	marks   *aio.Queue[itemHand]
	halves  *aio.Queue[itemHand]
	setting int
	came    aio.Event // set when a setting has arrived and was not paired yet
	since   time.Time // when the setting arrived, zero if there is none
	lookups []*aio.Task[string]
	feeding []*aio.Task[struct{}]
	tasks   []*aio.Task[struct{}]
}

// itemHand is an item that a task passes to another task.
type itemHand struct {
	text    string
	batch   []string // the first half of a pair
	setting int      // the second half, if batch is nil
	tick    bool     // a window has ended
	end     bool
	err     error // with which the sender ended
	taken   *aio.Event
}

func give(ctx context.Context, to *aio.Queue[itemHand], item itemHand) error {
	item.taken = new(aio.Event)
	if err := to.PutNowait(item); err != nil {
		return err
	}
	return item.taken.Wait(ctx)
}

func quotesHand(p *pipeline) aioiter.Stream[quotes] {
	return func(ctx context.Context) iter.Seq2[quotes, error] {
		return func(yield func(quotes, error) bool) {
			h := &pipelineHand{
				pipeline: p,
				lines:    aio.NewQueue[itemHand](0),
				open:     len(p.feeds),
				calls:    aio.NewQueue[*aio.Task[string]](0),
				slots:    aio.NewSemaphore(2),
				marks:    aio.NewQueue[itemHand](0),
				halves:   aio.NewQueue[itemHand](0),
			}
			start := func(body func(ctx context.Context) error) *aio.Task[struct{}] {
				return aio.CreateTask(ctx, aio.NoResult(body))
			}
			for _, feed := range p.feeds {
				h.feeding = append(h.feeding, start(func(ctx context.Context) error { return h.feed(ctx, feed) }))
			}
			source := start(h.readSettings)
			h.tasks = []*aio.Task[struct{}]{
				source, start(h.startLookups), start(h.awaitLookups), start(h.ticks), start(h.collect),
				start(func(ctx context.Context) error { return h.debounce(ctx, source) }),
			}
			defer func() {
				_ = aio.CancelAndWait(ctx, slices.Concat(h.tasks, h.feeding)...)
				// no more lookups are started
				_ = aio.CancelAndWait(ctx, h.lookups...)
			}()
			for {
				var q quotes
				var taken []*aio.Event
				for range 2 {
					half, err := h.halves.Get(ctx)
					if err == nil {
						err = half.err
					}
					if err != nil {
						yield(quotes{}, err)
						return
					}
					if half.end {
						return
					}
					if half.batch != nil {
						q.First = half.batch
					} else {
						q.Second = half.setting
					}
					taken = append(taken, half.taken)
				}
				if !yield(q, nil) {
					return
				}
				for _, t := range taken {
					t.Set()
				}
			}
		}
	}
}

// feed reads a feed, and starts it again when it fails.
func (h *pipelineHand) feed(ctx context.Context, feed aioiter.Stream[string]) error {
	pause, attempt := 10*time.Millisecond, 1
	for {
		it := aio.Pull(ctx, feed)
		err := func() error {
			defer func() { _ = aio.Shielded(ctx, it.Close) }()
			for {
				var text string
				var ok bool
				err := aio.Timeout(ctx, h.limit, func(ctx context.Context) (err error) {
					text, ok, err = it.Next(ctx)
					return err
				})
				if err != nil || !ok {
					return err
				}
				pause, attempt = 10*time.Millisecond, 1
				if err := give(ctx, h.lines, itemHand{text: text}); err != nil {
					return err
				}
			}
		}()
		if errors.Is(err, aio.ErrCancelled) {
			return err
		}
		if err == nil {
			if h.open--; h.open == 0 {
				h.lines.Shutdown(false)
			}
			return nil
		}
		if attempt == 3 {
			return h.lines.PutNowait(itemHand{err: fmt.Errorf("aiokit: after 3 attempts: %w", err)})
		}
		if err := aio.Sleep(ctx, pause); err != nil {
			return err
		}
		pause *= 2
		attempt++
	}
}

// startLookups starts up to two look-ups at a time.
func (h *pipelineHand) startLookups(ctx context.Context) error {
	defer h.calls.Shutdown(false)
	var taken *aio.Event
	for {
		if err := h.slots.Acquire(ctx); err != nil {
			return err
		}
		if taken != nil {
			taken.Set()
		}
		l, err := h.lines.Get(ctx)
		switch {
		case errors.Is(err, aio.ErrQueueShutDown):
			return nil
		case err != nil:
			return err
		case l.err != nil:
			h.failure = l.err
			return aio.CancelAndWait(ctx, h.feeding...)
		}
		taken = l.taken
		call := aio.CreateTask(ctx, func(ctx context.Context) (string, error) { return h.lookup(ctx, l.text) })
		h.lookups = append(slices.DeleteFunc(h.lookups, func(t *aio.Task[string]) bool { return t.Done() }), call)
		if err := h.calls.PutNowait(call); err != nil {
			return err
		}
	}
}

// awaitLookups takes the results in the order of the lines.
func (h *pipelineHand) awaitLookups(ctx context.Context) error {
	for {
		call, err := h.calls.Get(ctx)
		if errors.Is(err, aio.ErrQueueShutDown) {
			return h.marks.PutNowait(itemHand{end: true, err: h.failure})
		}
		if err == nil {
			_, _, err = aio.Wait(ctx, []*aio.Task[string]{call}, aio.NoTimeout, aio.AllCompleted)
		}
		if err != nil {
			return err
		}
		text, err := call.Result()
		if err != nil {
			return h.marks.PutNowait(itemHand{end: true, err: err})
		}
		if err := give(ctx, h.marks, itemHand{text: text}); err != nil {
			return err
		}
		h.slots.Release()
	}
}

func (h *pipelineHand) ticks(ctx context.Context) error {
	for {
		if err := aio.Sleep(ctx, h.window); err != nil {
			return err
		}
		if err := give(ctx, h.marks, itemHand{tick: true}); err != nil {
			return err
		}
	}
}

// collect makes the batches.
func (h *pipelineHand) collect(ctx context.Context) error {
	var batch []string
	for {
		m, err := h.marks.Get(ctx)
		if err != nil {
			return err
		}
		if m.err == nil && (m.tick || m.end) && batch != nil {
			if err := give(ctx, h.halves, itemHand{batch: batch}); err != nil {
				return err
			}
			batch = nil
		}
		switch {
		case m.end:
			return h.halves.PutNowait(m)
		case !m.tick:
			batch = append(batch, m.text)
		}
		m.taken.Set()
	}
}

func (h *pipelineHand) readSettings(ctx context.Context) error {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return err
	}
	defer h.came.Set()
	for v, err := range h.settings(ctx) {
		if err != nil {
			return err
		}
		h.setting, h.since = v, loop.Time()
		h.came.Set()
	}
	return nil
}

// debounce passes on a setting when no other setting has followed for some time.
func (h *pipelineHand) debounce(ctx context.Context, source *aio.Task[struct{}]) error {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return err
	}
	for {
		if err := h.came.Wait(ctx); err != nil {
			return err
		}
		for !source.Done() {
			left := h.since.Add(h.quiet).Sub(loop.Time())
			if left <= 0 {
				break
			}
			if _, _, err := aio.Wait(ctx, []*aio.Task[struct{}]{source}, left, aio.AllCompleted); err != nil {
				return err
			}
		}
		h.came.Clear()
		if !h.since.IsZero() {
			h.since = time.Time{}
			if err := give(ctx, h.halves, itemHand{setting: h.setting}); err != nil {
				return err
			}
		}
		if source.Done() && h.since.IsZero() {
			return h.halves.PutNowait(itemHand{end: true, err: source.Exception()})
		}
	}
}
