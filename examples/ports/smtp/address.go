package smtp

// Addresses and parameters of MAIL and RCPT (RFC 5321, sections 4.1.1 and 4.1.2).

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	maxLocalPart = 64
	maxDomain    = 255
)

// checkAddress checks an address, without angle brackets, as a client gets it from its
// user. It refuses only characters that would change the command; the server checks the
// rest.
func checkAddress(addr string) error {
	if !utf8.ValidString(addr) || strings.ContainsFunc(addr, isControl) {
		return fmt.Errorf("%w: the address %q", ErrArgument, addr)
	}
	quoted := false
	for i := 0; i < len(addr); i++ {
		switch c := addr[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '<' || c == '>' || c == ' '):
			return fmt.Errorf("%w: the address %q", ErrArgument, addr)
		}
	}
	if quoted {
		return fmt.Errorf("%w: the address %q", ErrArgument, addr)
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// checkWord checks an argument that must not have spaces.
func checkWord(what, s string) error {
	if s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("%w: the %s %q", ErrArgument, what, s)
	}
	return nil
}

// path is the argument of MAIL or RCPT.
type path struct {
	addr   string // without angle brackets and source route
	params map[string]string
}

// parsePath parses the argument after "FROM:" or "TO:".
func parsePath(s string) (p path, err error) {
	s = strings.TrimLeft(s, " ") // many clients send a space here
	if !strings.HasPrefix(s, "<") {
		return p, fmt.Errorf("an address in angle brackets is needed")
	}
	end := closing(s)
	if end < 0 {
		return p, fmt.Errorf("the closing angle bracket is missing")
	}
	addr, rest := s[1:end], s[end+1:]
	if strings.HasPrefix(addr, "@") { // a source route, to be ignored
		_, after, ok := strings.Cut(addr, ":")
		if !ok {
			return p, fmt.Errorf("a route without an address")
		}
		addr = after
	}
	p.addr = addr
	if rest == "" {
		return p, nil
	}
	if rest[0] != ' ' {
		return p, fmt.Errorf("text after the address")
	}
	p.params = map[string]string{}
	for _, field := range strings.Fields(rest) {
		name, value, has := strings.Cut(field, "=")
		name = strings.ToUpper(name)
		if !isKeyword(name) || has && value == "" {
			return p, fmt.Errorf("the parameter %s", field)
		}
		if _, twice := p.params[name]; twice {
			return p, fmt.Errorf("the parameter %s, twice", name)
		}
		p.params[name] = value
	}
	return p, nil
}

// closing returns the index of the bracket that ends the address in s, -1 without one.
func closing(s string) int {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			return i
		}
	}
	return -1
}

// isKeyword reports whether s is the name of a parameter.
func isKeyword(s string) bool {
	for i, r := range s {
		letter := 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letter && (r != '-' || i == 0) {
			return false
		}
	}
	return s != ""
}

// checkMailbox checks an address that a client has sent.
func checkMailbox(addr string) error {
	local, domain := addr, ""
	if i := strings.LastIndexByte(addr, '@'); i >= 0 {
		local, domain = addr[:i], addr[i+1:]
	} else if !strings.EqualFold(addr, "postmaster") {
		return fmt.Errorf("an address without a domain")
	}
	switch {
	case !utf8.ValidString(addr) || strings.ContainsFunc(addr, isControl):
		return fmt.Errorf("the address has invalid characters")
	case len(local) > maxLocalPart:
		return fmt.Errorf("the local part has more than %d bytes", maxLocalPart)
	case len(domain) > maxDomain:
		return fmt.Errorf("the domain has more than %d bytes", maxDomain)
	case !isLocalPart(local):
		return fmt.Errorf("the local part")
	case strings.Contains(addr, "@") && !isDomain(domain):
		return fmt.Errorf("the domain")
	}
	return nil
}

// isLocalPart reports whether s is a dot-string or a quoted string.
func isLocalPart(s string) bool {
	if strings.HasPrefix(s, `"`) {
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case '"':
				return i == len(s)-1
			}
		}
		return false
	}
	for _, atom := range strings.Split(s, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool {
			return r <= ' ' || strings.ContainsRune(`"(),:;<>@[\]`, r)
		}) {
			return false
		}
	}
	return true
}

// isDomain reports whether s is a domain or an address literal.
func isDomain(s string) bool {
	if strings.HasPrefix(s, "[") {
		return len(s) > 2 && strings.IndexAny(s, "] ") == len(s)-1
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
			if !letter && r != '-' && r != '_' && r < 0x80 {
				return false
			}
		}
	}
	return true
}
