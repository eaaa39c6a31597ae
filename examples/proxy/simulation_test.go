package main

// The proxy in a simulation with crashing hosts and cut links: a client gets a prefix
// of what the server has sent, and a connection that has ended uses no resources.

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

func TestSimulation(t *testing.T) {
	runs := stage.Amount(20, 60, 600)
	var sum aiotest.Counters
	whole, broken := 0, 0
	answer := bytes.Repeat([]byte("0123456789abcdef"), 4000)
	r := aiotest.Simulate(t, aiotest.Simulation{Runs: runs}, func(ctx context.Context, w *aiotest.World) error {
		server := w.Host("server", func(ctx context.Context) error {
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				if _, err := r.ReadLine(ctx); err != nil {
					return nil // the proxy is down
				}
				for rest := answer; len(rest) > 0; rest = rest[8000:] {
					if _, err := c.Write(rest[:8000]); err != nil {
						return nil
					}
					if err := aio.Sleep(ctx, 10*time.Millisecond); err != nil {
						return err
					}
				}
				return nil
			}, ":80", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		var p *proxy
		mid := w.Host("proxy", func(ctx context.Context) error {
			p = &proxy{
				to: "server:80", limit: 2, connectTimeout: time.Second, linger: time.Second, grace: time.Second,
				log: func(string, ...any) {}, slots: aio.NewSemaphore(2),
			}
			s, err := aio.StartServer(ctx, p.handle, ":8080", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		ask := func(ctx context.Context) error {
			var got []byte
			err := aio.Timeout(ctx, 3*time.Second, func(ctx context.Context) error {
				r, c, err := aio.OpenConnection(ctx, "proxy:8080", nil)
				if err != nil {
					return err
				}
				defer c.Transport().Abort()
				_, _ = c.Write([]byte("GET /\r\n"))
				for {
					part, err := r.Read(ctx, 1<<16)
					got = append(got, part...)
					if err != nil || len(part) == 0 {
						return err
					}
				}
			})
			if errors.Is(err, aio.ErrCancelled) || errors.Is(err, aio.ErrLoopClosed) {
				return err
			}
			if !bytes.HasPrefix(answer, got) {
				return fmt.Errorf("a client got %d bytes that differ from the sent ones", len(got))
			}
			switch {
			case len(got) == len(answer):
				whole++
			case err == nil:
				return fmt.Errorf("a client got %d bytes and then the end, as if they were all", len(got))
			default:
				broken++
			}
			return nil
		}
		var clients []*aiotest.Host
		for i := range 3 {
			clients = append(clients, w.Host(fmt.Sprint("client", i), func(ctx context.Context) error {
				for range 4 {
					if err := ask(ctx); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		for range 3 {
			if err := aio.Sleep(ctx, aiotest.Between(ctx, 10*time.Millisecond, 300*time.Millisecond)); err != nil {
				return err
			}
			hosts := []*aiotest.Host{server, mid, clients[0], clients[1]}
			switch h := hosts[aiotest.Choose(ctx, len(hosts), "host")]; aiotest.Choose(ctx, 3, "harm") {
			case 1:
				h.Restart()
			case 2:
				if h == mid {
					continue
				}
				w.Partition("proxy", h.Name())
				if err := aio.Sleep(ctx, aiotest.Between(ctx, 100*time.Millisecond, 2*time.Second)); err != nil {
					return err
				}
				w.Heal("proxy", h.Name())
			}
		}
		if err := w.Wait(ctx, clients...); err != nil {
			return err
		}
		// Connections to a crashed host time out after a quarter of an hour.
		if err := aio.Sleep(ctx, time.Hour); err != nil {
			return err
		}
		c := w.Counters()
		sum.Crashes, sum.Resets, sum.Connections = sum.Crashes+c.Crashes, sum.Resets+c.Resets, sum.Connections+c.Connections
		return nil
	})
	t.Logf("%d runs, %d complete answers, %d broken ones, %+v", r.Runs, whole, broken, sum)
	if whole < 3*runs || broken < runs/3 || sum.Crashes < runs/2 {
		t.Error("too few")
	}
}

// Each network operation fails once in each way, with and without TLS. The data that the
// proxy passes on is complete, or ends with an error: an EOF after part of the answer
// would look like a complete one. Afterwards the proxy has no connection and all its
// slots, and serves the next client.
func TestFailEverywhere(t *testing.T) {
	pair, _, _ := certificate(t)
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(cert)
	serverTLS, clientTLS := &tls.Config{Certificates: []tls.Certificate{pair}}, &tls.Config{RootCAs: trusted, ServerName: "localhost"}
	// For the network EndOfFile is the same as the end of an answer. With TLS it is
	// accepted as the end, as in asyncio. So this kind is tested separately.
	kinds := map[string][]aiotest.NetworkFailure{
		"errors":      {aiotest.ConnectionReset, aiotest.ConnectionTimedOut, aiotest.ShortOperation},
		"end of file": {aiotest.EndOfFile},
	}
	for _, c := range []struct {
		name                           string
		toProxy, atProxy, toServer, at *tls.Config
	}{
		{name: "plain"},
		{name: "TLS with the client", toProxy: clientTLS, atProxy: serverTLS},
		{name: "TLS with the server", toServer: clientTLS, at: serverTLS},
		{name: "TLS with both", toProxy: clientTLS, atProxy: serverTLS, toServer: clientTLS, at: serverTLS},
	} {
		if !stage.Full && (c.toProxy == nil) != (c.toServer == nil) {
			continue // the sample has TLS on both sides, or on none
		}
		for kind, failures := range kinds {
			t.Run(c.name+", "+kind, func(t *testing.T) {
				answer := bytes.Repeat([]byte("0123456789abcdef"), 250)
				r := aiotest.FailEverywhere(t, aiotest.Failures{Schedules: stage.Amount(1, 2, 20), Kinds: failures}, func(ctx context.Context, f *aiotest.Failing) error {
					asked := 0
					server, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
						defer w.Close()
						if line, err := r.ReadLine(ctx); err != nil || string(line) != "GET /\r\n" {
							// the proxy has not passed on the
							// request
							return nil
						}
						asked++
						for rest := answer; len(rest) > 0; rest = rest[1000:] {
							if _, err := w.Write(rest[:1000]); err != nil {
								return nil
							}
							if err := aio.Sleep(ctx, 10*time.Millisecond); err != nil {
								return err
							}
						}
						return nil
					}, "localhost:443", &aio.ServerOptions{TLS: c.at})
					if err != nil {
						return err
					}
					defer server.Close()
					p := &proxy{
						to: "localhost:443", limit: 1, clientTLS: c.atProxy, serverTLS: c.toServer,
						connectTimeout: time.Second, linger: time.Second, grace: time.Second,
						log: func(string, ...any) {}, slots: aio.NewSemaphore(1),
					}
					mid, err := aio.StartServer(ctx, p.handle, "localhost:8080", nil)
					if err != nil {
						return err
					}
					var got []byte
					ask := func(ctx context.Context) error {
						got = nil
						return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
							r, w, err := aio.OpenConnection(ctx, "localhost:8080", &aio.ConnectionOptions{TLS: c.toProxy})
							if err != nil {
								return err
							}
							defer w.Close()
							if _, err := w.Write([]byte("GET /\r\n")); err != nil {
								return err
							}
							for {
								part, err := r.Read(ctx, 1<<16)
								if got = append(got, part...); err != nil || len(part) == 0 {
									return err
								}
							}
						})
					}
					err = f.Do(ctx, ask)
					switch {
					case err != nil && !f.Happened():
						return err
					case errors.Is(err, aio.ErrTimeout):
						return errors.New("the client has waited for a minute")
					case !bytes.HasPrefix(answer, got):
						return fmt.Errorf("a client got %d bytes that differ from the sent ones", len(got))
					case err == nil && len(got) < len(answer) && kind == "errors":
						return fmt.Errorf("a client got %d bytes and then EOF, as if they were all", len(got))
					case asked > 1:
						return fmt.Errorf("the server was asked %d times", asked)
					}
					if err := ask(ctx); err != nil || len(got) != len(answer) {
						return fmt.Errorf("the next client got %d bytes: %w", len(got), err)
					}
					if err := mid.Shutdown(ctx, 10*time.Second); err != nil {
						return err
					}
					if p.open != 0 || p.slots.Locked() {
						return fmt.Errorf("%d connections are open, slots taken: %v", p.open, p.slots.Locked())
					}
					return nil
				})
				t.Logf("%d failures were tried", r.Moments)
				if r.Moments < 15*len(failures) {
					t.Error("too few")
				}
			})
		}
	}
}

// A connection is cancelled at every moment: its client gets an error or the whole
// answer, never EOF after a part of it. Afterwards the proxy serves the next client.
func TestCancelEverywhere(t *testing.T) {
	answer := bytes.Repeat([]byte("0123456789abcdef"), 250)
	sweep := aiotest.Sweep{Network: true, Schedules: stage.Amount(1, 5, 20)}
	r := aiotest.CancelEverywhere(t, sweep, func(ctx context.Context, c *aiotest.Cancelled) error {
		server, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			if line, err := r.ReadLine(ctx); err != nil || string(line) != "GET /\r\n" {
				return nil // the proxy has not passed on the request
			}
			for rest := answer; len(rest) > 0; rest = rest[1000:] {
				if _, err := w.Write(rest[:1000]); err != nil {
					return nil
				}
				if err := aio.Sleep(ctx, 10*time.Millisecond); err != nil {
					return err
				}
			}
			return nil
		}, "localhost:443", nil)
		if err != nil {
			return err
		}
		defer server.Close()
		p := &proxy{
			to: "localhost:443", limit: 1, connectTimeout: time.Second, linger: time.Second, grace: time.Second,
			log: func(string, ...any) {}, slots: aio.NewSemaphore(1),
		}
		first := true
		mid, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			if !first {
				return p.handle(ctx, r, w)
			}
			first = false
			err := c.Do(ctx, func(ctx context.Context) error { return p.handle(ctx, r, w) })
			end(w, err) // also if fn was cancelled before it began
			if c.Happened() && errors.Is(err, aio.ErrCancelled) {
				return nil
			}
			return err
		}, "localhost:8080", nil)
		if err != nil {
			return err
		}
		var got []byte
		ask := func(ctx context.Context) error {
			got = nil
			r, w, err := aio.OpenConnection(ctx, "localhost:8080", nil)
			if err != nil {
				return err
			}
			defer w.Close()
			if _, err := w.Write([]byte("GET /\r\n")); err != nil {
				return err
			}
			for {
				part, err := r.Read(ctx, 1<<16)
				if got = append(got, part...); err != nil || len(part) == 0 {
					return err
				}
			}
		}
		err = aio.Timeout(ctx, time.Minute, ask)
		switch {
		case errors.Is(err, aio.ErrTimeout), err != nil && !c.Happened():
			return err
		case !bytes.HasPrefix(answer, got):
			return fmt.Errorf("a client got %d bytes that differ from the sent ones", len(got))
		case err == nil && len(got) < len(answer):
			return fmt.Errorf("a client got %d bytes and then EOF, as if they were all", len(got))
		}
		if err := aio.Timeout(ctx, time.Minute, ask); err != nil || len(got) != len(answer) {
			return fmt.Errorf("the next client got %d bytes: %w", len(got), err)
		}
		if err := mid.Shutdown(ctx, 10*time.Second); err != nil {
			return err
		}
		if p.open != 0 || p.slots.Locked() {
			return fmt.Errorf("%d connections are open, slots taken: %v", p.open, p.slots.Locked())
		}
		return nil
	})
	t.Logf("cancelled at %d moments", r.Moments)
	if r.Moments < 20 {
		t.Error("too few")
	}
}
