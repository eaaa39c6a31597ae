package smtp

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// STARTTLS and TLS from the start, between our client and our server.
func TestTLS(t *testing.T) {
	server, client := certificates()
	for name, c := range map[string]struct {
		server ServerOptions
		opts   Options
		want   func(err error) error
	}{
		"offered":                   {server: ServerOptions{TLS: server}, opts: Options{TLS: client}},
		"required":                  {server: ServerOptions{TLS: server, RequireTLS: true}, opts: Options{TLS: client, Security: StartTLSRequired}},
		"from the start":            {server: ServerOptions{TLS: server, TLSFromStart: true}, opts: Options{TLS: client, Security: TLSFromStart}},
		"with a password":           {server: ServerOptions{TLS: server, RequireTLS: true, RequireAuth: true}, opts: Options{TLS: client, User: "ann", Password: "secret"}},
		"required, and not used":    {server: ServerOptions{TLS: server, RequireTLS: true}, opts: Options{Security: NoTLS}, want: func(err error) error { return code(err, "MAIL", 530) }},
		"an untrusted certificate":  {server: ServerOptions{TLS: server}, opts: Options{}, want: mismatch},
		"another name":              {server: ServerOptions{TLS: server}, opts: Options{TLS: otherName()}, want: mismatch},
		"from the start, untrusted": {server: ServerOptions{TLS: server, TLSFromStart: true}, opts: Options{Security: TLSFromStart}, want: mismatch},
		"a server without TLS": {server: ServerOptions{}, opts: Options{TLS: client, Security: TLSFromStart}, want: func(err error) error {
			if err == nil {
				return errors.New("no error")
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			// The server without TLS reads the random bytes of a
			// ClientHello as lines.
			x := aiotest.Exploration{Network: true, Runs: 2, AllowDifferences: name == "a server without TLS"}
			aiotest.Explore(t, x, func(ctx context.Context) error {
				m := &memory{}
				srv, err := Start(ctx, addr, m, named(&c.server))
				if err != nil {
					return err
				}
				opts := c.opts
				opts.Timeout = time.Minute
				_, err = Send(ctx, addr, letter, &opts)
				if c.want != nil {
					return errors.Join(c.want(err), same("messages", m.texts(), nil), srv.Shutdown(ctx, time.Minute))
				}
				if err != nil {
					return err
				}
				if !m.sessions[0].Secure || m.sessions[0].User != opts.User {
					return fmt.Errorf("the session is %+v", m.sessions[0])
				}
				return errors.Join(same("messages", m.texts(), []string{"hello\r\n.dot\r\n\r\nend\r\n"}), srv.Shutdown(ctx, time.Minute))
			})
		})
	}
}

// The server forgets everything that a client has sent before STARTTLS, and commands that
// were sent with it are not run.
func TestStartTLSServer(t *testing.T) {
	server, client := certificates()
	for name, c := range map[string]struct{ before, after string }{
		"forgotten": {
			before: "S: 220 *\nC: EHLO me\nS: 250-mx\nS: 250-PIPELINING\nS: 250-8BITMIME\nS: 250-SMTPUTF8\nS: 250-ENH*\nS: 250-SIZE *\nS: 250-STARTTLS\nS: 250-AUTH CRAM-MD5\nS: 250 HELP\n" +
				"C: MAIL FROM:<a@x>\nS: 250 *\nC: STARTTLS\nS: 503 *\nC: RSET\nS: 250 *\nC: STARTTLS\nS: 220 *",
			after: "C: MAIL FROM:<a@x>\nS: 503 5.5.1 EHLO first\nC: STARTTLS\nS: 503 5.5.1 TLS is active\nC: EHLO me\nS: 250-mx\nS: 250-PIPELINING\nS: 250-8BITMIME\nS: 250-SMTPUTF8\nS: 250-ENH*\nS: 250-SIZE *\nS: 250-AUTH CRAM-MD5 PLAIN LOGIN\nS: 250 HELP\n" +
				transaction + "C: tls\nC: .\nS: 250 *" + quit,
		},
		"required": {
			before: "S: 220 *\nC: MAIL FROM:<a@x>\nS: 530 5.7.0 *\nC: RCPT TO:<a@x>\nS: 530 *\nC: DATA\nS: 530 *\nC: VRFY a\nS: 530 *\nC: HELP\nS: 530 *\nC: AUTH PLAIN x\nS: 530 *\nC: NOOP\nS: 250 *\nC: HELO me\nS: 250 mx\nC: STARTTLS\nS: 220 *",
			after:  "C: EHLO me\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250 *\n" + transaction + "C: tls\nC: .\nS: 250 *" + quit,
		},
		"injection": {
			before: "S: 220 *\nC: EHLO me\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250 *\n" +
				"C: STARTTLS\\r\\nEHLO me\\r\\nMAIL FROM:<evil@x>\\r\\nRCPT TO:<b@x>\\r\\nDATA\\r\\nevil\\r\\n.\nS: 220 *\nH",
		},
		"the client leaves": {before: "S: 220 *\nC: STARTTLS\nS: 220 *\nX"},
		"no handshake":      {before: "S: 220 *\nC: STARTTLS\nS: 220 *\nC: QUIT\nH"},
	} {
		t.Run(name, func(t *testing.T) {
			aiotest.Explore(t, aiotest.Exploration{Network: true, Runs: 2}, func(ctx context.Context) error {
				m := &memory{}
				srv, err := Start(ctx, addr, m, named(&ServerOptions{TLS: server, RequireTLS: name == "required"}))
				if err != nil {
					return err
				}
				r, w, err := aio.OpenConnection(ctx, addr, nil)
				if err != nil {
					return err
				}
				defer w.Close()
				var want []string
				err = play(ctx, 'C', c.before, r, w)
				if c.after != "" && err == nil {
					config := client.Clone()
					config.ServerName = "localhost"
					want = []string{"tls\r\n"}
					if err = w.StartTLS(ctx, config, nil); err == nil {
						err = play(ctx, 'C', c.after, r, w)
					}
				}
				return errors.Join(err, srv.Shutdown(ctx, time.Minute), same("messages", m.texts(), want))
			})
		})
	}
}
