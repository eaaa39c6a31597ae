package main

// Step 6: nobody listens in.

import (
	"crypto/tls"

	"github.com/goaio/aio"
)

// secure returns the options of a server with a certificate and its key, from two files.
func secure(cert, key string) (*aio.ServerOptions, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	return &aio.ServerOptions{TLS: &tls.Config{Certificates: []tls.Certificate{pair}}}, nil
}
