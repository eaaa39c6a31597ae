package aio

// The timers of a loop and the items of a PriorityQueue are in a binary heap that makes
// the same comparisons in the same order as Python's heapq. Equal elements therefore
// leave the heap in the same order as in asyncio, which is visible in programs with
// equal deadlines or priorities. container/heap moves equal elements differently.

// heapPush adds v to the heap h.
func heapPush[T any](h []T, v T, less func(a, b T) bool) []T {
	h = append(h, v)
	siftDown(h, 0, len(h)-1, less)
	return h
}

// heapPop removes and returns the least element of the heap h, which must not be empty.
func heapPop[T any](h []T, less func(a, b T) bool) ([]T, T) {
	var zero T
	n := len(h) - 1
	v := h[n]
	h[n] = zero // for the garbage collector
	h = h[:n]
	if n > 0 {
		v, h[0] = h[0], v
		siftUp(h, 0, less)
	}
	return h, v
}

// heapify makes a heap of h.
func heapify[T any](h []T, less func(a, b T) bool) {
	for i := len(h)/2 - 1; i >= 0; i-- {
		siftUp(h, i, less)
	}
}

// siftDown moves h[pos] towards the root until its parent is not greater.
func siftDown[T any](h []T, start, pos int, less func(a, b T) bool) {
	v := h[pos]
	for pos > start {
		parent := (pos - 1) / 2
		if !less(v, h[parent]) {
			break
		}
		h[pos] = h[parent]
		pos = parent
	}
	h[pos] = v
}

// siftUp moves h[pos] to a leaf, the smaller child taking its place at each level, and
// from there back up to its position. This takes fewer comparisons than stopping on the
// way down, because an element from the end of a heap is usually large.
func siftUp[T any](h []T, pos int, less func(a, b T) bool) {
	start, v := pos, h[pos]
	for {
		child := 2*pos + 1
		if child >= len(h) {
			break
		}
		if right := child + 1; right < len(h) && !less(h[child], h[right]) {
			child = right
		}
		h[pos] = h[child]
		pos = child
	}
	h[pos] = v
	siftDown(h, start, pos, less)
}
