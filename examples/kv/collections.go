package main

// Sets, hashes, sorted sets and streams. Each has the commands that redis-benchmark
// measures, and a command that returns its contents.

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

func (e *entry) isString() bool { return !e.isList && e.collection == nil }

// collectionOf returns the collection of key. It replies with an error if the key has
// another type of value. If the key does not exist, the result is nil or, with create,
// a new collection.
func collectionOf[T any](c *client, key []byte, create bool) (value *T, ok bool) {
	switch e := c.srv.store.get(key); {
	case e == nil && !create:
		return nil, true
	case e == nil:
		value = new(T)
		c.srv.store.set(string(key), &entry{collection: value})
		return value, true
	default:
		if value, ok = e.collection.(*T); !ok {
			c.fail(wrongType)
		}
		return value, ok
	}
}

// pairs checks that args has an even length, and otherwise replies with an error.
func (c *client) pairs(args [][]byte, name string) bool {
	if len(args)%2 != 0 {
		c.fail("ERR wrong number of arguments for '" + name + "' command")
		return false
	}
	return true
}

func (c *client) mset(args [][]byte) {
	if !c.pairs(args, "mset") {
		return
	}
	for ; len(args) > 0; args = args[2:] {
		c.srv.store.set(string(args[0]), &entry{str: string(args[1])})
	}
	c.ok()
}

func (c *client) mget(args [][]byte) {
	c.out = appendArray(c.out, len(args))
	for _, key := range args {
		if e := c.srv.store.get(key); e != nil && e.isString() {
			c.out = appendBulk(c.out, e.str)
		} else {
			c.out = appendNil(c.out)
		}
	}
}

// set stores its members in a slice too, so that a random member is found in constant
// time.
type set struct {
	members []string
	index   map[string]int
}

func (c *client) sadd(args [][]byte) {
	s, ok := collectionOf[set](c, args[0], true)
	if !ok {
		return
	}
	if s.index == nil {
		s.index = map[string]int{}
	}
	before := len(s.members)
	for _, m := range args[1:] {
		if _, ok := s.index[string(m)]; !ok {
			s.index[string(m)] = len(s.members)
			s.members = append(s.members, string(m))
		}
	}
	c.out = appendInt(c.out, int64(len(s.members)-before))
}

func (c *client) spop(args [][]byte) {
	s, ok := collectionOf[set](c, args[0], false)
	switch {
	case !ok:
		return
	case s == nil:
		c.out = appendNil(c.out)
		return
	}
	i, last := rand.IntN(len(s.members)), len(s.members)-1
	m := s.members[i]
	s.members[i] = s.members[last]
	s.index[s.members[i]] = i
	s.members = s.members[:last]
	delete(s.index, m)
	if last == 0 {
		c.srv.store.remove(string(args[0]))
	}
	c.out = appendBulk(c.out, m)
}

func (c *client) scard(args [][]byte) {
	if s, ok := collectionOf[set](c, args[0], false); ok && s == nil {
		c.out = appendInt(c.out, 0)
	} else if ok {
		c.out = appendInt(c.out, int64(len(s.members)))
	}
}

type hash map[string]string

func (c *client) hset(args [][]byte) {
	if !c.pairs(args[1:], "hset") {
		return
	}
	h, ok := collectionOf[hash](c, args[0], true)
	if !ok {
		return
	}
	if *h == nil {
		*h = hash{}
	}
	before := len(*h)
	for f := args[1:]; len(f) > 0; f = f[2:] {
		(*h)[string(f[0])] = string(f[1])
	}
	c.out = appendInt(c.out, int64(len(*h)-before))
}

func (c *client) hget(args [][]byte) {
	h, ok := collectionOf[hash](c, args[0], false)
	if !ok {
		return
	}
	if h != nil {
		if v, ok := (*h)[string(args[1])]; ok {
			c.out = appendBulk(c.out, v)
			return
		}
	}
	c.out = appendNil(c.out)
}

// sortedSet stores its members ordered by score and then by name.
type sortedSet struct {
	members []scored
	scores  map[string]float64
}

type scored struct {
	score float64
	name  string
}

func compareScored(a, b scored) int {
	return cmp.Or(cmp.Compare(a.score, b.score), strings.Compare(a.name, b.name))
}

func (c *client) zadd(args [][]byte) {
	if !c.pairs(args[1:], "zadd") {
		return
	}
	var add []scored
	for f := args[1:]; len(f) > 0; f = f[2:] {
		score, err := strconv.ParseFloat(string(f[0]), 64)
		if err != nil || math.IsNaN(score) {
			c.fail("ERR value is not a valid float")
			return
		}
		add = append(add, scored{score, string(f[1])})
	}
	z, ok := collectionOf[sortedSet](c, args[0], true)
	if !ok {
		return
	}
	if z.scores == nil {
		z.scores = map[string]float64{}
	}
	before := len(z.members)
	for _, m := range add {
		if old, ok := z.scores[m.name]; ok {
			i, _ := slices.BinarySearchFunc(z.members, scored{old, m.name}, compareScored)
			z.members = slices.Delete(z.members, i, i+1)
		}
		i, _ := slices.BinarySearchFunc(z.members, m, compareScored)
		z.members = slices.Insert(z.members, i, m)
		z.scores[m.name] = m.score
	}
	c.out = appendInt(c.out, int64(len(z.members)-before))
}

func (c *client) zpopmin(args [][]byte) {
	z, ok := collectionOf[sortedSet](c, args[0], false)
	switch {
	case !ok:
		return
	case z == nil:
		c.out = appendArray(c.out, 0)
		return
	}
	m := z.members[0]
	z.members = slices.Delete(z.members, 0, 1)
	delete(z.scores, m.name)
	if len(z.members) == 0 {
		c.srv.store.remove(string(args[0]))
	}
	c.out = appendArray(c.out, 2)
	c.out = appendBulk(c.out, m.name)
	c.out = appendBulk(c.out, strconv.FormatFloat(m.score, 'g', -1, 64))
}

func (c *client) zcard(args [][]byte) {
	if z, ok := collectionOf[sortedSet](c, args[0], false); ok && z == nil {
		c.out = appendInt(c.out, 0)
	} else if ok {
		c.out = appendInt(c.out, int64(len(z.members)))
	}
}

// stream is a log of entries with increasing ids.
type stream struct {
	last    streamID
	entries []streamEntry
}

type streamID struct{ ms, seq uint64 }

func (id streamID) String() string {
	return strconv.FormatUint(id.ms, 10) + "-" + strconv.FormatUint(id.seq, 10)
}

type streamEntry struct {
	id     streamID
	fields []string // alternating names and values
}

func (c *client) xadd(args [][]byte) {
	if !c.pairs(args[2:], "xadd") {
		return
	}
	id := streamID{ms: uint64(c.srv.loop.Time().UnixMilli())}
	if given := string(args[1]); given != "*" {
		ms, seq, _ := strings.Cut(given, "-")
		var err1, err2 error
		id.ms, err1 = strconv.ParseUint(ms, 10, 64)
		if seq != "" {
			id.seq, err2 = strconv.ParseUint(seq, 10, 64)
		}
		if err1 != nil || err2 != nil {
			c.fail("ERR Invalid stream ID specified as stream command argument")
			return
		}
	}
	if id == (streamID{}) {
		c.fail("ERR The ID specified in XADD must be greater than 0-0")
		return
	}
	s, ok := collectionOf[stream](c, args[0], true)
	if !ok {
		return
	}
	switch after := cmp.Or(cmp.Compare(id.ms, s.last.ms), cmp.Compare(id.seq, s.last.seq)) > 0; {
	case after:
	case string(args[1]) == "*":
		id = streamID{s.last.ms, s.last.seq + 1}
	default:
		c.fail("ERR The ID specified in XADD is equal or smaller than the target stream top item")
		return
	}
	e := streamEntry{id: id}
	for _, f := range args[2:] {
		e.fields = append(e.fields, string(f))
	}
	s.last, s.entries = id, append(s.entries, e)
	c.out = appendBulk(c.out, id.String())
}

func (c *client) xlen(args [][]byte) {
	if s, ok := collectionOf[stream](c, args[0], false); ok && s == nil {
		c.out = appendInt(c.out, 0)
	} else if ok {
		c.out = appendInt(c.out, int64(len(s.entries)))
	}
}
