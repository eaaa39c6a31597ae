package aio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http/httptest"

	"github.com/goaio/aio"
)

// shouter answers in capitals. Asked to, it goes on with TLS.
type shouter struct {
	loop   *aio.Loop
	t      aio.Transport
	config *tls.Config
}

func (s *shouter) ConnectionMade(t aio.Transport) { s.t = t }

func (s *shouter) DataReceived(p []byte) {
	if string(p) != "STARTTLS" {
		s.t.Write(bytes.ToUpper(p))
		return
	}
	s.t.PauseReading() // what comes next is for TLS
	s.t.Write([]byte("ready"))
	aio.CreateTask(s.loop.Context(), func(ctx context.Context) (_ struct{}, err error) {
		t, err := aio.StartTLS(ctx, s.t, s, s.config, &aio.TLSOptions{ServerSide: true})
		if err == nil {
			s.t = t
		}
		return struct{}{}, err
	})
}

// answers puts what it gets on a queue.
type answers struct{ aio.Queue[string] }

func (a *answers) DataReceived(p []byte) { _ = a.PutNowait(string(p)) } // the queue has no limit

// A connection that begins in clear, as those of mail servers and databases do.
func ExampleStartTLS() {
	site := httptest.NewTLSServer(nil) // for its certificate
	defer site.Close()
	roots := x509.NewCertPool()
	roots.AddCert(site.Certificate())

	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		server, err := aio.CreateServer(ctx, func() *shouter {
			return &shouter{loop: loop, config: site.TLS}
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		defer server.Close()

		t, p, err := aio.CreateConnection(ctx, func() *answers { return &answers{} }, server.Addr().String(), nil)
		if err != nil {
			return err
		}
		ask := func(question string) error {
			t.Write([]byte(question))
			answer, err := p.Get(ctx)
			fmt.Println(answer, t.GetExtraInfo("cipher") != nil)
			return err
		}
		if err := ask("hello"); err != nil {
			return err
		}
		if err := ask("STARTTLS"); err != nil {
			return err
		}
		t, err = aio.StartTLS(ctx, t, p, &tls.Config{ServerName: "example.com", RootCAs: roots}, nil)
		if err != nil {
			return err
		}
		defer t.Close()
		return ask("a secret")
	})
	fmt.Println(err)
	// Output:
	// HELLO false
	// ready false
	// A SECRET true
	// <nil>
}
