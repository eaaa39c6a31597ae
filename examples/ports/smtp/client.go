package smtp

// A Client is one connection to a server. Its lock makes the exchanges of several tasks
// follow one another; a message is one exchange. Invariant: between two exchanges no
// reply is expected and none is left. An exchange that cannot keep the invariant closes
// the connection.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/goaio/aio"
)

// Security says when a client uses TLS.
type Security int

const (
	// StartTLSIfOffered starts TLS if the server offers it. A server without it, or
	// an attacker who removes the offer, gets the messages in clear.
	StartTLSIfOffered Security = iota
	// StartTLSRequired fails if the server does not offer TLS.
	StartTLSRequired
	// NoTLS never starts TLS.
	NoTLS
	// TLSFromStart is for servers that begin with TLS, usually on port 465.
	TLSFromStart
)

// Options are the settings of [Dial]. The zero value has the defaults.
type Options struct {
	// Hostname is the name of this host for the server; empty means its address.
	Hostname string
	// Security says when to use TLS. TLS is the configuration; an empty ServerName
	// means the host of the address.
	Security Security
	TLS      *tls.Config
	// User and Password, if User is not empty, are for [Client.Login] after
	// connecting.
	User, Password string
	// PlaintextAuth lets the client send passwords without TLS.
	PlaintextAuth bool
	// Connection has further settings of the connection, such as the local address.
	Connection *aio.ConnectionOptions
	// Timeout limits connecting, and each command; zero is 5 minutes.
	Timeout time.Duration
	// DataTimeout limits sending a block of a message; zero is 3 minutes.
	DataTimeout time.Duration
	// FinalTimeout limits the wait for the answer to a message; zero is 10 minutes.
	// If it is too short, a message that the server has accepted may be sent again.
	FinalTimeout time.Duration
}

// Client is a connection to a server. Several tasks of a loop may use it: each call waits
// for its turn, in the order of the calls. The errors of its methods:
//
//   - an [*Error], after which the connection is usable, except for the code 421
//   - [ErrArgument], [*UnsupportedError] or [*SizeError] if nothing was sent
//   - [ErrProtocol], [aio.ErrTimeout], a cancellation or the error of the network; the
//     connection is closed
//   - [ErrClosed] if it was closed before
type Client struct {
	lock   aio.Lock
	wire   *wire
	opts   Options
	host   string // name of the host, for its certificate
	secure bool
	// The server's greeting and extensions, with upper-case names and their
	// parameters.
	greeting   Reply
	extensions map[string]string
	greeted    bool // EHLO or HELO was accepted
}

// Dial connects to the server at addr, which is "host:port", or the path of a Unix
// socket, which contains a slash. It returns after the greeting, EHLO (HELO, if the
// server does not know it), TLS and authentication, as the options say. If it fails or is
// cancelled, the connection is closed.
func Dial(ctx context.Context, addr string, opts *Options) (c *Client, err error) {
	c = &Client{wire: &wire{}}
	if opts != nil {
		c.opts = *opts
	}
	setDefault(&c.opts.Timeout, 5*time.Minute)
	setDefault(&c.opts.DataTimeout, 3*time.Minute)
	setDefault(&c.opts.FinalTimeout, 10*time.Minute)
	if c.opts.Hostname != "" {
		if err := checkWord("hostname", c.opts.Hostname); err != nil {
			return nil, err
		}
	}
	var conn aio.ConnectionOptions
	if c.opts.Connection != nil {
		conn = *c.opts.Connection
	}
	if conn.TLS != nil {
		return nil, fmt.Errorf("%w: Connection.TLS, in place of Options.TLS", ErrArgument)
	}
	if c.opts.Security == TLSFromStart {
		if conn.TLS = c.opts.TLS; conn.TLS == nil {
			conn.TLS = &tls.Config{}
		}
		c.secure = true
	}
	create := aio.CreateUnixConnection[*wire]
	if !strings.Contains(addr, "/") {
		create = aio.CreateConnection[*wire]
		if c.host, _, err = net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrArgument, err)
		}
	}
	err = aio.Timeout(ctx, c.opts.Timeout, func(ctx context.Context) error {
		_, _, err := create(ctx, func() *wire { return c.wire }, addr, &conn)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := c.begin(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// begin does what follows connecting: the greeting, EHLO, TLS and authentication.
func (c *Client) begin(ctx context.Context) error {
	err := c.exchange(ctx, c.opts.Timeout, func(ctx context.Context) (err error) {
		c.greeting, err = c.reply(ctx, "connect", 220)
		return err
	})
	if err != nil {
		return err
	}
	if err := c.hello(ctx); err != nil {
		return err
	}
	_, offered := c.extensions["STARTTLS"]
	if c.opts.Security == StartTLSRequired || c.opts.Security == StartTLSIfOffered && offered {
		if err := c.startTLS(ctx, c.opts.TLS); err != nil {
			return err
		}
	}
	if c.opts.User != "" {
		return c.login(ctx, c.opts.User, c.opts.Password)
	}
	return nil
}

// Greeting returns the first reply of the server.
func (c *Client) Greeting() Reply { return c.greeting }

// Extension reports whether the server offers an extension, and returns its parameters.
func (c *Client) Extension(name string) (params string, ok bool) {
	params, ok = c.extensions[strings.ToUpper(name)]
	return params, ok
}

// Secure reports whether the connection is protected by TLS.
func (c *Client) Secure() bool { return c.secure }

// Err returns nil if the connection can be used.
func (c *Client) Err() error {
	switch err := c.wire.err; {
	case err == nil:
		return nil
	case errors.Is(err, ErrClosed):
		return err
	default:
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
}

// The reasons that later calls return do not match ErrCancelled or ErrTimeout: these
// calls were not cancelled.
var (
	errCancelled = errors.New("an earlier call was cancelled")
	errTimedOut  = errors.New("an earlier call has timed out")
)

// Close closes the connection at once, also during a call of another task, which then
// fails. It never awaits. [Client.Quit] ends the session in the regular way.
func (c *Client) Close() { c.wire.fail(ErrClosed) }

// exchange runs body, in which all replies to the commands that it sends are read. Any
// error other than a refusal leaves the connection in an unknown state, so it is closed.
func (c *Client) exchange(ctx context.Context, limit time.Duration, body func(ctx context.Context) error) error {
	if err := c.Err(); err != nil {
		return err
	}
	err := aio.Timeout(ctx, limit, body)
	var refused *Error
	switch {
	case err == nil:
	case errors.As(err, &refused) && refused.Code != 421:
	case errors.Is(err, aio.ErrTimeout):
		c.wire.fail(errTimedOut)
	case ctx.Err() != nil:
		c.wire.fail(errCancelled)
	default:
		c.wire.fail(err)
	}
	return err
}

// command sends a line and waits for the reply, within one Timeout.
func (c *Client) command(ctx context.Context, verb, line string, want ...int) (r Reply, err error) {
	err = c.exchange(ctx, c.opts.Timeout, func(ctx context.Context) error {
		if err := c.wire.write(ctx, []byte(line+"\r\n"), 1); err != nil {
			return err
		}
		r, err = c.reply(ctx, verb, want...)
		return err
	})
	return r, err
}

// reply reads the reply to a command. A code of 400 or more gives an *Error, and another
// code that is not in want gives ErrProtocol. If want is empty, each code 2yz is
// accepted.
func (c *Client) reply(ctx context.Context, verb string, want ...int) (Reply, error) {
	r, err := c.wire.read(ctx)
	if err != nil {
		return r, err
	}
	if !r.Positive() {
		return r, &Error{verb, r}
	}
	for _, code := range want {
		if r.Code == code {
			return r, nil
		}
	}
	if len(want) == 0 && r.Code < 300 {
		return r, nil
	}
	return r, fmt.Errorf("%w: %q as the answer to %s", ErrProtocol, r, verb)
}

// hello introduces this host.
func (c *Client) hello(ctx context.Context) error {
	name := c.opts.Hostname
	if name == "" {
		name = literal(c.wire.t.GetExtraInfo("sockname"))
	}
	c.extensions, c.greeted = map[string]string{}, false
	r, err := c.command(ctx, "EHLO", "EHLO "+name)
	var refused *Error
	if errors.As(err, &refused) && refused.Code/100 == 5 {
		_, err = c.command(ctx, "HELO", "HELO "+name)
		c.greeted = err == nil
		return err
	}
	if err != nil {
		return err
	}
	c.greeted = true
	c.extensions = extensions(r.Lines)
	return nil
}

// literal returns an address as a hostname for EHLO.
func literal(addr any) string {
	tcp, ok := addr.(*net.TCPAddr)
	switch {
	case !ok:
		return "localhost"
	case tcp.IP.To4() != nil:
		return "[" + tcp.IP.String() + "]"
	}
	return "[IPv6:" + tcp.IP.String() + "]"
}

// extensions parses the answer to EHLO.
func extensions(lines []string) map[string]string {
	all := map[string]string{}
	for i, line := range lines {
		fields := strings.Fields(line)
		if i == 0 || len(fields) == 0 {
			continue // the first line has the name of the server
		}
		name, first, old := strings.Cut(strings.ToUpper(fields[0]), "=")
		params := strings.Join(fields[1:], " ")
		if old { // AUTH=LOGIN, from before the standard
			params = strings.TrimSpace(first + " " + params)
		}
		if before := all[name]; before != "" {
			params = strings.TrimSpace(before + " " + params)
		}
		all[name] = params
	}
	return all
}

// StartTLS protects the connection with TLS, and introduces the host again: information
// that the server sent unencrypted is discarded. An empty ServerName in config means the
// host of [Dial]; nil means the defaults. If more bytes follow the answer to STARTTLS,
// the error is ErrProtocol: an attacker may have inserted them.
func (c *Client) StartTLS(ctx context.Context, config *tls.Config) error {
	return c.lock.With(ctx, func(ctx context.Context) error { return c.startTLS(ctx, config) })
}

func (c *Client) startTLS(ctx context.Context, config *tls.Config) error {
	if c.secure {
		return fmt.Errorf("%w: the connection has TLS already", ErrArgument)
	}
	if err := c.needs("STARTTLS"); err != nil {
		return err
	}
	if config == nil {
		config = &tls.Config{}
	}
	if config.ServerName == "" && !config.InsecureSkipVerify {
		config = config.Clone()
		config.ServerName = c.host
	}
	if _, err := c.command(ctx, "STARTTLS", "STARTTLS", 220); err != nil {
		return err
	}
	err := c.exchange(ctx, c.opts.Timeout, func(ctx context.Context) error {
		if !c.wire.quiet() {
			return fmt.Errorf("%w: bytes after the answer to STARTTLS", ErrProtocol)
		}
		t, err := aio.StartTLS(ctx, c.wire.t, c.wire, config, nil)
		if err != nil {
			return err
		}
		c.wire.t = t
		return nil
	})
	if err != nil {
		return err
	}
	c.secure = true
	return c.hello(ctx)
}

// needs returns an error if the server has not offered an extension.
func (c *Client) needs(extension string) error {
	if err := c.Err(); err != nil {
		return err
	}
	if _, ok := c.extensions[extension]; !ok {
		return &UnsupportedError{extension}
	}
	return nil
}

// Command sends a command that has one reply and changes nothing in the state of the
// connection, such as VRFY, EXPN, HELP or NOOP.
func (c *Client) Command(ctx context.Context, verb string, args ...string) (r Reply, err error) {
	verb = strings.ToUpper(verb)
	switch verb {
	case "EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "QUIT":
		return r, fmt.Errorf("%w: %s is not a command for Command", ErrArgument, verb)
	}
	if !isKeyword(verb) {
		return r, fmt.Errorf("%w: the command %q", ErrArgument, verb)
	}
	line := verb
	for _, arg := range args {
		if strings.ContainsFunc(arg, isControl) {
			return r, fmt.Errorf("%w: the argument %q", ErrArgument, arg)
		}
		line += " " + arg
	}
	err = c.lock.With(ctx, func(ctx context.Context) error {
		if !isASCII(line) {
			if err := c.needs("SMTPUTF8"); err != nil {
				return err
			}
			line += " SMTPUTF8"
		}
		r, err = c.command(ctx, verb, line)
		return err
	})
	return r, err
}

// Noop asks the server for an answer. It also resets timers of the server.
func (c *Client) Noop(ctx context.Context) error {
	_, err := c.Command(ctx, "NOOP")
	return err
}

// Reset ends a transaction of the server; [Client.Send] calls it when needed.
func (c *Client) Reset(ctx context.Context) error {
	_, err := c.Command(ctx, "RSET")
	return err
}

// Quit tells the server that the connection ends, and waits for the answer and for the
// end. The connection is closed in any case. If it was closed before, Quit returns nil.
func (c *Client) Quit(ctx context.Context) error {
	return c.lock.With(ctx, func(ctx context.Context) error {
		if c.Err() != nil {
			return nil
		}
		defer c.Close()
		_, err := c.command(ctx, "QUIT", "QUIT", 221)
		if err != nil {
			return err
		}
		c.Close()
		return c.wire.gone.Wait(ctx)
	})
}

// sizeLimit returns the largest size of a message, 0 if there is no limit.
func (c *Client) sizeLimit() int64 {
	n, err := strconv.ParseInt(c.extensions["SIZE"], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
