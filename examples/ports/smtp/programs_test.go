package smtp

// Real programs on a real network: swaks and Python's smtplib as clients of our server,
// aiosmtpd as the server of our client.

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// program returns the path of a program, or skips the test.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// pemFiles writes the certificate and the key of the test server.
func pemFiles(t *testing.T) (cert, key string) {
	t.Helper()
	server, _ := certificates()
	private, err := x509.MarshalPKCS8PrivateKey(server.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for _, f := range []struct {
		name, kind string
		der        []byte
	}{{cert, "CERTIFICATE", server.Certificates[0].Certificate[0]}, {key, "PRIVATE KEY", private}} {
		if err := os.WriteFile(f.name, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// inLoop runs main on the real network. Nothing may reach the exception handler.
func inLoop(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { t.Errorf("reported: %s: %v", ec.Message, ec.Err) })
		return aio.Timeout(ctx, time.Minute, main)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// output runs a program and returns its exit status and its output.
func output(ctx context.Context, path string, args ...string) (status int, out string, err error) {
	p, err := aio.CreateSubprocessExec(ctx, path, args, &aio.SubprocessOptions{Stdout: aio.PIPE, Stderr: aio.STDOUT, Context: ctx})
	if err != nil {
		return 0, "", err
	}
	b, _, err := p.Communicate(ctx, nil)
	status, _ = p.Returncode()
	return status, string(b), err
}

func TestSwaks(t *testing.T) {
	swaks := program(t, "swaks")
	server, _ := certificates()
	m := &memory{}
	inLoop(t, func(ctx context.Context) error {
		srv, err := Start(ctx, "127.0.0.1:0", m, &ServerOptions{Hostname: "mx", TLS: server, Limits: Limits{MessageSize: 1000}})
		if err != nil {
			return err
		}
		out, err := exec.CommandContext(ctx, swaks, "--support").CombinedOutput()
		if err != nil {
			return err
		}
		hasTLS := strings.Contains(string(out), "=== TLS supported")
		if !hasTLS {
			t.Log("this swaks has no TLS")
		}
		for i, c := range []struct {
			args   string
			data   string
			status int // exit status according to the manual of swaks
			user   string
			secure bool
		}{
			{"--to b@x", "one\n.dot\n", 0, "", false},
			{"--to b@x --pipeline", "two\n..\n", 0, "", false},
			{"--to b@x,c@x,nobody@x", "three\n", 0, "", false},
			{"--to nobody@x", "none\n", 24, "", false},
			{"--to b@x", strings.Repeat("large\n", 1000), 26, "", false},
			{"--to b@x --protocol SMTP", "four\n", 0, "", false},
			{"--to b@x --auth CRAM-MD5 --auth-user ann --auth-password secret", "five\n", 0, "ann", false},
			{"--to b@x --auth CRAM-MD5 --auth-user ann --auth-password wrong", "none\n", 28, "", false},
			{"--to b@x --tls --auth PLAIN --auth-user ann --auth-password secret", "six\n", 0, "ann", true},
			{"--to b@x --tls --auth LOGIN --auth-user ann --auth-password secret --pipeline", "seven\n", 0, "ann", true},
			{"--to b@x --tls", "eight\n", 0, "", true},
			{"--quit-after STARTTLS --tls --to b@x", "none\n", 0, "", true},
			{"--drop-after-send DATA --to b@x", "none\n", 0, "", false},
		} {
			if c.secure && !hasTLS || i%2 > 0 && !stage.Full {
				continue // each run takes a fifth of a second
			}
			before := len(m.messages)
			args := append([]string{"--server", srv.Addr().String(), "--from", "a@x", "--ehlo", "me", "--data", "-"}, strings.Fields(c.args)...)
			for i, arg := range args {
				if arg == "-" {
					args[i] = strings.ReplaceAll(c.data, "\n", `\n`)
				}
			}
			status, out, err := output(ctx, swaks, args...)
			if err != nil {
				return err
			}
			if status != c.status {
				t.Errorf("%s: exit status %d, want %d\n%s", c.args, status, c.status, out)
				continue
			}
			if c.status != 0 || strings.HasPrefix(c.data, "none") {
				if len(m.messages) > before {
					t.Errorf("%s: a message %q", c.args, m.messages[before].Data)
				}
				continue
			}
			if len(m.messages) != before+1 {
				t.Errorf("%s: %d messages\n%s", c.args, len(m.messages)-before, out)
				continue
			}
			got, s := m.messages[before], m.sessions[before]
			if want := string(canonical([]byte(c.data))); strings.TrimRight(string(got.Data), "\r\n") != strings.TrimRight(want, "\r\n") || got.From != "a@x" || got.To[0] != "b@x" {
				t.Errorf("%s: from %s to %q: %q", c.args, got.From, got.To, got.Data)
			}
			if s.User != c.user || s.Secure != c.secure {
				t.Errorf("%s: %+v", c.args, s)
			}
		}
		return srv.Shutdown(ctx, 10*time.Second)
	})
}

func TestSmtplib(t *testing.T) {
	python := program(t, "python3")
	cert, _ := pemFiles(t)
	server, _ := certificates()
	m := &memory{}
	inLoop(t, func(ctx context.Context) error {
		srv, err := Start(ctx, "127.0.0.1:0", m, &ServerOptions{Hostname: "mx", TLS: server, Limits: Limits{MessageSize: 1000}})
		if err != nil {
			return err
		}
		_, port, _ := strings.Cut(srv.Addr().String(), ":")
		status, out, err := output(ctx, python, filepath.Join("testdata", "client.py"), port, cert)
		if err != nil {
			return err
		}
		const want = `ehlo 250 ['8bitmime', 'auth', 'enhancedstatuscodes', 'help', 'pipelining', 'size', 'smtputf8', 'starttls']
send {'nobody@x': (550, b'5.1.1 no such user')}
nobody refused [('nobody@x', (550, b'5.1.1 no such user'))]
spam SMTPSenderRefused 550 5.7.1 not from you
large SMTPSenderRefused 552 5.3.4 the message is too large
bare SMTPDataError 554 5.6.0 the message has a CR or an LF that stands alone
again {}
noop 250 rset 250 vrfy 252
login (235, b'2.7.0 authenticated')
starttls 220
['8bitmime', 'auth', 'enhancedstatuscodes', 'help', 'pipelining', 'size', 'smtputf8']
plain, wrong SMTPAuthenticationError 535 5.7.8 wrong
login (235, b'2.7.0 authenticated')
utf8 {}
`
		if status != 0 || strings.ReplaceAll(out, "\r\n", "\n") != want {
			return fmt.Errorf("exit status %d and %s", status, out)
		}
		texts := m.texts()
		if len(texts) != 3 || texts[0] != "one\r\n.dot\r\n..\r\n\r\nend\r\n" || texts[1] != "\xff\r\n" ||
			!strings.HasSuffix(texts[2], "\r\n\r\ntext\r\n.\r\n") || m.messages[2].From != "ä@x" || m.messages[2].To[0] != "ö@x" {
			return fmt.Errorf("messages %q", m.messages)
		}
		return srv.Shutdown(ctx, 10*time.Second)
	})
}

// received is a message that testdata/server.py has printed.
type received struct {
	From   string
	To     []string
	Data   string // each byte as one rune
	Secure bool
	User   string
}

func TestAiosmtpd(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Debian has a package of aiosmtpd")
	}
	script, err := os.ReadFile(program(t, "aiosmtpd"))
	if err != nil {
		t.Fatal(err)
	}
	// the interpreter for which the package is installed
	first, _, _ := strings.Cut(string(script), "\n")
	python := strings.TrimSpace(strings.TrimPrefix(first, "#!"))
	cert, key := pemFiles(t)
	_, config := certificates()
	inLoop(t, func(ctx context.Context) error {
		p, err := aio.CreateSubprocessExec(ctx, python, []string{filepath.Join("testdata", "server.py"), cert, key},
			&aio.SubprocessOptions{Stdin: aio.PIPE, Stdout: aio.PIPE, Stderr: aio.DEVNULL, Limit: 1 << 20, Context: ctx})
		if err != nil {
			return err
		}
		line, err := p.Stdout.ReadLine(ctx)
		if err != nil {
			return err
		}
		port, err := strconv.Atoi(strings.TrimSpace(string(line)))
		if err != nil {
			return fmt.Errorf("the port %q: %w", line, err)
		}
		addr := fmt.Sprint("localhost:", port)
		// expect reads the next message.
		expect := func(want received) error {
			line, err := p.Stdout.ReadLine(ctx)
			if err != nil {
				return err
			}
			var got received
			if err := json.Unmarshal(line, &got); err != nil {
				return fmt.Errorf("%q: %w", line, err)
			}
			var latin1 strings.Builder
			for _, b := range []byte(want.Data) {
				latin1.WriteRune(rune(b))
			}
			if want.Data = latin1.String(); fmt.Sprint(got) != fmt.Sprint(want) {
				return fmt.Errorf("got %q, want %q", fmt.Sprint(got), fmt.Sprint(want))
			}
			return nil
		}
		large := []byte(strings.Repeat(".line\n", 10_000))
		for _, opts := range []*Options{{TLS: config}, {TLS: config, User: "ann", Password: "secret"}, {Security: NoTLS}} {
			secure := opts.Security != NoTLS
			c, err := Dial(ctx, addr, opts)
			if err != nil {
				return err
			}
			refused, err := c.Send(ctx, Envelope{From: "a@x", To: []string{"b@x", "nobody@x"}, Data: []byte("one\n.dot\n")})
			if err != nil || len(refused) != 1 {
				return fmt.Errorf("%w, %v", err, refused)
			}
			if _, err := c.Send(ctx, Envelope{To: []string{"nobody@x"}}); !errors.As(err, new(*RefusedError)) {
				return err
			}
			if _, err := c.Send(ctx, Envelope{From: "a@x", To: []string{"b@x"}, Data: make([]byte, 100_001)}); !errors.As(err, new(*SizeError)) {
				return err
			}
			if _, err := c.Send(ctx, Envelope{From: "ä@x", To: []string{"ö@x"}, Data: []byte("ü\xff")}); err != nil {
				return err
			}
			if _, err := c.Send(ctx, Envelope{From: "a@x", To: []string{"b@x"}, Data: large}); err != nil {
				return err
			}
			if err := errors.Join(c.Noop(ctx), c.Reset(ctx), c.Quit(ctx)); err != nil {
				return err
			}
			for _, want := range []received{
				{"a@x", []string{"b@x"}, "one\r\n.dot\r\n", secure, opts.User},
				{"ä@x", []string{"ö@x"}, "ü\xff\r\n", secure, opts.User},
				{"a@x", []string{"b@x"}, string(canonical(large)), secure, opts.User},
			} {
				if err := expect(want); err != nil {
					return err
				}
			}
		}
		for _, m := range []Mechanism{Plain("ann", "secret"), Login("ann", "secret")} {
			c, err := Dial(ctx, addr, &Options{TLS: config})
			if err != nil {
				return err
			}
			wrong := Plain("ann", "wrong")
			if m.Name == "LOGIN" {
				wrong = Login("ann", "wrong")
			}
			if err := code(c.Auth(ctx, wrong), "AUTH", 535); err != nil {
				return err
			}
			if err := errors.Join(c.Auth(ctx, m), c.Quit(ctx)); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
		}
		// A client without the certificate ends the handshake itself.
		if err := mismatch(func() error { _, err := Dial(ctx, addr, nil); return err }()); err != nil {
			return err
		}
		p.Stdin.Close()
		status, err := p.Wait(ctx)
		if err == nil && status != 0 {
			err = fmt.Errorf("exit status %d", status)
		}
		return err
	})
}
