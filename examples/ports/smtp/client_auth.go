package smtp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Login authenticates with the mechanisms that the server offers: CRAM-MD5, PLAIN, LOGIN.
// If the server refuses one, Login tries the next one; the error is that of the last.
func (c *Client) Login(ctx context.Context, user, password string) error {
	return c.lock.With(ctx, func(ctx context.Context) error { return c.login(ctx, user, password) })
}

func (c *Client) login(ctx context.Context, user, password string) error {
	if err := c.needs("AUTH"); err != nil {
		return err
	}
	if err := errors.Join(checkSecret("user", user), checkSecret("password", password)); err != nil {
		return err
	}
	offered := c.mechanisms()
	err := error(&UnsupportedError{"an AUTH mechanism of this client"})
	for _, m := range []Mechanism{CRAMMD5(user, password), Plain(user, password), Login(user, password)} {
		if !slices.Contains(offered, m.Name) {
			continue
		}
		err = c.auth(ctx, m)
		var refused *Error
		if err == nil || !errors.As(err, &refused) || c.Err() != nil {
			return err
		}
	}
	return err
}

// mechanisms returns the mechanisms that the server offers.
func (c *Client) mechanisms() []string { return strings.Fields(strings.ToUpper(c.extensions["AUTH"])) }

// Auth authenticates with a mechanism. Without TLS it fails if the mechanism reveals a
// secret, unless [Options.PlaintextAuth] is set.
func (c *Client) Auth(ctx context.Context, m Mechanism) error {
	return c.lock.With(ctx, func(ctx context.Context) error {
		if err := c.needs("AUTH"); err != nil {
			return err
		}
		if !slices.Contains(c.mechanisms(), m.Name) {
			return &UnsupportedError{"AUTH " + m.Name}
		}
		return c.auth(ctx, m)
	})
}

func (c *Client) auth(ctx context.Context, m Mechanism) error {
	if m.Reveals && !c.secure && !c.opts.PlaintextAuth {
		return fmt.Errorf("%w: %s without TLS would reveal the password", ErrArgument, m.Name)
	}
	line := "AUTH " + m.Name
	if m.Initial != nil {
		line += " " + encode64(m.Initial, true)
	}
	return c.exchange(ctx, c.opts.Timeout, func(ctx context.Context) error {
		for i := 0; ; i++ {
			if err := c.wire.write(ctx, []byte(line+"\r\n"), 1); err != nil {
				return err
			}
			r, err := c.reply(ctx, "AUTH", 235, 334)
			if err != nil || r.Code == 235 {
				return err
			}
			challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Lines[0]))
			var response []byte
			if err == nil {
				response, err = m.Next(i, challenge)
			}
			if err != nil {
				// A line with an asterisk cancels the exchange, which the
				// server confirms with 501.
				if err := c.wire.write(ctx, []byte("*\r\n"), 1); err != nil {
					return err
				}
				r, rerr := c.wire.read(ctx)
				if rerr != nil {
					return rerr
				}
				return fmt.Errorf("%w: %w", &Error{"AUTH", r}, err)
			}
			line = encode64(response, false)
		}
	})
}
