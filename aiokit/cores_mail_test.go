package aiokit_test

// The mail client of the cores: SMTP over streams, and a server for it. This file has the
// part that both versions of the client share: one connection, and the protocol on it.

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goaio/aio"
)

// errLost reports a connection that has ended; the message may be sent again.
var errLost = errors.New("connection lost")

// replyError is a reply of the server that refuses a command.
type replyError struct {
	code int
	text string
}

func (e *replyError) Error() string { return fmt.Sprintf("%d %s", e.code, e.text) }

// again reports whether it is worth sending the message again.
func again(err error) bool {
	var refused *replyError
	return errors.Is(err, errLost) || errors.As(err, &refused) && refused.code < 500
}

// refused reports whether the server has refused a message on an intact connection.
func refused(err error) bool { return errors.As(err, new(*replyError)) }

type message struct {
	to   []string
	text string
}

// smtpConn is a connection to a mail server, after the login.
type smtpConn struct {
	r      *aio.StreamReader
	w      *aio.StreamWriter
	broken bool // a reply was not read, so the next read would return the wrong reply
}

// dialMail connects and logs in.
func dialMail(ctx context.Context, addr, user, password string) (_ *smtpConn, err error) {
	r, w, err := aio.OpenConnection(ctx, addr, nil)
	if errors.Is(err, aio.ErrCancelled) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLost, err)
	}
	c := &smtpConn{r: r, w: w}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	if _, err := c.reply(ctx); err != nil { // the greeting
		return nil, err
	}
	replies, err := c.commands(ctx, "EHLO client")
	if err != nil {
		return nil, err
	}
	if !strings.Contains(replies[0], "PIPELINING") {
		return nil, fmt.Errorf("the server offers %q", replies[0])
	}
	login := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	_, err = c.commands(ctx, "AUTH PLAIN "+login)
	return c, err
}

// reply reads a reply of one or more lines.
func (c *smtpConn) reply(ctx context.Context) (text string, err error) {
	for {
		line, err := c.r.ReadLine(ctx)
		switch {
		case errors.Is(err, aio.ErrCancelled):
			return "", err
		case err != nil || !bytes.HasSuffix(line, []byte("\r\n")):
			return "", fmt.Errorf("%w: %v", errLost, err)
		}
		code, more := 0, byte(0)
		if _, err := fmt.Sscanf(string(line), "%3d%c", &code, &more); err != nil {
			return "", err
		}
		text += string(line[4 : len(line)-2])
		if more == '-' {
			text += "\n"
			continue
		}
		if code >= 400 {
			return "", &replyError{code, text}
		}
		return text, nil
	}
}

// commands sends all commands at once, and then reads their replies. The error is the
// first error of a command.
func (c *smtpConn) commands(ctx context.Context, lines ...string) (replies []string, failed error) {
	if c.broken {
		return nil, errLost
	}
	c.broken = true
	if _, err := c.w.Write([]byte(strings.Join(lines, "\r\n") + "\r\n")); err != nil {
		return nil, fmt.Errorf("%w: %v", errLost, err)
	}
	if err := c.w.Drain(ctx); err != nil {
		if errors.Is(err, aio.ErrCancelled) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %v", errLost, err)
	}
	for range lines {
		text, err := c.reply(ctx)
		if err != nil && !refused(err) {
			return nil, err
		}
		if failed == nil {
			failed = err
		}
		replies = append(replies, text)
	}
	c.broken = false
	return replies, failed
}

func (c *smtpConn) noop(ctx context.Context) error {
	_, err := c.commands(ctx, "NOOP")
	return err
}

// deliver sends a message. MAIL, RCPT and DATA go together, with the text after them.
func (c *smtpConn) deliver(ctx context.Context, m message) error {
	lines := []string{"MAIL FROM:<me@example.org>"}
	for _, to := range m.to {
		lines = append(lines, "RCPT TO:<"+to+">")
	}
	if _, err := c.commands(ctx, lines...); err != nil {
		if refused(err) {
			_, reset := c.commands(ctx, "RSET")
			if reset != nil {
				return reset
			}
		}
		return err
	}
	if _, err := c.commands(ctx, "DATA"); err != nil {
		return err
	}
	text := strings.ReplaceAll("\n"+m.text, "\n.", "\n..")[1:]
	_, err := c.commands(ctx, strings.ReplaceAll(text, "\n", "\r\n")+"\r\n.")
	return err
}

// quit ends the connection. It sends QUIT first, if the protocol allows it.
func (c *smtpConn) quit(ctx context.Context) error {
	_, err := c.commands(ctx, "QUIT")
	c.w.Close()
	if errors.Is(err, errLost) {
		return nil
	}
	return err
}

// mailServer is a server that breaks the connection at some commands, counted from 1.
type mailServer struct {
	*aio.Server
	drops    map[int]bool
	n        int // commands
	open     int // connections
	peak     int
	left     aio.Event // set when the last connection has ended
	log      eventLog
	messages []string
	greyed   map[string]bool // refused once
}

func startMailServer(ctx context.Context, drops ...int) (*mailServer, error) {
	s := &mailServer{drops: map[int]bool{}, greyed: map[string]bool{}}
	for _, n := range drops {
		s.drops[n] = true
	}
	var err error
	s.Server, err = aio.StartServer(ctx, s.serve, "127.0.0.1:0", nil)
	return s, err
}

func (s *mailServer) serve(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	s.open++
	s.peak = max(s.peak, s.open)
	defer func() {
		if s.open--; s.open == 0 {
			s.left.Set()
		}
	}()
	defer w.Close()
	send := func(lines ...string) { _, _ = w.Write([]byte(strings.Join(lines, "\r\n") + "\r\n")) }
	send("220 mail.example.org")
	loggedIn := false
	var to []string
	for {
		line, err := r.ReadLine(ctx)
		if err != nil || len(line) == 0 {
			if errors.Is(err, aio.ErrCancelled) {
				return err
			}
			return nil
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if s.n++; s.drops[s.n] {
			s.log.add("%s!", verb)
			w.Transport().Abort()
			return nil
		}
		s.log.add("%s", verb)
		switch {
		case verb == "EHLO":
			send("250-mail.example.org", "250-PIPELINING", "250 AUTH PLAIN")
		case verb == "AUTH":
			secret, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(rest, "PLAIN "))
			if loggedIn = string(secret) == "\x00me\x00secret"; !loggedIn {
				send("535 wrong password")
				continue
			}
			send("235 welcome")
		case verb == "QUIT":
			send("221 bye")
			return nil
		case !loggedIn:
			send("530 log in first")
		case verb == "MAIL":
			to = nil
			send("250 ok")
		case verb == "RSET", verb == "NOOP":
			send("250 ok")
		case verb == "RCPT" && strings.Contains(rest, "nobody@"):
			send("550 no such user")
		case verb == "RCPT" && strings.Contains(rest, "grey@") && !s.greyed[rest]:
			s.greyed[rest] = true
			send("450 come again")
		case verb == "RCPT":
			to = append(to, strings.TrimSuffix(strings.TrimPrefix(rest, "TO:<"), "@example.org>"))
			send("250 ok")
		case verb == "DATA":
			send("354 go on")
			text, err := r.ReadUntil(ctx, []byte("\r\n.\r\n"))
			if err != nil {
				if errors.Is(err, aio.ErrCancelled) {
					return err
				}
				return nil
			}
			text = bytes.ReplaceAll(bytes.TrimSuffix(text, []byte("\r\n.\r\n")), []byte("\r\n."), []byte("\r\n"))
			s.messages = append(s.messages, fmt.Sprintf("%s:%s", strings.Join(to, "+"), bytes.ReplaceAll(text, []byte("\r\n"), []byte("/"))))
			send("250 stored")
		default:
			send("500 what?")
		}
	}
}

// dialer makes a connection.
type dialer = func(ctx context.Context) (*smtpConn, error)

// mailer is the core: a client that sends messages.
type mailer interface {
	send(ctx context.Context, m message) error
	keepAlive(ctx context.Context) error
	close(ctx context.Context) error
}

// newMailer makes a client with at most max connections, which are kept alive.
type newMailer = func(dial dialer, max int, keep time.Duration) mailer

// mailCore sends messages to a server that refuses recipients, and loses the connection
// at the commands whose numbers are drops. A message may be stored several times, if a
// reply is lost.
func mailCore(newMailer newMailer, keep time.Duration, copies int, drops ...int) core {
	return func(ctx context.Context, log *eventLog, do func(ctx context.Context, fn func(ctx context.Context) error) error) error {
		s, err := startMailServer(ctx, drops...)
		if err != nil {
			return err
		}
		defer s.Close()
		m := newMailer(func(ctx context.Context) (*smtpConn, error) {
			return dialMail(ctx, s.Addr().String(), "me", "secret")
		}, 2, keep)
		outcomes := map[string]error{}
		err = do(ctx, func(ctx context.Context) error {
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for _, msg := range []message{
					{[]string{"ann@example.org"}, "one"},
					{[]string{"bob@example.org", "cyd@example.org"}, "two\n.hidden\nend"},
					{[]string{"nobody@example.org"}, "three"},
					{[]string{"grey@example.org"}, "four"},
				} {
					tg.Go(func(ctx context.Context) error {
						err := m.send(ctx, msg)
						if outcomes[msg.text] = err; refused(err) {
							return nil
						}
						return err
					})
				}
				return nil
			})
			if err != nil {
				return err
			}
			// keepAlive uses the connections that have been idle for a
			// minute
			_, err = aio.MoveOnAfter(ctx, keep*5/2, m.keepAlive)
			if err != nil {
				return err
			}
			return m.send(ctx, message{[]string{"dan@example.org"}, "five"})
		})
		err = errors.Join(err, m.close(ctx))
		// the server detects the closed connections a moment later
		for err == nil && s.open > 0 {
			s.left.Clear()
			err = aio.FailAfter(ctx, 10*time.Second, s.left.Wait)
		}
		if s.peak > 2+3 {
			return fmt.Errorf("%d connections were open", s.peak)
		}
		stored := map[string]int{}
		for _, text := range s.messages {
			stored[text]++
		}
		for _, text := range []string{"ann:one", "bob+cyd:two/.hidden/end", "grey:four", "dan:five"} {
			if n := stored[text]; n > copies || n == 0 && err == nil {
				return fmt.Errorf("%q was stored %d times", text, n)
			}
		}
		if err == nil && (len(stored) != 4 || !refused(outcomes["three"])) {
			return fmt.Errorf("stored %v, three: %v", stored, outcomes["three"])
		}
		if *log = s.log; err == nil {
			log.add("%v %v", s.messages, outcomes["three"])
		}
		return err
	}
}
