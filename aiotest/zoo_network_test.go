package aiotest_test

// The programs of the zoo that need a network.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// serveLines answers each line of a connection with answer until EOF.
func serveLines(ctx context.Context, addr string, answer func(ctx context.Context, line string) (string, error)) error {
	return serve(ctx, addr, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
		defer w.Close()
		for {
			line, err := r.ReadLine(ctx)
			if err != nil || len(line) == 0 {
				return nil // the client has closed the connection
			}
			reply, err := answer(ctx, strings.TrimSpace(string(line)))
			if err != nil {
				return nil // the host is shutting down
			}
			_, _ = fmt.Fprintf(w, "%s\n", reply)
		}
	})
}

// serve serves addr with handler until the host ends.
func serve(ctx context.Context, addr string, handler aio.StreamHandler) error {
	s, err := aio.StartServer(ctx, handler, addr, nil)
	if err != nil {
		return err
	}
	return s.ServeForever(ctx)
}

// askLine sends a line and returns the answer.
func askLine(ctx context.Context, addr, line string) (string, error) {
	r, w, err := aio.OpenConnection(ctx, addr, nil)
	if err != nil {
		return "", err
	}
	defer w.Close()
	_, _ = fmt.Fprintf(w, "%s\n", line)
	reply, err := r.ReadLine(ctx)
	if err == nil && !strings.HasSuffix(string(reply), "\n") {
		err = errors.New("there is no answer")
	}
	return strings.TrimSpace(string(reply)), err
}

// splitBrain has a backup that becomes leader when it receives nothing from the leader.
// The link may be cut in one direction. The mended leader resigns when no
// acknowledgement arrives.
func splitBrain(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		leads := map[string]bool{"a": true}
		udp := func(ctx context.Context, to string) (aio.DatagramTransport, *catcher, error) {
			c := newCatcher()
			t, _, err := aio.CreateDatagramEndpoint(ctx, func() *catcher { return c }, &aio.DatagramOptions{LocalAddr: "0.0.0.0:1", RemoteAddr: to, AllowBroadcast: true})
			return t, c, err
		}
		w.Host("b", func(ctx context.Context) error {
			t, c, err := udp(ctx, "a:1")
			if err != nil {
				return err
			}
			defer t.Close()
			for {
				_, err := aio.WaitFor(ctx, aio.Coro[string](c.got.Get), 3*time.Second)
				switch {
				case errors.Is(err, aio.ErrTimeout):
					leads["b"] = true
					return nil
				case err != nil:
					return err
				}
				if err := t.SendTo([]byte("yes"), nil); err != nil {
					return err
				}
			}
		})
		w.Host("a", func(ctx context.Context) error {
			t, c, err := udp(ctx, "b:1")
			if err != nil {
				return err
			}
			defer t.Close()
			for {
				if err := t.SendTo([]byte("I lead"), nil); err != nil {
					return err
				}
				_, err := aio.WaitFor(ctx, aio.Coro[string](c.got.Get), time.Second)
				if errors.Is(err, aio.ErrTimeout) && mended {
					leads["a"] = false
					return nil
				}
				if err != nil && !errors.Is(err, aio.ErrTimeout) {
					return err
				}
				if err := aio.Sleep(ctx, 500*ms); err != nil {
					return err
				}
			}
		})
		w.Always(func() error {
			if leads["a"] && leads["b"] {
				return errors.New("both lead")
			}
			return nil
		})
		if err := aio.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
		switch aiotest.Choose(ctx, 8, "partition") {
		case 7:
			w.Way("a", "b").Cut()
		case 6:
			w.Way("b", "a").Cut()
		}
		return aio.Sleep(ctx, 20*time.Second)
	}
}

// retryOverNetwork repeats a request when no response arrives. The mended version adds
// a number by which the server recognizes the request.
func retryOverNetwork(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		charged := map[string]bool{}
		w.Host("bank", func(ctx context.Context) error {
			return serveLines(ctx, ":1", func(ctx context.Context, id string) (string, error) {
				charged[id] = true
				return "done", nil
			})
		})
		shop := w.Host("shop", func(ctx context.Context) error {
			for try := range 10 {
				id := "order"
				if !mended {
					id = fmt.Sprint("order, try ", try)
				}
				err := aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
					_, err := askLine(ctx, "bank:1", id)
					return err
				})
				if !errors.Is(err, aio.ErrTimeout) {
					return err
				}
			}
			return errors.New("the bank does not respond")
		})
		w.Link("bank", "shop").Latency(50*ms, 300*ms)
		if err := aio.Sleep(ctx, aiotest.Between(ctx, 0, time.Second)); err != nil {
			return err
		}
		if aiotest.Choose(ctx, 2, "partition") == 1 {
			w.Partition("bank", "shop")
			if err := aio.Sleep(ctx, 2*time.Second); err != nil {
				return err
			}
			w.Heal("bank", "shop")
		}
		if err := shop.Wait(ctx); err != nil {
			return err
		}
		if err := aio.Sleep(ctx, 10*time.Second); err != nil {
			return err
		}
		if len(charged) != 1 {
			return fmt.Errorf("charged for %d orders", len(charged))
		}
		return nil
	}
}

// crashBeforeDisk acknowledges a value, and may crash before the value is on disk.
func crashBeforeDisk(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		var disk []string
		db := w.Host("db", func(ctx context.Context) error {
			return serveLines(ctx, ":1", func(ctx context.Context, value string) (string, error) {
				sync := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
					return aio.ToThread(ctx, func(context.Context) (int, error) { disk = append(disk, value); return 0, nil })
				})
				if mended {
					if _, err := sync.Await(ctx); err != nil {
						return "", err
					}
				}
				return "stored", nil
			})
		})
		var stored []string
		w.Host("client", func(ctx context.Context) error {
			for i := range 20 {
				value := strconv.Itoa(i)
				if reply, err := askLine(ctx, "db:1", value); err != nil || reply != "stored" {
					return nil // not acknowledged
				}
				stored = append(stored, value)
			}
			return nil
		})
		if err := aio.Sleep(ctx, time.Second-aiotest.Between(ctx, 0, time.Second)); err != nil {
			return err
		}
		db.Crash()
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		for _, value := range stored {
			if !slices.Contains(disk, value) {
				return fmt.Errorf("%s was acknowledged but is not on disk", value)
			}
		}
		return nil
	}
}

// halfClose has a server that treats EOF as if the client had closed the whole
// connection.
func halfClose(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		w.Host("server", func(ctx context.Context) error {
			return serve(ctx, ":1", func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				query, err := r.ReadLine(ctx)
				if err != nil {
					return nil
				}
				work := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, 20*ms) }))
				if !mended {
					aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
						if p, err := r.Read(ctx, 1); err == nil && len(p) == 0 {
							// assumes that the client is
							// gone
							work.Cancel()
						}
						return nil
					}))
				}
				if _, err := work.Await(ctx); err == nil {
					_, _ = fmt.Fprintf(c, "answer to %s", query)
				}
				return nil
			})
		})
		w.Link("server", "test").Latency(ms, 40*ms)
		r, c, err := aio.OpenConnection(ctx, "server:1", nil)
		if err != nil {
			return err
		}
		defer c.Close()
		_, _ = c.Write([]byte("query\n"))
		if err := aio.Sleep(ctx, 25*ms); err != nil { // nothing more to send
			return err
		}
		c.WriteEOF()
		answer, err := r.Read(ctx, -1)
		if err == nil && string(answer) != "answer to query\n" {
			err = fmt.Errorf("the answer is %q", answer)
		}
		return err
	}
}

// abortMisread has a proxy that aborts the connection to its client when the connection
// to the server breaks. The faulty client treats that as the end of the response.
func abortMisread(mended bool) func(ctx context.Context, c *aiotest.Failing) error {
	return func(ctx context.Context, c *aiotest.Failing) error {
		const whole = "all of the answer"
		server, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			if mended {
				_, _ = fmt.Fprintf(w, "%d\n", len(whole))
			}
			_, _ = w.Write([]byte(whole[:6]))
			_ = aio.Sleep(ctx, 10*ms)
			_, _ = w.Write([]byte(whole[6:]))
			return nil
		}, "localhost:1", nil)
		if err != nil {
			return err
		}
		defer server.Close()
		proxy, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			from, to, err := aio.OpenConnection(ctx, "localhost:1", nil)
			if err != nil {
				w.Transport().Abort()
				return nil
			}
			defer to.Close()
			for {
				p, err := from.Read(ctx, 100)
				switch {
				case err != nil:
					// so that the client notices the missing data
					w.Transport().Abort()
					return nil
				case len(p) == 0:
					w.Close()
					return nil
				}
				_, _ = w.Write(p)
			}
		}, "localhost:2", nil)
		if err != nil {
			return err
		}
		defer proxy.Close()
		var answer []byte
		err = c.Do(ctx, func(ctx context.Context) error {
			r, w, err := aio.OpenConnection(ctx, "localhost:2", nil)
			if err != nil {
				return err
			}
			defer w.Close()
			if mended {
				line, err := r.ReadLine(ctx)
				if err != nil {
					return err
				}
				n, err := strconv.Atoi(strings.TrimSpace(string(line)))
				if err != nil {
					return err
				}
				answer, err = r.ReadExactly(ctx, n)
				return err
			}
			answer, err = r.Read(ctx, -1)
			return err
		})
		if err != nil && c.Happened() {
			return nil // the client got an error
		}
		if err == nil && string(answer) != whole {
			err = fmt.Errorf("the answer is %q", answer)
		}
		return err
	}
}

// reorderedDatagrams shows the position that arrived last. The mended receiver compares
// the sequence numbers.
func reorderedDatagrams(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		shown := 0
		w.Host("map", func(ctx context.Context) error {
			c := newCatcher()
			t, _, err := aio.CreateDatagramEndpoint(ctx, func() *catcher { return c }, &aio.DatagramOptions{LocalAddr: ":1"})
			if err != nil {
				return err
			}
			defer t.Close()
			for {
				p, err := c.got.Get(ctx)
				if err != nil {
					return err
				}
				n, _ := strconv.Atoi(p[:1])
				if !mended || n > shown {
					shown = n
				}
			}
		})
		t, _, err := aio.CreateDatagramEndpoint(ctx, newCatcher, &aio.DatagramOptions{RemoteAddr: "map:1"})
		if err != nil {
			return err
		}
		defer t.Close()
		for i := range 5 {
			if err := t.SendTo([]byte(strconv.Itoa(i)), nil); err != nil {
				return err
			}
			if err := aio.Sleep(ctx, 3*ms); err != nil {
				return err
			}
		}
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if shown != 4 {
			return fmt.Errorf("position %d is shown, 4 is the last", shown)
		}
		return nil
	}
}

// silentPeer waits for the response of a server that may crash.
func silentPeer(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		srv := w.Host("server", func(ctx context.Context) error {
			return serveLines(ctx, ":1", func(ctx context.Context, line string) (string, error) {
				return "answer", aio.Sleep(ctx, 100*ms)
			})
		})
		client := w.Host("client", func(ctx context.Context) error {
			ask := func(ctx context.Context) error {
				_, err := askLine(ctx, "server:1", "question")
				return err
			}
			if mended {
				if err := aio.Timeout(ctx, time.Second, ask); !errors.Is(err, aio.ErrTimeout) {
					return err
				}
				return nil // a real client would ask another server
			}
			return ask(ctx)
		})
		if err := aio.Sleep(ctx, time.Second-aiotest.Between(ctx, 0, 980*ms)); err != nil {
			return err
		}
		srv.Crash()
		return client.Wait(ctx)
	}
}

// slowReader sends news to all readers at the rate at which they are produced. The
// mended version disconnects readers that are too slow.
func slowReader(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		buffered := 0
		w.Host("news", func(ctx context.Context) error {
			return serve(ctx, ":1", func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				news := make([]byte, 8<<10)
				for range 150 {
					if mended && c.Transport().GetWriteBufferSize() > 64<<10 {
						c.Transport().Abort()
						return nil
					}
					if _, err := c.Write(news); err != nil {
						// the reader has closed the connection
						return nil
					}
					buffered = max(buffered, c.Transport().GetWriteBufferSize())
					if err := aio.Sleep(ctx, 5*ms); err != nil {
						return err
					}
				}
				return nil
			})
		})
		reader := w.Host("reader", func(ctx context.Context) error {
			r, c, err := aio.OpenConnection(ctx, "news:1", nil)
			if err != nil {
				return err
			}
			defer c.Close()
			for {
				p, err := r.Read(ctx, 64<<10)
				if err != nil || len(p) == 0 {
					return nil
				}
				// the user scrolls
				if err := aio.Sleep(ctx, time.Duration(20*aiotest.Choose(ctx, 8, "user"))*ms); err != nil {
					return err
				}
			}
		})
		if err := reader.Wait(ctx); err != nil {
			return err
		}
		if buffered > 128<<10 {
			return fmt.Errorf("%d bytes wait for a reader", buffered)
		}
		return nil
	}
}
