package aiohttp_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

// The tests send the same bytes to a server of net/http and to a server whose handlers
// are tasks. Both have the same handlers. The responses must be equal, and so must be
// the requests that the handlers got.

// journal records what the handlers of a server got.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

// short quotes b, abbreviated if it is long.
func short(b []byte) string {
	if len(b) <= 300 {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%d bytes %x", len(b), sha256.Sum256(b))
}

// see records a request and its body.
func (j *journal) see(r *http.Request) []byte {
	b, err := io.ReadAll(r.Body)
	j.add("%s %s %s host=%q %v te=%v length=%d body=%s err=%v trailer=%v close=%v", r.Method, r.RequestURI, r.Proto, r.Host,
		r.Header, r.TransferEncoding, r.ContentLength, short(b), err, r.Trailer, r.Close)
	return b
}

// compareRoutes returns the handlers by path.
func compareRoutes(j *journal, dir string) map[string]http.HandlerFunc {
	write := func(w http.ResponseWriter, p []byte) {
		n, err := w.Write(p)
		j.add("wrote %d of %d, %v", n, len(p), err)
	}
	text := func(n int) []byte { return bytes.Repeat([]byte("0123456789abcde\n"), n/16+1)[:n] }
	flush := func(w http.ResponseWriter) { j.add("flushed, %v", http.NewResponseController(w).Flush()) }
	routes := map[string]http.HandlerFunc{
		"/see": func(w http.ResponseWriter, r *http.Request) { w.Write(j.see(r)) },
		"/probe": func(w http.ResponseWriter, r *http.Request) {
			j.add("probe")
			io.WriteString(w, "alive")
		},
		"/nothing": func(http.ResponseWriter, *http.Request) {},
		"/ignore":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"/replace": func(w http.ResponseWriter, r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader("another"))
			w.Write(j.see(r))
		},
		"/close": func(w http.ResponseWriter, r *http.Request) {
			j.add("closed, %v", r.Body.Close())
			w.Write(j.see(r))
		},
		"/half": func(w http.ResponseWriter, r *http.Request) {
			b := make([]byte, r.ContentLength/2)
			_, err := io.ReadFull(r.Body, b)
			j.add("half %s, %v", short(b), err)
			io.WriteString(w, "half")
		},
		"/half-close": func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadFull(r.Body, make([]byte, r.ContentLength/2))
			j.add("half %v, %v", err, r.Body.Close())
			io.WriteString(w, "half")
		},
		"/frozen": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Before", "1")
			w.WriteHeader(202)
			w.Header().Set("X-After", "1")
			w.WriteHeader(500)
			io.WriteString(w, "frozen")
		},
		"/frozen-write": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "frozen")
			w.Header().Set("X-After", "1")
			w.Header().Set("Content-Length", "3")
			w.Write(text(50_000))
			w.Header().Set("X-Later", "1")
			w.WriteHeader(500)
		},
		"/frozen-large": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Before", "1")
			w.Write(text(5000))
			w.Header().Set("X-After", "1")
		},
		"/length-late": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.Header().Set("Content-Length", "5")
			write(w, []byte("hello"))
		},
		"/te-chunked": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Transfer-Encoding", "chunked")
			write(w, []byte("hello"))
		},
		"/te-identity": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Transfer-Encoding", "identity")
			write(w, []byte("hello"))
		},
		"/te-length": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Transfer-Encoding", "chunked")
			w.Header().Set("Content-Length", "5")
			write(w, []byte("hello"))
		},
		"/length-bad": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "five")
			write(w, []byte("hello"))
		},
		"/length-empty": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "")
			write(w, text(5000))
		},
		"/connection-close": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			write(w, []byte("bye"))
		},
		"/connection-keep": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "keep-alive")
			write(w, []byte("more"))
		},
		"/status/1000": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(1000) },
		"/status/0":    func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(0) },
		"/early": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(103)
			w.Header().Del("Link")
			w.WriteHeader(102)
			write(w, []byte("late"))
		},
		"/trailers": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Sum, X-Forgotten")
			write(w, []byte("hello"))
			w.Header().Set("X-Sum", "5")
			w.Header().Set("X-Undeclared", "5")
		},
		"/trailers-large": func(w http.ResponseWriter, r *http.Request) {
			write(w, text(70_000))
			w.Header().Set(http.TrailerPrefix+"X-Sum", "70000")
		},
		"/abort":       func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"/panic":       func(w http.ResponseWriter, r *http.Request) { panic("oh no") },
		"/panic-begun": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "half"); panic("oh no") },
		"/panic-flush": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			flush(w)
			panic("oh no")
		},
		"/abort-flush": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			flush(w)
			panic(http.ErrAbortHandler)
		},
		"/flush": func(w http.ResponseWriter, r *http.Request) {
			for i := range 3 {
				fmt.Fprintf(w, "part %d\n", i)
				flush(w)
			}
		},
		"/flush-first": func(w http.ResponseWriter, r *http.Request) {
			flush(w)
			w.Header().Set("X-After", "1")
			write(w, []byte("<html>"))
		},
		"/sniff": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "<ht")
			io.WriteString(w, "ml>")
		},
		"/sniff-large": func(w http.ResponseWriter, r *http.Request) {
			write(w, []byte("%PDF-"))
			write(w, text(5000))
		},
		"/encoded": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			write(w, text(5000))
		},
		"/file": func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, filepath.Join(dir, "large")) },
		"/copy": func(w http.ResponseWriter, r *http.Request) {
			f, err := os.Open(filepath.Join(dir, "large"))
			if err != nil {
				panic(err)
			}
			defer f.Close()
			io.WriteString(w, "begin ")
			n, err := io.CopyN(w, f, 90_000)
			m, merr := io.Copy(w, f)
			j.add("copied %d %v %d %v", n, err, m, merr)
		},
		"/form": func(w http.ResponseWriter, r *http.Request) {
			err := r.ParseMultipartForm(10)
			j.add("form %v %v", r.Form, err)
			if r.MultipartForm != nil {
				for _, fh := range r.MultipartForm.File["file"] {
					f, err := fh.Open()
					if err != nil {
						panic(err)
					}
					b, err := io.ReadAll(f)
					j.add("file %s %v", short(b), err)
					f.Close()
				}
			}
		},
		"/hijack": func(w http.ResponseWriter, r *http.Request) {
			c, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer c.Close()
			_, werr := w.Write([]byte("too late"))
			rest := make([]byte, 8)
			_, err = io.ReadFull(rw, rest)
			j.add("hijacked %q, %v, %v", rest, err, werr)
			fmt.Fprintf(rw, "HTTP/1.1 299 Mine\r\nContent-Length: 4\r\n\r\nmine")
			rw.Flush()
		},
		"/duplex": func(w http.ResponseWriter, r *http.Request) {
			j.add("duplex %v", http.NewResponseController(w).EnableFullDuplex())
			b := make([]byte, 5)
			_, err := io.ReadFull(r.Body, b)
			write(w, b)
			flush(w)
			rest, rerr := io.ReadAll(r.Body)
			j.add("read %s %v, %s %v", b, err, rest, rerr)
			write(w, rest)
		},
		"/push": func(w http.ResponseWriter, r *http.Request) {
			if p, ok := w.(http.Pusher); ok {
				j.add("push %v", errors.Is(p.Push("/x", nil), http.ErrNotSupported))
			} else {
				j.add("push true")
			}
		},
	}
	for _, status := range []int{101, 200, 204, 304, 404} {
		routes[fmt.Sprintf("/status/%d", status)] = func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			write(w, []byte("some"))
			write(w, text(5000))
			write(w, nil)
		}
		routes[fmt.Sprintf("/length/%d", status)] = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10")
			w.WriteHeader(status)
			write(w, []byte("some"))
			write(w, text(5000))
			write(w, []byte("others"))
		}
	}
	for _, n := range []int{0, 1, 2047, 2048, 2049, 4096, 32768, 32769, 100_000} {
		routes[fmt.Sprintf("/size/%d", n)] = func(w http.ResponseWriter, r *http.Request) { write(w, text(n)) }
		routes[fmt.Sprintf("/long/%d", n)] = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(n))
			write(w, text(n))
			write(w, []byte("x"))
		}
		routes[fmt.Sprintf("/short/%d", n)] = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(n+1))
			write(w, text(n))
		}
		routes[fmt.Sprintf("/pieces/%d", n)] = func(w http.ResponseWriter, r *http.Request) {
			for p := text(n); len(p) > 0; p = p[min(len(p), 700):] {
				write(w, p[:min(len(p), 700)])
			}
		}
		routes[fmt.Sprintf("/pieces-flush/%d", n)] = func(w http.ResponseWriter, r *http.Request) {
			for i, p := 0, text(n); len(p) > 0; i, p = i+1, p[min(len(p), 1500):] {
				write(w, p[:min(len(p), 1500)])
				if i%3 == 2 {
					flush(w)
				}
			}
		}
	}
	return routes
}

// limited are the routes that are wrapped in http.MaxBytesHandler.
var limited = map[string]int64{"/limited": 10, "/limited-large": 50_000}

// compared is one of the two servers.
type compared struct {
	journal *journal
	addr    string
}

// startCompared starts a net/http server with the routes. wrap converts each handler
// for the server under test.
func startCompared(t testing.TB, dir string, wrap func(http.Handler) http.Handler) *compared {
	j := &journal{}
	mux := http.NewServeMux()
	for path, h := range compareRoutes(j, dir) {
		mux.Handle(path, wrap(h))
	}
	for path, n := range limited {
		mux.Handle(path, http.MaxBytesHandler(wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Write(j.see(r))
		})), n))
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0), MaxHeaderBytes: 10_000}
	done := make(chan error)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return &compared{j, ln.Addr().String()}
}

// startServed starts a server of Serve with the routes.
func startServed(t testing.TB, dir string) *compared {
	j := &journal{}
	mux := http.NewServeMux()
	for path, h := range compareRoutes(j, dir) {
		mux.Handle(path, h)
	}
	hs := &http.Server{ErrorLog: log.New(io.Discard, "", 0), MaxHeaderBytes: 10_000}
	srv := startServer(t, mux, &aiohttp.ServeOptions{HTTP: hs})
	return &compared{j, srv.Addr().String()}
}

// startServer starts a server of Serve in a new loop. Both end with the test.
func startServer(t testing.TB, h http.Handler, opts *aiohttp.ServeOptions) *aiohttp.Server {
	t.Helper()
	l, _ := startLoop(t)
	srv, err := aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (*aiohttp.Server, error) {
		return aiohttp.Serve(ctx, h, "127.0.0.1:0", opts)
	}).Result(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, srv.Shutdown(ctx, 5*time.Second)
		}).Result(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// answers is the output of a server for one case.
type answers struct {
	text string // responses in order
	seen []string
}

// probe is the last request on each connection: its answer shows that the connection
// was still usable.
const probe = "GET /probe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

// ask sends raw and reads until the server closes the connection. With eof the client
// then closes its side, so that the server does not wait for more.
func (s *compared) ask(t testing.TB, raw string, methods []string, eof bool) answers {
	t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(nc, raw) // fails if the server closes early
		if eof {
			_ = nc.(*net.TCPConn).CloseWrite()
		}
	}()
	got, err := io.ReadAll(nc)
	<-sent
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the server neither responds nor closes: got %q", got)
	}
	return answers{responses(got, methods), s.journal.take()}
}

var anyDate = regexp.MustCompile(`Date: [^\r\n]*`)

// responses normalizes responses so that they can be compared.
func responses(b []byte, methods []string) string {
	b = anyDate.ReplaceAll(b, []byte("Date: today"))
	var text strings.Builder
	in := bufio.NewReader(bytes.NewReader(b))
	for i := 0; ; i++ {
		if _, err := in.Peek(1); err != nil {
			return text.String()
		}
		method := "GET"
		if i < len(methods) {
			method = methods[i]
		}
		r, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			fmt.Fprintf(&text, "no response: %v\n", err)
			return text.String()
		}
		if r.StatusCode < 200 && r.StatusCode != 101 {
			methods = slices.Insert(slices.Clone(methods), min(i, len(methods)), "GET")
		}
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(&text, "%s %s %v te=%v length=%d close=%v\n%s %v %v\n", r.Proto, r.Status, r.Header,
			r.TransferEncoding, r.ContentLength, r.Close, short(body), err, r.Trailer)
	}
}

// compareCase is a row of the table.
type compareCase struct {
	name string
	raw  string // request bytes without the probe
	eof  bool   // the client sends EOF after raw, instead of the probe
	head bool   // the first request is a HEAD request
}

// rawGet and rawPost return requests as HTTP clients send them.
func rawGet(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }
func rawPost(path string, n int) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, n, strings.Repeat("b", n))
}
func rawChunked(path string, sizes ...int) string {
	s := "POST " + path + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, n := range sizes {
		s += fmt.Sprintf("%x\r\n%s\r\n", n, strings.Repeat("c", n))
	}
	return s + "0\r\n\r\n"
}

// compareCases returns the table.
func compareCases(j *journal) []compareCase {
	line := func(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }
	cases := []compareCase{
		{name: "space before colon", raw: line("GET /see HTTP/1.1", "Host: x", "X : y")},
		{name: "space before the colon of Host", raw: line("GET /see HTTP/1.1", "Host : x")},
		{name: "no Host", raw: line("GET /see HTTP/1.1")},
		{name: "empty Host", raw: line("GET /see HTTP/1.1", "Host:")},
		{name: "two Hosts", raw: line("GET /see HTTP/1.1", "Host: a", "Host: b")},
		{name: "Host with a space", raw: line("GET /see HTTP/1.1", "Host: a b")},
		{name: "Host with a slash", raw: line("GET /see HTTP/1.1", "Host: a/b")},
		{name: "Host with an at", raw: line("GET /see HTTP/1.1", "Host: a@b")},
		{name: "Host with a NUL", raw: line("GET /see HTTP/1.1", "Host: a\x00b")},
		{name: "absolute form", raw: line("GET http://a/see HTTP/1.1", "Host: b")},
		{name: "absolute form without Host", raw: line("GET http://a/see HTTP/1.1")},
		{name: "star", raw: line("OPTIONS * HTTP/1.1", "Host: x")},
		{name: "connect", raw: line("CONNECT a:80 HTTP/1.1", "Host: a:80")},
		{name: "HTTP/2.0", raw: line("GET /see HTTP/2.0", "Host: x")},
		{name: "HTTP/2 preface", raw: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{name: "HTTP/9.9", raw: line("GET /see HTTP/9.9", "Host: x")},
		{name: "HTTP/1.2", raw: line("GET /see HTTP/1.2", "Host: x")},
		{name: "HTTP/1.0", raw: line("GET /see HTTP/1.0")},
		{name: "HTTP/1.0 keep-alive", raw: line("GET /see HTTP/1.0", "Connection: keep-alive")},
		{name: "HTTP/1.0 stream", raw: line("GET /flush HTTP/1.0")},
		{name: "HTTP/1.0 stream keep-alive", raw: line("GET /flush HTTP/1.0", "Connection: keep-alive")},
		{name: "HTTP/1.0 chunked", raw: strings.Replace(rawChunked("/see", 3), "HTTP/1.1", "HTTP/1.0", 1)},
		{name: "HTTP/0.9", raw: "GET /see\r\n\r\n"},
		{name: "lower case", raw: line("get /see http/1.1", "Host: x")},
		{name: "odd method", raw: line("BREW /see HTTP/1.1", "Host: x")},
		{name: "bad method", raw: line("G@T /see HTTP/1.1", "Host: x")},
		{name: "no path", raw: line("GET  HTTP/1.1", "Host: x")},
		{name: "bad path", raw: line("GET /%zz HTTP/1.1", "Host: x")},
		{name: "path with a space", raw: line("GET /se e HTTP/1.1", "Host: x")},
		{name: "garbage", raw: "\x16\x03\x01\x00\r\n\r\n"},
		{name: "empty lines first", raw: "\r\n\r\n" + rawGet("/see")},
		{name: "line feeds", raw: "GET /see HTTP/1.1\nHost: x\n\n"},
		{name: "folded header", raw: line("GET /see HTTP/1.1", "Host: x", "X: a", " b")},
		{name: "folded first header", raw: line("GET /see HTTP/1.1", " Host: x")},
		{name: "header without colon", raw: line("GET /see HTTP/1.1", "Host: x", "X")},
		{name: "header without name", raw: line("GET /see HTTP/1.1", "Host: x", ": x")},
		{name: "bad header name", raw: line("GET /see HTTP/1.1", "Host: x", "X@Y: x")},
		{name: "bad header value", raw: line("GET /see HTTP/1.1", "Host: x", "X: \x01")},
		{name: "header of bytes", raw: line("GET /see HTTP/1.1", "Host: x", "X: \xff\xfe")},
		{name: "huge request line", raw: line("GET /"+strings.Repeat("x", 200_000)+" HTTP/1.1", "Host: x")},
		{name: "huge header", raw: line("GET /see HTTP/1.1", "Host: x", "X: "+strings.Repeat("x", 200_000))},
		{name: "large header", raw: line("GET /see HTTP/1.1", "Host: x", "X: "+strings.Repeat("x", 5000))},
		{name: "transfer coding gzip", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: gzip") + "abc"},
		{name: "transfer codings gzip, chunked", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: gzip, chunked") + "0\r\n\r\n"},
		{name: "transfer coding identity", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: identity")},
		{name: "two transfer codings", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n"},
		{name: "empty transfer coding", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding:")},
		{name: "chunked and length", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", "Content-Length: 3") + "3\r\nabc\r\n0\r\n\r\n"},
		{name: "length +1", raw: line("POST /see HTTP/1.1", "Host: x", "Content-Length: +1") + "a"},
		{name: "length -1", raw: line("POST /see HTTP/1.1", "Host: x", "Content-Length: -1")},
		{name: "length 0x1", raw: line("POST /see HTTP/1.1", "Host: x", "Content-Length: 0x1") + "a"},
		{name: "empty length", raw: line("POST /see HTTP/1.1", "Host: x", "Content-Length:")},
		{name: "two equal lengths", raw: line("POST /see HTTP/1.1", "Host: x", "Content-Length: 1", "Content-Length: 1") + "a"},
		{name: "two lengths", raw: line("POST /see HTTP/1.1", "Host: x", "Content-Length: 1", "Content-Length: 2") + "ab"},
		{name: "list of lengths", raw: line("POST /see HTTP/1.1", "Host: x", "Content-Length: 1, 1") + "a"},
		{name: "huge length", raw: line("POST /see HTTP/1.1", "Host: x", "Content-Length: 99999999999999999999")},
		{name: "GET with a body", raw: line("GET /see HTTP/1.1", "Host: x", "Content-Length: 3") + "abc"},
		{name: "line after the body", raw: rawPost("/see", 3) + "\r\n"},
		{name: "unknown Expect", raw: line("POST /see HTTP/1.1", "Host: x", "Expect: 200-ok", "Content-Length: 1") + "a"},
		{name: "Expect", raw: line("POST /see HTTP/1.1", "Host: x", "Expect: 100-continue", "Content-Length: 1") + "a"},
		{name: "Expect, not read", raw: line("POST /ignore HTTP/1.1", "Host: x", "Expect: 100-continue", "Content-Length: 1") + "a"},
		{name: "Expect without a body", raw: line("POST /see HTTP/1.1", "Host: x", "Expect: 100-continue")},
		{name: "Expect, limited", raw: line("POST /limited HTTP/1.1", "Host: x", "Expect: 100-continue", "Content-Length: 11") + "abcdefghijk"},
		{name: "chunked", raw: rawChunked("/see", 3, 1, 5000)},
		{name: "chunk extension", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: chunked") + "3;a=b\r\nabc\r\n0\r\n\r\n"},
		{name: "bad chunk size", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: chunked") + "z\r\nabc\r\n0\r\n\r\n"},
		{name: "negative chunk size", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: chunked") + "-1\r\nabc\r\n0\r\n\r\n"},
		{name: "chunk without its end", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: chunked") + "3\r\nabcd\r\n0\r\n\r\n"},
		{name: "bad chunk, not read", raw: line("POST /ignore HTTP/1.1", "Host: x", "Transfer-Encoding: chunked") + "z\r\nabc\r\n0\r\n\r\n"},
		{name: "trailers", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", "Trailer: X-Sum") + "3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n"},
		{name: "undeclared trailers", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n"},
		{name: "forbidden trailers", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", "Trailer: Content-Length") + "0\r\nContent-Length: 3\r\n\r\n"},
		{name: "bad trailers", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: chunked") + "0\r\nX Y: 3\r\n\r\n"},
		{name: "pipeline", raw: rawGet("/see") + rawPost("/see", 3) + rawGet("/size/5") + rawChunked("/see", 2) + rawGet("/nothing")},
		{name: "smuggled in a body", raw: rawPost("/ignore", 0) + rawGet("/see")},
		{name: "end in the request line", raw: "GET /se", eof: true},
		{name: "end in the header", raw: "GET /see HTTP/1.1\r\nHos", eof: true},
		{name: "end in the body", raw: line("POST /see HTTP/1.1", "Host: x", "Content-Length: 10") + "abc", eof: true},
		{name: "end in a body that is not read", raw: line("POST /ignore HTTP/1.1", "Host: x", "Content-Length: 10") + "abc", eof: true},
		{name: "end in a chunk", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: chunked") + "5\r\nabc", eof: true},
		{name: "end in the trailers", raw: line("POST /see HTTP/1.1", "Host: x", "Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\nX", eof: true},
		{name: "hijack", raw: rawGet("/hijack") + "and more"},
		{name: "duplex", raw: rawPost("/duplex", 10)},
		{name: "duplex, large", raw: rawPost("/duplex", 50_000)},
		{name: "ignored, huge", raw: rawPost("/ignore", 500_000)},
		{name: "multipart", raw: rawForm()},
	}
	for _, path := range []string{"/see", "/ignore", "/replace", "/close", "/half", "/half-close", "/limited", "/limited-large", "/nothing", "/abort", "/panic"} {
		for _, n := range []int{0, 1, 10, 11, 3000, 40_000, 100_000} {
			cases = append(cases, compareCase{name: fmt.Sprintf("%s length %d", path, n), raw: rawPost(path, n)})
		}
		if !strings.HasPrefix(path, "/half") {
			cases = append(cases, compareCase{name: path + " chunked", raw: rawChunked(path, 5, 5, 2)},
				compareCase{name: path + " chunked, large", raw: rawChunked(path, 50_000, 5)})
		}
	}
	var paths []string
	for path := range compareRoutes(j, "") {
		if !slices.Contains([]string{"/see", "/half", "/half-close", "/hijack", "/duplex"}, path) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for _, path := range paths {
		cases = append(cases, compareCase{name: "GET " + path, raw: rawGet(path)})
		cases = append(cases, compareCase{name: "HEAD " + path, raw: "HEAD" + rawGet(path)[3:], head: true})
		cases = append(cases, compareCase{name: "HTTP/1.0 " + path, raw: strings.Replace(rawGet(path), "HTTP/1.1", "HTTP/1.0", 1)})
	}
	return cases
}

// rawForm is a form with a file that is too large to be kept in memory.
func rawForm() string {
	body := "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nAnn\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" + strings.Repeat("f", 100_000) + "\r\n--b--\r\n"
	return fmt.Sprintf("POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func TestSameAsNetHTTP(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir()) // for temporary files of forms
	if err := os.WriteFile(filepath.Join(dir, "large"), bytes.Repeat([]byte("file\n"), 40_000), 0o600); err != nil {
		t.Fatal(err)
	}
	l, reports := startLoop(t)
	plain := startCompared(t, dir, func(h http.Handler) http.Handler { return h })
	tasks := startCompared(t, dir, func(h http.Handler) http.Handler { return aiohttp.Handler(l, h) })
	served := startServed(t, dir)
	for _, c := range compareCases(&journal{}) {
		methods := []string{"GET"}
		if c.head {
			methods[0] = "HEAD"
		}
		raw := c.raw
		if !c.eof {
			raw += probe
		}
		want := plain.ask(t, raw, methods, c.eof)
		for name, s := range map[string]*compared{"Handler": tasks, "Serve": served} {
			if s == served && (strings.Contains(c.name, "limited") || c.name == "connect" || strings.HasPrefix(c.name, "HTTP/1.0 /early")) {
				continue
			}
			got := s.ask(t, raw, methods, c.eof)
			if got.text != want.text {
				t.Errorf("%s, %s\n got %s\nwant %s", name, c.name, got.text, want.text)
			}
			if !slices.Equal(got.seen, want.seen) {
				t.Errorf("%s, %s: the handlers\n got %s\nwant %s", name, c.name, strings.Join(got.seen, "\n     "), strings.Join(want.seen, "\n     "))
			}
		}
	}
	if got := reports(); len(got) != 0 {
		t.Errorf("reported %q", got)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("temporary files of forms remain: %v %v", left, err)
	}
}
