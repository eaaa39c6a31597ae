// Command mqttc publishes and receives MQTT messages:
//
//	mqttc [flags] pub TOPIC [MESSAGE]
//	mqttc [flags] sub FILTER...
//
// pub publishes a message; without MESSAGE, each line of standard input as it comes. sub
// prints the messages that it receives, as the topic, a tab and the payload. With -retry
// both connect again when the connection is lost; with -session FILE, messages with QoS 1
// and 2 that were not delivered are sent by the next run.
//
//	mqttc -url mqtts://host -user ann -password-file secret sub 'sensors/#'
//
// The exit status of pub is 0 if the server has every message. sub runs until SIGINT or
// SIGTERM, or until it has received -n messages, and exits with 0. Otherwise the exit
// status is 1 after a failure, 2 for wrong arguments, and 128+N if signal N stopped pub.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiokit"
	"github.com/goaio/aio/examples/ports/mqtt"
)

const (
	exitFailure = 1
	exitUsage   = 2
	exitSignal  = 128 // plus the signal's number

	usage = "usage: mqttc [flags] pub TOPIC [MESSAGE]\n       mqttc [flags] sub FILTER..."
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// arguments are the command and its options.
type arguments struct {
	url     string
	opts    mqtt.Options
	session string
	qos     mqtt.QoS
	retain  bool
	count   int
	command string
	words   []string
}

// run is main without os.Exit. It returns the exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a, err := parseArgs(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "mqttc: %v\n%s\n", err, usage)
		return exitUsage
	}
	r := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	defer r.Close()
	err = r.Run(func(ctx context.Context) (err error) {
		if a.session != "" {
			s, err := mqtt.OpenSession(mqtt.FileJournal(a.session))
			if err != nil {
				return err
			}
			defer s.Close()
			a.opts.Session = s
		}
		return mqtt.With(ctx, a.url, &a.opts, func(ctx context.Context, c *mqtt.Client) error {
			if a.command == "pub" {
				return pub(ctx, c, a, stdin)
			}
			return sub(ctx, c, a, stdout)
		})
	})
	var sig *aio.SignalError
	switch {
	case errors.As(err, &sig):
		fmt.Fprintf(stderr, "mqttc: stopped by %v\n", sig.Signal)
		if a.command == "pub" {
			return exitSignal + int(sig.Signal.(syscall.Signal))
		}
	case err != nil:
		fmt.Fprintf(stderr, "mqttc: %v\n", err)
		if errors.Is(err, aio.ErrUsage) {
			return exitUsage
		}
		return exitFailure
	}
	return 0
}

func parseArgs(args []string, stdout io.Writer) (a arguments, err error) {
	flags := flag.NewFlagSet("mqttc", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run reports the error in the format of this program
	flags.Usage = func() {}
	flags.StringVar(&a.url, "url", "mqtt://localhost", "connect to mqtt://`HOST:PORT`, mqtts://HOST:PORT or unix:///PATH")
	flags.StringVar(&a.opts.ClientID, "id", "", "client `ID`; the server assigns one if it is empty")
	flags.StringVar(&a.session, "session", "", "keep the session in `FILE`; needs -id")
	flags.StringVar(&a.opts.Username, "user", "", "user `NAME`")
	flags.BoolVar(&a.retain, "retain", false, "pub: the server keeps the message")
	flags.IntVar(&a.count, "n", 0, "sub: end after `N` messages; 0 means no limit")
	flags.DurationVar(&a.opts.KeepAlive, "keepalive", time.Minute, "send a ping after `D` without a packet")
	old := flags.Bool("3.1.1", false, "use version 3.1.1 of the protocol")
	retry := flags.Bool("retry", false, "connect again when the connection is lost")
	qos := flags.Int("qos", 0, "quality of service `N`: 0, 1 or 2")
	password := flags.String("password-file", "", "read the password from `FILE`")
	ca := flags.String("cafile", "", "trust the certificates in `FILE`")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return a, err
	}
	a.command, a.qos = flags.Arg(0), mqtt.QoS(*qos)
	if flags.NArg() > 0 {
		a.words = flags.Args()[1:]
	}
	switch {
	case a.command != "pub" && a.command != "sub":
		return a, fmt.Errorf("want pub or sub, got %q", a.command)
	case a.command == "pub" && (len(a.words) < 1 || len(a.words) > 2):
		return a, errors.New("pub: want a topic and at most one message")
	case a.command == "sub" && len(a.words) == 0:
		return a, errors.New("sub: want a filter")
	case *qos < 0 || *qos > 2:
		return a, fmt.Errorf("-qos must be 0, 1 or 2, got %d", *qos)
	case a.count < 0:
		return a, fmt.Errorf("-n must not be negative, got %d", a.count)
	case a.session != "" && a.opts.ClientID == "":
		return a, errors.New("-session needs -id")
	}
	if *old {
		a.opts.Version = mqtt.V311
	}
	if *retry {
		a.opts.Reconnect = &aiokit.RetryOptions{Jitter: 0.5}
	}
	if a.session == "" {
		a.opts.CleanStart = true
	} else {
		a.opts.SessionExpiry = 24 * time.Hour
	}
	if *password != "" {
		b, err := os.ReadFile(*password)
		if err != nil {
			return a, err
		}
		a.opts.Password = bytes.TrimRight(b, "\r\n")
	}
	if *ca != "" {
		b, err := os.ReadFile(*ca)
		if err != nil {
			return a, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(b) {
			return a, fmt.Errorf("%s has no certificates", *ca)
		}
		a.opts.TLS = &tls.Config{RootCAs: pool}
	}
	return a, nil
}

// maxPending is how many deliveries pub may have to wait for. Send waits before that.
const maxPending = 100

// pub publishes the message, or the lines of standard input as they come, several at a
// time.
func pub(ctx context.Context, c *mqtt.Client, a arguments, stdin io.Reader) error {
	message := func(payload []byte) *mqtt.Message {
		return &mqtt.Message{Topic: a.words[0], Payload: payload, QoS: a.qos, Retain: a.retain}
	}
	if len(a.words) == 2 {
		return c.Publish(ctx, message([]byte(a.words[1])))
	}
	lines, failed := read(ctx, stdin)
	var deliveries []*mqtt.Delivery
	send := func() error {
		for {
			line, more, err := aio.Receive(ctx, lines)
			if err != nil {
				return err
			}
			if !more {
				break
			}
			d, err := c.Send(ctx, message(line))
			if err != nil {
				return err
			}
			if deliveries = append(deliveries, d); len(deliveries) < maxPending {
				continue
			}
			d, deliveries = deliveries[0], deliveries[1:]
			if err := d.Wait(ctx); err != nil {
				return err
			}
		}
		err, _, waitErr := aio.Receive(ctx, failed)
		return cmp.Or(waitErr, err)
	}
	// The messages before a failure are delivered, and the errors of all are
	// retrieved.
	err := send()
	for _, d := range deliveries {
		if errors.Is(err, aio.ErrCancelled) {
			return err
		}
		if waitErr := d.Wait(ctx); err == nil || errors.Is(waitErr, aio.ErrCancelled) {
			err = waitErr
		}
	}
	return err
}

// read returns the lines of in, without their ends, and after them the error. A
// separate goroutine reads them, not one of the executor: nothing can interrupt a read,
// and closing the loop waits for the executor.
func read(ctx context.Context, in io.Reader) (<-chan []byte, <-chan error) {
	lines, failed := make(chan []byte), make(chan error, 1)
	go func() {
		defer close(lines)
		for r := bufio.NewReader(in); ; {
			line, err := r.ReadBytes('\n')
			if len(line) > 0 {
				select {
				case lines <- bytes.TrimRight(line, "\r\n"):
				case <-ctx.Done():
					return
				}
			}
			if err == io.EOF {
				err = nil
			} else if err == nil {
				continue
			}
			failed <- err
			return
		}
	}()
	return lines, failed
}

// sub prints messages.
func sub(ctx context.Context, c *mqtt.Client, a arguments, stdout io.Writer) error {
	var subs []mqtt.Subscription
	for _, f := range a.words {
		subs = append(subs, mqtt.Subscription{Filter: f, QoS: a.qos})
	}
	codes, err := c.Subscribe(ctx, subs...)
	if err != nil {
		return err
	}
	for i, code := range codes {
		if code.Failed() {
			return fmt.Errorf("the filter %q: %v", a.words[i], code)
		}
	}
	n := 0
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(stdout, "%s\t%s\n", m.Topic, m.Payload); err != nil {
			return err
		}
		if n++; n == a.count {
			return m.Ack()
		}
	}
	return nil
}
