package smtp

// A reply is one or more lines: three digits, a hyphen in every line but the last, text
// (RFC 5321, section 4.2). Client and server share this file.

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

const (
	// maxReplyLine is the longest line of a reply that the client accepts. The
	// standard says 512; some servers exceed it.
	maxReplyLine = 4096
	// maxReplyLines is the number of lines that a reply may have.
	maxReplyLines = 256
)

// Reply is the answer of a server to a command.
type Reply struct {
	Code  int
	Lines []string // the text of each line, without the code
}

// String returns the code and the text of all lines.
func (r Reply) String() string { return fmt.Sprintf("%03d %s", r.Code, strings.Join(r.Lines, " / ")) }

// Positive reports whether the command was accepted, or more is expected for it.
func (r Reply) Positive() bool { return r.Code >= 200 && r.Code < 400 }

// wire returns the reply as it is sent.
func (r Reply) wire() []byte {
	var b strings.Builder
	for i, line := range r.Lines {
		sep := '-'
		if i == len(r.Lines)-1 {
			sep = ' '
		}
		fmt.Fprintf(&b, "%03d%c%s\r\n", r.Code, sep, oneLine(line))
	}
	return []byte(b.String())
}

// oneLine replaces what would end a line. The text of a reply can come from a handler,
// which may quote what the client has sent.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// Error is a reply that refuses a command. The server sends an Error that a handler
// returns.
type Error struct {
	Command string // the command that was refused, "connect" for the greeting
	Reply
}

// Refuse returns an [*Error] for a handler to return: the client gets this code and text.
// The text should begin with an enhanced status code, such as 5.1.1.
func Refuse(code int, text string) *Error {
	return &Error{Reply: Reply{Code: code, Lines: []string{text}}}
}

func (e *Error) Error() string {
	if e.Command == "" {
		return "smtp: " + e.Reply.String()
	}
	return "smtp: " + e.Command + ": " + e.Reply.String()
}

// Temporary reports whether the same command can be accepted later: the code is 4yz.
func (e *Error) Temporary() bool { return e.Code/100 == 4 }

// Refusal is a recipient that the server has refused.
type Refusal struct {
	Recipient string
	Err       *Error
}

// RefusedError says that the server has refused all recipients, and that nothing was
// sent.
type RefusedError struct{ Refusals []Refusal }

func (e *RefusedError) Error() string {
	var b strings.Builder
	b.WriteString("smtp: all recipients are refused")
	for _, r := range e.Refusals {
		fmt.Fprintf(&b, "; %s: %s", r.Recipient, r.Err.Reply)
	}
	return b.String()
}

// Unwrap returns the errors of the recipients.
func (e *RefusedError) Unwrap() []error {
	var errs []error
	for _, r := range e.Refusals {
		errs = append(errs, r.Err)
	}
	return errs
}

// UnsupportedError says that a message or a call needs an extension that the server does
// not offer. Nothing was sent.
type UnsupportedError struct{ Extension string }

func (e *UnsupportedError) Error() string { return "smtp: the server does not support " + e.Extension }

// SizeError says that a message is larger than the server accepts. Nothing was sent.
type SizeError struct{ Size, Limit int64 }

func (e *SizeError) Error() string {
	return fmt.Sprintf("smtp: the message has %d bytes, and the server accepts %d", e.Size, e.Limit)
}

var (
	// ErrClosed is the error of calls on a Client whose connection is closed. The
	// error matches the reason too, if there is one.
	ErrClosed = errors.New("smtp: the connection is closed")
	// ErrProtocol is the error for an answer that is malformed or unsolicited.
	// The connection is closed.
	ErrProtocol = errors.New("smtp: the server violates the protocol")
	// ErrArgument is the error for an argument that cannot be sent, such as an
	// address with a line break. Nothing was sent.
	ErrArgument = errors.New("smtp: invalid argument")
)

// replyParser makes replies from lines.
type replyParser struct {
	line  []byte // the part of a line that has arrived
	reply Reply  // the lines before
}

// empty reports whether no part of a reply has arrived.
func (p *replyParser) empty() bool { return len(p.line) == 0 && len(p.reply.Lines) == 0 }

// next takes bytes of b until a reply is complete, and returns the rest. A complete reply
// has a Code.
func (p *replyParser) next(b []byte) (r Reply, rest []byte, err error) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		n := i + 1
		if i < 0 {
			n = len(b)
		}
		if len(p.line)+n > maxReplyLine {
			return Reply{}, nil, fmt.Errorf("%w: a line of more than %d bytes", ErrProtocol, maxReplyLine)
		}
		p.line = append(p.line, b[:n]...)
		b = b[n:]
		if i < 0 {
			break
		}
		line := strings.TrimRight(string(p.line), "\r\n")
		p.line = p.line[:0]
		last, err := p.add(line)
		if err != nil {
			return Reply{}, nil, err
		}
		if last {
			r, p.reply = p.reply, Reply{}
			return r, b, nil
		}
	}
	return Reply{}, nil, nil
}

// add adds a line, and reports whether it is the last one.
func (p *replyParser) add(line string) (last bool, err error) {
	code := 0
	for i := range 3 {
		if i >= len(line) || line[i] < '0' || line[i] > '9' {
			return false, fmt.Errorf("%w: %q is not a reply", ErrProtocol, line)
		}
		code = 10*code + int(line[i]-'0')
	}
	text := ""
	last = true
	if len(line) > 3 {
		switch line[3] {
		case ' ':
		case '-':
			last = false
		default:
			return false, fmt.Errorf("%w: %q is not a reply", ErrProtocol, line)
		}
		text = line[4:]
	}
	switch {
	case code < 200 || code > 599:
		return false, fmt.Errorf("%w: the code of %q", ErrProtocol, line)
	case len(p.reply.Lines) > 0 && p.reply.Code != code:
		return false, fmt.Errorf("%w: a reply with the codes %d and %d", ErrProtocol, p.reply.Code, code)
	case len(p.reply.Lines) == maxReplyLines:
		return false, fmt.Errorf("%w: a reply of more than %d lines", ErrProtocol, maxReplyLines)
	}
	p.reply.Code = code
	p.reply.Lines = append(p.reply.Lines, strings.ToValidUTF8(text, "\uFFFD"))
	return last, nil
}
