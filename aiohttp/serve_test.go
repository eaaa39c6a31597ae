package aiohttp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

// startServe serves h on a stream server of a loop in a goroutine of its own, and returns its address
// and the reports to the loop's exception handler.
func startServe(t *testing.T, h aiohttp.HandlerFunc, opts *aiohttp.ServeOptions) (addr string, reports func() []string) {
	t.Helper()
	l, reports := startLoop(t)
	srv, err := aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (*aio.Server, error) {
		return aio.StartServer(ctx, aiohttp.Serve(h, opts), "127.0.0.1:0", nil)
	}).Result(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	addr, err = aio.RunCoroutineThreadsafe(l, func(context.Context) (string, error) { return srv.Addr().String(), nil }).Result(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if _, err := aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, srv.Shutdown(ctx, time.Second)
		}).Result(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return addr, reports
}

// talk sends raw to addr and returns all that comes back until the server closes the connection.
func talk(t *testing.T, addr, raw string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// routes is what most tests ask.
func routes(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/hello":
		fmt.Fprintf(w, "hello from %s", r.Proto)
	case "/echo":
		b, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Write(b)
	case "/size":
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	case "/ignore":
		io.WriteString(w, "ignored")
	case "/stream":
		for i := range 3 {
			fmt.Fprintf(w, "part %d\n", i)
			http.NewResponseController(w).Flush()
			if err := aio.Sleep(ctx, 0); err != nil {
				return
			}
		}
	case "/nothing":
		w.WriteHeader(http.StatusNoContent)
	case "/short":
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "abc")
	case "/panic":
		panic("oh no")
	case "/late-panic":
		io.WriteString(w, "half")
		http.NewResponseController(w).Flush()
		panic("too late")
	default:
		http.NotFound(w, r)
	}
}

// net/http's own client is served over one connection.
func TestServeClient(t *testing.T) {
	addr, _ := startServe(t, routes, nil)
	large := strings.Repeat("0123456789", 100_000)
	for _, c := range []struct {
		method, path, body, want string
		status                   int
	}{
		{"GET", "/hello", "", "hello from HTTP/1.1", 200},
		{"HEAD", "/hello", "", "", 200},
		{"POST", "/echo", "some text", "some text", 200},
		{"POST", "/echo", large, large, 200},
		{"POST", "/size", large, "1000000", 200},
		{"POST", "/ignore", strings.Repeat("x", 1000), "ignored", 200},
		{"GET", "/stream", "", "part 0\npart 1\npart 2\n", 200},
		{"GET", "/nothing", "", "", 204},
		{"GET", "/nowhere", "", "404 page not found\n", 404},
	} {
		r, err := http.NewRequest(c.method, "http://"+addr+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatalf("%s %s: %v", c.method, c.path, err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || string(b) != c.want {
			t.Errorf("%s %s: %d with %d bytes, %v, want %d with %d", c.method, c.path, resp.StatusCode, len(b), err, c.status, len(c.want))
		}
	}
}

// dateless is an answer without its Date line.
func dateless(s string) string {
	var lines []string
	for line := range strings.SplitSeq(s, "\r\n") {
		if !strings.HasPrefix(line, "Date: ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "|")
}

// What goes over the wire, for requests that a careful client would not send as well.
func TestServeWire(t *testing.T) {
	addr, _ := startServe(t, routes, &aiohttp.ServeOptions{MaxHeaderBytes: 1000})
	const get = "GET /hello HTTP/1.1\r\nHost: x\r\n"
	for _, c := range []struct{ name, send, want string }{
		{"close", get + "Connection: close\r\n\r\n",
			"HTTP/1.1 200 OK|Connection: close|Content-Length: 19|Content-Type: text/plain; charset=utf-8||hello from HTTP/1.1"},
		{"pipeline", get + "\r\n" + get + "Connection: close\r\n\r\n",
			"HTTP/1.1 200 OK|Content-Length: 19|Content-Type: text/plain; charset=utf-8||hello from HTTP/1.1" +
				"HTTP/1.1 200 OK|Connection: close|Content-Length: 19|Content-Type: text/plain; charset=utf-8||hello from HTTP/1.1"},
		{"old", "GET /hello HTTP/1.0\r\n\r\n",
			"HTTP/1.1 200 OK|Connection: close|Content-Length: 19|Content-Type: text/plain; charset=utf-8||hello from HTTP/1.0"},
		{"old stream", "GET /stream HTTP/1.0\r\n\r\n",
			"HTTP/1.1 200 OK|Connection: close|Content-Type: text/plain; charset=utf-8||part 0\npart 1\npart 2\n"},
		{"chunked both ways", "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
			"HTTP/1.1 200 OK|Connection: close|Content-Length: 5|Content-Type: text/plain; charset=utf-8||abcde"},
		{"stream", "GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			"HTTP/1.1 200 OK|Connection: close|Content-Type: text/plain; charset=utf-8|Transfer-Encoding: chunked||7|part 0\n|7|part 1\n|7|part 2\n|0||"},
		{"continue", "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
			"HTTP/1.1 100 Continue||HTTP/1.1 200 OK|Connection: close|Content-Length: 2|Content-Type: text/plain; charset=utf-8||hi"},
		{"no host", "GET /hello HTTP/1.1\r\n\r\n",
			"HTTP/1.1 400 Bad Request|Connection: close|Content-Length: 24|Content-Type: text/plain; charset=utf-8|X-Content-Type-Options: nosniff||there is no Host header\n"},
		{"garbage", "\x16\x03\x01\r\n\r\n",
			"HTTP/1.1 400 Bad Request|Content-Type: text/plain; charset=utf-8|Connection: close|Content-Length: 12||Bad Request\n"},
		{"long head", get + "X: " + strings.Repeat("x", 10_000) + "\r\n\r\n",
			"HTTP/1.1 431 Request Header Fields Too Large|Content-Type: text/plain; charset=utf-8|Connection: close|Content-Length: 32||Request Header Fields Too Large\n"},
		{"short answer", "GET /short HTTP/1.1\r\nHost: x\r\n\r\n",
			"HTTP/1.1 200 OK|Connection: close|Content-Length: 10|Content-Type: text/plain; charset=utf-8||abc"},
	} {
		if got := dateless(talk(t, addr, c.send)); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

// A panic is one client's trouble, and reported.
func TestServePanics(t *testing.T) {
	addr, reports := startServe(t, routes, nil)
	if status, body := get(t, "http://"+addr+"/panic"); status != 500 || body != "Internal Server Error\n" {
		t.Errorf("%d %q", status, body)
	}
	r, err := http.Get("http://" + addr + "/late-panic")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err == nil || string(b) != "half" {
		t.Errorf("after a late panic the client read %q and %v", b, err)
	}
	if _, body := get(t, "http://"+addr+"/hello"); body != "hello from HTTP/1.1" {
		t.Errorf("afterwards: %q", body)
	}
	want := []string{
		"panic in the handler of GET /panic: aio: panic: oh no",
		"panic in the handler of GET /late-panic: aio: panic: too late",
	}
	if got := reports(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("reported %q, want %q", got, want)
	}
}

// The handler is cancelled when its client goes away, whatever way it goes.
func TestServeClientGone(t *testing.T) {
	for name, leave := range map[string]func(c *net.TCPConn){
		"close":      func(c *net.TCPConn) { c.Close() },
		"reset":      func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"half close": func(c *net.TCPConn) { c.CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			began, ended := make(chan struct{}), make(chan error, 1)
			addr, _ := startServe(t, func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
				close(began)
				ended <- aio.Sleep(ctx, time.Hour)
			}, nil)
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			<-began
			leave(c.(*net.TCPConn))
			if err := <-ended; !errors.Is(err, aio.ErrCancelled) {
				t.Errorf("the handler was ended by %v", err)
			}
		})
	}
}

// A client that says nothing, or does not finish the head of its request, is not waited for.
func TestServeTimeouts(t *testing.T) {
	addr, _ := startServe(t, routes, &aiohttp.ServeOptions{IdleTimeout: time.Millisecond, HeaderTimeout: time.Millisecond})
	if got := talk(t, addr, ""); got != "" {
		t.Errorf("a silent client got %q", got)
	}
	addr, _ = startServe(t, routes, &aiohttp.ServeOptions{HeaderTimeout: time.Millisecond})
	if got := talk(t, addr, "GET /hello HT"); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("a slow client got %q", got)
	}
}

// The state of handlers needs no lock, and each request on a kept connection is answered.
func TestServeManyClients(t *testing.T) {
	total := 0
	addr, _ := startServe(t, func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		total++
		fmt.Fprint(w, total)
	}, nil)
	done := make(chan error)
	const clients, requests = 20, 50
	for range clients {
		go func() {
			done <- func() error {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					return err
				}
				defer c.Close()
				in := bufio.NewReader(c)
				for range requests {
					if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
						return err
					}
					r, err := http.ReadResponse(in, nil)
					if err != nil {
						return err
					}
					if _, err := io.Copy(io.Discard, r.Body); err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range clients {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if _, body := get(t, "http://"+addr); body != fmt.Sprint(clients*requests+1) {
		t.Errorf("the total is %s", body)
	}
}

func TestServeCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	addr, _ := startServe(t, routes, nil)
	body := bytes.Repeat([]byte("line\n"), 100_000)
	cmd := exec.Command(curl, "-sS", "--fail", "--data-binary", "@-", "http://"+addr+"/echo", "--next", "-sS", "http://"+addr+"/stream")
	cmd.Stdin = bytes.NewReader(body)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != string(body)+"part 0\npart 1\npart 2\n" {
		t.Errorf("curl: %v, %d bytes", err, len(out))
	}
}
