package smtp

// AUTH, the server's side (RFC 4954).

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goaio/aio"
)

// mechanisms returns the mechanisms that the client may use now.
func (c *session) mechanisms() (names []string) {
	if _, ok := c.srv.handler.(PasswordFinder); ok {
		names = append(names, "CRAM-MD5")
	}
	if _, ok := c.srv.handler.(Authenticator); ok && (c.Secure || c.srv.opts.PlaintextAuth) {
		names = append(names, "PLAIN", "LOGIN")
	}
	return names
}

func (c *session) auth(ctx context.Context, arg string) error {
	name, initial, given := strings.Cut(arg, " ")
	name = strings.ToUpper(name)
	switch {
	case !c.ESMTP:
		return c.say(ctx, "503 5.5.1 EHLO first")
	case c.User != "":
		return c.say(ctx, "503 5.5.1 already authenticated")
	case c.envelope != nil:
		return c.say(ctx, "503 5.5.1 not during a message")
	case name == "":
		return c.say(ctx, "501 5.5.4 usage: AUTH mechanism [response]")
	case !slices.Contains(c.mechanisms(), name):
		if _, ok := c.srv.handler.(Authenticator); ok && !c.Secure && (name == "PLAIN" || name == "LOGIN") {
			return c.say(ctx, "538 5.7.11 the mechanism needs TLS")
		}
		return c.say(ctx, "504 5.5.4 unknown mechanism")
	}
	login, err := c.credentials(ctx, name, initial, given)
	var refused *Error
	switch {
	case errors.As(err, &refused):
		return c.send(ctx, refused.Reply)
	case errors.Is(err, aio.ErrTimeout):
		return c.end(ctx, "421 4.4.2 no response for too long")
	case err != nil:
		return err
	}
	if ok, err := c.answer(ctx, login.verify(ctx)); !ok {
		return err
	}
	c.User = login.user
	return c.say(ctx, "235 2.7.0 authenticated")
}

// login is what a client claims.
type login struct {
	user   string
	verify func(ctx context.Context) error
}

// credentials runs the exchange of a mechanism. For an invalid response it returns an
// [*Error], which is sent to the client.
func (c *session) credentials(ctx context.Context, name, initial string, given bool) (login, error) {
	switch name {
	case "PLAIN":
		return c.plain(ctx, initial, given)
	case "LOGIN":
		return c.login(ctx, initial, given)
	}
	return c.cramMD5(ctx, given)
}

// ask sends a challenge and returns the response.
func (c *session) ask(ctx context.Context, challenge string) (string, error) {
	r := Reply{334, []string{base64.StdEncoding.EncodeToString([]byte(challenge))}}
	if err := c.send(ctx, r); err != nil {
		return "", err
	}
	var l line
	err := aio.Timeout(ctx, c.srv.opts.Limits.CommandTimeout, func(ctx context.Context) (err error) {
		l, err = readLine(ctx, c.r)
		return err
	})
	switch {
	case err != nil:
		return "", err
	case l.dropped > 0:
		return "", Refuse(500, "5.5.6 the response is too long")
	case !l.clean():
		return "", Refuse(500, "5.5.2 a line ends with CR LF")
	case string(l.text) == "*":
		return "", Refuse(501, "5.7.0 cancelled")
	}
	return decode64(string(l.text))
}

func decode64(s string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", Refuse(501, "5.5.2 the response is not base64")
	}
	return string(b), nil
}

// first returns the response that came with the command, or asks for it.
func (c *session) first(ctx context.Context, challenge, initial string, given bool) (string, error) {
	switch {
	case !given:
		return c.ask(ctx, challenge)
	case initial == "=": // empty
		return "", nil
	}
	return decode64(initial)
}

func (c *session) plain(ctx context.Context, initial string, given bool) (login, error) {
	response, err := c.first(ctx, "", initial, given)
	if err != nil {
		return login{}, err
	}
	fields := strings.Split(response, "\x00")
	if len(fields) != 3 {
		return login{}, Refuse(501, "5.5.2 PLAIN needs a name, a user and a password")
	}
	if fields[0] != "" && fields[0] != fields[1] {
		return login{}, Refuse(535, "5.7.8 acting for another user is not allowed")
	}
	return c.password(fields[1], fields[2])
}

func (c *session) login(ctx context.Context, initial string, given bool) (login, error) {
	user, err := c.first(ctx, "Username:", initial, given)
	if err != nil {
		return login{}, err
	}
	password, err := c.ask(ctx, "Password:")
	if err != nil {
		return login{}, err
	}
	return c.password(user, password)
}

// password makes a login that the handler verifies. It refuses an empty name, because
// an empty Session.User means no authentication.
func (c *session) password(user, password string) (login, error) {
	if user == "" {
		return login{}, errCredentials
	}
	return login{user, func(ctx context.Context) error {
		return c.srv.handler.(Authenticator).Authenticate(ctx, &c.Session, user, password)
	}}, nil
}

var errCredentials = Refuse(535, "5.7.8 authentication failed")

func (c *session) cramMD5(ctx context.Context, given bool) (login, error) {
	if given {
		return login{}, Refuse(501, "5.5.2 CRAM-MD5 has no initial response")
	}
	challenge := fmt.Sprintf("<%s@%s>", rand.Text(), c.srv.opts.Hostname)
	response, err := c.ask(ctx, challenge)
	if err != nil {
		return login{}, err
	}
	i := strings.LastIndexByte(response, ' ')
	if i < 1 {
		return login{}, Refuse(501, "5.5.2 CRAM-MD5 needs a user and a digest")
	}
	user, digest := response[:i], response[i+1:]
	return login{user, func(ctx context.Context) error {
		password, err := c.srv.handler.(PasswordFinder).Password(ctx, &c.Session, user)
		if err == nil && !hmac.Equal([]byte(digest), []byte(hmacMD5(password, []byte(challenge)))) {
			err = errCredentials
		}
		return err
	}}, nil
}
