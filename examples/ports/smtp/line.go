package smtp

// Reading lines. A line ends with CR LF. Servers that also end lines at a bare CR or LF
// disagree with other servers about where a message ends, and an attacker can use that
// to smuggle in a second message. So a bare CR or LF never ends a command or a message,
// and a line that contains one of them is refused.

import (
	"bytes"
	"context"
	"errors"

	"github.com/goaio/aio"
)

// readLimit is the limit of the stream: the longest line of AUTH (RFC 4954, section 4.4).
const readLimit = 12288

// line is a line as it has arrived, up to an LF.
type line struct {
	text []byte // without CR LF or LF; only the end of a line that is too long
	// bytes before text, of a line that is longer than the stream's limit
	dropped int
	crlf    bool // ends with CR LF
}

// clean reports whether the line has the form that a line must have.
func (l line) clean() bool { return l.crlf && bytes.IndexByte(l.text, '\r') < 0 }

// readLine reads up to the next LF. A line that is too long is dropped as a whole: its
// rest would be taken for a command.
func readLine(ctx context.Context, r *aio.StreamReader) (l line, err error) {
	var last byte // of the dropped part
	for {
		b, err := r.ReadUntil(ctx, []byte("\n"))
		var over *aio.LimitOverrunError
		if errors.As(err, &over) {
			b, err = r.ReadExactly(ctx, over.Consumed)
			if err != nil {
				return l, err
			}
			l.dropped += len(b)
			last = b[len(b)-1]
			continue
		}
		if err != nil {
			return l, err
		}
		l.crlf = bytes.HasSuffix(b, []byte("\r\n")) || len(b) == 1 && last == '\r'
		l.text = bytes.TrimSuffix(b[:len(b)-1], []byte("\r"))
		return l, nil
	}
}
