package aiomon

import (
	"runtime"
	"testing"
	"time"
)

// A goroutine that copies many tasks gives the lock to a loop that waits for it, after
// at most kept tasks, each time that the loop waits. The copy continues afterwards.
func TestRegistryLockGivesWay(t *testing.T) {
	var l registryLock
	i := 1 // the task that is copied; l guards it
	l.Lock()
	for round := 1; round <= 20; round++ {
		got := make(chan int, 1)
		go func() {
			l.lockFirst()
			defer l.Unlock()
			got <- i
		}()
		for limit := time.Now().Add(time.Minute); !l.wanted.Load(); runtime.Gosched() {
			if time.Now().After(limit) {
				t.Fatal("the loop does not say that it waits")
			}
		}
		for ; !l.giveWay(i); i++ {
		}
		if at := <-got; at != round*kept {
			t.Errorf("the loop has waited until task %d, want %d", at, round*kept)
		}
		if l.giveWay(i) {
			t.Error("it gives way although no loop waits")
		}
		if l.TryLock() {
			t.Fatal("it has not locked again")
		}
		i++
	}
	l.Unlock()
	l.lockFirst() // the lock is free
	if l.wanted.Load() {
		t.Error("the loop waits for a free lock")
	}
	l.Unlock()
}
