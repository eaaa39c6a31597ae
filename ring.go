package aio

// ring is a first-in, first-out queue of values that allocates only to grow. The zero
// value is empty and ready.
type ring[T any] struct {
	buf  []T // the length is a power of two
	head int
	n    int
}

func (r *ring[T]) push(v T) {
	if r.n == len(r.buf) {
		r.resize(max(16, 2*r.n))
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = v
	r.n++
}

// pushFront adds v as the oldest value.
func (r *ring[T]) pushFront(v T) {
	if r.n == len(r.buf) {
		r.resize(max(16, 2*r.n))
	}
	r.head = (r.head - 1) & (len(r.buf) - 1)
	r.buf[r.head] = v
	r.n++
}

// front returns the oldest value and leaves it in the ring. The ring must not be empty.
func (r *ring[T]) front() *T { return &r.buf[r.head&(len(r.buf)-1)] }

// at returns the value at index i, counted from the oldest. There must be such a value.
func (r *ring[T]) at(i int) *T { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

// pop removes the oldest value. The ring must not be empty.
func (r *ring[T]) pop() T {
	var zero T
	p := &r.buf[r.head&(len(r.buf)-1)]
	v := *p
	*p = zero // for the garbage collector
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	return v
}

// popBack removes the newest value. The ring must not be empty.
func (r *ring[T]) popBack() T {
	var zero T
	r.n--
	p := &r.buf[(r.head+r.n)&(len(r.buf)-1)]
	v := *p
	*p = zero
	return v
}

// trim releases the memory of a peak.
func (r *ring[T]) trim() {
	if r.n == 0 && len(r.buf) > maxSpare {
		r.buf, r.head = nil, 0
	}
}

// maxSpare is the capacity that an empty queue keeps.
const maxSpare = 1 << 14

func (r *ring[T]) resize(size int) {
	buf := make([]T, size)
	k := copy(buf, r.buf[r.head:])
	copy(buf[k:], r.buf[:r.head])
	r.buf, r.head = buf, 0
}
