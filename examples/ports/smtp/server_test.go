package smtp

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// hello is the beginning of most conversations with a server.
const hello = "S: 220 mx ESMTP\nC: HELO me\nS: 250 mx\n"

const ehlo = `
	S: 220 mx ESMTP
	C: EHLO me
	S: 250-mx
	S: 250-PIPELINING
	S: 250-8BITMIME
	S: 250-SMTPUTF8
	S: 250-ENHANCEDSTATUSCODES
	S: 250-SIZE *
`

const ehloAuth = ehlo + "S: 250-AUTH CRAM-MD5 PLAIN LOGIN\nS: 250 HELP\n"

// transaction has the commands before the text of a message.
const transaction = "C: MAIL FROM:<a@x>\nS: 250 2.1.0 OK\nC: RCPT TO:<b@x>\nS: 250 2.1.5 OK\nC: DATA\nS: 354 *\n"

const quit = "\nC: QUIT\nS: 221 2.0.0 *\nE"

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestServer(t *testing.T) {
	plaintext := &ServerOptions{PlaintextAuth: true}
	cases := map[string]struct {
		opts         *ServerOptions
		conversation string
		want         []string // the texts of the messages
	}{
		"a message": {
			conversation: ehlo + "S: 250-AUTH CRAM-MD5\nS: 250 HELP\n" + transaction + `
				C: Subject: x
				C: 
				C: ..dot
				C: ...
				C: .a
				C: .
				S: 250 2.0.0 OK` + quit,
			want: []string{"Subject: x\r\n\r\n.dot\r\n..\r\na\r\n"},
		},
		"two messages, the second is empty": {
			conversation: hello + transaction + "C: 1\nC: .\nS: 250 *\n" + transaction + "C: .\nS: 250 *" + quit,
			want:         []string{"1\r\n", ""},
		},
		"binary": {
			conversation: hello + transaction + "C: a\xff\\0\x80b\nC: .\nS: 250 *" + quit,
			want:         []string{"a\xff\x00\x80b\r\n"},
		},
		"pipelining": {
			conversation: `
				S: 220 mx ESMTP
				C: EHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<nobody@x>\r\nRCPT TO:<b@x>\r\nDATA\r\none\r\n.\r\nMAIL FROM:<a@x>\r\nRCPT TO:<nobody@x>\r\nDATA\r\nRSET\r\nQUIT
				S: 250-mx
				S: 250-PIPELINING
				S: 250-8BITMIME
				S: 250-SMTPUTF8
				S: 250-ENHANCEDSTATUSCODES
				S: 250-SIZE *
				S: 250-AUTH CRAM-MD5
				S: 250 HELP
				S: 250 2.1.0 *
				S: 550 5.1.1 no such user
				S: 250 2.1.5 *
				S: 354 *
				S: 250 2.0.0 *
				S: 250 2.1.0 *
				S: 550 5.1.1 *
				S: 554 5.5.1 no valid recipients
				S: 250 2.0.0 *
				S: 221 *
				E`,
			want: []string{"one\r\n"},
		},
		"HELO and EHLO": {
			conversation: `
				S: 220 mx ESMTP
				C: HELO
				S: 501 5.5.4 usage: HELO hostname
				C: EHLO
				S: 501 5.5.4 usage: EHLO hostname
				C: EHLO a b
				S: 501 5.5.4 *
				C: helo me
				S: 250 mx
				C: HeLo again
				S: 250 mx` + strings.TrimPrefix(ehloAuth, "\n\tS: 220 mx ESMTP") + quit,
			opts: plaintext,
		},
		"order of commands": {
			conversation: `
				S: 220 mx ESMTP
				C: MAIL FROM:<a@x>
				S: 503 5.5.1 EHLO first
				C: RCPT TO:<a@x>
				S: 503 5.5.1 EHLO first
				C: DATA
				S: 503 5.5.1 EHLO first
				C: VRFY a
				S: 503 5.5.1 EHLO first
				C: AUTH PLAIN x
				S: 503 5.5.1 EHLO first
				C: HELO me
				S: 250 mx
				C: AUTH PLAIN x
				S: 503 5.5.1 EHLO first
				C: RCPT TO:<a@x>
				S: 503 5.5.1 MAIL first
				C: DATA
				S: 503 5.5.1 MAIL first
				C: MAIL FROM:<a@x>
				S: 250 2.1.0 OK
				C: DATA
				S: 554 5.5.1 no valid recipients
				C: MAIL FROM:<a@x>
				S: 503 5.5.1 MAIL was sent before
				C: STARTTLS
				S: 502 5.5.1 TLS is not available
				C: RCPT TO:<b@x>
				S: 250 2.1.5 OK
				C: RSET
				S: 250 2.0.0 OK
				C: DATA
				S: 503 5.5.1 MAIL first
				C: MAIL FROM:<a@x>
				S: 250 2.1.0 OK
				C: HELO me
				S: 250 mx
				C: RCPT TO:<b@x>
				S: 503 5.5.1 MAIL first` + quit,
		},
		"syntax of commands": {
			conversation: hello + `
				C: 
				S: 500 5.5.1 unknown command
				C: WHAT
				S: 500 5.5.1 unknown command
				C: NOOP with words
				S: 250 2.0.0 OK
				C: RSET x
				S: 501 5.5.4 usage: RSET
				C: VRFY
				S: 501 5.5.4 usage: VRFY address
				C: VRFY ann
				S: 252 2.5.2 *
				C: EXPN list
				S: 502 5.5.1 *
				C: HELP
				S: 214-2.0.0 *
				S: 214 2.0.0 *
				C: HELP me
				S: 214-2.0.0 *
				S: 214 2.0.0 *
				C: STARTTLS x
				S: 501 5.5.4 usage: STARTTLS
				C: QUIT now
				S: 501 5.5.4 usage: QUIT
				C: NOOP\r
				S: 500 5.5.2 a command ends with CR LF
				C: NOOP\n\
				S: 500 5.5.2 a command ends with CR LF
				C: NOOP\0
				S: 500 5.5.2 control character in a command
				C: DATA x
				S: 501 5.5.4 usage: DATA` + quit,
		},
		"addresses": {
			opts: &ServerOptions{Limits: Limits{Errors: 100}},
			conversation: hello + `
				C: MAIL
				S: 501 5.5.4 usage: MAIL FROM:<address>
				C: MAIL TO:<a@x>
				S: 501 5.5.4 usage: MAIL FROM:<address>
				C: MAIL FROM:a@x
				S: 501 5.5.4 *
				C: MAIL FROM:<a@x
				S: 501 5.5.4 *
				C: MAIL FROM:<a@x>b
				S: 501 5.5.4 text after the address
				C: MAIL FROM:<@relay>
				S: 501 5.5.4 a route without an address
				C: MAIL FROM:<a@x> SIZE=1
				S: 555 5.5.4 parameters need EHLO
				C: MAIL FROM:<ä@x>
				S: 553 5.6.7 *
				C: MAIL FROM:<a b@x>
				S: 553 5.1.3 *
				C: MAIL FROM:<a@>
				S: 553 5.1.3 *
				C: MAIL FROM:<@>
				S: 501 5.5.4 *
				C: MAIL FROM:<a..b@x>
				S: 553 5.1.3 *
				C: MAIL FROM:<a@x y>
				S: 553 5.1.3 *
				C: MAIL FROM:<a@-x>
				S: 553 5.1.3 *
				C: MAIL FROM:<a>
				S: 553 5.1.3 *
				C: MAIL FROM:<"a@x>
				S: 501 5.5.4 *
				C: MAIL FROM:<` + strings.Repeat("a", 65) + `@x>
				S: 553 5.1.3 *
				C: MAIL FROM:<a@` + strings.Repeat("a", 256) + `>
				S: 553 5.1.3 *
				C: MAIL FROM:<spam@x>
				S: 550 5.7.1 not from you
				C: mail from: <>
				S: 250 2.1.0 OK
				C: RCPT TO:<>
				S: 553 5.1.3 *
				C: RCPT FROM:<b@x>
				S: 501 5.5.4 usage: RCPT TO:<address>
				C: RCPT TO:<nobody@x>
				S: 550 5.1.1 no such user
				C: RCPT TO:<ö@x>
				S: 553 5.6.7 *
				C: RCPT TO:<Postmaster>
				S: 250 2.1.5 OK
				C: rcpt to:<@a,@b:"a > b \" c"@[192.0.2.1]>
				S: 250 2.1.5 OK
				C: RCPT TO:<a@[192.0.2.1>
				S: 553 5.1.3 *
				C: DATA
				S: 354 *
				C: .
				S: 250 2.0.0 OK` + quit,
			want: []string{""},
		},
		"parameters": {
			opts: &ServerOptions{Limits: Limits{MessageSize: 100}},
			conversation: ehlo + "S: 250-AUTH CRAM-MD5\nS: 250 HELP\n" + `
				C: MAIL FROM:<a@x> SIZE=101
				S: 552 5.3.4 the message is too large
				C: MAIL FROM:<a@x> SIZE=x
				S: 501 5.5.4 SIZE
				C: MAIL FROM:<a@x> SIZE
				S: 501 5.5.4 SIZE
				C: MAIL FROM:<a@x> SIZE=
				S: 501 5.5.4 *
				C: MAIL FROM:<a@x> SIZE=1 SIZE=2
				S: 501 5.5.4 *
				C: MAIL FROM:<a@x> BODY=9BIT
				S: 501 5.5.4 BODY
				C: MAIL FROM:<a@x> SMTPUTF8=1
				S: 501 5.5.4 SMTPUTF8*
				C: MAIL FROM:<a@x> X=1
				S: 555 5.5.4 unknown parameter X
				C: MAIL FROM:<a@x> =
				S: 501 5.5.4 *
				C: MAIL FROM:<ä@x> SIZE=100 body=8bitmime SMTPUTF8 AUTH=<>
				S: 250 2.1.0 OK
				C: RCPT TO:<ö@x> NOTIFY=NEVER
				S: 555 5.5.4 unknown parameter NOTIFY
				C: RCPT TO:<ö@x>
				S: 250 2.1.5 OK
				C: DATA
				S: 354 *
				C: .
				S: 250 2.0.0 OK` + quit,
			want: []string{""},
		},
		"long lines": {
			conversation: hello + "C: NOOP " + strings.Repeat("x", 2041) + `
				S: 250 2.0.0 OK
				C: NOOP ` + strings.Repeat("x", 2042) + `
				S: 500 5.5.2 line too long
				C: NOOP ` + strings.Repeat("x", 50_000) + `RSET
				S: 500 5.5.2 line too long
				` + transaction + "C: " + strings.Repeat("x", 998) + "\nC: .\nS: 250 *\n" +
				transaction + "C: " + strings.Repeat("x", 999) + "\nC: .\nS: 500 5.6.0 *\n" +
				// The rest of a line that is too long must not be taken
				// for the end of a message.
				transaction + "C: " + strings.Repeat("x", readLimit) + ".\nC: NOOP\nC: .\nS: 500 5.6.0 *\n" +
				transaction + "C: " + strings.Repeat("x", readLimit+1) + "\\\nT 1s\nC: .\nC: NOOP\nC: .\nS: 500 5.6.0 *\n" +
				transaction + "C: " + strings.Repeat("x", 3*readLimit+1) + "\nC: .\nS: 500 5.6.0 *" + quit,
			want: []string{strings.Repeat("x", 998) + "\r\n"},
		},
		"large messages": {
			opts: &ServerOptions{Limits: Limits{MessageSize: 100}},
			conversation: hello + transaction + "C: " + strings.Repeat("x", 98) + "\nC: .\nS: 250 *\n" +
				transaction + "C: " + strings.Repeat("x", 99) + "\nC: .\nS: 552 5.3.4 *\n" +
				transaction + "C: " + strings.Repeat("x", 96) + "\nC: \nC: .\nS: 250 *\n" +
				transaction + "C: " + strings.Repeat("x", 202) + "\nS: 421 4.3.4 *\nE",
			want: []string{strings.Repeat("x", 98) + "\r\n", strings.Repeat("x", 96) + "\r\n\r\n"},
		},
		"smuggling": {
			// There are servers that take one of these for the end of a
			// message.
			conversation: hello +
				transaction + "C: 1\\n.\\nMAIL FROM:<evil@x>\nC: .\nS: 554 5.6.0 *\n" +
				transaction + "C: 1\\n.\\r\\nMAIL FROM:<evil@x>\nC: .\nS: 554 5.6.0 *\n" +
				transaction + "C: 1\\r\\n.\\nMAIL FROM:<evil@x>\nC: .\nS: 554 5.6.0 *\n" +
				transaction + "C: 1\\r.\\r\\nMAIL FROM:<evil@x>\nC: .\nS: 554 5.6.0 *\n" +
				transaction + "C: 1\\r.\\rMAIL FROM:<evil@x>\nC: .\nS: 554 5.6.0 *\n" +
				transaction + "C: 1\\r\\n.\\rMAIL FROM:<evil@x>\nC: .\nS: 554 5.6.0 *\n" +
				transaction + "C: .\\n\\\nC: .\\r\\n\\\nC: \nC: .\nS: 554 5.6.0 *" + quit,
		},
		"limits": {
			opts: &ServerOptions{Limits: Limits{Recipients: 1, Commands: 4}},
			conversation: hello + "C: MAIL FROM:<a@x>\nS: 250 *\nC: RCPT TO:<b@x>\nS: 250 *\nC: RCPT TO:<b@x>\nS: 452 4.5.3 *\n" +
				"C: DATA\nS: 354 *\nC: .\nS: 250 *\nC: NOOP\nS: 250 *\nC: NOOP\nS: 250 *\nC: NOOP\nS: 250 *\nC: NOOP\nS: 250 *\nC: NOOP\nS: 421 4.7.0 *\nE",
			want: []string{""},
		},
		"errors": {
			opts:         &ServerOptions{Limits: Limits{Errors: 2}},
			conversation: hello + "C: X\nS: 500 *\nC: X\nS: 500 *\nC: X\nS: 500 *\nS: 421 4.7.0 *\nE",
		},
		"connections": {
			opts:         &ServerOptions{Limits: Limits{Connections: -1}},
			conversation: "S: 421 4.7.0 too many connections\nE",
		},
		"timeouts": {
			opts:         &ServerOptions{Limits: Limits{CommandTimeout: time.Minute}},
			conversation: hello + "T 59s\nC: NOOP\nS: 250 *\nT 59s\nC: NOO\\\nT 500ms\nS: 421 4.4.2 *\nE",
		},
		"timeout of a message": {
			opts:         &ServerOptions{Limits: Limits{DataTimeout: time.Minute}},
			conversation: hello + transaction + "T 50s\nC: a\nT 50s\nC: b\nS: 421 4.4.2 *\nE",
		},
		"AUTH PLAIN": {
			opts: plaintext,
			conversation: ehloAuth + `
				C: AUTH PLAIN
				S: 334 
				C: *
				S: 501 5.7.0 cancelled
				C: AUTH PLAIN !
				S: 501 5.5.2 *
				C: AUTH PLAIN
				S: 334 
				C: YQ
				S: 501 5.5.2 *
				C: AUTH PLAIN =
				S: 501 5.5.2 *
				C: AUTH PLAIN ` + b64("ann\x00secret") + `
				S: 501 5.5.2 *
				C: AUTH PLAIN ` + b64("\x00ann\x00secret\x00") + `
				S: 501 5.5.2 *
				C: AUTH PLAIN ` + b64("\x00ann\x00wrong") + `
				S: 535 5.7.8 *
				C: AUTH PLAIN ` + b64("\x00anna\x00secret") + `
				S: 535 5.7.8 *
				C: AUTH PLAIN ` + b64("\x00\x00") + `
				S: 535 5.7.8 *
				C: AUTH PLAIN ` + b64("bob\x00ann\x00secret") + `
				S: 535 5.7.8 *
				C: AUTH plain ` + b64("ann\x00ann\x00secret") + `
				S: 235 2.7.0 *
				C: AUTH PLAIN ` + b64("\x00ann\x00secret") + `
				S: 503 5.5.1 already authenticated
				C: RSET
				S: 250 *
				C: AUTH PLAIN ` + b64("\x00ann\x00secret") + `
				S: 503 5.5.1 already authenticated` + quit,
		},
		"AUTH LOGIN": {
			opts: plaintext,
			conversation: ehloAuth + `
				C: AUTH LOGIN
				S: 334 ` + b64("Username:") + `
				C: *
				S: 501 5.7.0 cancelled
				C: AUTH LOGIN
				S: 334 *
				C: ` + b64("ann") + `
				S: 334 ` + b64("Password:") + `
				C: *
				S: 501 5.7.0 cancelled
				C: AUTH LOGIN
				S: 334 *
				C: !
				S: 501 5.5.2 *
				C: AUTH LOGIN
				S: 334 *
				C: 
				S: 334 *
				C: 
				S: 535 5.7.8 *
				C: AUTH LOGIN ` + b64("ann") + `
				S: 334 *
				C: ` + b64("wrong") + `
				S: 535 5.7.8 *
				C: AUTH LOGIN ` + b64("ann") + `
				S: 334 ` + b64("Password:") + `
				C: ` + strings.Repeat("A", 2*readLimit) + `
				S: 500 5.5.6 *
				C: AUTH LOGIN ` + b64("ann") + `
				S: 334 *
				C: ` + b64("secret") + `
				S: 235 2.7.0 *` + quit,
		},
		"AUTH, wrong commands": {
			opts: plaintext,
			conversation: ehloAuth + `
				C: AUTH
				S: 501 5.5.4 *
				C: AUTH SECRET
				S: 504 5.5.4 *
				C: AUTH CRAM-MD5 x
				S: 501 5.5.2 *
				C: AUTH CRAM-MD5
				S: 334 *
				C: ` + b64("ann") + `
				S: 501 5.5.2 *
				C: AUTH CRAM-MD5
				S: 334 *
				C: ` + b64("ann "+strings.Repeat("0", 32)) + `
				S: 535 5.7.8 *
				C: AUTH CRAM-MD5
				S: 334 *
				C: ` + b64("eve "+strings.Repeat("0", 32)) + `
				S: 535 5.7.8 *
				C: MAIL FROM:<a@x>
				S: 250 *
				C: AUTH PLAIN x
				S: 503 5.5.1 not during a message` + quit,
		},
		"AUTH needs TLS": {
			conversation: ehlo + "S: 250-AUTH CRAM-MD5\nS: 250 HELP\n" + "C: AUTH PLAIN x\nS: 538 5.7.11 *" + quit,
		},
		"authentication required": {
			opts: &ServerOptions{PlaintextAuth: true, RequireAuth: true},
			conversation: ehloAuth + `
				C: MAIL FROM:<a@x>
				S: 530 5.7.0 *
				C: RCPT TO:<a@x>
				S: 530 5.7.0 *
				C: DATA
				S: 530 5.7.0 *
				C: VRFY a
				S: 530 5.7.0 *
				C: HELP
				S: 214-*
				S: 214 *
				C: AUTH PLAIN ` + b64("\x00ann\x00secret") + `
				S: 235 *
				C: RCPT TO:<b@x>
				S: 503 *
				C: VRFY a
				S: 252 *
				` + transaction + "C: .\nS: 250 *" + quit,
			want: []string{""},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			// made anew for each schedule
			var m *memory
			withClient(t, func() Deliverer { m = &memory{}; return m }, c.opts, c.conversation)
			if err := same("messages", m.texts(), c.want); err != nil {
				t.Error(err)
			}
		})
	}
}

// A client that disappears in the middle: nothing is delivered, nothing is reported, and
// the next client is served.
func TestClientDisappears(t *testing.T) {
	for name, conversation := range map[string]string{
		"at once":             "X",
		"after EHLO":          hello + "X",
		"in a command":        hello + "C: NOO\\\nX",
		"in a long command":   hello + "C: " + strings.Repeat("x", 3*readLimit) + "\\\nX",
		"before DATA":         hello + "C: MAIL FROM:<a@x>\nS: 250 *\nX",
		"in a message":        hello + transaction + "C: 1\nX",
		"in a line of one":    hello + transaction + "C: 1\\\nX",
		"before its last dot": hello + transaction + "C: 1\nC: \\\nX",
		"in its last line":    hello + transaction + "C: 1\nC: .\\r\\\nX",
		"during AUTH":         ehlo + "S: 250-AUTH CRAM-MD5\nS: 250 HELP\nC: AUTH CRAM-MD5\nS: 334 *\nX",
	} {
		t.Run(name, func(t *testing.T) {
			explore(t, func(ctx context.Context) error {
				m := &memory{}
				srv, err := Start(ctx, addr, m, named(nil))
				if err != nil {
					return err
				}
				err1 := converse(ctx, conversation)
				err2 := converse(ctx, hello+transaction+"C: 2\nC: .\nS: 250 *"+quit)
				return errors.Join(err1, err2, srv.Shutdown(ctx, time.Minute), same("messages", m.texts(), []string{"2\r\n"}))
			})
		})
	}
}

// The answers to the errors of a handler. An error that is not a reply is reported.
func TestHandlerErrors(t *testing.T) {
	bug := errors.New("a bug")
	for _, c := range []struct {
		err      error
		answer   string
		reported bool
		usable   bool
	}{
		{Refuse(554, "5.7.1 no"), "554 5.7.1 no", false, true},
		{fmt.Errorf("wrapped: %w", Refuse(452, "4.2.2 full")), "452 4.2.2 full", false, true},
		{Refuse(421, "4.3.0 out of order"), "421 4.3.0 out of order", false, false},
		{bug, "451 4.3.0 local error", true, true},
		{Refuse(250, "a code that is no refusal"), "451 4.3.0 local error", true, true},
		{Refuse(550, "two\r\nlines"), "550 two  lines", false, true},
	} {
		t.Run(c.answer, func(t *testing.T) {
			explore(t, func(ctx context.Context) error {
				loop, err := aio.GetRunningLoop(ctx)
				if err != nil {
					return err
				}
				var reports []error
				loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { reports = append(reports, ec.Err) })
				srv, err := Start(ctx, addr, DeliverFunc(func(context.Context, *Session, *Envelope) error { return c.err }), named(nil))
				if err != nil {
					return err
				}
				end := "\nE"
				if c.usable {
					end = quit
				}
				err = converse(ctx, hello+transaction+"C: .\nS: "+c.answer+end)
				if c.reported != (len(reports) == 1) || c.reported && !errors.Is(reports[0], c.err) {
					err = errors.Join(err, fmt.Errorf("reported: %v", reports))
				}
				return errors.Join(err, srv.Shutdown(ctx, time.Minute))
			})
		})
	}
}

// The handler gets the session, with the name of the user after an authentication.
func TestSession(t *testing.T) {
	explore(t, func(ctx context.Context) error {
		m := &memory{}
		srv, err := Start(ctx, addr, m, named(&ServerOptions{PlaintextAuth: true}))
		if err != nil {
			return err
		}
		err1 := converse(ctx, ehloAuth+"C: AUTH PLAIN "+b64("\x00ann\x00secret")+"\nS: 235 *\n"+transaction+"C: .\nS: 250 *"+quit)
		err2 := converse(ctx, hello+transaction+"C: .\nS: 250 *"+quit)
		if err := errors.Join(err1, err2, srv.Shutdown(ctx, time.Minute)); err != nil {
			return err
		}
		for i, want := range []Session{{Hostname: "me", ESMTP: true, User: "ann"}, {Hostname: "me"}} {
			got := m.sessions[i]
			if got.Peer == nil {
				return errors.New("no address")
			}
			if got.Peer = nil; got != want {
				return fmt.Errorf("got %+v, want %+v", got, want)
			}
		}
		return nil
	})
}

// Shutdown: an idle client gets 421, a client that is sending a message may finish it,
// and a client that does not finish in time gets 421 too. New connections are refused.
func TestShutdown(t *testing.T) {
	explore(t, func(ctx context.Context) error {
		m := &memory{latency: time.Second}
		srv, err := Start(ctx, addr, m, named(nil))
		if err != nil {
			return err
		}
		var clients []*aio.Task[struct{}]
		for _, conversation := range []string{
			hello + "S: 421 4.3.2 mx shuts down\nE",
			"S: 220 mx ESMTP\nS: 421 4.3.2 mx shuts down\nE",
			hello + "C: MAIL FROM:<a@x>\nS: 250 *\nT 2m\nC: RCPT TO:<b@x>\nS: 250 *\nC: DATA\nS: 354 *\nC: 1\nC: .\nS: 250 *\nS: 421 *\nE",
			hello + "C: MAIL FROM:<a@x>\nS: 250 *\nT 2m\nC: RSET\nS: 250 *\nS: 421 *\nE",
			hello + "C: MAIL FROM:<a@x>\nS: 250 *\nS: 421 *\nE",
			hello + transaction + "C: 1\nS: 421 *\nE",
		} {
			clients = append(clients, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return converse(ctx, conversation) })))
		}
		if err := aio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		loop, _ := aio.GetRunningLoop(ctx)
		start := loop.Time()
		err = srv.Shutdown(ctx, 90*time.Second)
		if took := loop.Time().Sub(start); took < 90*time.Second || took > 2*time.Minute {
			err = errors.Join(err, fmt.Errorf("Shutdown took %v", took))
		}
		if len(srv.sessions) > 0 {
			err = errors.Join(err, fmt.Errorf("%d sessions are left", len(srv.sessions)))
		}
		for _, c := range clients {
			_, cerr := c.Await(ctx)
			err = errors.Join(err, cerr)
		}
		_, derr := Dial(ctx, addr, nil)
		if !isGone(derr) {
			err = errors.Join(err, fmt.Errorf("a new connection: %w", derr))
		}
		return errors.Join(err, same("messages", m.texts(), []string{"1\r\n"}))
	})
}

// A Deliver that does not end is cancelled, and the client does not get a 250.
func TestShutdownCancelsDeliver(t *testing.T) {
	explore(t, func(ctx context.Context) error {
		m := &memory{latency: time.Hour}
		srv, err := Start(ctx, addr, m, named(nil))
		if err != nil {
			return err
		}
		client := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return converse(ctx, hello+transaction+"C: 1\nC: .\nS: 421 *\nE")
		}))
		if err := aio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		err = srv.Shutdown(ctx, time.Minute)
		_, cerr := client.Await(ctx)
		return errors.Join(err, cerr, same("messages", m.texts(), nil))
	})
}

// ServeForever shuts down when it is cancelled.
func TestServeForever(t *testing.T) {
	explore(t, func(ctx context.Context) error {
		srv, err := Start(ctx, addr, &memory{}, named(nil))
		if err != nil {
			return err
		}
		server := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return srv.ServeForever(ctx, time.Minute) }))
		client := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return converse(ctx, hello+"S: 421 *\nE")
		}))
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		server.Cancel()
		_, err = server.Await(ctx)
		_, cerr := client.Await(ctx)
		return errors.Join(is(err, aio.ErrCancelled), cerr)
	})
}

// Many clients at once, over one server: each message arrives as it was sent.
func TestConcurrentSessions(t *testing.T) {
	explore(t, func(ctx context.Context) error {
		m := &memory{latency: time.Millisecond}
		srv, err := Start(ctx, addr, m, nil)
		if err != nil {
			return err
		}
		err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for i := range 5 {
				tg.Go(func(ctx context.Context) error {
					c, err := Dial(ctx, addr, nil)
					if err != nil {
						return err
					}
					// Several tasks use one client.
					return errors.Join(aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
						for j := range 4 {
							tg.Go(func(ctx context.Context) error {
								_, err := c.Send(ctx, Envelope{From: "a@x", To: []string{fmt.Sprintf("u%d@x", i)}, Data: fmt.Appendf(nil, "%d %d\n", i, j)})
								return err
							})
							tg.Go(c.Noop)
						}
						return nil
					}), c.Quit(ctx))
				})
			}
			return nil
		})
		seen := map[string]int{}
		for _, e := range m.messages {
			seen[fmt.Sprintf("%s %s", e.To[0], e.Data)]++
		}
		for i := range 5 {
			for j := range 4 {
				if seen[fmt.Sprintf("u%d@x %d %d\r\n", i, i, j)] != 1 {
					err = errors.Join(err, fmt.Errorf("the messages are %v", seen))
				}
			}
		}
		return errors.Join(err, srv.Shutdown(ctx, time.Minute))
	})
}

// Options that contradict each other are refused, and nothing listens.
func TestStartErrors(t *testing.T) {
	explore(t, func(ctx context.Context) error {
		plain := DeliverFunc(func(context.Context, *Session, *Envelope) error { return nil })
		for name, opts := range map[string]*ServerOptions{
			"TLSFromStart":   {TLSFromStart: true},
			"RequireTLS":     {RequireTLS: true},
			"RequireAuth":    {RequireAuth: true},
			"Connection.TLS": {Connection: &aio.ServerOptions{TLS: &tls.Config{}}},
			"Hostname":       {Hostname: "m x"},
		} {
			if _, err := Start(ctx, addr, plain, opts); !errors.Is(err, ErrArgument) {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		srv, err := Start(ctx, addr, plain, nil)
		if err != nil {
			return err
		}
		return srv.Shutdown(ctx, time.Second)
	})
}
