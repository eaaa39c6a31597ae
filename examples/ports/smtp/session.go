package smtp

// A session is one connection of a server. The state machine of RFC 5321, section 4.1.4:
// EHLO or HELO, then MAIL, one RCPT or more, DATA, and the same again. Its task owns all
// of its state; Shutdown writes to a session only while it waits for a command.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/goaio/aio"
)

type session struct {
	Session
	srv     *Server
	r       *aio.StreamReader
	w       *aio.StreamWriter
	task    aio.AnyTask
	waiting bool // the session waits for a command
	// envelope is the message that has begun with MAIL.
	envelope *Envelope
	utf8     bool // MAIL had SMTPUTF8
	commands int  // since the last message
	refused  int  // commands
	leaving  bool // after QUIT, or an error that ends the session
}

// run serves the connection.
func (c *session) run(ctx context.Context) error {
	err := c.talk(ctx)
	switch {
	case errors.Is(err, aio.ErrCancelled): // by Shutdown
		c.dismiss()
	case isGone(err):
		return nil
	}
	return err
}

func (c *session) talk(ctx context.Context) error {
	if err := c.greet(ctx); err != nil {
		return err
	}
	for !c.leaving {
		if c.srv.closing && c.envelope == nil {
			c.dismiss()
			return nil
		}
		c.waiting = true
		var l line
		err := aio.Timeout(ctx, c.srv.opts.Limits.CommandTimeout, func(ctx context.Context) (err error) {
			l, err = readLine(ctx, c.r)
			return err
		})
		c.waiting = false
		switch {
		case errors.Is(err, aio.ErrTimeout):
			return c.end(ctx, "421 4.4.2 no command for too long")
		case err != nil:
			return err
		case c.w.IsClosing():
			return nil // dismissed, with a command in the buffer
		}
		if err := c.command(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// isGone reports whether err only says that the connection has ended.
func isGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, new(*net.OpError)) || errors.As(err, new(*os.SyscallError))
}

// dismiss tells the client that the service ends, and closes. It never awaits.
func (c *session) dismiss() {
	fmt.Fprintf(c.w, "421 4.3.2 %s shuts down\r\n", c.srv.opts.Hostname)
	c.w.Close()
}

func (c *session) greet(ctx context.Context) error {
	if len(c.srv.sessions) > c.srv.opts.Limits.Connections {
		return c.end(ctx, "421 4.7.0 too many connections")
	}
	return c.say(ctx, "220 "+c.srv.opts.Hostname+" ESMTP")
}

// say sends the lines of one reply, which begin with the code.
func (c *session) say(ctx context.Context, lines ...string) error {
	code, err := strconv.Atoi(lines[0][:3])
	if err != nil {
		panic(err)
	}
	r := Reply{Code: code}
	for _, l := range lines {
		r.Lines = append(r.Lines, l[4:])
	}
	return c.send(ctx, r)
}

// send sends a reply. A client that does not read its replies is disconnected.
func (c *session) send(ctx context.Context, r Reply) error {
	if !r.Positive() {
		c.refused++
	}
	if _, err := c.w.Write(r.wire()); err != nil {
		return err
	}
	err := aio.Timeout(ctx, c.srv.opts.Limits.CommandTimeout, c.w.Drain)
	if errors.Is(err, aio.ErrTimeout) {
		c.w.Transport().Abort()
		return net.ErrClosed
	}
	return err
}

// end sends a reply after which the session ends.
func (c *session) end(ctx context.Context, text string) error {
	c.leaving = true
	return c.say(ctx, text)
}

// answer sends the reply for the error of a handler, and reports whether it was nil. A
// cancellation is returned.
func (c *session) answer(ctx context.Context, err error) (ok bool, _ error) {
	var refused *Error
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &refused) && refused.Code >= 400 && refused.Code < 600:
		c.leaving = refused.Code == 421
		return false, c.send(ctx, refused.Reply)
	case ctx.Err() != nil:
		return false, err
	}
	c.srv.loop.CallExceptionHandler(aio.ExceptionContext{
		Message: "a handler of an SMTP server failed", Err: err, Task: c.task,
		Transport: c.w.Transport(),
	})
	return false, c.say(ctx, "451 4.3.0 local error")
}

// verbs are the commands. Those with early may come before EHLO and before a required
// authentication, those with clear before a required STARTTLS.
var verbs = map[string]struct {
	run          func(c *session, ctx context.Context, arg string) error
	early, clear bool
}{
	"EHLO":     {(*session).ehlo, true, true},
	"HELO":     {(*session).helo, true, true},
	"NOOP":     {(*session).noop, true, true},
	"QUIT":     {(*session).quit, true, true},
	"STARTTLS": {(*session).startTLS, true, true},
	"RSET":     {(*session).rset, true, false},
	"HELP":     {(*session).help, true, false},
	"AUTH":     {(*session).auth, true, false},
	"VRFY":     {(*session).vrfy, false, false},
	"EXPN":     {(*session).expn, false, false},
	"MAIL":     {(*session).mail, false, false},
	"RCPT":     {(*session).rcpt, false, false},
	"DATA":     {(*session).data, false, false},
}

// command runs a command.
func (c *session) command(ctx context.Context, l line) error {
	limits := c.srv.opts.Limits
	name, arg, _ := strings.Cut(string(l.text), " ")
	name, arg = strings.ToUpper(name), strings.TrimRight(arg, " \t")
	if c.commands++; name == "RCPT" {
		c.commands--
	}
	verb, known := verbs[name]
	var err error
	switch {
	case c.commands > limits.Commands:
		return c.end(ctx, "421 4.7.0 too many commands without a message")
	case l.dropped > 0 || len(l.text)+2 > limits.CommandLine && name != "AUTH":
		err = c.say(ctx, "500 5.5.2 line too long")
	case !l.clean():
		err = c.say(ctx, "500 5.5.2 a command ends with CR LF")
	case bytes.ContainsFunc(l.text, isControl):
		err = c.say(ctx, "500 5.5.2 control character in a command")
	case !known:
		err = c.say(ctx, "500 5.5.1 unknown command")
	case c.srv.opts.RequireTLS && !c.Secure && !verb.clear:
		err = c.say(ctx, "530 5.7.0 STARTTLS is required")
	case !verb.early && c.srv.opts.RequireAuth && c.User == "":
		err = c.say(ctx, "530 5.7.0 authentication is required")
	case !verb.early && c.Hostname == "":
		err = c.say(ctx, "503 5.5.1 EHLO first")
	default:
		err = verb.run(c, ctx, arg)
	}
	if err == nil && !c.leaving && c.refused > limits.Errors {
		return c.end(ctx, "421 4.7.0 too many errors")
	}
	return err
}

// reset forgets the message that has begun.
func (c *session) reset() { c.envelope, c.utf8 = nil, false }

func (c *session) helo(ctx context.Context, arg string) error {
	return c.hello(ctx, "HELO", arg, c.srv.opts.Hostname)
}

func (c *session) ehlo(ctx context.Context, arg string) error {
	lines := []string{
		c.srv.opts.Hostname, "PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES",
		fmt.Sprint("SIZE ", c.srv.opts.Limits.MessageSize),
	}
	if c.srv.opts.TLS != nil && !c.Secure {
		lines = append(lines, "STARTTLS")
	}
	if m := c.mechanisms(); len(m) > 0 {
		lines = append(lines, "AUTH "+strings.Join(m, " "))
	}
	return c.hello(ctx, "EHLO", arg, append(lines, "HELP")...)
}

// hello handles EHLO and HELO. Both end a message that has begun.
func (c *session) hello(ctx context.Context, verb, arg string, lines ...string) error {
	if arg == "" || strings.Contains(arg, " ") {
		return c.say(ctx, "501 5.5.4 usage: "+verb+" hostname")
	}
	c.reset()
	c.Hostname, c.ESMTP = arg, verb == "EHLO"
	return c.send(ctx, Reply{250, lines})
}

func (c *session) noop(ctx context.Context, _ string) error { return c.say(ctx, "250 2.0.0 OK") }

func (c *session) quit(ctx context.Context, arg string) error {
	if arg != "" {
		return c.say(ctx, "501 5.5.4 usage: QUIT")
	}
	return c.end(ctx, "221 2.0.0 good-bye")
}

func (c *session) rset(ctx context.Context, arg string) error {
	if arg != "" {
		return c.say(ctx, "501 5.5.4 usage: RSET")
	}
	c.reset()
	return c.say(ctx, "250 2.0.0 OK")
}

func (c *session) help(ctx context.Context, _ string) error {
	return c.say(ctx, "214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA", "214 2.0.0 RSET NOOP VRFY HELP QUIT")
}

func (c *session) vrfy(ctx context.Context, arg string) error {
	if arg == "" {
		return c.say(ctx, "501 5.5.4 usage: VRFY address")
	}
	return c.say(ctx, "252 2.5.2 the address was not verified, send a message")
}

func (c *session) expn(ctx context.Context, _ string) error {
	return c.say(ctx, "502 5.5.1 EXPN is not available")
}

// startTLS begins TLS. Whatever the client has sent after the command, before it could
// know the answer, is taken for TLS and not for commands: an attacker could have added
// commands there (RFC 3207, section 6).
func (c *session) startTLS(ctx context.Context, arg string) error {
	switch {
	case arg != "":
		return c.say(ctx, "501 5.5.4 usage: STARTTLS")
	case c.srv.opts.TLS == nil:
		return c.say(ctx, "502 5.5.1 TLS is not available")
	case c.Secure:
		return c.say(ctx, "503 5.5.1 TLS is active")
	case c.envelope != nil:
		return c.say(ctx, "503 5.5.1 not during a message")
	}
	if err := c.say(ctx, "220 2.0.0 begin TLS"); err != nil {
		return err
	}
	if err := c.w.StartTLS(ctx, c.srv.opts.TLS, nil); err != nil {
		if ctx.Err() != nil {
			return err
		}
		c.leaving = true // the connection is closed
		return nil
	}
	// Commands that the client has sent unencrypted have no effect now.
	c.Session = Session{Peer: c.Peer, Secure: true}
	return nil
}

func (c *session) mail(ctx context.Context, arg string) error {
	if c.envelope != nil {
		return c.say(ctx, "503 5.5.1 MAIL was sent before")
	}
	p, bad := c.path("MAIL", "FROM:", arg)
	if bad != "" {
		return c.say(ctx, bad)
	}
	var params []string
	for name, value := range p.params {
		switch name {
		case "SIZE":
			n, err := strconv.ParseUint(value, 10, 63)
			if err != nil {
				return c.say(ctx, "501 5.5.4 SIZE")
			}
			if int64(n) > c.srv.opts.Limits.MessageSize {
				return c.say(ctx, "552 5.3.4 the message is too large")
			}
		case "BODY":
			if v := strings.ToUpper(value); v != "7BIT" && v != "8BITMIME" {
				return c.say(ctx, "501 5.5.4 BODY")
			}
		case "SMTPUTF8":
			if value != "" {
				return c.say(ctx, "501 5.5.4 SMTPUTF8 has no value")
			}
		case "AUTH":
			// the original sender of the message; ignored, because it
			// cannot be trusted
		default:
			return c.say(ctx, "555 5.5.4 unknown parameter "+name)
		}
		params = append(params, strings.TrimSuffix(name+"="+value, "="))
	}
	_, utf8 := p.params["SMTPUTF8"]
	if !utf8 && !isASCII(p.addr) {
		return c.say(ctx, "553 5.6.7 the address needs SMTPUTF8")
	}
	if h, ok := c.srv.handler.(SenderChecker); ok {
		if ok, err := c.answer(ctx, h.CheckSender(ctx, &c.Session, p.addr)); !ok {
			return err
		}
	}
	c.envelope, c.utf8 = &Envelope{From: p.addr, MailParams: params}, utf8
	return c.say(ctx, "250 2.1.0 OK")
}

// path parses the argument of MAIL or RCPT. bad is the reply to an invalid argument.
func (c *session) path(verb, prefix, arg string) (p path, bad string) {
	if len(arg) < len(prefix) || !strings.EqualFold(arg[:len(prefix)], prefix) {
		return p, "501 5.5.4 usage: " + verb + " " + prefix + "<address>"
	}
	p, err := parsePath(arg[len(prefix):])
	if err != nil {
		return p, "501 5.5.4 " + err.Error()
	}
	if len(p.params) > 0 && !c.ESMTP {
		return p, "555 5.5.4 parameters need EHLO"
	}
	if verb == "MAIL" && p.addr == "" {
		return p, ""
	}
	if err := checkMailbox(p.addr); err != nil {
		return p, "553 5.1.3 " + err.Error()
	}
	return p, ""
}

func (c *session) rcpt(ctx context.Context, arg string) error {
	if c.envelope == nil {
		return c.say(ctx, "503 5.5.1 MAIL first")
	}
	p, bad := c.path("RCPT", "TO:", arg)
	if bad != "" {
		return c.say(ctx, bad)
	}
	for name := range p.params {
		return c.say(ctx, "555 5.5.4 unknown parameter "+name)
	}
	if !c.utf8 && !isASCII(p.addr) {
		return c.say(ctx, "553 5.6.7 the address needs SMTPUTF8")
	}
	if len(c.envelope.To) >= c.srv.opts.Limits.Recipients {
		return c.say(ctx, "452 4.5.3 too many recipients")
	}
	if h, ok := c.srv.handler.(RecipientChecker); ok {
		if ok, err := c.answer(ctx, h.CheckRecipient(ctx, &c.Session, p.addr)); !ok {
			return err
		}
	}
	c.envelope.To = append(c.envelope.To, p.addr)
	return c.say(ctx, "250 2.1.5 OK")
}

func (c *session) data(ctx context.Context, arg string) error {
	switch {
	case arg != "":
		return c.say(ctx, "501 5.5.4 usage: DATA")
	case c.envelope == nil:
		return c.say(ctx, "503 5.5.1 MAIL first")
	case len(c.envelope.To) == 0:
		return c.say(ctx, "554 5.5.1 no valid recipients")
	}
	if err := c.say(ctx, "354 end with a line that has only a dot"); err != nil {
		return err
	}
	text, bad, err := c.text(ctx)
	switch {
	case errors.Is(err, aio.ErrTimeout):
		return c.end(ctx, "421 4.4.2 no data for too long")
	case errors.Is(err, errEndless):
		return c.end(ctx, "421 4.3.4 the message is much too large")
	case err != nil:
		return err
	}
	e := c.envelope
	c.reset()
	if bad != "" {
		return c.say(ctx, bad)
	}
	e.Data = text
	if ok, err := c.answer(ctx, c.srv.handler.Deliver(ctx, &c.Session, e)); !ok {
		return err
	}
	c.commands, c.refused = 0, 0
	return c.say(ctx, "250 2.0.0 OK")
}

// errEndless says that a client has sent twice as much as a message may have.
var errEndless = errors.New("smtp: endless message")

// text reads a message. bad is the reply to a message that is refused. Such a message
// is read to its end too, so that its rest is not taken for commands.
func (c *session) text(ctx context.Context) (text []byte, bad string, err error) {
	limits := c.srv.opts.Limits
	afterCRLF := true
	for size := int64(0); ; {
		var l line
		err := aio.Timeout(ctx, limits.DataTimeout, func(ctx context.Context) (err error) {
			l, err = readLine(ctx, c.r)
			return err
		})
		if err != nil {
			return nil, "", err
		}
		if afterCRLF && l.crlf && l.dropped == 0 && string(l.text) == "." {
			return text, bad, nil
		}
		l.text = bytes.TrimPrefix(l.text, []byte("."))
		afterCRLF = l.crlf
		size += int64(len(l.text)+l.dropped) + 2
		if size/2 > limits.MessageSize {
			return nil, "", errEndless
		}
		switch {
		case bad != "":
		case l.dropped > 0 || len(l.text)+2 > limits.TextLine:
			bad = "500 5.6.0 the message has a line that is too long"
		case !l.clean():
			bad = "554 5.6.0 the message has a CR or an LF that stands alone"
		case size > limits.MessageSize:
			bad = "552 5.3.4 the message is too large"
		}
		if bad != "" {
			text = nil
			continue
		}
		text = append(append(text, l.text...), '\r', '\n')
	}
}
