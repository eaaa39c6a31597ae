package main

// The data. Only tasks of the loop access it, and none of its functions awaits, so each
// command is atomic without a lock.

import (
	"path"
	"slices"
	"time"

	"github.com/goaio/aio"
)

// entry is the value of a key. It is a list if isList is set, one of the types in
// collections.go if collection is set, and a string otherwise.
type entry struct {
	str        string
	list       list
	isList     bool
	collection any
	expires    time.Time // zero if never
}

// list is a double-ended queue.
type list struct {
	items []string
	head  int // items before head are removed
}

func (l *list) len() int          { return len(l.items) - l.head }
func (l *list) at(i int) string   { return l.items[l.head+i] }
func (l *list) pushBack(s string) { l.items = append(l.items, s) }

func (l *list) pushFront(s string) {
	if l.head == 0 { // double the space at the front
		room := len(l.items) + 4
		l.items = append(make([]string, room, room+len(l.items)+4), l.items...)
		l.head = room
	}
	l.head--
	l.items[l.head] = s
}

func (l *list) popBack() string {
	last := len(l.items) - 1
	s := l.items[last]
	l.items[last] = ""
	l.items = l.items[:last]
	return s
}

func (l *list) popFront() string {
	s := l.items[l.head]
	l.items[l.head] = ""
	l.head++
	if l.head > len(l.items)/2 && l.head > 64 {
		l.items, l.head = slices.Clone(l.items[l.head:]), 0
	}
	return s
}

// store is the key space.
type store struct {
	loop    *aio.Loop
	entries map[string]*entry
	mortal  map[string]struct{} // keys with an expiry time
	blocked map[string][]*popper
	pushed  []string // lists that got an item while a client waits for it
}

// popper is a client that waits for an item in one of several lists.
type popper struct {
	keys []string
	item *aio.Future[popped]
}

// popped is an item that was taken from a list.
type popped struct{ key, item string }

func newStore(l *aio.Loop) *store {
	return &store{
		loop:    l,
		entries: map[string]*entry{},
		mortal:  map[string]struct{}{},
		blocked: map[string][]*popper{},
	}
}

// get returns the entry of key, nil if there is none or it has expired.
func (s *store) get(key []byte) *entry {
	e := s.entries[string(key)]
	if e == nil || e.expires.IsZero() || s.loop.Time().Before(e.expires) {
		return e
	}
	s.remove(string(key))
	return nil
}

// set makes e the value of key.
func (s *store) set(key string, e *entry) {
	s.entries[key] = e
	s.mark(key, e)
}

// mark records whether the key has an expiry time.
func (s *store) mark(key string, e *entry) {
	if !e.expires.IsZero() {
		s.mortal[key] = struct{}{}
	} else if len(s.mortal) > 0 {
		delete(s.mortal, key)
	}
}

// remove deletes key.
func (s *store) remove(key string) {
	delete(s.entries, key)
	delete(s.mortal, key)
}

// sweep deletes some of the expired keys, so that keys which are no longer accessed
// do not stay in memory. It checks only a few keys, because the other clients wait
// while it runs.
func (s *store) sweep() {
	now, n := s.loop.Time(), 0
	for key := range s.mortal {
		if !now.Before(s.entries[key].expires) {
			s.remove(key)
		}
		if n++; n == 1000 {
			return
		}
	}
}

// match returns the sorted keys that match a glob pattern.
func (s *store) match(pattern string) (keys []string, err error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, err
	}
	for key := range s.entries {
		if ok, _ := path.Match(pattern, key); ok && s.get([]byte(key)) != nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// listOf returns the list of key, or a new one if the key does not exist. It returns
// nil if the key has another type of value.
func (s *store) listOf(key []byte) *entry {
	e := s.get(key)
	if e == nil {
		e = &entry{isList: true}
		s.set(string(key), e)
	}
	if !e.isList {
		return nil
	}
	if len(s.blocked[string(key)]) > 0 {
		s.pushed = append(s.pushed, string(key))
	}
	return e
}

// popLeft takes the first item of the list of key. The key of an empty list is deleted.
func (s *store) popLeft(key string, e *entry) string { return s.pop(key, e, (*list).popFront) }

// pop is popLeft for either end.
func (s *store) pop(key string, e *entry, from func(*list) string) string {
	item := from(&e.list)
	if e.list.len() == 0 {
		s.remove(key)
	}
	return item
}

// serveBlocked passes pushed items to the clients that wait for them, the longest
// waiting client first. It is called between commands, so that no client sees a part of
// an unfinished transaction.
func (s *store) serveBlocked() {
	for len(s.pushed) > 0 {
		key := s.pushed[0]
		s.pushed = s.pushed[1:]
		for len(s.blocked[key]) > 0 {
			e := s.get([]byte(key))
			if e == nil || !e.isList {
				break
			}
			p := s.blocked[key][0]
			s.unblock(p)
			// Only this sets the result, and a client that cancels the
			// future leaves the queue first.
			_ = p.item.SetResult(popped{key, s.popLeft(key, e)})
		}
	}
}

// block makes p wait for its keys.
func (s *store) block(p *popper) {
	for _, key := range p.keys {
		s.blocked[key] = append(s.blocked[key], p)
	}
}

// unblock undoes block.
func (s *store) unblock(p *popper) {
	for _, key := range p.keys {
		queue := slices.DeleteFunc(s.blocked[key], func(q *popper) bool { return q == p })
		if len(queue) == 0 {
			delete(s.blocked, key)
		} else {
			s.blocked[key] = queue
		}
	}
}
