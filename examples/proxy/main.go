// Command proxy forwards TCP connections to another address, with a limit on concurrent
// connections, TLS on either side, and counters:
//
//	proxy -listen localhost:8443 -cert cert.pem -key key.pem -to localhost:8080
//	proxy -listen localhost:8080 -to example.org:443 -to-tls
//
// Connections above the limit wait until another one ends. On SIGINT or SIGTERM the
// proxy accepts no more connections, and gives the open ones some time to end. SIGUSR1
// logs the counters, on systems with this signal.
//
// The exit status is 0 if a signal ended it, 1 after a failure, 2 for wrong arguments.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/goaio/aio"
)

const (
	exitFailure = 1
	exitUsage   = 2

	usage = "usage: proxy [flags] -to HOST:PORT"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without os.Exit. It returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	p, listen, err := parseArgs(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "proxy: %v\n%s\n", err, usage)
		return exitUsage
	}
	r := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	defer r.Close()
	err = r.Run(func(ctx context.Context) error {
		return p.serve(ctx, listen, func(at net.Addr) { p.log("listening on %v, to %s", at, p.to) })
	})
	var sig *aio.SignalError
	switch {
	case errors.As(err, &sig):
		p.log("stopped by %v", sig.Signal)
	case err != nil:
		fmt.Fprintf(stderr, "proxy: %v\n", err)
		return exitFailure
	}
	return 0
}

func parseArgs(args []string, stdout io.Writer) (p *proxy, listen string, err error) {
	p = &proxy{log: log.Printf}
	flags := flag.NewFlagSet("proxy", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run reports the error in the format of this program
	flags.Usage = func() {}
	flags.StringVar(&listen, "listen", "localhost:8080", "listen on `HOST:PORT`")
	flags.StringVar(&p.to, "to", "", "connect to `HOST:PORT`")
	flags.IntVar(&p.limit, "limit", 1000, "forward up to `N` concurrent connections")
	cert := flags.String("cert", "", "certificate `FILE` for TLS with the clients")
	key := flags.String("key", "", "private key `FILE` for -cert")
	toTLS := flags.Bool("to-tls", false, "connect with TLS")
	ca := flags.String("ca", "", "with -to-tls, trust the certificates in `FILE` instead of the system's")
	flags.DurationVar(&p.connectTimeout, "connect-timeout", 10*time.Second, "timeout `D` for connecting")
	flags.DurationVar(&p.linger, "linger", 30*time.Second, "after a client's EOF, close a TLS connection when no data arrives for `D`")
	flags.DurationVar(&p.grace, "grace", 5*time.Second, "on shutdown, wait up to `D` for the connections to end")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return nil, "", err
	}
	if _, _, err := net.SplitHostPort(listen); err != nil {
		return nil, "", fmt.Errorf("-listen must be HOST:PORT, got %q", listen)
	}
	host, port, err := net.SplitHostPort(p.to)
	switch {
	case p.to == "":
		return nil, "", errors.New("-to is needed")
	case err != nil || host == "" || port == "":
		return nil, "", fmt.Errorf("-to must be HOST:PORT, got %q", p.to)
	case p.limit < 1:
		return nil, "", fmt.Errorf("-limit must be at least 1, got %d", p.limit)
	case p.connectTimeout <= 0:
		return nil, "", fmt.Errorf("-connect-timeout must be greater than 0, got %v", p.connectTimeout)
	case p.linger <= 0:
		return nil, "", fmt.Errorf("-linger must be greater than 0, got %v", p.linger)
	case p.grace < 0:
		return nil, "", fmt.Errorf("-grace must not be negative, got %v", p.grace)
	case flags.NArg() > 0:
		return nil, "", fmt.Errorf("want no arguments, got %q", flags.Arg(0))
	}
	return p, listen, p.secure(*cert, *key, *ca, *toTLS)
}

// secure sets up TLS from the flags.
func (p *proxy) secure(cert, key, ca string, toTLS bool) error {
	if (cert == "") != (key == "") {
		return errors.New("-cert and -key must be used together")
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return err
		}
		p.clientTLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	if ca != "" && !toTLS {
		return errors.New("-ca requires -to-tls")
	}
	if !toTLS {
		return nil
	}
	p.serverTLS = &tls.Config{}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return err
		}
		p.serverTLS.RootCAs = x509.NewCertPool()
		if !p.serverTLS.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s: no certificate found", ca)
		}
	}
	return nil
}
