// Command mail receives and sends mail with package smtp:
//
//	mail -serve -addr localhost:2525 -dir messages
//	mail -send -addr localhost:2525 -from ann@a.example -to bob@b.example a.eml
//
// -serve stores each message as a file in the Maildir -dir. With -cert and -key it offers
// STARTTLS. On SIGINT or SIGTERM it accepts no more connections, and gives clients that
// are sending a message some time to finish it.
//
// -send reads a message from the file, or from the standard input, and sends it. Without
// -from and -to, the addresses are those in its header. It starts TLS if the server
// offers it, and fails if -tls is given and the server does not.
//
// With -user both use the password in the environment variable SMTP_PASSWORD: -serve
// requires it, and -send authenticates with it.
//
// The exit status is 0 if the message was accepted for all recipients, or a signal ended
// the server; 1 after a failure, 2 for wrong arguments; and 128+N if signal N stopped
// -send.
package main

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/examples/ports/smtp"
)

const (
	exitFailure = 1
	exitUsage   = 2
	exitSignal  = 128 // plus the signal's number

	usage = "usage: mail -serve [flags]\n       mail -send [flags] [FILE]"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// options are the values of the flags.
type options struct {
	serve, send       bool
	addr, dir, file   string
	from              string
	to                []string
	user, password    string
	tls, tlsFromStart bool
	config            *tls.Config
	grace, wait       time.Duration
	size              int64
	plaintext         bool
}

// run is main without os.Exit. It returns the exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parseArgs(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "mail: %v\n%s\n", err, usage)
		return exitUsage
	}
	r := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	defer r.Close()
	if o.serve {
		err = r.Run(func(ctx context.Context) error {
			return serve(ctx, o, func(at net.Addr) { log.Printf("listening on %v", at) })
		})
	} else {
		err = r.Run(func(ctx context.Context) error { return send(ctx, o, stdin, stderr) })
	}
	var sig *aio.SignalError
	switch {
	case errors.As(err, &sig) && o.serve:
		log.Printf("stopped by %v", sig.Signal)
	case errors.As(err, &sig):
		fmt.Fprintf(stderr, "mail: stopped by %v\n", sig.Signal)
		return exitSignal + int(sig.Signal.(syscall.Signal))
	case err != nil:
		fmt.Fprintf(stderr, "mail: %v\n", err)
		return exitFailure
	}
	return 0
}

func parseArgs(args []string, stdout io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("mail", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run reports the error in the format of this program
	flags.Usage = func() {}
	flags.BoolVar(&o.serve, "serve", false, "receive messages")
	flags.BoolVar(&o.send, "send", false, "send a message")
	flags.StringVar(&o.addr, "addr", "localhost:2525", "listen on `HOST:PORT`, or connect to it")
	flags.StringVar(&o.dir, "dir", "messages", "with -serve, store messages in the Maildir `DIR`")
	flags.Int64Var(&o.size, "size", 32<<20, "with -serve, accept messages of up to `N` bytes")
	flags.DurationVar(&o.grace, "grace", 10*time.Second, "with -serve, wait up to `D` for messages on shutdown")
	flags.StringVar(&o.from, "from", "", "with -send, the `ADDRESS` of the sender")
	to := flags.String("to", "", "with -send, the `ADDRESSES` of the recipients, with commas")
	flags.DurationVar(&o.wait, "timeout", time.Minute, "with -send, wait up to `D` for each answer")
	flags.StringVar(&o.user, "user", "", "authenticate `USER` with SMTP_PASSWORD")
	flags.BoolVar(&o.plaintext, "plaintext-auth", false, "allow passwords without TLS")
	flags.BoolVar(&o.tls, "tls", false, "require TLS")
	flags.BoolVar(&o.tlsFromStart, "tls-from-start", false, "begin with TLS in place of STARTTLS")
	cert := flags.String("cert", "", "with -serve, certificate `FILE` for TLS")
	key := flags.String("key", "", "with -serve, private key `FILE` for -cert")
	ca := flags.String("ca", "", "with -send, trust the certificates in `FILE` in place of the system's")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return o, err
	}
	if *to != "" {
		for addr := range strings.SplitSeq(*to, ",") {
			o.to = append(o.to, strings.TrimSpace(addr))
		}
	}
	o.file = flags.Arg(0)
	o.password = os.Getenv("SMTP_PASSWORD")
	_, _, err = net.SplitHostPort(o.addr)
	switch {
	case o.serve == o.send:
		return o, errors.New("want one of -serve and -send")
	case err != nil:
		return o, fmt.Errorf("-addr must be HOST:PORT, got %q", o.addr)
	case (*cert == "") != (*key == ""):
		return o, errors.New("-cert and -key must be used together")
	case o.serve && flags.NArg() > 0, flags.NArg() > 1:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(flags.NArg()-1))
	case o.serve && (o.tls || o.tlsFromStart) && *cert == "":
		return o, errors.New("-tls and -tls-from-start require -cert and -key")
	case o.size <= 0 || o.wait <= 0:
		return o, errors.New("-size and -timeout must be greater than 0")
	case o.grace < 0:
		return o, fmt.Errorf("-grace must not be negative, got %v", o.grace)
	case o.user != "" && o.password == "":
		return o, errors.New("-user requires a password in SMTP_PASSWORD")
	}
	return o, o.secure(*cert, *key, *ca)
}

// secure reads the files for TLS.
func (o *options) secure(cert, key, ca string) error {
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return err
		}
		o.config = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return err
		}
		o.config = &tls.Config{RootCAs: x509.NewCertPool()}
		if !o.config.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s: no certificate found", ca)
		}
	}
	return nil
}

// mailbox stores messages, and checks the password of the only user.
type mailbox struct {
	smtp.Maildir
	user, password string
}

// Authenticate implements smtp.Authenticator.
func (m *mailbox) Authenticate(_ context.Context, _ *smtp.Session, user, password string) error {
	if user != m.user || subtle.ConstantTimeCompare([]byte(password), []byte(m.password)) != 1 {
		return smtp.Refuse(535, "5.7.8 authentication failed")
	}
	return nil
}

// serve receives messages until it is cancelled. It calls ready when it is listening.
func serve(ctx context.Context, o options, ready func(net.Addr)) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	box := &mailbox{user: o.user, password: o.password, Maildir: smtp.Maildir{
		Dir: o.dir, Hostname: host,
		Delivered: func(s *smtp.Session, e *smtp.Envelope, file string) {
			log.Printf("%v: from <%s> to %q, %d bytes: %s", s.Peer, e.From, e.To, len(e.Data), file)
		},
	}}
	var handler smtp.Deliverer = &box.Maildir
	if o.user != "" {
		handler = box
	}
	srv, err := smtp.Start(ctx, o.addr, handler, &smtp.ServerOptions{
		Hostname: host, TLS: o.config, TLSFromStart: o.tlsFromStart, RequireTLS: o.tls,
		RequireAuth: o.user != "", PlaintextAuth: o.plaintext, Limits: smtp.Limits{MessageSize: o.size},
	})
	if err != nil {
		return err
	}
	ready(srv.Addr())
	return srv.ServeForever(ctx, o.grace)
}

// send sends one message.
func send(ctx context.Context, o options, stdin io.Reader, stderr io.Writer) error {
	text, err := read(ctx, o.file, stdin)
	if err != nil {
		return err
	}
	e := smtp.Envelope{From: o.from, To: o.to, Data: text}
	if o.from == "" || len(o.to) == 0 {
		if e, err = smtp.EnvelopeOf(text); err != nil {
			return err
		}
		if o.from != "" {
			e.From = o.from
		}
		if len(o.to) > 0 {
			e.To = o.to
		}
	}
	opts := &smtp.Options{TLS: o.config, User: o.user, Password: o.password, PlaintextAuth: o.plaintext, Timeout: o.wait}
	switch {
	case o.tlsFromStart:
		opts.Security = smtp.TLSFromStart
	case o.tls:
		opts.Security = smtp.StartTLSRequired
	}
	refused, err := smtp.Send(ctx, o.addr, e, opts)
	if err != nil {
		return err
	}
	for _, r := range refused {
		fmt.Fprintf(stderr, "mail: %s: %v\n", r.Recipient, r.Err)
	}
	if len(refused) > 0 {
		return fmt.Errorf("%d of %d recipients are refused", len(refused), len(e.To))
	}
	return nil
}

// read returns the content of the file, or what is left of in. A separate goroutine
// reads it, not one of the executor: nothing can interrupt a read from a terminal, and
// closing the loop waits for the executor.
func read(ctx context.Context, file string, in io.Reader) (text []byte, err error) {
	done := make(chan struct{})
	var content []byte
	var failed error
	go func() {
		defer close(done)
		if file != "" {
			content, failed = os.ReadFile(file)
		} else {
			content, failed = io.ReadAll(in)
		}
	}()
	if _, _, err := aio.Receive(ctx, done); err != nil {
		return nil, err
	}
	return content, failed
}
