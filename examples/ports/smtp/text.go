package smtp

// The form of a message on the wire (RFC 5321, sections 2.3.8 and 4.5.2): lines end
// with CR LF, a line that begins with a dot gets a second dot, and a line with only a
// dot ends the message.

import "bytes"

// canonical returns data with CR LF at the end of each line, also of the last one. A CR
// or an LF that stands alone is the end of a line: sent unchanged, it could end the
// message at a server that accepts it as a line end.
func canonical(data []byte) []byte {
	out := make([]byte, 0, len(data)+len(data)/32+2)
	for i := 0; i < len(data); i++ {
		switch b := data[i]; b {
		case '\r':
			if i+1 < len(data) && data[i+1] == '\n' {
				i++
			}
			out = append(out, '\r', '\n')
		case '\n':
			out = append(out, '\r', '\n')
		default:
			out = append(out, b)
		}
	}
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\r\n")) {
		out = append(out, '\r', '\n')
	}
	return out
}

// stuff doubles the dots at the beginning of lines of a canonical text.
func stuff(text []byte) []byte {
	out := make([]byte, 0, len(text)+len(text)/64+1)
	if len(text) > 0 && text[0] == '.' {
		out = append(out, '.')
	}
	for {
		i := bytes.Index(text, []byte("\n."))
		if i < 0 {
			return append(out, text...)
		}
		out = append(out, text[:i+2]...)
		out = append(out, '.')
		text = text[i+2:]
	}
}

// isASCII reports whether all bytes are below 128.
func isASCII[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
