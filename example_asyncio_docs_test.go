package aio_test

// The examples of asyncio's documentation, in the order of its chapters. Those that
// wait use a virtual clock, so that their output is the same in each run; those that
// connect use real sockets.

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/goaio/aio"
)

func Example_helloWorld() {
	err := aio.Run(func(ctx context.Context) error {
		fmt.Println("hello")
		if err := aio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		fmt.Println("world")
		return nil
	})
	fmt.Println(err)
	// Output:
	// hello
	// world
	// <nil>
}

// A callback that prints a greeting and stops the loop.
func Example_helloWorldCallback() {
	loop := aio.NewEventLoop(nil)
	defer loop.Close()
	loop.CallSoon(func() {
		fmt.Println("hello world")
		loop.Stop()
	})
	fmt.Println(loop.RunForever())
	// Output:
	// hello world
	// <nil>
}

// A callback that prints the date and schedules itself again a second later, five
// times.
func Example_displayDateCallback() {
	loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer loop.Close()
	end := loop.Time().Add(5 * time.Second)
	var display func()
	display = func() {
		fmt.Println(loop.Time().Format(time.DateTime))
		if loop.Time().Add(time.Second).Before(end) {
			loop.CallLater(time.Second, display)
		} else {
			loop.Stop()
		}
	}
	loop.CallSoon(display)
	fmt.Println(loop.RunForever())
	// Output:
	// 2000-01-01 00:00:00
	// 2000-01-01 00:00:01
	// 2000-01-01 00:00:02
	// 2000-01-01 00:00:03
	// 2000-01-01 00:00:04
	// <nil>
}

// A coroutine that prints the date five times: a loop instead of a callback that
// schedules itself.
func Example_displayDate() {
	runner := aio.Runner{Options: &aio.LoopOptions{VirtualClock: true}}
	defer runner.Close()
	err := runner.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		for end := loop.Time().Add(5 * time.Second); loop.Time().Before(end); {
			fmt.Println(loop.Time().Format(time.DateTime))
			if err := aio.Sleep(ctx, time.Second); err != nil {
				return err
			}
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// 2000-01-01 00:00:00
	// 2000-01-01 00:00:01
	// 2000-01-01 00:00:02
	// 2000-01-01 00:00:03
	// 2000-01-01 00:00:04
	// <nil>
}

// A coroutine calls a coroutine, which calls two more in sequence: the second needs the
// result of the first.
func Example_chainedCoroutines() {
	find := func(ctx context.Context, name string) (int, error) {
		return len(name), aio.Sleep(ctx, time.Millisecond)
	}
	load := func(ctx context.Context, id int) (string, error) {
		return fmt.Sprintf("record %d", id), aio.Sleep(ctx, time.Millisecond)
	}
	lookUp := func(name string) aio.Coro[string] {
		return func(ctx context.Context) (string, error) {
			id, err := find(ctx, name)
			if err != nil {
				return "", err
			}
			return load(ctx, id)
		}
	}
	err := aio.Run(func(ctx context.Context) error {
		fmt.Println(lookUp("tea")(ctx))
		fmt.Println(aio.Gather(ctx, lookUp("milk"), lookUp("sugar")).Await(ctx))
		return nil
	})
	fmt.Println(err)
	// Output:
	// record 3 <nil>
	// [record 4 record 5] <nil>
	// <nil>
}

// Three concurrent tasks: a factorial with more factors takes longer.
func Example_factorials() {
	runner := aio.Runner{Options: &aio.LoopOptions{VirtualClock: true}}
	defer runner.Close()
	factorial := func(name string, n int) aio.Coro[int] {
		return func(ctx context.Context) (int, error) {
			f := 1
			for i := 2; i <= n; i++ {
				fmt.Printf("%s: times %d\n", name, i)
				if err := aio.Sleep(ctx, time.Second); err != nil {
					return 0, err
				}
				f *= i
			}
			return f, nil
		}
	}
	err := runner.Run(func(ctx context.Context) error {
		fmt.Println(aio.Gather(ctx, factorial("A", 2), factorial("B", 3), factorial("C", 4)).Await(ctx))
		return nil
	})
	fmt.Println(err)
	// Output:
	// A: times 2
	// B: times 2
	// C: times 2
	// B: times 3
	// C: times 3
	// C: times 4
	// [2 6 24] <nil>
	// <nil>
}

// A timeout for a slow operation, and for a fast one.
func Example_timeouts() {
	runner := aio.Runner{Options: &aio.LoopOptions{VirtualClock: true}}
	defer runner.Close()
	err := runner.Run(func(ctx context.Context) error {
		for _, d := range []time.Duration{time.Minute, 2 * time.Hour} {
			err := aio.Timeout(ctx, time.Hour, func(ctx context.Context) error { return aio.Sleep(ctx, d) })
			if errors.Is(err, aio.ErrTimeout) {
				fmt.Println("gave up on", d)
			} else if err == nil {
				fmt.Println("waited", d)
			}
		}
		_, err := aio.WaitFor(ctx, say("much later", 2*time.Hour), time.Hour)
		fmt.Println(err)
		return nil
	})
	fmt.Println(err)
	// Output:
	// waited 1m0s
	// gave up on 2h0m0s
	// aio: timed out
	// <nil>
}

// A shielded operation continues when the task that waits for it is cancelled.
func Example_shieldedSave() {
	saved := false
	save := aio.NoResult(func(ctx context.Context) error {
		err := aio.Sleep(ctx, 0)
		saved = err == nil
		return err
	})
	err := aio.Run(func(ctx context.Context) error {
		// the caller keeps the task to await it at the end
		saving := aio.CreateTask(ctx, save)
		request := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, err := aio.Shield(ctx, saving).Await(ctx)
			fmt.Println("request:", err)
			return err
		}))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		request.Cancel("client gone")
		_, err := saving.Await(ctx)
		fmt.Println("saved:", saved)
		return err
	})
	fmt.Println(err)
	// Output:
	// request: aio: cancelled: client gone
	// saved: true
	// <nil>
}

// Three workers process the items of a queue.
func Example_queueWorkers() {
	runner := aio.Runner{Options: &aio.LoopOptions{VirtualClock: true}}
	defer runner.Close()
	err := runner.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		queue := aio.NewQueue[time.Duration](0)
		for i := range 6 {
			if err := queue.PutNowait(time.Duration(i+1) * time.Second); err != nil {
				return err
			}
		}
		worker := func(name string) aio.Coro[struct{}] {
			return aio.NoResult(func(ctx context.Context) error {
				for {
					job, err := queue.Get(ctx)
					if err != nil {
						return err
					}
					if err := aio.Sleep(ctx, job); err != nil {
						return err
					}
					fmt.Println(name, "did", job)
					queue.TaskDone()
				}
			})
		}
		var workers []*aio.Task[struct{}]
		for _, name := range []string{"anna", "bert", "cleo"} {
			workers = append(workers, aio.CreateTask(ctx, worker(name)))
		}
		start := loop.Time()
		if err := queue.Join(ctx); err != nil {
			return err
		}
		for _, w := range workers {
			w.Cancel()
		}
		_, _, err = aio.Wait(ctx, workers, aio.NoTimeout, aio.AllCompleted)
		fmt.Println("21s of work in", loop.Time().Sub(start))
		return err
	})
	fmt.Println(err)
	// Output:
	// anna did 1s
	// bert did 2s
	// cleo did 3s
	// anna did 4s
	// bert did 5s
	// cleo did 6s
	// 21s of work in 9s
	// <nil>
}

// docEcho is the protocol of a TCP echo server.
type docEcho struct{ t aio.Transport }

func (e *docEcho) ConnectionMade(t aio.Transport) { e.t = t }

func (e *docEcho) DataReceived(p []byte) {
	fmt.Printf("server: %q\n", p)
	e.t.Write(p)
	e.t.Close()
}

// docEchoClient sends a message and prints the response.
type docEchoClient struct {
	message string
	lost    *aio.Future[struct{}]
}

func (c *docEchoClient) ConnectionMade(t aio.Transport) { t.Write([]byte(c.message)) }
func (c *docEchoClient) DataReceived(p []byte)          { fmt.Printf("client: %q\n", p) }
func (c *docEchoClient) ConnectionLost(err error) {
	fmt.Println("client: lost,", err)
	_ = c.lost.SetResult(struct{}{})
}

func Example_tcpEchoProtocol() {
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.CreateServer(ctx, func() *docEcho { return &docEcho{} }, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		defer srv.Close()
		_, client, err := aio.CreateConnection(ctx, func() *docEchoClient {
			return &docEchoClient{"hello", aio.CreateFuture[struct{}](ctx)}
		}, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		_, err = client.lost.Await(ctx)
		return err
	})
	fmt.Println(err)
	// Output:
	// server: "hello"
	// client: "hello"
	// client: lost, <nil>
	// <nil>
}

func Example_tcpEchoStreams() {
	serve := func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
		defer w.Close()
		p, err := r.Read(ctx, 100)
		if err != nil {
			return err
		}
		fmt.Printf("server: %q\n", p)
		w.Write(p)
		return w.Drain(ctx)
	}
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.StartServer(ctx, serve, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		defer srv.Close()
		r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		fmt.Fprint(w, "hello")
		p, err := r.Read(ctx, 100)
		if err != nil {
			return err
		}
		fmt.Printf("client: %q\n", p)
		w.Close()
		return w.WaitClosed(ctx)
	})
	fmt.Println(err)
	// Output:
	// server: "hello"
	// client: "hello"
	// <nil>
}

// docUDPEcho is the protocol of a UDP echo server.
type docUDPEcho struct{ t aio.DatagramTransport }

func (e *docUDPEcho) ConnectionMade(t aio.DatagramTransport) { e.t = t }

func (e *docUDPEcho) DatagramReceived(p []byte, from net.Addr) {
	fmt.Printf("server: %q\n", p)
	_ = e.t.SendTo(p, from) // errors go to ErrorReceived
}

// docUDPClient sends a datagram, and closes the transport when the response arrives.
type docUDPClient struct {
	message string
	t       aio.DatagramTransport
	lost    *aio.Future[struct{}]
}

func (c *docUDPClient) ConnectionMade(t aio.DatagramTransport) {
	c.t = t
	_ = t.SendTo([]byte(c.message), nil)
}

func (c *docUDPClient) DatagramReceived(p []byte, _ net.Addr) {
	fmt.Printf("client: %q\n", p)
	c.t.Close()
}

func (c *docUDPClient) ErrorReceived(err error) { fmt.Println("client:", err) }

func (c *docUDPClient) ConnectionLost(err error) {
	fmt.Println("client: closed,", err)
	_ = c.lost.SetResult(struct{}{})
}

func Example_udpEcho() {
	err := aio.Run(func(ctx context.Context) error {
		server, _, err := aio.CreateDatagramEndpoint(ctx, func() *docUDPEcho { return &docUDPEcho{} },
			&aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		defer server.Close()
		address := server.GetExtraInfo("sockname").(net.Addr).String()
		_, client, err := aio.CreateDatagramEndpoint(ctx, func() *docUDPClient {
			return &docUDPClient{message: "hello", lost: aio.CreateFuture[struct{}](ctx)}
		}, &aio.DatagramOptions{RemoteAddr: address})
		if err != nil {
			return err
		}
		_, err = client.lost.Await(ctx)
		return err
	})
	fmt.Println(err)
	// Output:
	// server: "hello"
	// client: "hello"
	// client: closed, <nil>
	// <nil>
}

// docWatcher waits for data on an existing connection.
type docWatcher struct {
	t    aio.Transport
	lost *aio.Future[struct{}]
}

func (w *docWatcher) ConnectionMade(t aio.Transport) { w.t = t }

func (w *docWatcher) DataReceived(p []byte) {
	fmt.Printf("received %q\n", p)
	w.t.Close()
}

func (w *docWatcher) ConnectionLost(error) { _ = w.lost.SetResult(struct{}{}) }

// An open socket becomes a transport, whose protocol is called when data arrives.
func Example_openSocketProtocol() {
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		ours, theirs := net.Pipe()
		defer theirs.Close()
		_, watcher, err := aio.CreateConnection(ctx, func() *docWatcher {
			return &docWatcher{lost: aio.CreateFuture[struct{}](ctx)}
		}, "", &aio.ConnectionOptions{Conn: ours})
		if err != nil {
			return err
		}
		// simulates the reception of data from the network
		loop.CallSoon(func() { go theirs.Write([]byte("abc")) })
		_, err = watcher.lost.Await(ctx)
		return err
	})
	fmt.Println(err)
	// Output:
	// received "abc"
	// <nil>
}

// An open socket becomes a stream.
func Example_openSocketStreams() {
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		ours, theirs := net.Pipe()
		defer theirs.Close()
		opts := &aio.ConnectionOptions{Conn: ours}
		r, w, err := aio.OpenConnection(ctx, "", opts)
		if err != nil {
			return err
		}
		// simulates the reception of data from the network
		loop.CallSoon(func() { go theirs.Write([]byte("abc")) })
		p, err := r.Read(ctx, 100)
		fmt.Printf("received %q, %v\n", p, err)
		w.Close()
		return w.WaitClosed(ctx)
	})
	fmt.Println(err)
	// Output:
	// received "abc", <nil>
	// <nil>
}

// Reads the headers of an HTTP response, over TLS and without an HTTP package.
func Example_httpHeaders() {
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Date", "Sat, 01 Jan 2000 00:00:00 GMT")
		fmt.Fprint(w, "hello, tea")
	}))
	defer site.Close()
	roots := x509.NewCertPool()
	roots.AddCert(site.Certificate())

	err := aio.Run(func(ctx context.Context) error {
		r, w, err := aio.OpenConnection(ctx, site.Listener.Addr().String(), &aio.ConnectionOptions{TLS: &tls.Config{ServerName: "example.com", RootCAs: roots}})
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "HEAD / HTTP/1.0\r\nHost: %s\r\n\r\n", "example.com")
		for line, err := range r.Lines(ctx) {
			if err != nil {
				return err
			}
			if line = bytes.TrimSpace(line); len(line) == 0 {
				break
			}
			fmt.Printf("%s\n", line)
		}
		w.Close() // the body is not needed
		return w.WaitClosed(ctx)
	})
	fmt.Println(err)
	// Output:
	// HTTP/1.0 200 OK
	// Content-Type: text/plain
	// Date: Sat, 01 Jan 2000 00:00:00 GMT
	// Content-Length: 10
	// <nil>
}

// A blocking call and a coroutine run concurrently: the total time is that of the
// longer one.
func Example_blockingBesideCoroutine() {
	release := make(chan struct{})
	blocking := func(context.Context) (string, error) {
		<-release // a file, a query or a computation
		return "from a thread", nil
	}
	var first aio.Coro[string] = func(ctx context.Context) (string, error) { return aio.ToThread(ctx, blocking) }
	var second aio.Coro[string] = func(ctx context.Context) (string, error) {
		close(release) // this runs while the other one blocks
		return "from the loop", aio.Sleep(ctx, time.Millisecond)
	}
	err := aio.Run(func(ctx context.Context) error {
		fmt.Println(aio.Gather(ctx, first, second).Await(ctx))
		return nil
	})
	fmt.Println(err)
	// Output:
	// [from a thread from the loop] <nil>
	// <nil>
}
