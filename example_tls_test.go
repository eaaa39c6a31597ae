package aio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http/httptest"
	"time"

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

// A server with TLS and a client that verifies it. The name to verify is the host of the address
// unless the configuration says otherwise.
func ExampleConnectionOptions() {
	site := httptest.NewTLSServer(nil) // for its certificate, which is for example.com
	defer site.Close()
	roots := x509.NewCertPool()
	roots.AddCert(site.Certificate())
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.StartServer(ctx, func(ctx context.Context, _ *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			_, err := w.Write([]byte("a secret"))
			return err
		}, "127.0.0.1:0", &aio.ServerOptions{TLS: site.TLS})
		if err != nil {
			return err
		}
		defer srv.Close()
		r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), &aio.ConnectionOptions{
			TLS: &tls.Config{ServerName: "example.com", RootCAs: roots},
		})
		if err != nil {
			return err
		}
		defer w.Close()
		text, err := r.Read(ctx, -1)
		state := w.GetExtraInfo("tls").(tls.ConnectionState)
		fmt.Printf("%s, by %s\n", text, tls.VersionName(state.Version))
		return err
	})
	fmt.Println(err)
	// Output:
	// a secret, by TLS 1.3
	// <nil>
}

// Streams that begin in clear. The server waits for no more than a second for the client's handshake.
func ExampleTLSOptions() {
	site := httptest.NewTLSServer(nil) // for its certificate
	defer site.Close()
	roots := x509.NewCertPool()
	roots.AddCert(site.Certificate())
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			fmt.Fprintln(w, "go ahead")
			if err := w.StartTLS(ctx, site.TLS, &aio.TLSOptions{HandshakeTimeout: time.Second}); err != nil {
				return err
			}
			line, err := r.ReadLine(ctx)
			fmt.Printf("the server got %q\n", line)
			return err
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		defer srv.Close()
		r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		defer w.Close()
		if _, err := r.ReadLine(ctx); err != nil { // the word to begin
			return err
		}
		if err := w.StartTLS(ctx, &tls.Config{ServerName: "example.com", RootCAs: roots}, nil); err != nil {
			return err
		}
		fmt.Fprintln(w, "a secret")
		_, err = r.Read(ctx, -1)
		return err
	})
	fmt.Println(err)
	// Output:
	// the server got "a secret\n"
	// <nil>
}
