//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/examples/ports/smtp"
)

// A server of this command and clients of it, with and without a password. SIGTERM ends
// the server, which lets a client finish its message.
func TestServeAndSend(t *testing.T) {
	t.Setenv("SMTP_PASSWORD", "secret")
	dir := filepath.Join(t.TempDir(), "box")
	letter := filepath.Join(t.TempDir(), "letter")
	if err := os.WriteFile(letter, []byte("From: a@x\nTo: b@x, c@x\n\nhello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parseArgs([]string{"-serve", "-addr", "127.0.0.1:0", "-dir", dir, "-user", "ann", "-plaintext-auth"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		r := aio.Runner{Signals: []os.Signal{syscall.SIGTERM}}
		err := r.Run(func(ctx context.Context) error {
			return serve(ctx, o, func(at net.Addr) { ready <- at.String() })
		})
		ended <- errors.Join(err, r.Close())
	}()
	var addr string
	select {
	case addr = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status int
		stderr string
	}{
		{"-send -user ann -plaintext-auth " + letter, 0, ""},
		{"-send -user ann -plaintext-auth -from d@x -to e@x", 0, ""},
		{"-send -user ann " + letter, 1, "would reveal the password"},
		{"-send -user eve -plaintext-auth " + letter, 1, "535"},
		{"-send " + letter, 1, "530"},
		{"-send -tls " + letter, 1, "does not support STARTTLS"},
		{"-send -user ann -plaintext-auth -to b@x,@x " + letter, 1, "mail: @x: smtp: RCPT: 501"},
		{"-send -user ann -plaintext-auth -to @x " + letter, 1, "all recipients are refused"},
		{"-send /nonexistent", 1, "no such file"},
	} {
		var stdout, stderr bytes.Buffer
		args := append(strings.Fields(c.args)[:1:1], append([]string{"-addr", addr}, strings.Fields(c.args)[1:]...)...)
		status := run(args, strings.NewReader("hello from stdin"), &stdout, &stderr)
		if status != c.status || !strings.Contains(stderr.String(), c.stderr) || c.stderr == "" && stderr.Len() > 0 {
			t.Errorf("%s: exit status %d, %s", c.args, status, &stderr)
		}
	}
	// A client is in a message when the signal comes.
	err = aio.Run(func(ctx context.Context) error {
		return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
			idle, err := smtp.Dial(ctx, addr, nil)
			if err != nil {
				return err
			}
			r, w, err := aio.OpenConnection(ctx, addr, nil)
			if err != nil {
				return err
			}
			defer w.Close()
			say := func(text string, replies int) error {
				if _, err := w.Write([]byte(text)); err != nil {
					return err
				}
				for range replies {
					line, err := r.ReadLine(ctx)
					if err != nil {
						return err
					}
					if line[0] != '2' && line[0] != '3' {
						return errors.New(string(line))
					}
				}
				return nil
			}
			// The greeting, 8 lines for EHLO, and the answers to AUTH, MAIL,
			// RCPT, DATA.
			if err := say("EHLO me\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n", 13); err != nil {
				return err
			}
			if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
				return err
			}
			// The server sends 421 to the idle client first.
			for idle.Err() == nil {
				if err := aio.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
			}
			var refused *smtp.Error
			if !errors.As(idle.Err(), &refused) || refused.Code != 421 {
				return idle.Err()
			}
			if err := say("the last\r\n.\r\n", 1); err != nil {
				return err
			}
			line, err := r.ReadLine(ctx)
			if err == nil && !strings.HasPrefix(string(line), "421 ") {
				err = errors.New(string(line))
			}
			return err
		})
	})
	if err != nil {
		t.Error(err)
	}
	var sig *aio.SignalError
	if err := <-ended; !errors.As(err, &sig) || sig.Signal != syscall.SIGTERM {
		t.Errorf("the server: %v", err)
	}
	stored, err := filepath.Glob(filepath.Join(dir, "new", "*"))
	if err != nil || len(stored) != 4 {
		t.Fatalf("%q are stored, %v", stored, err)
	}
	for i, want := range []string{"\r\nFrom: a@x\r\nTo: b@x, c@x\r\n\r\nhello\r\n", "\r\nhello from stdin\r\n", "\r\nhello\r\n", "\r\nthe last\r\n"} {
		if text, err := os.ReadFile(stored[i]); err != nil || !strings.HasSuffix(string(text), want) {
			t.Errorf("message %d is %q, %v", i, text, err)
		}
	}
}
