package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

// certificate makes a certificate for localhost, and writes it and its key to files.
func certificate(t *testing.T) (pair tls.Certificate, certFile, keyFile string) {
	t.Helper()
	// Ed25519 signatures have one length, so a simulation always has the same steps
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	if err := errors.Join(os.WriteFile(certFile, certPEM, 0o600), os.WriteFile(keyFile, keyPEM, 0o600)); err != nil {
		t.Fatal(err)
	}
	if pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	return pair, certFile, keyFile
}

// echo starts a server of package net that sends back what it reads, until EOF.
func echo(t *testing.T, config *tls.Config) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		ln = tls.NewListener(ln, config)
	}
	var all sync.WaitGroup
	t.Cleanup(func() {
		ln.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				io.Copy(c, c)
			})
		}
	})
	return ln.Addr().String()
}

// start runs p in a new loop until the test ends or stop is called.
func start(t *testing.T, p *proxy) (addr string, stop func()) {
	t.Helper()
	if p.limit == 0 {
		p.limit = 10
	}
	p.connectTimeout, p.grace = time.Minute, time.Minute
	if p.linger == 0 {
		p.linger = time.Minute
	}
	p.log = t.Logf
	at := make(chan string, 1)
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
			return p.serve(ctx, "127.0.0.1:0", func(a net.Addr) { at <- a.String() })
		})
		ended <- errors.Join(err, r.Close())
	}()
	stop = sync.OnceFunc(func() {
		loop.CallSoonThreadsafe(func() { task.Cancel() })
		if err := <-ended; !errors.Is(err, aio.ErrCancelled) {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return <-at, stop
}

// roundTrip sends data through c, and reads the echo until EOF.
func roundTrip(t *testing.T, c net.Conn, data []byte) {
	t.Helper()
	defer c.Close()
	go func() {
		c.Write(data)
		c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(data), err)
	}
}

func TestPlain(t *testing.T) {
	p := &proxy{to: echo(t, nil)}
	addr, stop := start(t, p)
	data := bytes.Repeat([]byte("0123456789"), 300_000)
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			roundTrip(t, c, data)
		})
	}
	all.Wait()
	stop()
	if p.total != 5 || p.open != 0 || p.upBytes != 15_000_000 || p.downBytes != 15_000_000 {
		t.Errorf("counted %d connections, %d open, %d bytes up, %d down", p.total, p.open, p.upBytes, p.downBytes)
	}
}

func TestTLS(t *testing.T) {
	pair, certFile, keyFile := certificate(t)
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(leaf)
	server := &tls.Config{Certificates: []tls.Certificate{pair}}
	data := bytes.Repeat([]byte("x"), 100_000)

	// plain to TLS
	inner := &proxy{to: echo(t, server), linger: 10 * time.Millisecond}
	if err := inner.secure("", "", certFile, true); err != nil {
		t.Fatal(err)
	}
	innerAddr, _ := start(t, inner)
	outer := &proxy{to: innerAddr} // TLS to plain
	if err := outer.secure(certFile, keyFile, "", false); err != nil {
		t.Fatal(err)
	}
	addr, _ := start(t, outer)
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go c.Write(data)
	got := make([]byte, len(data))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, data) {
		t.Errorf("through two proxies: %v", err)
	}
}

// With the limit reached, a connection waits until another one ends.
func TestLimit(t *testing.T) {
	p := &proxy{to: echo(t, nil), limit: 1}
	addr, _ := start(t, p)
	first, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1)
	first.Write([]byte("a"))
	if _, err := io.ReadFull(first, buf); err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	second.Write([]byte("b"))
	second.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := second.Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("beyond the limit: %d bytes, %v", n, err)
	}
	second.SetReadDeadline(time.Time{})
	first.Close()
	if _, err := io.ReadFull(second, buf); err != nil || buf[0] != 'b' {
		t.Errorf("after the first has ended: %q, %v", buf, err)
	}
	second.Close()
}

// If the target does not accept connections, the client gets a reset.
func TestNobodyThere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := ln.Addr().String()
	ln.Close()
	p := &proxy{to: to}
	addr, stop := start(t, p)
	c, err := net.Dial("tcp", addr) // the reset may arrive before Dial returns
	if err == nil {
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client's error is %v", err)
	}
	stop()
	if p.connectFailure != 1 {
		t.Errorf("counted %d failures", p.connectFailure)
	}
}

// The program reports errors in its arguments.
func TestWrongArguments(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "proxy")
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range []struct{ args, want string }{
		{"", "-to is needed"},
		{"-to x:1 -listen nonsense", "-listen must be HOST:PORT"},
		{"-to localhost", "-to must be HOST:PORT"},
		{"-to :80", "-to must be HOST:PORT"},
		{"-to x:1 -limit 0", "-limit must be at least 1"},
		{"-to x:1 -cert c", "-cert and -key must be used together"},
		{"-to x:1 -cert c -key k", "no such file"},
		{"-to x:1 -ca c", "-ca requires -to-tls"},
		{"-to x:1 extra", "want no arguments"},
	} {
		out, err := exec.Command(bin, strings.Fields(c.args)...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), c.want) {
			t.Errorf("proxy %s: %v, %s", c.args, err, out)
		}
	}
}

// A client that closes its writing side, as nc -N does, gets the answer, even if the
// server uses TLS, which cannot close one direction only.
func TestHalfClose(t *testing.T) {
	nc, err := exec.LookPath("nc")
	if err != nil {
		t.Skip("nc is not installed")
	}
	pair, _, _ := certificate(t)
	for name, config := range map[string]*tls.Config{"plain": nil, "TLS": {Certificates: []tls.Certificate{pair}}} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			p := &proxy{to: ln.Addr().String()}
			if config != nil {
				ln = tls.NewListener(ln, config)
				p.serverTLS = &tls.Config{InsecureSkipVerify: true}
			}
			addr, _ := start(t, p)
			go func() {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				if _, err := io.ReadFull(c, make([]byte, len("question\n"))); err != nil {
					t.Error(err)
				}
				// The client has sent EOF. Without TLS the server reads
				// EOF; with TLS the proxy must not close the connection
				// yet.
				c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
				if n, err := c.Read(make([]byte, 1)); n > 0 || config != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("after the question: %d bytes, %v", n, err)
				}
				io.WriteString(c, strings.Repeat("answer\n", 10_000))
			}()
			host, port, _ := net.SplitHostPort(addr)
			cmd := exec.Command(nc, "-N", host, port)
			cmd.Stdin = strings.NewReader("question\n")
			out, err := cmd.Output()
			if string(out) != strings.Repeat("answer\n", 10_000) || err != nil {
				t.Errorf("nc got %d bytes, %v", len(out), err)
			}
		})
	}
}

// A reset of one connection resets the other one, so that a partial answer is not taken
// for a complete one.
func TestReset(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	part := make(chan struct{})
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		io.WriteString(c, "a part of the answer")
		<-part
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}()
	addr, _ := start(t, &proxy{to: ln.Addr().String()})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	got := make([]byte, len("a part of the answer"))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	close(part)
	if n, err := c.Read(got); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client read %d bytes, %v", n, err)
	}
}

// A failed TLS handshake of a client is logged and counted.
func TestHandshakeFailure(t *testing.T) {
	_, certFile, keyFile := certificate(t)
	p := &proxy{to: echo(t, nil)}
	if err := p.secure(certFile, keyFile, "", false); err != nil {
		t.Fatal(err)
	}
	addr, stop := start(t, p)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	stop()
	if p.handshakeFailure != 1 || p.total != 0 {
		t.Errorf("counted %d failed handshakes, %d connections", p.handshakeFailure, p.total)
	}
}
