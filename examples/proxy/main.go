// Command proxy passes TCP connections on to another address, with a limit on how many there are at a
// time, TLS on either side, and counters:
//
//	proxy -listen localhost:8443 -cert cert.pem -key key.pem -to localhost:8080
//	proxy -listen localhost:8080 -to example.org:443 -to-tls
//
// Connections above the limit wait for one of the others to end. On SIGINT or SIGTERM no more are accepted, and those
// that there are have a moment to end. SIGUSR1 logs the counters, where there is such a signal.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/goaio/aio"
)

func main() {
	p := &proxy{log: log.Printf}
	listen := flag.String("listen", "localhost:8080", "the address to listen on")
	flag.StringVar(&p.to, "to", "", "the address to connect to")
	flag.IntVar(&p.limit, "limit", 1000, "how many connections there may be at a time")
	cert := flag.String("cert", "", "a file with a certificate, for TLS with the clients")
	key := flag.String("key", "", "a file with its key")
	toTLS := flag.Bool("to-tls", false, "connect with TLS")
	ca := flag.String("ca", "", "a file with the certificates to trust, in place of the system's")
	flag.DurationVar(&p.connectTimeout, "connect-timeout", 10*time.Second, "how long connecting may take")
	flag.DurationVar(&p.grace, "grace", 5*time.Second, "how long the end may take")
	flag.Parse()
	err := p.secure(*cert, *key, *ca, *toTLS)
	if err == nil && (p.to == "" || p.limit < 1 || flag.NArg() > 0) {
		err = errors.New("-to is needed, -limit is at least 1, and there are no arguments")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "proxy:", err)
		os.Exit(2)
	}
	r := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	defer r.Close()
	err = r.Run(func(ctx context.Context) error {
		return p.serve(ctx, *listen, func(at net.Addr) { log.Printf("listening on %v, to %s", at, p.to) })
	})
	if err != nil && !errors.As(err, new(*aio.SignalError)) {
		fmt.Fprintln(os.Stderr, "proxy:", err)
		os.Exit(1)
	}
}

// secure sets up TLS from the flags.
func (p *proxy) secure(cert, key, ca string, toTLS bool) error {
	if (cert == "") != (key == "") {
		return errors.New("-cert and -key go together")
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return err
		}
		p.clientTLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	if ca != "" && !toTLS {
		return errors.New("-ca is for -to-tls")
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
			return fmt.Errorf("%s: there is no certificate in it", ca)
		}
	}
	return nil
}
