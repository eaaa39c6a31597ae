package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

// client is a person at a terminal.
type client struct {
	r *aio.StreamReader
	w *aio.StreamWriter
}

func dial(ctx context.Context, addr string, opts *aio.ConnectionOptions) (*client, error) {
	r, w, err := aio.OpenConnection(ctx, addr, opts)
	return &client{r, w}, err
}

// hear checks the next lines.
func (c *client) hear(ctx context.Context, lines ...string) error {
	for _, want := range lines {
		line, err := c.r.ReadLine(ctx)
		if got := strings.TrimSuffix(string(line), "\n"); err != nil || got != want {
			return fmt.Errorf("heard %q, %v, want %q", got, err, want)
		}
	}
	return nil
}

// ended checks that the server has closed the connection.
func (c *client) ended(ctx context.Context) error {
	if line, err := c.r.ReadLine(ctx); len(line) > 0 || err != nil && !isGone(err) {
		return fmt.Errorf("heard %q, %v after the end", line, err)
	}
	return nil
}

func (c *client) say(text string) { fmt.Fprintln(c.w, text) }

// simulate runs a server on a host, and f on another one, in several schedules.
func simulate(t *testing.T, server func(ctx context.Context) error, f func(ctx context.Context, w *aiotest.World) error) {
	t.Helper()
	aiotest.Simulate(t, aiotest.Simulation{Runs: stage.Amount(4, 20, 20)}, func(ctx context.Context, w *aiotest.World) error {
		w.Host("server", server)
		return w.Host("clients", func(ctx context.Context) error {
			// Give the server time to listen.
			if err := aio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error { return f(ctx, w) })
		}).Wait(ctx)
	})
}

// step returns the server of a step.
func step(n int) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		if n == 5 {
			return newHall().serve(ctx, ":7777", nil, time.Second, func(net.Addr) {})
		}
		return serve(ctx, handlers()[n], ":7777", func(net.Addr) {})
	}
}

func TestEcho(t *testing.T) {
	simulate(t, step(1), func(ctx context.Context, _ *aiotest.World) error {
		c, err := dial(ctx, "server:7777", nil)
		if err != nil {
			return err
		}
		defer c.w.Close()
		c.say("hello")
		c.say("again")
		return c.hear(ctx, "hello", "again")
	})
}

func TestRoom(t *testing.T) {
	simulate(t, step(2), func(ctx context.Context, _ *aiotest.World) error {
		var all []*client
		for range 3 {
			c, err := dial(ctx, "server:7777", nil)
			if err != nil {
				return err
			}
			defer c.w.Close()
			all = append(all, c)
			if err := aio.Sleep(ctx, time.Second); err != nil {
				// it has arrived
				return err
			}
		}
		all[0].say("hello")
		all[0].say("all")
		for _, c := range all[1:] {
			if err := c.hear(ctx, "hello", "all"); err != nil {
				return err
			}
		}
		all[2].say("hi")
		return errors.Join(all[0].hear(ctx, "hi"), all[1].hear(ctx, "hi"))
	})
}

// enter makes clients with names. Each of them reads the lines about the clients that
// come later.
func enter(ctx context.Context, opts *aio.ConnectionOptions, addr string, nicks ...string) (all []*client, err error) {
	for i, nick := range nicks {
		c, err := dial(ctx, addr, opts)
		if err != nil {
			return nil, err
		}
		if err := c.hear(ctx, "* your name?"); err != nil {
			return nil, err
		}
		c.say(nick)
		all = append(all, c)
		for j, other := range all {
			if err := other.hear(ctx, "* "+nick+" has joined"); err != nil {
				return nil, fmt.Errorf("client %d, when %d comes: %w", j, i, err)
			}
		}
	}
	return all, nil
}

func TestNames(t *testing.T) {
	simulate(t, step(3), func(ctx context.Context, _ *aiotest.World) error {
		a, err := dial(ctx, "server:7777", nil)
		if err != nil {
			return err
		}
		defer a.w.Close()
		b, err := dial(ctx, "server:7777", nil)
		if err != nil {
			return err
		}
		defer b.w.Close()
		a.say("ann")
		if err := errors.Join(a.hear(ctx, "* your name?"), aio.Sleep(ctx, time.Second)); err != nil {
			return err
		}
		b.say("ann")
		if err := b.hear(ctx, "* your name?", "* that name is taken, another one?"); err != nil {
			return err
		}
		a.w.Close() // the name is free again
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		b.say("ann")
		c, err := dial(ctx, "server:7777", nil)
		if err != nil {
			return err
		}
		defer c.w.Close()
		c.say("cid")
		if err := errors.Join(c.hear(ctx, "* your name?"), aio.Sleep(ctx, time.Second)); err != nil {
			return err
		}
		b.say("hello")
		return c.hear(ctx, "hello")
	})
}

// A client that does not read is disconnected, and the others get each line.
func TestSlow(t *testing.T) {
	simulate(t, step(4), func(ctx context.Context, _ *aiotest.World) error {
		all, err := enter(ctx, nil, "server:7777", "ann", "bob", "slow")
		if err != nil {
			return err
		}
		for _, c := range all {
			defer c.w.Close()
		}
		ann, bob := all[0], all[1]
		text := strings.Repeat("x", 4_000)
		heard, gone := 0, false
		for said := 0; !gone || heard < said; {
			if !gone && said < 1000 {
				ann.say(text)
				said++
			}
			line, err := bob.r.ReadLine(ctx)
			switch got := strings.TrimSuffix(string(line), "\n"); {
			case err != nil:
				return err
			case got == "* slow has left" && !gone:
				gone = true
			case got == "ann: "+text:
				heard++
			default:
				return fmt.Errorf("bob heard %.40q after %d lines of %d", got, heard, said)
			}
		}
		if heard <= maxUnsent {
			return fmt.Errorf("slow was disconnected after %d lines", heard)
		}
		if err := ann.hear(ctx, "* slow has left"); err != nil {
			return err
		}
		ann.say("goodbye")
		return bob.hear(ctx, "ann: goodbye")
	})
}

// When the server is stopped, the members get the lines that were said before, and a line
// about the end.
func TestShutdown(t *testing.T) {
	var hall *aiotest.Host
	aiotest.Simulate(t, aiotest.Simulation{Runs: stage.Amount(4, 20, 20)}, func(ctx context.Context, w *aiotest.World) error {
		stop := false
		hall = w.Host("server", func(ctx context.Context) error {
			task := aio.CreateTask(ctx, aio.NoResult(step(5)))
			for !stop {
				if err := aio.Sleep(ctx, 100*time.Millisecond); err != nil {
					return err
				}
			}
			task.Cancel() // as a signal does
			if _, err := task.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
				return fmt.Errorf("serve returned %v", err)
			}
			return nil
		})
		err := w.Host("clients", func(ctx context.Context) error {
			if err := aio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			all, err := enter(ctx, nil, "server:7777", "ann", "bob")
			if err != nil {
				return err
			}
			all[0].say("one")
			all[0].say("two")
			if err := all[1].hear(ctx, "ann: one", "ann: two"); err != nil {
				return err
			}
			stop = true
			for _, c := range all {
				if err := errors.Join(c.hear(ctx, "* the server ends"), c.ended(ctx)); err != nil {
					return err
				}
				c.w.Close()
			}
			return nil
		}).Wait(ctx)
		return errors.Join(err, aio.Timeout(ctx, time.Minute, hall.Wait))
	})
}

// All members get the lines of a member in their order, whatever happens to the hosts and
// the links between them. No trace is left of a member who has left.
func TestSimulation(t *testing.T) {
	aiotest.Simulate(t, aiotest.Simulation{Runs: stage.Amount(4, 15, 50)}, func(ctx context.Context, w *aiotest.World) error {
		var h *hall
		w.Host("server", func(ctx context.Context) error {
			h = newHall()
			return h.serve(ctx, ":7777", nil, time.Second, func(net.Addr) {})
		})
		talk := func(ctx context.Context, nick string) error {
			c, err := dial(ctx, "server:7777", nil)
			if err != nil {
				return nil // the server cannot be reached
			}
			defer c.w.Close()
			c.say(nick)
			for i := range 5 {
				c.say(fmt.Sprint(i))
				if err := aio.Sleep(ctx, 50*time.Millisecond); err != nil {
					return err
				}
			}
			next := map[string]int{}
			for {
				line, err := c.r.ReadLine(ctx)
				if aio.IsCancellation(err) {
					return err
				}
				if err != nil || !bytes.HasSuffix(line, []byte("\n")) {
					return nil // the connection is lost
				}
				who, what, said := strings.Cut(strings.TrimSpace(string(line)), ": ")
				var i int
				if _, err := fmt.Sscan(what, &i); !said || err != nil {
					clear(next) // somebody came or left
					continue
				}
				if n, ok := next[who]; ok && i != n {
					return fmt.Errorf("%s heard %d of %s, want %d", nick, i, who, n)
				}
				next[who] = i + 1
			}
		}
		var people []*aiotest.Host
		for _, nick := range []string{"ann", "bob", "cid"} {
			people = append(people, w.Host(nick, func(ctx context.Context) error {
				for range 2 {
					_, err := aio.MoveOnAfter(ctx, 5*time.Second, func(ctx context.Context) error { return talk(ctx, nick) })
					if err != nil {
						return err
					}
				}
				return nil
			}))
		}
		for range 2 {
			if err := aio.Sleep(ctx, aiotest.Between(ctx, 100*time.Millisecond, time.Second)); err != nil {
				return err
			}
			somebody := people[aiotest.Choose(ctx, len(people), "host")]
			if aiotest.Choose(ctx, 2, "harm") == 0 {
				somebody.Restart()
				continue
			}
			w.Partition("server", somebody.Name())
			if err := aio.Sleep(ctx, aiotest.Between(ctx, 100*time.Millisecond, 3*time.Second)); err != nil {
				return err
			}
			w.Heal("server", somebody.Name())
		}
		for _, p := range people {
			if err := aio.Timeout(ctx, time.Hour, p.Wait); err != nil {
				return err
			}
		}
		if err := aio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		if len(h.members) > 0 && w.Counters().Crashes == 0 {
			return fmt.Errorf("%d members are left", len(h.members))
		}
		return nil
	})
}

// The last step with TLS, on real sockets, from the command line to the interrupt.
func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opts, err := secure(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	err = aio.Run(func(ctx context.Context) error {
		return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
			at := aio.CreateFuture[string](ctx)
			server := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				return newHall().serve(ctx, "127.0.0.1:0", opts, time.Second, func(a net.Addr) { _ = at.SetResult(a.String()) })
			}))
			addr, err := at.Await(ctx)
			if err != nil {
				return err
			}
			all, err := enter(ctx, &aio.ConnectionOptions{TLS: &tls.Config{RootCAs: roots, ServerName: "localhost"}}, addr, "ann", "bob")
			if err != nil {
				return err
			}
			all[1].say("hello")
			if err := all[0].hear(ctx, "bob: hello"); err != nil {
				return err
			}
			server.Cancel()
			for _, c := range all {
				if err := errors.Join(c.hear(ctx, "* the server ends"), c.ended(ctx)); err != nil {
					return err
				}
				c.w.Close()
			}
			if _, err := server.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
				return fmt.Errorf("serve returned %v", err)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Wrong arguments have exit status 2, a missing file 1.
func TestArguments(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"-step", "7"}, 2}, {[]string{"-step", "0"}, 2}, {[]string{"x"}, 2}, {[]string{"-nothing"}, 2},
		{[]string{"-cert", "a"}, 2}, {[]string{"-step", "1", "-cert", "a", "-key", "b"}, 2}, {[]string{"-h"}, 0},
		{[]string{"-cert", filepath.Join(t.TempDir(), "none"), "-key", "none"}, 1},
	} {
		if code := run(c.args, io.Discard, io.Discard); code != c.code {
			t.Errorf("%q: status %d, want %d", c.args, code, c.code)
		}
	}
}
