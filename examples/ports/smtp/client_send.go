package smtp

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Envelope is a message with its sender and its recipients, which need not be those in
// its header.
type Envelope struct {
	// From is the sender, without angle brackets. It is empty for reports about
	// messages that could not be delivered.
	From string
	// To are the recipients.
	To []string
	// Data is the message. The client ends each line with CR LF; in a server each
	// line ends with CR LF already.
	Data []byte
	// MailParams and RcptParams are further parameters of the commands, such as
	// "RET=HDRS" and "NOTIFY=NEVER".
	MailParams, RcptParams []string
}

// blockSize is the amount of a message that has one DataTimeout.
const blockSize = 32 << 10

// groupSize limits the commands in flight. Client and server would otherwise wait for
// each other if neither reads what the other one writes.
const groupSize = 100

// Send sends a message to a server and closes the connection. The errors are those of
// [Dial] and [Client.Send]. A failure of QUIT after the message was accepted is not an
// error.
func Send(ctx context.Context, addr string, e Envelope, opts *Options) (refused []Refusal, err error) {
	c, err := Dial(ctx, addr, opts)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	refused, err = c.Send(ctx, e)
	if qerr := c.Quit(ctx); qerr != nil && ctx.Err() != nil {
		return refused, qerr // a cancellation
	}
	return refused, err
}

// Send sends a message. After a nil error the server is responsible for it, except for
// the recipients in refused. If it refuses all of them, the error is a [*RefusedError];
// an [*Error] means that it has refused the sender or the message. The connection is
// usable after that. After other errors, and a cancellation, it is unknown whether the
// server has accepted the message.
//
// With PIPELINING, the commands before the message are sent together.
func (c *Client) Send(ctx context.Context, e Envelope) (refused []Refusal, err error) {
	data := canonical(e.Data)
	err = c.lock.With(ctx, func(ctx context.Context) error {
		commands, err := c.commands(e, data)
		if err != nil {
			return err
		}
		refused, err = c.transaction(ctx, e.To, commands, stuff(data))
		return err
	})
	return refused, err
}

// commands returns MAIL, a RCPT for each recipient, and DATA.
func (c *Client) commands(e Envelope, data []byte) ([]string, error) {
	if err := c.Err(); err != nil {
		return nil, err
	}
	if len(e.To) == 0 {
		return nil, fmt.Errorf("%w: no recipient", ErrArgument)
	}
	mail, suffix, utf8 := "MAIL FROM:<"+e.From+">", "", !isASCII(e.From)
	if err := checkAddress(e.From); err != nil {
		return nil, err
	}
	for _, p := range e.RcptParams {
		if err := checkWord("parameter", p); err != nil {
			return nil, err
		}
		suffix += " " + p
	}
	commands := make([]string, 1, len(e.To)+2)
	for _, to := range e.To {
		if err := checkAddress(to); err != nil {
			return nil, err
		}
		if to == "" {
			return nil, fmt.Errorf("%w: an empty recipient", ErrArgument)
		}
		utf8 = utf8 || !isASCII(to)
		commands = append(commands, "RCPT TO:<"+to+">"+suffix)
	}
	if _, ok := c.extensions["SIZE"]; ok {
		if limit := c.sizeLimit(); limit > 0 && int64(len(data)) > limit {
			return nil, &SizeError{int64(len(data)), limit}
		}
		mail += fmt.Sprintf(" SIZE=%d", len(data))
	}
	if !isASCII(data) {
		if err := c.needs("8BITMIME"); err != nil {
			return nil, err
		}
		mail += " BODY=8BITMIME"
	}
	if utf8 {
		if err := c.needs("SMTPUTF8"); err != nil {
			return nil, err
		}
		mail += " SMTPUTF8"
	}
	for _, p := range e.MailParams {
		if err := checkWord("parameter", p); err != nil {
			return nil, err
		}
		mail += " " + p
	}
	commands[0] = mail
	return append(commands, "DATA"), nil
}

// answers are the replies to the commands of a transaction.
type answers struct {
	sender   *Error // of MAIL
	refusals []Refusal
	data     *Error // of DATA
	open     bool   // the server waits for the message
}

// transaction runs the commands of one message.
func (c *Client) transaction(ctx context.Context, to, commands []string, text []byte) ([]Refusal, error) {
	a, err := c.envelope(ctx, to, commands)
	if err != nil {
		return nil, err
	}
	// The reason that nothing is sent, if there is one.
	var refused error
	switch {
	case a.sender != nil:
		refused = a.sender
	case len(a.refusals) == len(to):
		refused = &RefusedError{a.refusals}
	case a.data != nil:
		refused = a.data
	}
	switch {
	case a.open && refused != nil:
		// The commands were sent together, and the server waits for a message
		// that has no recipients. An empty message ends that (RFC 2920, section
		// 3.1); the server refuses it.
		if _, err := c.end(ctx, nil); err != nil && c.Err() != nil {
			return nil, err
		}
	case a.open:
		_, err = c.end(ctx, text)
		refused = err
	}
	if refused == nil {
		return a.refusals, nil
	}
	if c.Err() == nil {
		_, err := c.command(ctx, "RSET", "RSET")
		if err != nil && ctx.Err() != nil {
			return nil, err // a cancellation, which must not be lost
		}
	}
	return nil, refused
}

// envelope sends the commands, together or one after another, and returns all answers.
func (c *Client) envelope(ctx context.Context, to, commands []string) (a answers, err error) {
	group := 1
	if _, ok := c.extensions["PIPELINING"]; ok {
		group = groupSize
	}
	for start := 0; start < len(commands); start += group {
		part := commands[start:min(start+group, len(commands))]
		if last := start+len(part) == len(commands); last && group == 1 && (a.sender != nil || len(a.refusals) == len(to)) {
			return a, nil // DATA would be pointless
		}
		err := c.exchange(ctx, c.opts.Timeout, func(ctx context.Context) error {
			if err := c.wire.write(ctx, []byte(strings.Join(part, "\r\n")+"\r\n"), len(part)); err != nil {
				return err
			}
			for i := range part {
				if err := c.answer(ctx, &a, to, start+i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return a, err
		}
		if group == 1 && a.sender != nil {
			return a, nil
		}
	}
	return a, nil
}

// answer reads the reply to the command with index i. A refusal is not an error, so that
// the replies that follow are read, except for 421.
func (c *Client) answer(ctx context.Context, a *answers, to []string, i int) error {
	var err error
	verb := "RCPT"
	switch {
	case i == 0:
		verb = "MAIL"
		_, err = c.reply(ctx, verb)
	case i <= len(to):
		_, err = c.reply(ctx, verb)
	default:
		verb = "DATA"
		_, err = c.reply(ctx, verb, 354)
		a.open = err == nil
	}
	var refused *Error
	if !errors.As(err, &refused) || refused.Code == 421 {
		return err
	}
	switch verb {
	case "MAIL":
		a.sender = refused
	case "RCPT":
		a.refusals = append(a.refusals, Refusal{to[i-1], refused})
	default:
		a.data = refused
	}
	return nil
}

// end sends the message and reads the answer.
func (c *Client) end(ctx context.Context, text []byte) (r Reply, err error) {
	for len(text) > 0 {
		block := text[:min(blockSize, len(text))]
		text = text[len(block):]
		err := c.exchange(ctx, c.opts.DataTimeout, func(ctx context.Context) error {
			return c.wire.write(ctx, block, 0)
		})
		if err != nil {
			return r, err
		}
	}
	err = c.exchange(ctx, c.opts.FinalTimeout, func(ctx context.Context) error {
		if err := c.wire.write(ctx, []byte(".\r\n"), 1); err != nil {
			return err
		}
		r, err = c.reply(ctx, "the message")
		return err
	})
	return r, err
}
