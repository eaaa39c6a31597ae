package smtp

// Tests play one side of a conversation that is written down line by line:
//
//	C: a line of the client, S: a line of the server
//
// In a line that is sent, \r, \n and \0 are those bytes, and a backslash at the end
// leaves out the CR LF. A line that is expected may end with an asterisk, for any rest.
// Other steps: X closes the connection, E expects that the other side closes it, H
// waits until the other side closes it and ignores what it sends, and "T 5m" waits for
// five minutes.

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

var escapes = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\0`, "\x00")

// play plays a side of a conversation, 'C' or 'S'.
func play(ctx context.Context, side byte, conversation string, r *aio.StreamReader, w *aio.StreamWriter) error {
	for _, step := range strings.Split(strings.Trim(conversation, "\n"), "\n") {
		step = strings.TrimLeft(step, "\t")
		who, text, _ := strings.Cut(step, " ")
		switch who {
		case "":
		case "X":
			w.Close()
			return nil
		case "E", "H":
			rest, err := r.Read(ctx, -1)
			if err == nil && who == "E" && len(rest) > 0 {
				err = fmt.Errorf("got %q, want the end", rest)
			}
			if errors.Is(err, aio.ErrCancelled) || err != nil && who == "E" && !isGone(err) {
				return err
			}
			w.Close()
			return nil
		case "T":
			d, err := time.ParseDuration(text)
			if err == nil {
				err = aio.Sleep(ctx, d)
			}
			if err != nil {
				return err
			}
		case "C:", "S:":
			if who[0] == side {
				end := "\r\n"
				if raw, ok := strings.CutSuffix(text, `\`); ok {
					text, end = raw, ""
				}
				if _, err := io.WriteString(w, escapes.Replace(text)+end); err != nil {
					return fmt.Errorf("%s: %w", step, err)
				}
				continue
			}
			got, err := r.ReadLine(ctx)
			if err != nil {
				return fmt.Errorf("waiting for %q: %w", step, err)
			}
			line, ok := strings.CutSuffix(string(got), "\r\n")
			prefix, any := strings.CutSuffix(text, "*")
			if !ok || line != text && (!any || !strings.HasPrefix(line, prefix)) {
				return fmt.Errorf("got %q, want %q", got, step)
			}
		default:
			return fmt.Errorf("the step %q", step)
		}
	}
	return nil
}

// explore runs main in a simulated network, in asyncio's order and in some others.
func explore(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	aiotest.Explore(t, aiotest.Exploration{Network: true, Runs: stage.Amount(2, 20, 200)}, main)
}

const addr = "localhost:25"

// withServer runs body while a server plays its side of the conversation.
func withServer(t *testing.T, conversation string, body func(ctx context.Context) error) {
	t.Helper()
	explore(t, func(ctx context.Context) error {
		played := aio.CreateFuture[error](ctx)
		srv, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			err := play(ctx, 'S', conversation, r, w)
			if !played.Done() {
				_ = played.SetResult(err)
			}
			return nil
		}, addr, nil)
		if err != nil {
			return err
		}
		err = body(ctx)
		perr, aerr := aio.WaitFor(ctx, played, time.Hour)
		srv.AbortClients()
		return errors.Join(err, perr, aerr, srv.Shutdown(ctx, time.Minute))
	})
}

// withClient plays the client's side of a conversation with a server.
func withClient(t *testing.T, handler func() Deliverer, opts *ServerOptions, conversation string) {
	t.Helper()
	explore(t, func(ctx context.Context) error {
		srv, err := Start(ctx, addr, handler(), named(opts))
		if err != nil {
			return err
		}
		err = converse(ctx, conversation)
		return errors.Join(err, srv.Shutdown(ctx, time.Minute))
	})
}

// named returns opts with the hostname that the tests expect.
func named(opts *ServerOptions) *ServerOptions {
	var o ServerOptions
	if opts != nil {
		o = *opts
	}
	o.Hostname = "mx"
	return &o
}

// converse connects and plays a client.
func converse(ctx context.Context, conversation string) error {
	r, w, err := aio.OpenConnection(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer w.Close()
	return aio.Timeout(ctx, time.Hour, func(ctx context.Context) error { return play(ctx, 'C', conversation, r, w) })
}

// memory keeps messages in memory. Its users are ann, with the password "secret", and
// bob, with "tanstaaftanstaaf".
type memory struct {
	messages []Envelope
	sessions []Session
	latency  time.Duration

	checked int          // number of messages that check has seen
	stored  map[int]bool // their numbers
}

var passwords = map[string]string{"ann": "secret", "bob": "tanstaaftanstaaf"}

func (m *memory) Deliver(ctx context.Context, s *Session, e *Envelope) error {
	if m.latency > 0 {
		if err := aio.Sleep(ctx, m.latency); err != nil {
			return err
		}
	}
	m.messages, m.sessions = append(m.messages, *e), append(m.sessions, *s)
	return nil
}

func (m *memory) Authenticate(_ context.Context, _ *Session, user, password string) error {
	if want, ok := passwords[user]; !ok || want != password {
		return Refuse(535, "5.7.8 wrong")
	}
	return nil
}

func (m *memory) Password(_ context.Context, _ *Session, user string) (string, error) {
	if want, ok := passwords[user]; ok {
		return want, nil
	}
	return "", Refuse(535, "5.7.8 wrong")
}

func (m *memory) CheckRecipient(_ context.Context, _ *Session, to string) error {
	if strings.HasPrefix(to, "nobody") {
		return Refuse(550, "5.1.1 no such user")
	}
	return nil
}

func (m *memory) CheckSender(_ context.Context, _ *Session, from string) error {
	if strings.HasPrefix(from, "spam") {
		return Refuse(550, "5.7.1 not from you")
	}
	return nil
}

// texts returns the messages.
func (m *memory) texts() (texts []string) {
	for _, e := range m.messages {
		texts = append(texts, string(e.Data))
	}
	return texts
}

func same[T comparable](what string, got, want []T) error {
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: got %q, want %q", what, any(got), any(want))
	}
	return nil
}

// certificates returns the configurations of a server and of a client that trusts it, the
// same for all tests. Ed25519 signatures have one length, so every handshake of a
// simulated network sends the same number of bytes.
var certificates = sync.OnceValues(func() (server, client *tls.Config) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}, &tls.Config{RootCAs: roots}
})

// mismatch checks that a client has refused a certificate.
func mismatch(err error) error {
	if !errors.As(err, new(*tls.CertificateVerificationError)) {
		return fmt.Errorf("got the error %w, want one about the certificate", err)
	}
	return nil
}

// otherName returns the configuration of a client that expects another server.
func otherName() *tls.Config {
	_, client := certificates()
	config := client.Clone()
	config.ServerName = "mx.example.org"
	return config
}
