package smtp

// The mechanisms of AUTH, the client's side.

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Mechanism is a way for a client to authenticate; [Plain], [Login], [CRAMMD5] and
// [XOAuth2] make one for [Client.Auth].
type Mechanism struct {
	// Name is the name of the mechanism in AUTH.
	Name string
	// Reveals reports whether an eavesdropper on the connection could use the data
	// that is sent. Then Auth needs TLS, unless [Options.PlaintextAuth] is set.
	Reveals bool
	// Initial is the response that is sent with the command; nil if there is none.
	Initial []byte
	// Next returns the response to the challenge with index i. After an error the
	// client cancels the exchange.
	Next func(i int, challenge []byte) ([]byte, error)
}

var errChallenge = errors.New("smtp: the server asks for more than the mechanism has")

// Plain is the mechanism of RFC 4616.
func Plain(user, password string) Mechanism {
	return Mechanism{
		Name: "PLAIN", Reveals: true,
		Initial: []byte("\x00" + user + "\x00" + password),
		Next:    func(int, []byte) ([]byte, error) { return nil, errChallenge },
	}
}

// Login is the mechanism LOGIN, which asks for the user and then for the password.
func Login(user, password string) Mechanism {
	return Mechanism{
		Name: "LOGIN", Reveals: true,
		Next: func(i int, _ []byte) ([]byte, error) {
			if i > 1 {
				return nil, errChallenge
			}
			return []byte([2]string{user, password}[i]), nil
		},
	}
}

// CRAMMD5 is the mechanism of RFC 2195.
func CRAMMD5(user, password string) Mechanism {
	return Mechanism{
		Name: "CRAM-MD5",
		Next: func(_ int, challenge []byte) ([]byte, error) {
			return []byte(user + " " + hmacMD5(password, challenge)), nil
		},
	}
}

// XOAuth2 is the mechanism for access tokens of OAuth 2 that large providers have.
func XOAuth2(user, token string) Mechanism {
	return Mechanism{
		Name: "XOAUTH2", Reveals: true,
		Initial: []byte("user=" + user + "\x01auth=Bearer " + token + "\x01\x01"),
		// The challenge contains the reason for the refusal. The refusal itself
		// follows this response.
		Next: func(int, []byte) ([]byte, error) { return []byte{}, nil },
	}
}

func hmacMD5(password string, challenge []byte) string {
	h := hmac.New(md5.New, []byte(password))
	h.Write(challenge)
	return hex.EncodeToString(h.Sum(nil))
}

// encode64 is the form of a response in AUTH; a single = is an empty initial one.
func encode64(b []byte, initial bool) string {
	if initial && len(b) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(b)
}

// checkSecret checks a user or a password, which mechanisms separate with control
// characters.
func checkSecret(what, s string) error {
	if strings.ContainsFunc(s, isControl) {
		return fmt.Errorf("%w: a control character in the %s", ErrArgument, what)
	}
	return nil
}
