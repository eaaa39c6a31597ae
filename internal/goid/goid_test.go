package goid_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio/internal/goid"
	_ "github.com/goaio/aio/internal/stage" // no sleep at the exit
)

func TestCurrentTellsGoroutinesApart(t *testing.T) {
	goid.Check.Store(true)
	mine := goid.Current()
	if mine == 0 || mine == goid.None {
		t.Fatalf("Current() = %d, want a goroutine", mine)
	}
	if again := goid.Current(); again != mine {
		t.Errorf("Current() = %d, then %d in the same goroutine", mine, again)
	}
	owner := mine
	if held, running := goid.Holder(&owner); held != mine || running != mine {
		t.Errorf("Holder = %d, %d, want %d twice", held, running, mine)
	}
	// All goroutines run at the same time: two that run one after the other could
	// have the same address.
	const n = 50
	ids := make(chan uintptr, n)
	var all sync.WaitGroup
	done := make(chan struct{})
	for range n {
		all.Go(func() {
			held, running := goid.Holder(&owner)
			if held != mine || running != goid.Current() {
				t.Errorf("Holder = %d, %d, want %d and the running goroutine", held, running, mine)
			}
			ids <- running
			<-done
		})
	}
	seen := map[uintptr]bool{mine: true}
	for range n {
		id := <-ids
		if seen[id] {
			t.Errorf("two goroutines have the id %d", id)
		}
		seen[id] = true
	}
	close(done)
	all.Wait()
}

func TestInBubble(t *testing.T) {
	if goid.InBubble() {
		t.Error("InBubble = true outside of a bubble")
	}
	synctest.Test(t, func(t *testing.T) {
		if !goid.InBubble() {
			t.Error("InBubble = false in the bubble")
		}
		var all sync.WaitGroup
		all.Go(func() {
			if !goid.InBubble() {
				t.Error("InBubble = false in a goroutine of the bubble")
			}
		})
		all.Wait()
		// The time of day does not show whether this is a bubble: this sleep
		// leaves the year 2000, in which a bubble begins, and the clock of a
		// real machine may be in that year.
		time.Sleep(2 * 365 * 24 * time.Hour)
		if !goid.InBubble() {
			t.Error("InBubble = false in the bubble, years later")
		}
	})
}
