package aio_test

import (
	"testing"

	"github.com/goaio/aio"
)

// EVT-001, EVT-008
func TestEventIsAFlag(t *testing.T) {
	var v aio.Event // works without a loop
	if v.IsSet() {
		t.Error("a new event is set")
	}
	v.Set()
	if !v.IsSet() {
		t.Error("Set has no effect")
	}
	v.Clear()
	if v.IsSet() {
		t.Error("Clear has no effect")
	}
}

// EVT-002, EVT-003
func TestEventSetWakesAllInOrderInTheNextTurn(t *testing.T) {
	play(t, func(s *scene) {
		var v aio.Event
		for _, name := range []string{"A", "B", "C"} {
			s.start(name, v.Wait)
		}
		s.after(3, "")
		v.Set()
		s.after(1, "A B C")
		s.start("other", ok)
		s.ended("set", v.Wait(s.ctx)) // does not suspend
		s.after(1, "set other")
	})
}

// EVT-004
func TestEventFindsTaskThatStartsBeforeTheWaitersResume(t *testing.T) {
	play(t, func(s *scene) {
		var v aio.Event
		s.start("1", v.Wait)
		s.start("2", v.Wait)
		s.letPass(1)
		s.start("3", v.Wait)
		v.Set()
		s.after(1, "3 1 2")
	})
}

// EVT-005
func TestEventWaitCancelledBeforeOrAfterSet(t *testing.T) {
	for _, set := range []bool{false, true} {
		play(t, func(s *scene) {
			var v aio.Event
			a := s.start("A", v.Wait)
			s.start("B", v.Wait)
			s.letPass(1)
			if set {
				v.Set()
			}
			a.Cancel()
			v.Set()
			s.after(1, "A!cancelled B")
			v.Clear()
			v.Set() // all waiting tasks were woken
			s.after(3, "")
		})
	}
}

// EVT-006, EVT-007
func TestEventWaiterResumesOnceWhateverFollowsTheSet(t *testing.T) {
	play(t, func(s *scene) {
		var v aio.Event
		s.start("A", v.Wait)
		s.letPass(1)
		v.Set()
		v.Clear()
		v.Set()
		v.Set()
		s.want("")
		s.after(1, "A")

		v.Clear()
		s.start("B", v.Wait)
		s.letPass(1)
		v.Set()
		v.Clear()
		same(s, "cleared: IsSet", v.IsSet(), false)
		s.after(5, "B")
	})
}
