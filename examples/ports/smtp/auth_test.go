package smtp

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// Our client and our server with every mechanism.
func TestAuth(t *testing.T) {
	for name, c := range map[string]struct {
		server ServerOptions
		opts   Options
		auth   func(ctx context.Context, c *Client) error
		want   func(err error) error
		user   string
	}{
		"CRAM-MD5 first": {opts: Options{User: "ann", Password: "secret"}, user: "ann"},
		"PLAIN":          {server: ServerOptions{PlaintextAuth: true}, opts: Options{PlaintextAuth: true}, auth: mechanism(Plain("ann", "secret")), user: "ann"},
		"LOGIN":          {server: ServerOptions{PlaintextAuth: true}, opts: Options{PlaintextAuth: true}, auth: mechanism(Login("ann", "secret")), user: "ann"},
		"CRAM-MD5":       {auth: mechanism(CRAMMD5("bob", "tanstaaftanstaaf")), user: "bob"},
		"PLAIN, wrong": {server: ServerOptions{PlaintextAuth: true}, opts: Options{PlaintextAuth: true}, auth: mechanism(Plain("ann", "wrong")),
			want: func(err error) error { return code(err, "AUTH", 535) }},
		"LOGIN, wrong": {server: ServerOptions{PlaintextAuth: true}, opts: Options{PlaintextAuth: true}, auth: mechanism(Login("ann", "wrong")),
			want: func(err error) error { return code(err, "AUTH", 535) }},
		"CRAM-MD5, wrong": {auth: mechanism(CRAMMD5("ann", "wrong")), want: func(err error) error { return code(err, "AUTH", 535) }},
		"all are tried": {server: ServerOptions{PlaintextAuth: true}, opts: Options{PlaintextAuth: true},
			auth: func(ctx context.Context, c *Client) error { return c.Login(ctx, "ann", "wrong") },
			want: func(err error) error { return code(err, "AUTH", 535) }},
		"not offered": {auth: mechanism(XOAuth2("ann", "token")), want: func(err error) error {
			if !errors.As(err, new(*UnsupportedError)) {
				return err
			}
			return nil
		}},
		"without TLS": {server: ServerOptions{PlaintextAuth: true}, auth: mechanism(Plain("ann", "secret")),
			want: func(err error) error { return is(err, ErrArgument) }},
		"control characters": {auth: func(ctx context.Context, c *Client) error { return c.Login(ctx, "ann\x00", "secret") },
			want: func(err error) error { return is(err, ErrArgument) }},
		"the mechanism gives up": {auth: mechanism(Mechanism{Name: "CRAM-MD5", Next: func(int, []byte) ([]byte, error) { return nil, errChallenge }}),
			want: func(err error) error { return errors.Join(is(err, errChallenge), code(err, "AUTH", 501)) }},
	} {
		t.Run(name, func(t *testing.T) {
			explore(t, func(ctx context.Context) error {
				m := &memory{}
				srv, err := Start(ctx, addr, m, named(&c.server))
				if err != nil {
					return err
				}
				client, err := dial(ctx, &c.opts)
				if err != nil {
					return err
				}
				if c.auth != nil {
					err = c.auth(ctx, client)
				}
				if c.want != nil {
					err = c.want(err)
				}
				if err != nil {
					return err
				}
				// The connection is usable in any case.
				if _, err := client.Send(ctx, letter); err != nil {
					return err
				}
				if got := m.sessions[0].User; got != c.user {
					return fmt.Errorf("the user is %q, want %q", got, c.user)
				}
				return errors.Join(client.Quit(ctx), srv.Shutdown(ctx, time.Minute))
			})
		})
	}
}

func mechanism(m Mechanism) func(ctx context.Context, c *Client) error {
	return func(ctx context.Context, c *Client) error { return c.Auth(ctx, m) }
}

// The messages of the mechanisms, including the examples of RFC 4616 and RFC 2195.
func TestMechanisms(t *testing.T) {
	if got := string(Plain("tim", "tanstaaftanstaaf").Initial); got != "\x00tim\x00tanstaaftanstaaf" {
		t.Errorf("PLAIN: %q", got)
	}
	got, err := CRAMMD5("tim", "tanstaaftanstaaf").Next(0, []byte("<1896.697170952@postoffice.reston.mci.net>"))
	if err != nil || string(got) != "tim b913a602c7eda7a495b4e6e7334d3890" {
		t.Errorf("CRAM-MD5: %q, %v", got, err)
	}
	if got := string(XOAuth2("ann", "token").Initial); got != "user=ann\x01auth=Bearer token\x01\x01" {
		t.Errorf("XOAUTH2: %q", got)
	}
	m := Login("ann", "secret")
	for i, want := range []string{"ann", "secret"} {
		if got, err := m.Next(i, nil); err != nil || string(got) != want {
			t.Errorf("LOGIN: %q, %v", got, err)
		}
	}
	if _, err := m.Next(2, nil); err == nil {
		t.Error("LOGIN has a third answer")
	}
	if got := encode64(nil, true) + encode64([]byte("a"), true) + encode64(nil, false); got != "=YQ==" {
		t.Errorf("base64: %q", got)
	}
}

// XOAUTH2 against a written server: the reason for a refusal is a challenge.
func TestXOAuth2(t *testing.T) {
	withServer(t, `
		S: 220 mx
		C: EHLO me
		S: 250-mx
		S: 250 AUTH XOAUTH2
		C: AUTH XOAUTH2 `+b64("user=ann\x01auth=Bearer old\x01\x01")+`
		S: 334 `+b64("expired")+`
		C: 
		S: 535 no
		C: AUTH XOAUTH2 `+b64("user=ann\x01auth=Bearer new\x01\x01")+`
		S: 235 OK`+usableEnd, func(ctx context.Context) error {
		c, err := dial(ctx, &Options{PlaintextAuth: true})
		if err != nil {
			return err
		}
		err1 := c.Auth(ctx, XOAuth2("ann", "old"))
		err2 := c.Auth(ctx, XOAuth2("ann", "new"))
		return errors.Join(code(err1, "AUTH", 535), err2, usable(ctx, c))
	})
}

// A challenge that is not base64 is cancelled.
func TestAuthBadChallenge(t *testing.T) {
	withServer(t, "S: 220 mx\nC: EHLO me\nS: 250-mx\nS: 250 AUTH CRAM-MD5\nC: AUTH CRAM-MD5\nS: 334 !\nC: *\nS: 501 cancelled"+usableEnd, func(ctx context.Context) error {
		c, err := dial(ctx, nil)
		if err != nil {
			return err
		}
		return errors.Join(code(c.Auth(ctx, CRAMMD5("ann", "secret")), "AUTH", 501), usable(ctx, c))
	})
}
