package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goaio/aio"
)

// command is the implementation of a command. run appends the reply to the client's
// output. Only the run of BLPOP awaits. An error closes the connection.
type command struct {
	// number of arguments without the name; a negative max means no limit
	min, max int
	run      func(c *client, ctx context.Context, args [][]byte) error
}

// plain adapts a command that does not close the connection.
func plain(run func(c *client, args [][]byte)) func(*client, context.Context, [][]byte) error {
	return func(c *client, _ context.Context, args [][]byte) error {
		run(c, args)
		return nil
	}
}

var commands map[string]command

func init() { // in init, because EXEC refers to the table itself
	commands = map[string]command{
		"PING":        {0, 1, plain((*client).ping)},
		"ECHO":        {1, 1, plain(func(c *client, args [][]byte) { c.out = appendBulk(c.out, args[0]) })},
		"QUIT":        {0, 0, plain((*client).quit)},
		"SELECT":      {1, 1, plain((*client).selectDB)},
		"SET":         {2, -1, plain((*client).set)},
		"GET":         {1, 1, plain((*client).get)},
		"DEL":         {1, -1, plain((*client).del)},
		"EXISTS":      {1, -1, plain((*client).exists)},
		"INCR":        {1, 1, plain((*client).incr)},
		"EXPIRE":      {2, 2, plain((*client).expire)},
		"TTL":         {1, 1, plain((*client).ttl)},
		"KEYS":        {1, 1, plain((*client).keys)},
		"DBSIZE":      {0, 0, plain(func(c *client, _ [][]byte) { c.out = appendInt(c.out, int64(len(c.srv.store.entries))) })},
		"LPUSH":       {2, -1, plain(func(c *client, args [][]byte) { c.push(args, (*list).pushFront) })},
		"RPUSH":       {2, -1, plain(func(c *client, args [][]byte) { c.push(args, (*list).pushBack) })},
		"LPOP":        {1, 2, plain(func(c *client, args [][]byte) { c.pop(args, (*list).popFront) })},
		"RPOP":        {1, 2, plain(func(c *client, args [][]byte) { c.pop(args, (*list).popBack) })},
		"BLPOP":       {2, -1, (*client).blpop},
		"LRANGE":      {3, 3, plain((*client).lrange)},
		"MSET":        {2, -1, plain((*client).mset)},
		"MGET":        {1, -1, plain((*client).mget)},
		"SADD":        {2, -1, plain((*client).sadd)},
		"SPOP":        {1, 1, plain((*client).spop)},
		"SCARD":       {1, 1, plain((*client).scard)},
		"HSET":        {3, -1, plain((*client).hset)},
		"HGET":        {2, 2, plain((*client).hget)},
		"ZADD":        {3, -1, plain((*client).zadd)},
		"ZPOPMIN":     {1, 1, plain((*client).zpopmin)},
		"ZCARD":       {1, 1, plain((*client).zcard)},
		"XADD":        {4, -1, plain((*client).xadd)},
		"XLEN":        {1, 1, plain((*client).xlen)},
		"SUBSCRIBE":   {1, -1, plain((*client).subscribe)},
		"UNSUBSCRIBE": {0, -1, plain((*client).unsubscribe)},
		"PUBLISH":     {2, 2, plain((*client).publish)},
		"MULTI":       {0, 0, plain((*client).begin)},
		"EXEC":        {0, 0, (*client).exec},
		"DISCARD":     {0, 0, plain((*client).discard)},
		"INFO":        {0, -1, plain((*client).info)},
		"COMMAND":     {0, -1, plain(func(c *client, _ [][]byte) { c.out = appendArray(c.out, 0) })},
		"CONFIG":      {1, -1, plain(func(c *client, _ [][]byte) { c.out = appendArray(c.out, 0) })},
	}
}

// run executes one command of a client.
func (c *client) run(ctx context.Context, args [][]byte) error {
	name := args[0]
	for i, b := range name {
		if 'a' <= b && b <= 'z' {
			name[i] = b - 'a' + 'A'
		}
	}
	cmd, ok := commands[string(name)]
	c.srv.processed++
	switch n := len(args) - 1; {
	case !ok:
		c.fail("ERR unknown command '" + string(name) + "'")
	case n < cmd.min || cmd.max >= 0 && n > cmd.max:
		c.fail("ERR wrong number of arguments for '" + strings.ToLower(string(name)) + "' command")
	case len(c.topics) > 0 && !strings.Contains(" SUBSCRIBE UNSUBSCRIBE PING QUIT ", " "+string(name)+" "):
		c.fail("ERR Can't execute '" + strings.ToLower(string(name)) + "': only (UN)SUBSCRIBE / PING / QUIT are allowed in this context")
	case c.queueing && !strings.Contains(" EXEC DISCARD MULTI QUIT ", " "+string(name)+" "):
		c.queue(cmd, args[1:])
	default:
		err := cmd.run(c, ctx, args[1:])
		c.srv.store.serveBlocked()
		return err
	}
	return nil
}

// fail replies with an error. In a transaction that is being queued, it also makes EXEC
// fail.
func (c *client) fail(text string) {
	c.spoilt = c.queueing
	c.out = appendError(c.out, text)
}

const (
	wrongType  = "WRONGTYPE Operation against a key holding the wrong kind of value"
	notInteger = "ERR value is not an integer or out of range"
	syntax     = "ERR syntax error"
)

func (c *client) ok() { c.out = appendSimple(c.out, "OK") }

func (c *client) ping(args [][]byte) {
	switch {
	case len(c.topics) > 0:
		c.out = appendArray(c.out, 2)
		c.out = appendBulk(c.out, "pong")
		c.out = appendBulk(c.out, first(args))
	case len(args) == 1:
		c.out = appendBulk(c.out, args[0])
	default:
		c.out = appendSimple(c.out, "PONG")
	}
}

// first returns the first argument, or nil.
func first(args [][]byte) []byte {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

func (c *client) quit([][]byte) {
	c.leaving = true
	c.ok()
}

func (c *client) selectDB(args [][]byte) {
	if string(args[0]) != "0" {
		c.fail("ERR DB index is out of range")
		return
	}
	c.ok()
}

func (c *client) set(args [][]byte) {
	e := &entry{str: string(args[1])}
	var nx, xx bool
	for opts := args[2:]; len(opts) > 0; opts = opts[1:] {
		switch name := strings.ToUpper(string(opts[0])); {
		case (name == "EX" || name == "PX") && len(opts) > 1:
			unit := time.Second
			if name == "PX" {
				unit = time.Millisecond
			}
			n, err := strconv.ParseInt(string(opts[1]), 10, 64)
			if err != nil {
				c.fail(notInteger)
				return
			}
			if n <= 0 || n > math.MaxInt64/int64(unit) {
				c.fail("ERR invalid expire time in 'set' command")
				return
			}
			e.expires = c.srv.loop.Time().Add(time.Duration(n) * unit)
			opts = opts[1:]
		case name == "NX":
			nx = true
		case name == "XX":
			xx = true
		default:
			c.fail(syntax)
			return
		}
	}
	if nx || xx {
		if exists := c.srv.store.get(args[0]) != nil; exists == nx || nx && xx {
			c.out = appendNil(c.out)
			return
		}
	}
	c.srv.store.set(string(args[0]), e)
	c.ok()
}

func (c *client) get(args [][]byte) {
	switch e := c.srv.store.get(args[0]); {
	case e == nil:
		c.out = appendNil(c.out)
	case !e.isString():
		c.fail(wrongType)
	default:
		c.out = appendBulk(c.out, e.str)
	}
}

func (c *client) del(args [][]byte) {
	n := 0
	for _, key := range args {
		if c.srv.store.get(key) != nil {
			c.srv.store.remove(string(key))
			n++
		}
	}
	c.out = appendInt(c.out, int64(n))
}

func (c *client) exists(args [][]byte) {
	n := 0
	for _, key := range args {
		if c.srv.store.get(key) != nil {
			n++
		}
	}
	c.out = appendInt(c.out, int64(n))
}

func (c *client) incr(args [][]byte) {
	e := c.srv.store.get(args[0])
	if e == nil {
		e = &entry{str: "0"}
	}
	if !e.isString() {
		c.fail(wrongType)
		return
	}
	n, err := strconv.ParseInt(e.str, 10, 64)
	if err != nil {
		c.fail(notInteger)
		return
	}
	if n == math.MaxInt64 {
		c.fail("ERR increment or decrement would overflow")
		return
	}
	e.str = strconv.FormatInt(n+1, 10)
	c.srv.store.set(string(args[0]), e)
	c.out = appendInt(c.out, n+1)
}

func (c *client) expire(args [][]byte) {
	n, err := strconv.ParseInt(string(args[1]), 10, 64)
	e := c.srv.store.get(args[0])
	switch {
	case err != nil || n > math.MaxInt64/int64(time.Second):
		c.fail(notInteger)
	case e == nil:
		c.out = appendInt(c.out, 0)
	case n <= 0:
		c.srv.store.remove(string(args[0]))
		c.out = appendInt(c.out, 1)
	default:
		e.expires = c.srv.loop.Time().Add(time.Duration(n) * time.Second)
		c.srv.store.mark(string(args[0]), e)
		c.out = appendInt(c.out, 1)
	}
}

func (c *client) ttl(args [][]byte) {
	switch e := c.srv.store.get(args[0]); {
	case e == nil:
		c.out = appendInt(c.out, -2)
	case e.expires.IsZero():
		c.out = appendInt(c.out, -1)
	default:
		left := e.expires.Sub(c.srv.loop.Time())
		c.out = appendInt(c.out, int64((left+500*time.Millisecond)/time.Second))
	}
}

func (c *client) keys(args [][]byte) {
	keys, err := c.srv.store.match(string(args[0]))
	if err != nil {
		c.fail("ERR " + err.Error())
		return
	}
	c.out = appendArray(c.out, len(keys))
	for _, key := range keys {
		c.out = appendBulk(c.out, key)
	}
}

func (c *client) push(args [][]byte, push func(*list, string)) {
	e := c.srv.store.listOf(args[0])
	if e == nil {
		c.fail(wrongType)
		return
	}
	for _, item := range args[1:] {
		push(&e.list, string(item))
	}
	c.out = appendInt(c.out, int64(e.list.len()))
}

// pop implements LPOP and RPOP.
func (c *client) pop(args [][]byte, from func(*list) string) {
	count, many := 1, len(args) == 2
	if many {
		n, ok := number(args[1])
		if !ok {
			c.fail("ERR value is out of range, must be positive")
			return
		}
		count = n
	}
	e := c.srv.store.get(args[0])
	switch {
	case e == nil && many:
		c.out = appendNilArray(c.out)
	case e == nil:
		c.out = appendNil(c.out)
	case !e.isList:
		c.fail(wrongType)
	case !many:
		c.out = appendBulk(c.out, c.srv.store.pop(string(args[0]), e, from))
	default:
		count = min(count, e.list.len())
		c.out = appendArray(c.out, count)
		for range count {
			c.out = appendBulk(c.out, c.srv.store.pop(string(args[0]), e, from))
		}
	}
}

// blpop takes the first item of the first list that is not empty, or waits for an item.
func (c *client) blpop(ctx context.Context, args [][]byte) error {
	s := c.srv.store
	last := len(args) - 1
	seconds, err := strconv.ParseFloat(string(args[last]), 64)
	if err != nil || seconds < 0 || seconds > 1e9 || math.IsNaN(seconds) {
		c.fail("ERR timeout is not a float or out of range")
		return nil
	}
	var keys []string
	for _, key := range args[:last] {
		e := s.get(key)
		if e != nil && !e.isList {
			c.fail(wrongType)
			return nil
		}
		if e != nil {
			c.reply(popped{string(key), s.popLeft(string(key), e)})
			return nil
		}
		keys = append(keys, string(key))
	}
	if c.running { // a command in a transaction does not wait
		c.out = appendNilArray(c.out)
		return nil
	}
	timeout := aio.NoTimeout
	if seconds > 0 {
		timeout = time.Duration(seconds * float64(time.Second))
	}
	p := &popper{keys: keys, item: aio.CreateFuture[popped](ctx)}
	s.block(p)
	err = c.awaitItem(ctx, p.item, timeout)
	if p.item.Done() {
		item, rerr := p.item.Result()
		if err == nil && rerr == nil {
			c.reply(item)
		} else if e := s.listOf([]byte(item.key)); rerr == nil && e != nil {
			// The item arrived after the client had disconnected: put it
			// back.
			e.list.pushFront(item.item)
		}
		return err
	}
	s.unblock(p)
	if err == nil {
		c.out = appendNilArray(c.out)
	}
	return err
}

// reply appends the reply of BLPOP.
func (c *client) reply(p popped) {
	c.out = appendArray(c.out, 2)
	c.out = appendBulk(c.out, p.key)
	c.out = appendBulk(c.out, p.item)
}

// awaitItem waits for item until the timeout. It returns an error if the client
// disconnects.
func (c *client) awaitItem(ctx context.Context, item *aio.Future[popped], timeout time.Duration) (err error) {
	if err := c.flush(ctx); err != nil {
		return err
	}
	// the next command has arrived, so the client is connected
	if c.commands.in.Buffered() > 0 {
		_, _, err := aio.Wait(ctx, []aio.AnyFuture{item}, timeout, aio.AllCompleted)
		return err
	}
	next := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
		_, err := c.commands.in.Peek(1)
		return err
	}))
	defer func() { // the watching task must have ended before another task reads
		next.Cancel()
		_, _, werr := aio.Wait(ctx, []aio.AnyFuture{next}, aio.NoTimeout, aio.AllCompleted)
		if err == nil {
			// A cancellation is delivered only once, so it must not be lost
			// here.
			err = werr
		}
	}()
	until := c.srv.loop.Time().Add(timeout)
	waitFor := []aio.AnyFuture{item, next}
	for {
		left := timeout
		if timeout != aio.NoTimeout {
			left = until.Sub(c.srv.loop.Time())
		}
		_, _, err := aio.Wait(ctx, waitFor, left, aio.FirstCompleted)
		switch {
		case err != nil:
			return err
		case item.Done() || !next.Done():
			return nil
		}
		if err := next.Exception(); err != nil {
			return err
		}
		// The client has sent its next command, which waits for BLPOP.
		waitFor = waitFor[:1]
	}
}

func (c *client) lrange(args [][]byte) {
	from, err1 := strconv.Atoi(string(args[1]))
	to, err2 := strconv.Atoi(string(args[2]))
	if err1 != nil || err2 != nil {
		c.fail(notInteger)
		return
	}
	e := c.srv.store.get(args[0])
	if e == nil {
		c.out = appendArray(c.out, 0)
		return
	}
	if !e.isList {
		c.fail(wrongType)
		return
	}
	n := e.list.len()
	if from < 0 {
		from = max(0, from+n)
	}
	if to < 0 {
		to += n
	}
	to = min(to, n-1)
	c.out = appendArray(c.out, max(0, to-from+1))
	for i := from; i <= to; i++ {
		c.out = appendBulk(c.out, e.list.at(i))
	}
}

// Transactions.

func (c *client) begin([][]byte) {
	if c.queueing {
		c.out = appendError(c.out, "ERR MULTI calls can not be nested")
		return
	}
	c.queueing = true
	c.ok()
}

// queue stores a command for EXEC. It copies the arguments, which are in the reader's
// buffer.
func (c *client) queue(cmd command, args [][]byte) {
	q := queued{cmd: cmd}
	for _, arg := range args {
		q.args = append(q.args, append([]byte(nil), arg...))
	}
	c.queued = append(c.queued, q)
	c.out = appendSimple(c.out, "QUEUED")
}

func (c *client) discard([][]byte) {
	if !c.queueing {
		c.fail("ERR DISCARD without MULTI")
		return
	}
	c.queueing, c.spoilt, c.queued = false, false, nil
	c.ok()
}

func (c *client) exec(ctx context.Context, _ [][]byte) error {
	if !c.queueing {
		c.fail("ERR EXEC without MULTI")
		return nil
	}
	queue, spoilt := c.queued, c.spoilt
	c.queueing, c.spoilt, c.queued = false, false, nil
	if spoilt {
		c.fail("EXECABORT Transaction discarded because of previous errors.")
		return nil
	}
	c.running = true
	defer func() { c.running = false }()
	c.out = appendArray(c.out, len(queue))
	for _, q := range queue {
		if err := q.cmd.run(c, ctx, q.args); err != nil {
			return err
		}
	}
	return nil
}

// Publish and subscribe.

func (c *client) subscribe(args [][]byte) {
	for _, arg := range args {
		topic := string(arg)
		if c.topics == nil {
			c.topics = map[string]struct{}{}
		}
		if _, ok := c.topics[topic]; !ok {
			c.topics[topic] = struct{}{}
			c.srv.topics[topic] = append(c.srv.topics[topic], c)
		}
		c.out = c.subscription("subscribe", topic)
	}
}

func (c *client) unsubscribe(args [][]byte) {
	var topics []string
	for _, arg := range args {
		topics = append(topics, string(arg))
	}
	if len(args) == 0 {
		topics = sortedKeys(c.topics)
	}
	for _, topic := range topics {
		c.leave(topic)
		c.out = c.subscription("unsubscribe", topic)
	}
	if len(topics) == 0 {
		c.out = appendArray(c.out, 3)
		c.out = appendBulk(c.out, "unsubscribe")
		c.out = appendNil(c.out)
		c.out = appendInt(c.out, 0)
	}
}

// subscription appends the reply about one topic.
func (c *client) subscription(what, topic string) []byte {
	b := appendArray(c.out, 3)
	b = appendBulk(b, what)
	b = appendBulk(b, topic)
	return appendInt(b, int64(len(c.topics)))
}

func (c *client) publish(args [][]byte) {
	var msg []byte
	msg = appendArray(msg, 3)
	msg = appendBulk(msg, "message")
	msg = appendBulk(msg, args[0])
	msg = appendBulk(msg, args[1])
	subscribers := c.srv.topics[string(args[0])]
	for _, s := range subscribers {
		s.send(msg)
	}
	c.out = appendInt(c.out, int64(len(subscribers)))
}

func (c *client) info([][]byte) {
	s := c.srv
	c.out = appendBulk(c.out, fmt.Sprintf("# Server\r\nredis_version:7.0.0\r\nserver_name:aio-kv\r\nuptime_in_seconds:%d\r\n\r\n"+
		"# Clients\r\nconnected_clients:%d\r\nblocked_clients:%d\r\n\r\n"+
		"# Stats\r\ntotal_connections_received:%d\r\ntotal_commands_processed:%d\r\npubsub_channels:%d\r\n\r\n"+
		"# Keyspace\r\ndb0:keys=%d,expires=%d\r\n",
		int(s.loop.Time().Sub(s.started).Seconds()), s.connected, len(s.store.blocked), s.accepted, s.processed,
		len(s.topics), len(s.store.entries), len(s.store.mortal)))
}
