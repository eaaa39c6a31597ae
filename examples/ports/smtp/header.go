package smtp

import (
	"bytes"
	"errors"
	"fmt"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
)

// EnvelopeOf makes an envelope of the header of a message: the sender is that of Sender
// or From, the recipients are those of To, Cc and Bcc, each of them once. For a message
// that was resent, the fields with the prefix Resent- count (RFC 5322, section 3.6.6); it
// fails if it was resent more than once. Bcc is not part of Data.
func EnvelopeOf(message []byte) (e Envelope, err error) {
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		return e, fmt.Errorf("%w: %w", ErrArgument, err)
	}
	prefix := ""
	switch n := len(m.Header["Resent-Date"]); {
	case n > 1:
		return e, fmt.Errorf("%w: the message was resent %d times", ErrArgument, n)
	case n == 1:
		prefix = "Resent-"
	}
	list := func(fields ...string) (addrs []string, err error) {
		for _, f := range fields {
			for _, text := range m.Header[textproto.CanonicalMIMEHeaderKey(prefix+f)] {
				if strings.TrimSpace(text) == "" {
					continue
				}
				parsed, err := mail.ParseAddressList(text)
				if err != nil {
					return nil, fmt.Errorf("%w: %s%s: %w", ErrArgument, prefix, f, err)
				}
				for _, a := range parsed {
					if !slices.Contains(addrs, a.Address) {
						addrs = append(addrs, a.Address)
					}
				}
			}
		}
		return addrs, nil
	}
	sender, err1 := list("Sender")
	if len(sender) == 0 {
		sender, err1 = list("From")
	}
	to, err2 := list("To", "Cc", "Bcc")
	if err := errors.Join(err1, err2); err != nil {
		return e, err
	}
	if len(sender) > 0 {
		e.From = sender[0]
	}
	e.To, e.Data = to, withoutBcc(canonical(message))
	return e, nil
}

// withoutBcc removes the fields Bcc and Resent-Bcc from the header.
func withoutBcc(message []byte) []byte {
	var out []byte
	skip := false
	for len(message) > 0 {
		i := bytes.IndexByte(message, '\n') + 1
		line := message[:i]
		if string(line) == "\r\n" {
			break
		}
		message = message[i:]
		if line[0] != ' ' && line[0] != '\t' { // not the continuation of a field
			name, _, _ := strings.Cut(strings.ToLower(string(line)), ":")
			name = strings.TrimSpace(name)
			skip = name == "bcc" || name == "resent-bcc"
		}
		if !skip {
			out = append(out, line...)
		}
	}
	return append(out, message...)
}
