package aio

// A chain is a list of elements that are removed at any place in constant time: a slice
// would be searched and moved each time. The elements have the links, so the list
// allocates nothing. The comment on taskList explains why the lists on hot paths are
// not chains.

// linked is what an element of a chain of T implements, by embedding links.
type linked[T any] interface{ chainLinks() *links[T] }

// chained is a pointer to an element of a chain.
type chained[T any] interface {
	*T
	linked[T]
}

// links are the neighbours of an element, and whether it is in a chain.
type links[T any] struct {
	prev, next *T
	listed     bool
}

func (l *links[T]) chainLinks() *links[T] { return l }

// chain is a list in the order of insertion. The zero value is empty.
type chain[T any, P chained[T]] struct{ head, tail *T }

// push adds x, which must not be in a chain, at the end.
func (c *chain[T, P]) push(x *T) {
	l := P(x).chainLinks()
	*l = links[T]{prev: c.tail, listed: true}
	if c.tail == nil {
		c.head = x
	} else {
		P(c.tail).chainLinks().next = x
	}
	c.tail = x
}

// remove removes x, and reports whether it was in the chain.
func (c *chain[T, P]) remove(x *T) bool {
	l := P(x).chainLinks()
	if !l.listed {
		return false
	}
	if l.prev == nil {
		c.head = l.next
	} else {
		P(l.prev).chainLinks().next = l.next
	}
	if l.next == nil {
		c.tail = l.prev
	} else {
		P(l.next).chainLinks().prev = l.prev
	}
	*l = links[T]{}
	return true
}

// pop removes the first element, nil if there is none.
func (c *chain[T, P]) pop() *T {
	x := c.head
	if x != nil {
		c.remove(x)
	}
	return x
}

// all calls f with each element. f must not change the chain.
func (c *chain[T, P]) all(f func(x *T)) {
	for x := c.head; x != nil; x = P(x).chainLinks().next {
		f(x)
	}
}
