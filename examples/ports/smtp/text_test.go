package smtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ in, canonical, stuffed string }{
		{"", "", ""},
		{"a", "a\r\n", "a\r\n"},
		{"a\r\n", "a\r\n", "a\r\n"},
		{"\n\r\n\r\r", "\r\n\r\n\r\n\r\n", "\r\n\r\n\r\n\r\n"},
		{".", ".\r\n", "..\r\n"},
		{"..a\n.\n", "..a\r\n.\r\n", "...a\r\n..\r\n"},
		{"a.\nb.c", "a.\r\nb.c\r\n", "a.\r\nb.c\r\n"},
		{"a\r.\rb", "a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n"},
	} {
		got := canonical([]byte(c.in))
		if string(got) != c.canonical {
			t.Errorf("canonical(%q) is %q, want %q", c.in, got, c.canonical)
		}
		if got := stuff(got); string(got) != c.stuffed {
			t.Errorf("%q is sent as %q, want %q", c.in, got, c.stuffed)
		}
	}
}

// feed returns a reader that has p, followed by EOF.
func feed(ctx context.Context, p []byte) *aio.StreamReader {
	r := aio.NewStreamReader(ctx, readLimit)
	r.FeedData(p)
	r.FeedEOF()
	return r
}

// FuzzText checks that the server reads what the client has sent, whatever it is, and
// never ends a message early or late.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", ".", "a\n.\nb", "\r.\r\n.\r", "..\r\n.", strings.Repeat("x", 2000)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		const rest = "QUIT\r\n"
		want := canonical(message)
		wire := append(stuff(want), ".\r\n"+rest...)
		aiotest.Run(t, func(ctx context.Context) error {
			c := &session{srv: &Server{}, r: feed(ctx, wire)}
			c.srv.opts.Limits.setDefaults()
			c.srv.opts.Limits.TextLine = len(want) + 2
			text, bad, err := c.text(ctx)
			if err != nil {
				return err
			}
			long := false
			for _, line := range bytes.Split(want, []byte("\r\n")) {
				// 3 more bytes: the second dot and CR LF
				long = long || len(line)+3 > readLimit
			}
			if bad != "" && !long || bad == "" && !bytes.Equal(text, want) {
				return fmt.Errorf("got %q %s, want %q", text, bad, want)
			}
			left, err := c.r.Read(ctx, -1)
			if err == nil && string(left) != rest {
				err = fmt.Errorf("%q is left, want %q", left, rest)
			}
			return err
		})
	})
}

// FuzzSmuggling sends bytes as they are: the server must accept nothing that has a line
// end which is not CR LF, and must end the message at the first line with only a dot,
// between two CR LF.
func FuzzSmuggling(f *testing.F) {
	for _, s := range []string{"", "\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "a\r\n.\r\nb", "\r\n..\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		wire := append(append([]byte{}, sent...), "\r\n.\r\n"...)
		// the end of the text, without the CR LF of the last line
		end := bytes.Index(append([]byte("\r\n"), wire...), []byte("\r\n.\r\n")) - 2
		text, rest := wire[:max(end, 0)+2], wire[end+5:]
		if end < 0 { // the first line is the end
			text, rest = nil, wire[3:]
		}
		aiotest.Run(t, func(ctx context.Context) error {
			c := &session{srv: &Server{}, r: feed(ctx, wire)}
			c.srv.opts.Limits.setDefaults()
			got, bad, err := c.text(ctx)
			if err != nil {
				return err
			}
			left, err := c.r.Read(ctx, -1)
			if err == nil && !bytes.Equal(left, rest) {
				err = fmt.Errorf("%q is left, want %q", left, rest)
			}
			bare := bytes.ContainsAny(bytes.ReplaceAll(text, []byte("\r\n"), nil), "\r\n")
			if bare && bad == "" {
				err = errors.Join(err, fmt.Errorf("%q is accepted as %q", text, got))
			}
			return err
		})
	})
}

func TestReplyParser(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string // the replies; "" after an error
		rest bool   // a part of a reply is left
	}{
		{"250 OK\r\n", "250 OK;", false},
		{"250 OK\n", "250 OK;", false},
		{"250\r\n", "250 ;", false},
		{"250 \r\n", "250 ;", false},
		{"250-a\r\n250-\r\n250 b\r\n", "250 a /  / b;", false},
		{"250 a\r\n354 b\r\n55", "250 a;354 b;", true},
		{"250-a\r\n", "", true},
		{"599 x\r\n", "599 x;", false},
		{"hello\r\n", "error", false},
		{"25\r\n", "error", false},
		{"\r\n", "error", false},
		{"2500 OK\r\n", "error", false},
		{"250-a\r\n251 b\r\n", "error", false},
		{"199 x\r\n", "error", false},
		{"600 x\r\n", "error", false},
	} {
		for size := range len(c.in) { // in parts of each size
			var p replyParser
			got, failed := "", false
			for in := []byte(c.in); len(in) > 0 && !failed; {
				part := in[:min(size+1, len(in))]
				in = in[len(part):]
				for len(part) > 0 {
					r, rest, err := p.next(part)
					if err != nil {
						failed = true
						break
					}
					if r.Code != 0 {
						got += r.String() + ";"
					}
					part = rest
				}
			}
			if failed {
				got = "error"
			}
			if got != c.want || !failed && p.empty() == c.rest {
				t.Errorf("%q in parts of %d: %q, want %q; empty: %v", c.in, size+1, got, c.want, p.empty())
			}
		}
	}
}

func TestEnvelopeOf(t *testing.T) {
	for _, c := range []struct {
		header string
		from   string
		to     string
		text   string // the header that is sent
	}{
		{"From: a@x\nTo: b@x", "a@x", "b@x", "From: a@x\r\nTo: b@x\r\n"},
		{"From: Ann <a@x>\nSender: s@x\nTo: B <b@x>, \"c, d\" <c@x>\nCc: b@x, d@x", "s@x", "b@x c@x d@x", "From: Ann <a@x>\r\nSender: s@x\r\nTo: B <b@x>, \"c, d\" <c@x>\r\nCc: b@x, d@x\r\n"},
		{"From: a@x\nBcc: b@x,\n c@x\nTo: d@x\nbcc : e@x", "a@x", "d@x b@x c@x", "From: a@x\r\nTo: d@x\r\n"},
		{"From: a@x\nTo: b@x\nTo: c@x", "a@x", "b@x c@x", "From: a@x\r\nTo: b@x\r\nTo: c@x\r\n"},
		{"From: =?utf-8?q?=C3=A4?= <a@x>\nTo: =?utf-8?q?=C3=B6?= <b@x>", "a@x", "b@x", "From: =?utf-8?q?=C3=A4?= <a@x>\r\nTo: =?utf-8?q?=C3=B6?= <b@x>\r\n"},
		{"From: ä@x\nTo: ö@x", "ä@x", "ö@x", "From: ä@x\r\nTo: ö@x\r\n"},
		{"From: a@x\nTo: b@x\nResent-Date: Thu, 1 Jan 1970 00:00:00 +0000\nResent-From: r@x\nResent-To: s@x\nResent-Bcc: t@x", "r@x", "s@x t@x",
			"From: a@x\r\nTo: b@x\r\nResent-Date: Thu, 1 Jan 1970 00:00:00 +0000\r\nResent-From: r@x\r\nResent-To: s@x\r\n"},
		{"From: a@x, b@x\nTo: undisclosed:;", "a@x", "", "From: a@x, b@x\r\nTo: undisclosed:;\r\n"},
		{"To: b@x", "", "b@x", "To: b@x\r\n"},
		{"From: a@x\nTo: b@x\r\nRSET", "error", "", ""},
		{"From: a@x\nTo: b@@x", "error", "", ""},
		{"From: a@x\nResent-Date: Thu, 1 Jan 1970 00:00:00 +0000\nResent-Date: Thu, 1 Jan 1970 00:00:00 +0000\nResent-To: b@x", "error", "", ""},
	} {
		const body = "\n\nBcc: stays\n.\n"
		e, err := EnvelopeOf([]byte(c.header + body))
		if err != nil {
			if c.from != "error" || !errors.Is(err, ErrArgument) {
				t.Errorf("%q: %v", c.header, err)
			}
			continue
		}
		if to := strings.Join(e.To, " "); e.From != c.from || to != c.to || string(e.Data) != c.text+"\r\nBcc: stays\r\n.\r\n" {
			t.Errorf("%q: from %q to %q: %q", c.header, e.From, to, e.Data)
		}
	}
}
