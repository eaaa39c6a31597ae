package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// begun is the beginning of most conversations.
const begun = `
	S: 220 mx
	C: EHLO me
	S: 250-mx
	S: 250-SIZE 1000
	S: 250 8BITMIME
`

const begunPipelining = `
	S: 220 mx
	C: EHLO me
	S: 250-mx
	S: 250 PIPELINING
`

// letter is a message for the tests.
var letter = Envelope{From: "a@x", To: []string{"b@x", "c@x"}, Data: []byte("hello\n.dot\r\n\rend")}

// code checks that err is the refusal of a command.
func code(err error, command string, want int) error {
	var refused *Error
	if !errors.As(err, &refused) || refused.Code != want || refused.Command != command {
		return fmt.Errorf("got the error %w, want %d to %s", err, want, command)
	}
	return nil
}

// is checks that err matches all of want.
func is(err error, want ...error) error {
	for _, w := range want {
		if !errors.Is(err, w) {
			return fmt.Errorf("got the error %w, want one that matches %q", err, w)
		}
	}
	return nil
}

// dial connects with the hostname of the conversations.
func dial(ctx context.Context, opts *Options) (*Client, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.Hostname = "me"
	return Dial(ctx, addr, &o)
}

// usable ends a conversation in which the client must still be usable.
func usable(ctx context.Context, c *Client) error {
	if err := c.Noop(ctx); err != nil {
		return err
	}
	return c.Quit(ctx)
}

const usableEnd = `
	C: NOOP
	S: 250 OK
	C: QUIT
	S: 221 bye
	E
`

func TestClient(t *testing.T) {
	for name, c := range map[string]struct {
		conversation string
		opts         *Options
		dial         func(err error) error // nil if Dial is successful
		body         func(ctx context.Context, c *Client) error
	}{
		"send, without extensions": {
			conversation: `
				S: 220 mx
				C: EHLO me
				S: 502 what?
				C: HELO me
				S: 250 mx
				C: MAIL FROM:<a@x>
				S: 250 OK
				C: RCPT TO:<b@x>
				S: 250 OK
				C: RCPT TO:<c@x>
				S: 251 forwarded
				C: DATA
				S: 354 go
				C: hello
				C: ..dot
				C: 
				C: end
				C: .
				S: 250 OK` + usableEnd,
			body: func(ctx context.Context, c *Client) error {
				refused, err := c.Send(ctx, letter)
				if err != nil || len(refused) > 0 {
					return fmt.Errorf("%w, %v", err, refused)
				}
				return usable(ctx, c)
			},
		},
		"two messages, one recipient refused, parameters": {
			conversation: begun + `
				C: MAIL FROM:<a@x> SIZE=20 RET=HDRS
				S: 250-OK
				S: 250 really
				C: RCPT TO:<b@x> NOTIFY=NEVER
				S: 550-5.1.1 no
				S: 550 5.1.1 such user
				C: RCPT TO:<c@x> NOTIFY=NEVER
				S: 250 OK
				C: DATA
				S: 354 go
				C: hello
				C: ..dot
				C: 
				C: end
				C: .
				S: 250 OK
				C: MAIL FROM:<> SIZE=0
				S: 250 OK
				C: RCPT TO:<b@x>
				S: 250 OK
				C: DATA
				S: 354 go
				C: .
				S: 250 OK` + usableEnd,
			body: func(ctx context.Context, c *Client) error {
				e := letter
				e.MailParams, e.RcptParams = []string{"RET=HDRS"}, []string{"NOTIFY=NEVER"}
				refused, err := c.Send(ctx, e)
				if err != nil || len(refused) != 1 || refused[0].Recipient != "b@x" || refused[0].Err.String() != "550 5.1.1 no / 5.1.1 such user" {
					return fmt.Errorf("%w, %v", err, refused)
				}
				if _, err := c.Send(ctx, Envelope{To: []string{"b@x"}}); err != nil {
					return err
				}
				return usable(ctx, c)
			},
		},
		"sender refused": {
			conversation: begun + `
				C: MAIL FROM:<a@x> SIZE=20
				S: 451 later
				C: RSET
				S: 250 OK` + usableEnd,
			body: func(ctx context.Context, c *Client) error {
				_, err := c.Send(ctx, letter)
				var refused *Error
				if !errors.As(err, &refused) || !refused.Temporary() {
					return err
				}
				return errors.Join(code(err, "MAIL", 451), usable(ctx, c))
			},
		},
		"recipients refused": {
			conversation: begun + `
				C: MAIL FROM:<a@x> SIZE=20
				S: 250 OK
				C: RCPT TO:<b@x>
				S: 550 no
				C: RCPT TO:<c@x>
				S: 452 later
				C: RSET
				S: 250 OK` + usableEnd,
			body: func(ctx context.Context, c *Client) error {
				_, err := c.Send(ctx, letter)
				var all *RefusedError
				if !errors.As(err, &all) || len(all.Refusals) != 2 || all.Refusals[1].Err.Code != 452 {
					return err
				}
				return errors.Join(code(err, "RCPT", 550), usable(ctx, c))
			},
		},
		"DATA refused": {
			conversation: begun + `
				C: MAIL FROM:<a@x> SIZE=20
				S: 250 OK
				C: RCPT TO:<b@x>
				S: 250 OK
				C: RCPT TO:<c@x>
				S: 250 OK
				C: DATA
				S: 554 no
				C: RSET
				S: 250 OK` + usableEnd,
			body: func(ctx context.Context, c *Client) error {
				_, err := c.Send(ctx, letter)
				return errors.Join(code(err, "DATA", 554), usable(ctx, c))
			},
		},
		"message refused": {
			conversation: begun + `
				C: MAIL FROM:<> SIZE=0
				S: 250 OK
				C: RCPT TO:<b@x>
				S: 250 OK
				C: DATA
				S: 354 go
				C: .
				S: 550 spam
				C: RSET
				S: 502 what?` + usableEnd,
			body: func(ctx context.Context, c *Client) error {
				_, err := c.Send(ctx, Envelope{To: []string{"b@x"}})
				return errors.Join(code(err, "the message", 550), usable(ctx, c))
			},
		},
		"pipelining": {
			conversation: begunPipelining + `
				C: MAIL FROM:<a@x>
				C: RCPT TO:<b@x>
				C: RCPT TO:<c@x>
				C: DATA
				S: 250 OK\r\n250 O\
				S: K\r\n550 no\r\n354-go\r\n354 on
				C: hello
				C: ..dot
				C: 
				C: end
				C: .
				S: 250 OK` + usableEnd,
			body: func(ctx context.Context, c *Client) error {
				refused, err := c.Send(ctx, letter)
				if err != nil || len(refused) != 1 || refused[0].Recipient != "c@x" {
					return fmt.Errorf("%w, %v", err, refused)
				}
				return usable(ctx, c)
			},
		},
		"pipelining, sender refused, the server waits for a message": {
			conversation: begunPipelining + `
				C: MAIL FROM:<a@x>
				C: RCPT TO:<b@x>
				C: RCPT TO:<c@x>
				C: DATA
				S: 550 no
				S: 503 no
				S: 503 no
				S: 354 go
				C: .
				S: 554 no recipients
				C: RSET
				S: 250 OK` + usableEnd,
			body: func(ctx context.Context, c *Client) error {
				_, err := c.Send(ctx, letter)
				return errors.Join(code(err, "MAIL", 550), usable(ctx, c))
			},
		},
		"pipelining, recipients refused": {
			conversation: begunPipelining + `
				C: MAIL FROM:<a@x>
				C: RCPT TO:<b@x>
				C: RCPT TO:<c@x>
				C: DATA
				S: 250 OK
				S: 550 no
				S: 550 no
				S: 503 no recipients
				C: RSET
				S: 250 OK` + usableEnd,
			body: func(ctx context.Context, c *Client) error {
				_, err := c.Send(ctx, letter)
				if !errors.As(err, new(*RefusedError)) {
					return err
				}
				return usable(ctx, c)
			},
		},
		"8BITMIME and SMTPUTF8": {
			conversation: `
				S: 220 mx
				C: EHLO me
				S: 250-mx
				S: 250-SMTPUTF8
				S: 250 8BITMIME
				C: MAIL FROM:<ä@x> BODY=8BITMIME SMTPUTF8
				S: 250 OK
				C: RCPT TO:<ö@x>
				S: 250 OK
				C: DATA
				S: 354 go
				C: ü
				C: .
				S: 250 OK
				C: VRFY ö SMTPUTF8
				S: 252 perhaps` + usableEnd,
			body: func(ctx context.Context, c *Client) error {
				if _, err := c.Send(ctx, Envelope{From: "ä@x", To: []string{"ö@x"}, Data: []byte("ü")}); err != nil {
					return err
				}
				r, err := c.Command(ctx, "vrfy", "ö")
				if err != nil || r.Code != 252 {
					return fmt.Errorf("%w, %v", err, r)
				}
				return usable(ctx, c)
			},
		},
		"unsupported, nothing is sent": {
			conversation: `
				S: 220 mx
				C: EHLO me
				S: 250-mx
				S: 250 SIZE 10` + usableEnd,
			body: func(ctx context.Context, c *Client) error {
				for _, try := range []struct {
					e    Envelope
					want any
				}{
					{Envelope{From: "a@x", To: []string{"b@x"}, Data: []byte("ü")}, new(*UnsupportedError)},
					{Envelope{From: "ä@x", To: []string{"b@x"}}, new(*UnsupportedError)},
					{Envelope{From: "a@x", To: []string{"ö@x"}}, new(*UnsupportedError)},
					{Envelope{From: "a@x", To: []string{"b@x"}, Data: []byte("12345678\n1")}, new(*SizeError)},
				} {
					if _, err := c.Send(ctx, try.e); !errors.As(err, try.want) {
						return fmt.Errorf("got the error %w, want %T", err, try.want)
					}
				}
				if _, err := c.Command(ctx, "VRFY", "ö"); !errors.As(err, new(*UnsupportedError)) {
					return err
				}
				if err := c.StartTLS(ctx, nil); !errors.As(err, new(*UnsupportedError)) {
					return err
				}
				if err := c.Login(ctx, "ann", "secret"); !errors.As(err, new(*UnsupportedError)) {
					return err
				}
				return usable(ctx, c)
			},
		},
		"injection": {
			conversation: begun + usableEnd,
			body: func(ctx context.Context, c *Client) error {
				for _, bad := range []string{"a@x\r\nRSET", "a@x>\r\nRSET", "a@x> SIZE=1", "a\n@x", "a\x00@x", "a@x\r", `"a@x`, "a b@x", "a\xff@x"} {
					_, err1 := c.Send(ctx, Envelope{From: bad, To: []string{"b@x"}})
					_, err2 := c.Send(ctx, Envelope{From: "a@x", To: []string{"b@x", bad}})
					_, err3 := c.Send(ctx, Envelope{From: "a@x", To: []string{"b@x"}, MailParams: []string{"X=" + bad + "\n"}})
					_, err4 := c.Send(ctx, Envelope{From: "a@x", To: []string{"b@x"}, RcptParams: []string{"X=" + bad + "\n"}})
					_, err5 := c.Command(ctx, "VRFY", bad+"\n")
					_, err6 := c.Command(ctx, "VRFY\r\nRSET", bad)
					for _, err := range []error{err1, err2, err3, err4, err5, err6} {
						if err := is(err, ErrArgument); err != nil {
							return err
						}
					}
				}
				_, err1 := c.Send(ctx, Envelope{From: "a@x"})
				_, err2 := c.Send(ctx, Envelope{From: "a@x", To: []string{""}})
				_, err3 := c.Command(ctx, "DATA")
				return errors.Join(is(err1, ErrArgument), is(err2, ErrArgument), is(err3, ErrArgument), usable(ctx, c))
			},
		},
		"commands": {
			conversation: begun + `
				C: NOOP
				S: 500 no
				C: RSET
				S: 250 OK
				C: RSET
				S: 500 no
				C: EXPN list
				S: 250-ann@x
				S: 250 bob@x
				C: EXPN list
				S: 502 no
				C: HELP
				S: 214 help yourself
				C: HELP
				S: 502 no
				C: VRFY ann
				S: 553 who?
				C: QUIT
				S: 500 stay
				E`,
			body: func(ctx context.Context, c *Client) error {
				if err := code(c.Noop(ctx), "NOOP", 500); err != nil {
					return err
				}
				if err := c.Reset(ctx); err != nil {
					return err
				}
				if err := code(c.Reset(ctx), "RSET", 500); err != nil {
					return err
				}
				r, err := c.Command(ctx, "EXPN", "list")
				if err != nil || strings.Join(r.Lines, " ") != "ann@x bob@x" {
					return fmt.Errorf("%w, %v", err, r)
				}
				_, err1 := c.Command(ctx, "EXPN", "list")
				r, err = c.Command(ctx, "HELP")
				if err != nil || r.Lines[0] != "help yourself" {
					return fmt.Errorf("%w, %v", err, r)
				}
				_, err2 := c.Command(ctx, "HELP")
				_, err3 := c.Command(ctx, "VRFY", "ann")
				err4 := c.Quit(ctx)
				return errors.Join(code(err1, "EXPN", 502), code(err2, "HELP", 502), code(err3, "VRFY", 553),
					code(err4, "QUIT", 500), is(c.Err(), ErrClosed), is(c.Noop(ctx), ErrClosed), c.Quit(ctx))
			},
		},
		"greeting refused": {
			conversation: "S: 554 go away\nH",
			dial:         func(err error) error { return code(err, "connect", 554) },
		},
		"no greeting": {
			conversation: "X",
			dial:         func(err error) error { return is(err, io.ErrUnexpectedEOF) },
		},
		"EHLO and HELO refused": {
			conversation: "S: 220 mx\nC: EHLO me\nS: 550 no\nC: HELO me\nS: 550 no\nH",
			dial:         func(err error) error { return code(err, "HELO", 550) },
		},
		"EHLO refused for now": {
			conversation: "S: 220 mx\nC: EHLO me\nS: 451 later\nE",
			dial:         func(err error) error { return code(err, "EHLO", 451) },
		},
		"closed after EHLO": {
			conversation: "S: 220 mx\nC: EHLO me\nX",
			dial:         func(err error) error { return is(err, io.ErrUnexpectedEOF) },
		},
		"421": {
			conversation: begun + "C: NOOP\nS: 421 closing\nH",
			body: func(ctx context.Context, c *Client) error {
				err := c.Noop(ctx)
				return errors.Join(code(err, "NOOP", 421), is(c.Noop(ctx), ErrClosed), code(c.Err(), "NOOP", 421))
			},
		},
		"421 while idle": {
			conversation: begun + "T 1m\nS: 421 too long\nX",
			body: func(ctx context.Context, c *Client) error {
				if err := aio.Sleep(ctx, 2*time.Minute); err != nil {
					return err
				}
				err := c.Noop(ctx)
				return errors.Join(is(err, ErrClosed), code(err, "", 421))
			},
		},
		"421 in the middle of a group": {
			conversation: begunPipelining + `
				C: MAIL FROM:<a@x>
				C: RCPT TO:<b@x>
				C: RCPT TO:<c@x>
				C: DATA
				S: 250 OK
				S: 421 closing
				H`,
			body: func(ctx context.Context, c *Client) error {
				_, err := c.Send(ctx, letter)
				return errors.Join(code(err, "RCPT", 421), is(c.Err(), ErrClosed))
			},
		},
		"an unexpected reply": {
			conversation: begun + "C: NOOP\nS: 250 OK\\r\\n250 and more\nH",
			body: func(ctx context.Context, c *Client) error {
				// both replies may have arrived when Noop returns
				_ = c.Noop(ctx)
				if err := aio.Sleep(ctx, time.Minute); err != nil {
					return err
				}
				return is(c.Noop(ctx), ErrClosed, ErrProtocol)
			},
		},
		"closed while idle": {
			conversation: begun + "X",
			body: func(ctx context.Context, c *Client) error {
				if err := aio.Sleep(ctx, time.Minute); err != nil {
					return err
				}
				_, err := c.Send(ctx, letter)
				return is(err, ErrClosed, io.ErrUnexpectedEOF)
			},
		},
		"closed before the answer": {
			conversation: begun + "C: NOOP\nX",
			body: func(ctx context.Context, c *Client) error {
				return is(c.Noop(ctx), io.ErrUnexpectedEOF)
			},
		},
		"closed in a line": {
			conversation: begun + "C: NOOP\nS: 250 O\\\nX",
			body: func(ctx context.Context, c *Client) error {
				return is(c.Noop(ctx), io.ErrUnexpectedEOF)
			},
		},
		"closed before the answer to a message": {
			conversation: begun + `
				C: MAIL FROM:<> SIZE=0
				S: 250 OK
				C: RCPT TO:<b@x>
				S: 250 OK
				C: DATA
				S: 354 go
				C: .
				X`,
			body: func(ctx context.Context, c *Client) error {
				_, err := c.Send(ctx, Envelope{To: []string{"b@x"}})
				return errors.Join(is(err, io.ErrUnexpectedEOF), is(c.Err(), ErrClosed))
			},
		},
		"refused in the middle of a message": {
			conversation: begunPipelining + `
				C: MAIL FROM:<a@x>
				C: RCPT TO:<b@x>
				C: DATA
				S: 250 OK
				S: 250 OK
				S: 354 go
				C: ccc*
				S: 452 disk full
				H`,
			body: func(ctx context.Context, c *Client) error {
				_, err := c.Send(ctx, Envelope{From: "a@x", To: []string{"b@x"}, Data: []byte(strings.Repeat("ccc\n", 1<<17))})
				return errors.Join(code(err, "", 452), is(c.Err(), ErrClosed))
			},
		},
		"not a reply": {
			conversation: begun + "C: NOOP\nS: hello\nH",
			body: func(ctx context.Context, c *Client) error {
				return errors.Join(is(c.Noop(ctx), ErrProtocol), is(c.Err(), ErrClosed))
			},
		},
		"two codes": {
			conversation: begun + "C: NOOP\nS: 250-a\nS: 251 b\nH",
			body:         func(ctx context.Context, c *Client) error { return is(c.Noop(ctx), ErrProtocol) },
		},
		"an endless line": {
			conversation: begun + "C: NOOP\nS: 250 " + strings.Repeat("x", 2*maxReplyLine) + "\\\nH",
			body:         func(ctx context.Context, c *Client) error { return is(c.Noop(ctx), ErrProtocol) },
		},
		"endless lines": {
			conversation: begun + "C: NOOP\n" + strings.Repeat("S: 250-more\n", maxReplyLines+1) + "H",
			body:         func(ctx context.Context, c *Client) error { return is(c.Noop(ctx), ErrProtocol) },
		},
		"354 to NOOP": {
			conversation: begun + "C: NOOP\nS: 354 go\nH",
			body:         func(ctx context.Context, c *Client) error { return is(c.Noop(ctx), ErrProtocol) },
		},
		"250 to DATA": {
			conversation: begunPipelining + "C: MAIL FROM:<>\nC: RCPT TO:<b@x>\nC: DATA\nS: 250 OK\nS: 250 OK\nS: 250 OK\nH",
			body: func(ctx context.Context, c *Client) error {
				_, err := c.Send(ctx, Envelope{To: []string{"b@x"}})
				return errors.Join(is(err, ErrProtocol), is(c.Err(), ErrClosed))
			},
		},
		"badly encoded text": {
			conversation: begun + "C: NOOP\nS: 250 \xff\xfe OK" + usableEnd,
			body: func(ctx context.Context, c *Client) error {
				if err := c.Noop(ctx); err != nil {
					return err
				}
				return usable(ctx, c)
			},
		},
		"LF alone": {
			conversation: begun + "C: NOOP\nS: 250-a\\n250 b\\n\\" + usableEnd,
			body: func(ctx context.Context, c *Client) error {
				if err := c.Noop(ctx); err != nil {
					return err
				}
				return usable(ctx, c)
			},
		},
		"timeout of the greeting": {
			conversation: "H",
			opts:         &Options{Timeout: time.Second},
			dial:         func(err error) error { return is(err, aio.ErrTimeout) },
		},
		"timeout of a command": {
			conversation: begun + "C: NOOP\nH",
			opts:         &Options{Timeout: time.Second},
			body: func(ctx context.Context, c *Client) error {
				err := is(c.Noop(ctx), aio.ErrTimeout)
				later := c.Noop(ctx)
				if errors.Is(later, aio.ErrTimeout) {
					return later // the later call has not timed out
				}
				return errors.Join(err, is(later, ErrClosed))
			},
		},
		"timeout of a message": {
			conversation: begunPipelining + "C: MAIL FROM:<>\nC: RCPT TO:<b@x>\nC: DATA\nS: 250 OK\nS: 250 OK\nS: 354 OK\nC: .\nT 2s\nS: 250 OK\nC: MAIL FROM:<>\nC: RCPT TO:<b@x>\nC: DATA\nS: 250 OK\nS: 250 OK\nS: 354 OK\nC: .\nH",
			opts:         &Options{Timeout: time.Second, FinalTimeout: 10 * time.Second},
			body: func(ctx context.Context, c *Client) error {
				if _, err := c.Send(ctx, Envelope{To: []string{"b@x"}}); err != nil {
					return err
				}
				_, err := c.Send(ctx, Envelope{To: []string{"b@x"}})
				return errors.Join(is(err, aio.ErrTimeout), is(c.Err(), ErrClosed))
			},
		},
		"timeout of a block": {
			conversation: begunPipelining + "C: MAIL FROM:<>\nC: RCPT TO:<b@x>\nC: DATA\nS: 250 OK\nS: 250 OK\nS: 354 OK\nT 1h\nX",
			opts:         &Options{DataTimeout: time.Second},
			body: func(ctx context.Context, c *Client) error {
				_, err := c.Send(ctx, Envelope{To: []string{"b@x"}, Data: []byte(strings.Repeat("ccc\n", 1<<17))})
				return errors.Join(is(err, aio.ErrTimeout), is(c.Err(), ErrClosed))
			},
		},
		"timeout of STARTTLS": {
			conversation: "S: 220 mx\nC: EHLO me\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nH",
			opts:         &Options{Timeout: time.Second},
			dial:         func(err error) error { return is(err, aio.ErrTimeout) },
		},
		"timeout of the handshake": {
			conversation: "S: 220 mx\nC: EHLO me\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nH",
			opts:         &Options{Timeout: time.Second},
			dial:         func(err error) error { return is(err, aio.ErrTimeout) },
		},
		"STARTTLS refused": {
			conversation: "S: 220 mx\nC: EHLO me\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 not now\nH",
			dial:         func(err error) error { return code(err, "STARTTLS", 454) },
		},
		"STARTTLS with another code": {
			conversation: "S: 220 mx\nC: EHLO me\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 250 go\nH",
			dial:         func(err error) error { return is(err, ErrProtocol) },
		},
		"STARTTLS, closed before the handshake": {
			conversation: "S: 220 mx\nC: EHLO me\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nX",
			dial:         func(err error) error { return is(err, io.ErrUnexpectedEOF) },
		},
		"STARTTLS, a reply before the handshake": {
			conversation: "S: 220 mx\nC: EHLO me\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\\r\\n250-mx\\r\\n250 AUTH PLAIN\\r\\n\\\nH",
			dial:         func(err error) error { return is(err, ErrProtocol) },
		},
		"STARTTLS, part of a reply before the handshake": {
			conversation: "S: 220 mx\nC: EHLO me\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\\r\\n250-injected\\\nH",
			// If the extra bytes arrive in another segment, the handshake
			// gets them, and they are not a TLS record.
			dial: func(err error) error {
				if errors.As(err, new(tls.RecordHeaderError)) {
					return nil
				}
				return is(err, ErrProtocol)
			},
		},
		"STARTTLS required and not offered": {
			conversation: begun + "H",
			opts:         &Options{Security: StartTLSRequired},
			dial: func(err error) error {
				if !errors.As(err, new(*UnsupportedError)) {
					return err
				}
				return nil
			},
		},
		"no STARTTLS": {
			conversation: "S: 220 mx\nC: EHLO me\nS: 250-mx\nS: 250 STARTTLS" + usableEnd,
			opts:         &Options{Security: NoTLS},
			body:         usable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			withServer(t, c.conversation, func(ctx context.Context) error {
				client, err := dial(ctx, c.opts)
				if c.dial != nil {
					return c.dial(err)
				}
				if err != nil {
					return err
				}
				defer client.Close()
				return c.body(ctx, client)
			})
		})
	}
}

// Errors of Dial before a connection.
func TestDialErrors(t *testing.T) {
	explore(t, func(ctx context.Context) error {
		_, err := Dial(ctx, addr, nil)
		if !isGone(err) {
			return err
		}
		for _, opts := range []*Options{{Hostname: "a b"}, {Hostname: "a\r\nRSET"}, {Connection: &aio.ConnectionOptions{TLS: nil, Network: ""}, Hostname: "\x00"}} {
			if _, err := Dial(ctx, addr, opts); !errors.Is(err, ErrArgument) {
				return err
			}
		}
		if _, err := Dial(ctx, "nowhere", nil); !errors.Is(err, ErrArgument) {
			return err
		}
		// The next attempt is successful: the failed attempts have left nothing
		// behind.
		srv, err := Start(ctx, addr, &memory{}, nil)
		if err != nil {
			return err
		}
		c, err := Dial(ctx, addr, nil)
		if err != nil {
			return err
		}
		return errors.Join(c.Quit(ctx), srv.Shutdown(ctx, time.Second))
	})
}

// The extensions that a server offers, in old and new forms.
func TestExtensions(t *testing.T) {
	got := extensions(strings.Split(`mx at your service
PIPELINING
size 1000
AUTH PLAIN LOGIN
AUTH=CRAM-MD5 PLAIN
auth=login

  8BITMIME
X-Y a  b`, "\n"))
	for name, want := range map[string]string{
		"PIPELINING": "", "SIZE": "1000", "AUTH": "PLAIN LOGIN CRAM-MD5 PLAIN LOGIN", "8BITMIME": "", "X-Y": "a b",
	} {
		if params, ok := got[name]; !ok || params != want {
			t.Errorf("%s: %q, %v, want %q", name, params, ok, want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("also %q", got)
	}
}

// Texts of the errors.
func TestErrors(t *testing.T) {
	refused := &Error{"RCPT", Reply{550, []string{"5.1.1 no", "such user"}}}
	for _, c := range []struct {
		err  error
		want string
	}{
		{refused, "smtp: RCPT: 550 5.1.1 no / such user"},
		{Refuse(421, "bye"), "smtp: 421 bye"},
		{&RefusedError{[]Refusal{{"b@x", refused}}}, "smtp: all recipients are refused; b@x: 550 5.1.1 no / such user"},
		{&UnsupportedError{"SMTPUTF8"}, "smtp: the server does not support SMTPUTF8"},
		{&SizeError{11, 10}, "smtp: the message has 11 bytes, and the server accepts 10"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got := string(Reply{250, []string{"a", "b\r\nc"}}.wire()); got != "250-a\r\n250 b  c\r\n" {
		t.Errorf("the reply is sent as %q", got)
	}
}
