package smtp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A message in a Maildir, and one that cannot be stored, which the client has to keep.
func TestMaildir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "box")
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var files []string
	inLoop(t, func(ctx context.Context) error {
		box := &Maildir{Dir: dir, Hostname: "mx", Delivered: func(_ *Session, _ *Envelope, file string) { files = append(files, file) }}
		srv, err := Start(ctx, "127.0.0.1:0", box, nil)
		if err != nil {
			return err
		}
		for range 2 {
			if _, err := Send(ctx, srv.Addr().String(), Envelope{From: "a@x", To: []string{"b@x", "c@x"}, Data: []byte("hello\n")}, &Options{Hostname: "me"}); err != nil {
				return err
			}
		}
		return srv.Shutdown(ctx, 10*time.Second)
	})
	stored, err := filepath.Glob(filepath.Join(dir, "new", "*"))
	if err != nil || len(stored) != 2 || strings.Join(stored, " ") != strings.Join(files, " ") {
		t.Fatalf("%q are stored, %q reported, %v", stored, files, err)
	}
	text, err := os.ReadFile(stored[0])
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	if !strings.HasPrefix(got, "Return-Path: <a@x>\r\nDelivered-To: b@x\r\nDelivered-To: c@x\r\nReceived: from me (127.0.0.1:") ||
		!strings.Contains(got, ")\r\n\tby mx with ESMTP;\r\n\t") || !strings.HasSuffix(got, "\r\nhello\r\n") {
		t.Errorf("the file is %q", got)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "tmp", "*")); err != nil || len(left) > 0 {
		t.Errorf("%q are left, %v", left, err)
	}
	if _, err := store(blocked, "name", nil); err == nil {
		t.Error("a message is stored below a file")
	}
}

// A server that passes messages on: the answers are those of the next server.
func TestRelay(t *testing.T) {
	explore(t, func(ctx context.Context) error {
		m := &memory{}
		next, err := Start(ctx, addr, m, nil)
		if err != nil {
			return err
		}
		var refused []Refusal
		relay, err := Start(ctx, "localhost:26", &Relay{Addr: addr, Refused: func(_ *Envelope, r []Refusal) { refused = r }}, nil)
		if err != nil {
			return err
		}
		_, err1 := Send(ctx, "localhost:26", letter, nil)
		_, err2 := Send(ctx, "localhost:26", Envelope{From: "a@x", To: []string{"b@x", "nobody@x"}, Data: []byte("two")}, nil)
		_, err3 := Send(ctx, "localhost:26", Envelope{From: "a@x", To: []string{"nobody@x"}}, nil)
		_, err4 := Send(ctx, "localhost:26", Envelope{From: "spam@x", To: []string{"b@x"}}, nil)
		if len(refused) != 1 || refused[0].Recipient != "nobody@x" {
			err1 = errors.Join(err1, fmt.Errorf("refused: %v", refused))
		}
		return errors.Join(err1, err2, code(err3, "the message", 550), code(err4, "the message", 550),
			same("messages", m.texts(), []string{"hello\r\n.dot\r\n\r\nend\r\n", "two\r\n"}),
			relay.Shutdown(ctx, time.Minute), next.Shutdown(ctx, time.Minute))
	})
}

// A server and a client on a Unix socket.
func TestUnixSocket(t *testing.T) {
	explore(t, func(ctx context.Context) error {
		m := &memory{}
		srv, err := Start(ctx, "/run/smtp", m, nil)
		if err != nil {
			return err
		}
		_, err = Send(ctx, "/run/smtp", letter, nil)
		return errors.Join(err, srv.Shutdown(ctx, time.Minute), same("messages", m.texts(), []string{"hello\r\n.dot\r\n\r\nend\r\n"}))
	})
}
