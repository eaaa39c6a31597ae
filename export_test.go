package aio

// What the tests see of the package's insides.

import "runtime"

// HeapPush, HeapPop and Heapify are the heap of timers and priority queues.
func HeapPush[T any](h []T, v T, less func(a, b T) bool) []T { return heapPush(h, v, less) }
func HeapPop[T any](h []T, less func(a, b T) bool) ([]T, T)  { return heapPop(h, less) }
func Heapify[T any](h []T, less func(a, b T) bool)           { heapify(h, less) }

// Timers returns how many timers l holds, and how many of them are cancelled.
func Timers(l *Loop) (held, cancelled int) { return len(l.timers.heap), l.timers.cancelled }

// ForceGoroutines has l serve its connections by goroutines, as on a system without a poller.
func ForceGoroutines(l *Loop, on bool) {
	l.net, l.files = nil, nil // to be chosen
	if on {
		l.net, l.files = goroutineBackend{l}, goroutineBackend{l}
	}
}

// HidesFrame reports whether the stack of a task leaves a frame out.
func HidesFrame(function, file string) bool {
	return internalFrame(runtime.Frame{Function: function, File: file})
}

// Posted returns how many events other goroutines have handed in that l has not looked at.
func Posted(l *Loop) int {
	l.inbox.mu.Lock()
	defer l.inbox.mu.Unlock()
	return len(l.inbox.events) + len(l.inbox.signals)
}

// UsesGoroutines reports whether l serves its connections by goroutines.
func UsesGoroutines(l *Loop) bool {
	_, ok := l.network().(goroutineBackend)
	return ok
}
