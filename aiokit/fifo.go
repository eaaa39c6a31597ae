package aiokit

// fifo is a queue of values. Its pop takes constant time.
type fifo[T any] struct {
	values []T
	taken  int // number of removed values at the beginning of the slice
}

func (q *fifo[T]) len() int { return len(q.values) - q.taken }

func (q *fifo[T]) push(v T) { q.values = append(q.values, v) }

// pop removes the oldest value. There must be one.
func (q *fifo[T]) pop() (v T) {
	v, q.values[q.taken] = q.values[q.taken], v
	if q.taken++; 2*q.taken >= len(q.values) {
		n := copy(q.values, q.values[q.taken:])
		clear(q.values[n:])
		q.values, q.taken = q.values[:n], 0
	}
	return v
}
