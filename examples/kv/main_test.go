package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

// start runs a server in a new loop until the test ends, and returns its address.
func start(t *testing.T) string {
	t.Helper()
	addr := make(chan string, 1)
	ended := make(chan error, 1)
	var r aio.Runner
	loop, err := r.GetLoop()
	if err != nil {
		t.Fatal(err)
	}
	loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { t.Errorf("reported: %s: %v", ec.Message, ec.Err) })
	var task aio.AnyTask
	go func() {
		err := r.Run(func(ctx context.Context) error {
			task = aio.CurrentTask(ctx)
			return serve(ctx, "127.0.0.1:0", func(at net.Addr) { addr <- at.String() })
		})
		ended <- errors.Join(err, r.Close())
	}()
	t.Cleanup(func() {
		loop.CallSoonThreadsafe(func() { task.Cancel() })
		if err := <-ended; !errors.Is(err, aio.ErrCancelled) {
			t.Error(err)
		}
	})
	return <-addr
}

// session is a client's connection.
type session struct {
	t  *testing.T
	c  net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, addr string) *session {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &session{t, c, bufio.NewReader(c)}
}

// send sends a command without waiting for the reply.
func (s *session) send(words ...string) {
	s.t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := s.c.Write(b.Bytes()); err != nil {
		s.t.Fatal(err)
	}
}

// reply reads a reply and formats it on one line: strings without quotes, nil as nil,
// arrays in brackets.
func (s *session) reply() string {
	s.t.Helper()
	line, err := s.in.ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	line = strings.TrimSuffix(line, "\r\n")
	switch rest := line[1:]; line[0] {
	case '$':
		if rest == "-1" {
			return "nil"
		}
		n := 0
		fmt.Sscan(rest, &n)
		b := make([]byte, n+2)
		if _, err := io.ReadFull(s.in, b); err != nil {
			s.t.Fatal(err)
		}
		return string(b[:n])
	case '*':
		if rest == "-1" {
			return "nil[]"
		}
		n := 0
		fmt.Sscan(rest, &n)
		var items []string
		for range n {
			items = append(items, s.reply())
		}
		return "[" + strings.Join(items, " ") + "]"
	case '-':
		return "!" + rest
	default:
		return rest
	}
}

// want sends a command and compares the reply.
func (s *session) want(reply string, words ...string) {
	s.t.Helper()
	s.send(words...)
	if got := s.reply(); got != reply {
		s.t.Errorf("%s: got %q, want %q", strings.Join(words, " "), got, reply)
	}
}

func TestCommands(t *testing.T) {
	s := dial(t, start(t))
	for _, c := range []struct{ command, reply string }{
		{"PING", "PONG"},
		{"ping hello", "hello"},
		{"ECHO x", "x"},
		{"GET a", "nil"},
		{"SET a 1", "OK"},
		{"GET a", "1"},
		{"INCR a", "2"},
		{"INCR new", "1"},
		{"SET a text", "OK"},
		{"INCR a", "!ERR value is not an integer or out of range"},
		{"SET a 1 NX", "nil"},
		{"SET b 1 XX", "nil"},
		{"SET a 2 XX", "OK"},
		{"SET a 1 WHAT", "!ERR syntax error"},
		{"SET a 1 EX 0", "!ERR invalid expire time in 'set' command"},
		{"EXISTS a a b", "2"},
		{"KEYS *", "[a new]"},
		{"KEYS n?w", "[new]"},
		{"DEL a b new", "2"},
		{"TTL a", "-2"},
		{"SET a 1", "OK"},
		{"TTL a", "-1"},
		{"EXPIRE a 100", "1"},
		{"TTL a", "100"},
		{"SET a 1", "OK"},
		{"TTL a", "-1"},
		{"SET a 1 EX 50", "OK"},
		{"TTL a", "50"},
		{"EXPIRE a -1", "1"},
		{"EXPIRE a 1", "0"},
		{"RPUSH l b c", "2"},
		{"LPUSH l a z", "4"},
		{"LRANGE l 0 -1", "[z a b c]"},
		{"LRANGE l -2 100", "[b c]"},
		{"LRANGE l 3 1", "[]"},
		{"LRANGE none 0 1", "[]"},
		{"GET l", "!WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"LPOP l", "z"},
		{"LPOP l 2", "[a b]"},
		{"LPOP l 5", "[c]"},
		{"LPOP l", "nil"},
		{"LPOP l 1", "nil[]"},
		{"EXISTS l", "0"},
		{"RPUSH r 1 2 3", "3"},
		{"RPOP r", "3"},
		{"RPOP r 9", "[2 1]"},
		{"RPOP r", "nil"},
		{"MSET m1 1 m2 2", "OK"},
		{"MGET m1 none m2", "[1 nil 2]"},
		{"MSET m1 1 m2", "!ERR wrong number of arguments for 'mset' command"},
		{"SADD s a b a", "2"},
		{"SCARD s", "2"},
		{"GET s", "!WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"HGET s a", "!WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"SPOP none", "nil"},
		{"SADD one x", "1"},
		{"SPOP one", "x"},
		{"EXISTS one", "0"},
		{"HSET h f 1 g 2", "2"},
		{"HSET h f 3", "0"},
		{"HGET h f", "3"},
		{"HGET h none", "nil"},
		{"ZADD z 2 b 1 a 1.5 c", "3"},
		{"ZADD z 0 b", "0"},
		{"ZADD z x b", "!ERR value is not a valid float"},
		{"ZCARD z", "3"},
		{"ZPOPMIN z", "[b 0]"},
		{"ZPOPMIN z", "[a 1]"},
		{"ZPOPMIN z", "[c 1.5]"},
		{"ZPOPMIN z", "[]"},
		{"XADD x 1-1 f v", "1-1"},
		{"XADD x 1-1 f v", "!ERR The ID specified in XADD is equal or smaller than the target stream top item"},
		{"XADD y 0-0 f v", "!ERR The ID specified in XADD must be greater than 0-0"},
		{"EXISTS y", "0"},
		{"XLEN x", "1"},
		{"SELECT 0", "OK"},
		{"SELECT 1", "!ERR DB index is out of range"},
		{"GET", "!ERR wrong number of arguments for 'get' command"},
		{"WHATEVER 1", "!ERR unknown command 'WHATEVER'"},
		{"EXEC", "!ERR EXEC without MULTI"},
		{"QUIT", "OK"},
	} {
		s.want(c.reply, strings.Fields(c.command)...)
	}
	if _, err := s.in.ReadByte(); err != io.EOF {
		t.Errorf("after QUIT: %v", err)
	}
}

// The replies of a pipeline arrive in order, wherever the input is split, and also for
// inline commands.
func TestPipeline(t *testing.T) {
	addr := start(t)
	var send, want strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&send, "*3\r\n$3\r\nSET\r\n$4\r\n%04d\r\n$2\r\nhi\r\n", i)
		want.WriteString("+OK\r\n")
	}
	send.WriteString("incr n\r\nGET 0007\nQUIT\r\n")
	want.WriteString(":1\r\n$2\r\nhi\r\n+OK\r\n")
	for _, cut := range []int{1 << 20, 1000, 7} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for p := []byte(send.String()); len(p) > 0; {
				n, err := c.Write(p[:min(cut, len(p))])
				if err != nil {
					return // the server has received QUIT
				}
				p = p[n:]
			}
		}()
		got, err := io.ReadAll(c)
		c.Close()
		w := strings.Replace(want.String(), ":1", fmt.Sprintf(":%d", map[int]int{1 << 20: 1, 1000: 2, 7: 3}[cut]), 1)
		if err != nil || string(got) != w {
			t.Errorf("cut at %d: %v, got %d bytes, want %d", cut, err, len(got), len(w))
		}
	}
}

func TestTransactions(t *testing.T) {
	addr := start(t)
	s, other := dial(t, addr), dial(t, addr)
	s.want("OK", "MULTI")
	s.want("QUEUED", "SET", "a", "1")
	s.want("QUEUED", "INCR", "a")
	other.want("nil", "GET", "a")
	s.want("QUEUED", "BLPOP", "nothing", "0")
	s.want("!ERR MULTI calls can not be nested", "MULTI")
	s.want("[OK 2 nil[]]", "EXEC")
	other.want("2", "GET", "a")
	s.want("OK", "MULTI")
	s.want("!ERR unknown command 'NONSENSE'", "NONSENSE")
	s.want("QUEUED", "INCR", "a")
	s.want("!EXECABORT Transaction discarded because of previous errors.", "EXEC")
	s.want("OK", "MULTI")
	s.want("QUEUED", "INCR", "a")
	s.want("OK", "DISCARD")
	s.want("2", "GET", "a")
}

// Clients that wait for an item get it in the order in which they began to wait, and a
// client that has disconnected gets none.
func TestBlockingPop(t *testing.T) {
	addr := start(t)
	first, gone, second, pusher := dial(t, addr), dial(t, addr), dial(t, addr), dial(t, addr)
	waiting := func(n int) { // waits until clients wait for n lists
		t.Helper()
		for {
			pusher.send("INFO")
			if strings.Contains(pusher.reply(), fmt.Sprintf("blocked_clients:%d\r", n)) {
				return
			}
		}
	}
	first.send("BLPOP", "a", "b", "0")
	waiting(2)
	gone.send("BLPOP", "b", "c", "0")
	waiting(3)
	gone.c.Close()
	waiting(2)
	second.send("BLPOP", "b", "d", "0")
	waiting(3)
	pusher.want("2", "RPUSH", "b", "1", "2")
	if got := first.reply(); got != "[b 1]" {
		t.Errorf("the first got %s", got)
	}
	if got := second.reply(); got != "[b 2]" {
		t.Errorf("the second got %s", got)
	}
	pusher.want("[]", "KEYS", "*")
	first.want("nil[]", "BLPOP", "a", "0.001")
	// Commands sent during the wait are answered after it.
	first.send("BLPOP", "a", "0")
	first.send("PING")
	waiting(1)
	pusher.want("1", "RPUSH", "a", "x")
	if got := first.reply() + " " + first.reply(); got != "[a x] PONG" {
		t.Errorf("got %s", got)
	}
	first.want("!ERR timeout is not a float or out of range", "BLPOP", "a", "never")
}

func TestPublish(t *testing.T) {
	addr := start(t)
	s, p := dial(t, addr), dial(t, addr)
	p.want("0", "PUBLISH", "news", "nobody hears")
	s.send("SUBSCRIBE", "news", "sports")
	if got := s.reply() + s.reply(); got != "[subscribe news 1][subscribe sports 2]" {
		t.Error(got)
	}
	p.want("1", "PUBLISH", "news", "hello")
	if got := s.reply(); got != "[message news hello]" {
		t.Error(got)
	}
	s.want("[pong ]", "PING")
	s.want("!ERR Can't execute 'get': only (UN)SUBSCRIBE / PING / QUIT are allowed in this context", "GET", "a")
	s.send("UNSUBSCRIBE")
	if got := s.reply() + s.reply(); got != "[unsubscribe news 1][unsubscribe sports 0]" {
		t.Error(got)
	}
	p.want("0", "PUBLISH", "news", "x")
	s.want("nil", "GET", "a")
	s.want("[subscribe news 1]", "SUBSCRIBE", "news")
	s.c.Close()
	for {
		p.send("PUBLISH", "news", "x")
		if p.reply() == "0" {
			return
		}
	}
}

func TestWrongInput(t *testing.T) {
	addr := start(t)
	for _, c := range []struct{ send, want string }{
		{"*1\r\n+PING\r\n", "-ERR Protocol error: expected '$', got '+'\r\n"},
		{"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
		{"*9999999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
		{"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
		{"*1\r\n$999999999\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
		{"*1\r\n$4\r\nPINGxx", "-ERR Protocol error: expected the end of a bulk string\r\n"},
		{strings.Repeat("x", 100_000), "-ERR Protocol error: too big inline request\r\n"},
		{"\r\n\r\n*0\r\nPING\r\nQUIT\r\n", "+PONG\r\n+OK\r\n"},
	} {
		c2 := dial(t, addr)
		if _, err := io.WriteString(c2.c, c.send); err != nil {
			t.Fatal(err)
		}
		// the connection may be reset, as the server leaves input unread
		got, _ := io.ReadAll(c2.in)
		if string(got) != c.want {
			t.Errorf("%.30q: got %q, want %q", c.send, got, c.want)
		}
	}
	s := dial(t, addr)
	io.WriteString(s.c, "*2\r\n$3\r\nGET\r\n$100\r\nhalf")
	s.c.Close()
	dial(t, addr).want("PONG", "PING")
}

// A random sequence of operations on a list has the same results as on a slice.
func TestListAgainstSlice(t *testing.T) {
	var l list
	var model []string
	for i := range 10_000 {
		s := fmt.Sprint(i)
		switch (i * i / 7) % 5 {
		case 0, 1:
			l.pushBack(s)
			model = append(model, s)
		case 2:
			l.pushFront(s)
			model = append([]string{s}, model...)
		default:
			if len(model) > 0 {
				if got := l.popFront(); got != model[0] {
					t.Fatalf("step %d: popped %s, want %s", i, got, model[0])
				}
				model = model[1:]
			}
		}
		if l.len() != len(model) || len(model) > 0 && (l.at(0) != model[0] || l.at(l.len()-1) != model[len(model)-1]) {
			t.Fatalf("step %d: the list has %d items, want %d", i, l.len(), len(model))
		}
	}
}

// Keys expire by the loop's clock, and are deleted even if they are not accessed.
func TestExpiry(t *testing.T) {
	l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer l.Close()
	_, err := aio.RunUntilComplete(l, aio.Coro[struct{}](func(ctx context.Context) (struct{}, error) {
		s := newStore(l)
		s.set("a", &entry{str: "1", expires: l.Time().Add(time.Second)})
		s.set("b", &entry{str: "1", expires: l.Time().Add(time.Hour)})
		if err := aio.Sleep(ctx, time.Second-1); err != nil {
			return struct{}{}, err
		}
		if s.get([]byte("a")) == nil {
			t.Error("a expired too early")
		}
		if err := aio.Sleep(ctx, 1); err != nil {
			return struct{}{}, err
		}
		s.sweep()
		if len(s.entries) != 1 || len(s.mortal) != 1 {
			t.Errorf("%d keys remain", len(s.entries))
		}
		return struct{}{}, nil
	}))
	if err != nil {
		t.Error(err)
	}
}

// redis-cli and redis-benchmark work with the server.
func TestRedisTools(t *testing.T) {
	cli, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Skip("redis-cli is not installed")
	}
	host, port, _ := net.SplitHostPort(start(t))
	in := "SET greeting \"hello world\"\nGET greeting\nRPUSH l 1 2 3\nLRANGE l 0 -1\nTTL greeting\n"
	cmd := exec.Command(cli, "-h", host, "-p", port)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if want := "OK\nhello world\n3\n1\n2\n3\n-1\n"; err != nil || string(out) != want {
		t.Errorf("redis-cli: %v\n%s", err, out)
	}
	bench, err := exec.LookPath("redis-benchmark")
	if err != nil {
		t.Skip("redis-benchmark is not installed")
	}
	// Without -t redis-benchmark runs all its tests.
	out, err = exec.Command(bench, "-h", host, "-p", port, "-n", "1000", "--csv").CombinedOutput()
	if err != nil || strings.Contains(strings.ToLower(string(out)), "error") {
		t.Errorf("redis-benchmark: %v\n%s", err, out)
	}
	for _, name := range []string{"PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP", "SADD", "HSET",
		"SPOP", "ZADD", "ZPOPMIN", "LRANGE_100 (first 100 elements)", "LRANGE_600 (first 600 elements)", "MSET (10 keys)"} {
		if !strings.Contains(string(out), "\n\""+name+"\"") {
			t.Errorf("redis-benchmark did not measure %s:\n%s", name, out)
		}
	}
}
