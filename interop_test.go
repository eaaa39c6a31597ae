package aio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goaio/aio"
)

// clProgram returns the path of a client program, and skips the test if it is not
// installed.
func clProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// clRun runs a client program in another goroutine while the loop runs, and returns its
// output.
func clRun(t *testing.T, ctx context.Context, input []byte, program string, args ...string) []byte {
	t.Helper()
	out, err := aio.ToThread(ctx, func(ctx context.Context) ([]byte, error) {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Stdin = bytes.NewReader(input)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, stderr.Bytes())
		}
		return out, err
	})
	if err != nil {
		t.Errorf("%s %s: %v", filepath.Base(program), strings.Join(args, " "), err)
	}
	return out
}

// clData exceeds the buffers of a connection.
var clData = bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog.\n"), 100_000)

// clEcho is the protocol of an echo server that reads no faster than it can write.
type clEcho struct{ t aio.Transport }

func (p *clEcho) ConnectionMade(t aio.Transport) { p.t = t }
func (p *clEcho) DataReceived(b []byte)          { p.t.Write(b) }
func (p *clEcho) PauseWriting()                  { p.t.PauseReading() }
func (p *clEcho) ResumeWriting()                 { p.t.ResumeReading() }

// clServers runs test with an echo server on a port and one on a socket path.
func clServers(t *testing.T, test func(t *testing.T, ctx context.Context, port, path string) error) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		tcp, err := aio.CreateServer(ctx, func() *clEcho { return &clEcho{} }, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		path := filepath.Join(t.TempDir(), "s")
		unix, err := aio.CreateUnixServer(ctx, func() *clEcho { return &clEcho{} }, path, nil)
		if err != nil {
			return err
		}
		_, port, _ := net.SplitHostPort(tcp.Addr().String())
		if err := test(t, ctx, port, path); err != nil {
			return err
		}
		tcp.Close()
		unix.Close()
		return errors.Join(tcp.WaitClosed(ctx), unix.WaitClosed(ctx))
	})
}

func clSame(t *testing.T, what string, got []byte) {
	t.Helper()
	if !bytes.Equal(got, clData) {
		t.Errorf("%s: received %d bytes of %d, or they differ", what, len(got), len(clData))
	}
}

// There are several programs named nc. All send their input and print the response, but
// not all send EOF at the end of the input.
func TestClientNetcat(t *testing.T) {
	nc := clProgram(t, "nc")
	help, _ := exec.Command(nc, "-h").CombinedOutput()
	var args []string
	switch {
	case bytes.Contains(help, []byte("-N")):
		args = []string{"-N"} // of OpenBSD
	case bytes.Contains(help, []byte("-q ")):
		t.Skip("this nc cannot half-close the connection")
	}
	clServers(t, func(t *testing.T, ctx context.Context, port, path string) error {
		clSame(t, "nc", clRun(t, ctx, clData, nc, append(args, "127.0.0.1", port)...))
		if bytes.Contains(help, []byte("-U")) {
			clSame(t, "nc -U", clRun(t, ctx, clData, nc, append(args, "-U", path)...))
		}
		return nil
	})
}

func TestClientSocat(t *testing.T) {
	socat := clProgram(t, "socat")
	clServers(t, func(t *testing.T, ctx context.Context, port, path string) error {
		clSame(t, "socat TCP", clRun(t, ctx, clData, socat, "-t", "60", "-", "TCP:127.0.0.1:"+port))
		clSame(t, "socat UNIX", clRun(t, ctx, clData, socat, "-t", "60", "-", "UNIX-CONNECT:"+path))
		_, config := connConfigs()
		srv, err := aio.CreateServer(ctx, func() *clEcho { return &clEcho{} }, "127.0.0.1:0", &aio.ServerOptions{TLS: config})
		if err != nil {
			return err
		}
		text := []byte("over TLS\n")
		// At the end of its input socat sends EOF; the server still sends the
		// rest of the echo.
		if got := clRun(t, ctx, text, socat, "-t", "60", "-", "OPENSSL:"+srv.Addr().String()+",verify=0"); !bytes.Equal(got, text) {
			t.Errorf("socat OPENSSL: %q", got)
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// clWeb is a minimal HTTP/1.1 server: it answers a request with the request's body, or
// with clData if it has none.
type clWeb struct {
	clEcho
	head []byte
	need int // remaining bytes of the body; -1 before the body
	body []byte
}

func newClWeb() *clWeb { return &clWeb{need: -1} }

func (p *clWeb) DataReceived(b []byte) {
	if p.need < 0 {
		p.head = append(p.head, b...)
		head, body, ok := bytes.Cut(p.head, []byte("\r\n\r\n"))
		if !ok {
			return
		}
		p.need, b = 0, bytes.Clone(body)
		for line := range strings.SplitSeq(string(head), "\r\n") {
			name, value, _ := strings.Cut(line, ": ")
			switch strings.ToLower(name) {
			case "content-length":
				fmt.Sscan(value, &p.need)
			case "expect":
				p.t.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
			}
		}
	}
	p.body = append(p.body, b...)
	if len(p.body) < p.need {
		return
	}
	answer := p.body
	if p.need == 0 {
		answer = clData
	}
	fmt.Fprintf(p.t, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(answer))
	p.t.Write(answer)
	*p = clWeb{clEcho: p.clEcho, need: -1}
}

func TestClientCurl(t *testing.T) {
	curl := clProgram(t, "curl")
	dir := t.TempDir()
	upload := filepath.Join(dir, "upload")
	if err := os.WriteFile(upload, clData, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--silent", "--show-error", "--noproxy", "*"}
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		_, config := connConfigs()
		leaf, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
		if err != nil {
			return err
		}
		ca := filepath.Join(dir, "ca.pem")
		if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), 0o600); err != nil {
			return err
		}
		plain, err := aio.CreateServer(ctx, newClWeb, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		secure, err := aio.CreateServer(ctx, newClWeb, "127.0.0.1:0", &aio.ServerOptions{TLS: config})
		if err != nil {
			return err
		}
		path := filepath.Join(t.TempDir(), "s")
		unix, err := aio.CreateUnixServer(ctx, newClWeb, path, nil)
		if err != nil {
			return err
		}
		run := func(what string, more ...string) {
			clSame(t, what, clRun(t, ctx, nil, curl, append(args, more...)...))
		}
		url := "http://" + plain.Addr().String() + "/"
		run("a download", url)
		run("an upload", "--data-binary", "@"+upload, url)
		run("a Unix socket", "--unix-socket", path, "http://localhost/")
		// the certificate is valid for 127.0.0.1 too
		secret := "https://" + secure.Addr().String() + "/"
		run("a download over TLS", "--cacert", ca, secret)
		run("an upload over TLS", "--cacert", ca, "--data-binary", "@"+upload, secret)
		// Two requests on one connection.
		if got := clRun(t, ctx, nil, curl, append(args, url, url)...); !bytes.Equal(got, append(clData[:len(clData):len(clData)], clData...)) {
			t.Errorf("two downloads: %d bytes", len(got))
		}
		err = nil
		for _, srv := range []*aio.Server{plain, secure, unix} {
			srv.Close()
			err = errors.Join(err, srv.WaitClosed(ctx))
		}
		return err
	})
}

// clListener is a net.Listener whose connections are transports of a loop.
type clListener struct {
	conns chan net.Conn
	addr  net.Addr
	done  chan struct{}
}

func (l *clListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *clListener) Addr() net.Addr { return l.addr }
func (l *clListener) Close() error   { close(l.done); return nil }

// A net/http server, whose goroutines use connections of a loop.
func TestClientCurlOfHTTPServer(t *testing.T) {
	curl := clProgram(t, "curl")
	upload := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(upload, clData, 0o600); err != nil {
		t.Fatal(err)
	}
	_, config := connConfigs()
	for name, config := range map[string]*tls.Config{"http": nil, "https": config} {
		t.Run(name, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				ln := &clListener{conns: make(chan net.Conn, 10), done: make(chan struct{})}
				srv, err := aio.CreateServer(ctx, func() connMaker {
					return func(c net.Conn) { ln.conns <- c }
				}, "127.0.0.1:0", &aio.ServerOptions{TLS: config})
				if err != nil {
					return err
				}
				ln.addr = srv.Addr()
				web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.Copy(w, r.Body)
				})}
				served := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					return inThread(ctx, func() error { return web.Serve(ln) })
				}))
				clSame(t, "an upload", clRun(t, ctx, nil, curl, "--silent", "--show-error", "--insecure", "--noproxy", "*",
					"--data-binary", "@"+upload, name+"://"+srv.Addr().String()+"/"))
				if err := inThread(ctx, func() error { return web.Shutdown(context.Background()) }); err != nil {
					t.Error(err)
				}
				if _, err := served.Await(ctx); err != http.ErrServerClosed {
					t.Errorf("Serve: %v", err)
				}
				srv.Close()
				return srv.WaitClosed(ctx)
			})
		})
	}
}
