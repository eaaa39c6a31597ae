package aiotest_test

// The variants of the zoo in which a connection ends: see zoo_variants_test.go.

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// uploadProtocol answers a line after some work.
type uploadProtocol struct {
	loop   *aio.Loop
	t      aio.Transport
	mended bool
}

func (u *uploadProtocol) ConnectionMade(t aio.Transport) { u.t = t }

func (u *uploadProtocol) DataReceived(p []byte) {
	if !strings.HasSuffix(string(p), "\n") {
		return
	}
	u.loop.CallLater(20*ms, func() {
		_, _ = u.t.Write([]byte("stored\n"))
		u.t.Close()
	})
}

// EOFReceived closes the connection if it returns false.
func (u *uploadProtocol) EOFReceived() (keepOpen bool) { return u.mended }

// askAndClose sends a line, closes the connection for writing some time later, and
// returns all of the answer. In the ordinary case the answer has arrived at that time.
func askAndClose(ctx context.Context, addr string) (string, error) {
	r, c, err := aio.OpenConnection(ctx, addr, nil)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_, _ = c.Write([]byte("question\n"))
	if err := aio.Sleep(ctx, 300*ms-aiotest.Between(ctx, 0, 300*ms)); err != nil {
		return "", err
	}
	c.WriteEOF()
	answer, err := r.Read(ctx, -1)
	return string(answer), err
}

// variantUpload has a protocol that does not keep the connection open after EOF.
func variantUpload(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		w.Host("server", func(ctx context.Context) error {
			loop, err := aio.GetRunningLoop(ctx)
			if err != nil {
				return err
			}
			s, err := aio.CreateServer(ctx, func() *uploadProtocol { return &uploadProtocol{loop: loop, mended: mended} }, ":1", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		answer, err := askAndClose(ctx, "server:1")
		if err == nil && answer != "stored\n" {
			err = fmt.Errorf("the answer is %q", answer)
		}
		return err
	}
}

// variantShipper sends lines, and receives a configuration until EOF. The faulty version
// then closes the connection.
func variantShipper(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		var got []byte
		server := w.Host("server", func(ctx context.Context) error {
			done := aio.CreateFuture[struct{}](ctx)
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				config := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					if err := aio.Sleep(ctx, 100*ms-aiotest.Between(ctx, 0, 100*ms)); err != nil {
						return err
					}
					_, _ = c.Write([]byte("level=debug\n"))
					c.WriteEOF() // there is no more
					return nil
				}))
				var err error
				if got, err = r.Read(ctx, -1); err == nil {
					_, err = config.Await(ctx)
				}
				// cannot fail: there is only one connection
				_ = done.SetResult(struct{}{})
				return err
			}, ":1", nil)
			if err != nil {
				return err
			}
			defer s.Close()
			_, err = done.Await(ctx)
			return err
		})
		w.Host("shipper", func(ctx context.Context) error {
			r, c, err := aio.OpenConnection(ctx, "server:1", nil)
			if err != nil {
				return err
			}
			defer c.Close()
			ended := false
			config := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				_, err := r.Read(ctx, -1)
				ended = true
				return err
			}))
			for i := range 5 {
				if ended && !mended {
					return nil // assumes that the server is gone
				}
				if _, err := fmt.Fprintf(c, "line %d\n", i); err != nil {
					return err
				}
				if err := aio.Sleep(ctx, 10*ms); err != nil {
					return err
				}
			}
			c.WriteEOF()
			_, err = config.Await(ctx)
			return err
		})
		if err := server.Wait(ctx); err != nil {
			return err
		}
		if n := strings.Count(string(got), "\n"); n != 5 {
			return fmt.Errorf("%d of 5 lines have arrived", n)
		}
		return nil
	}
}

// variantRelay closes both connections when one of them ends. The mended version passes
// on the EOF.
func variantRelay(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		w.Host("server", func(ctx context.Context) error {
			return serveLines(ctx, ":1", func(ctx context.Context, line string) (string, error) {
				return "answer", aio.Sleep(ctx, 20*ms)
			})
		})
		w.Host("relay", func(ctx context.Context) error {
			return serve(ctx, ":1", func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				upR, upC, err := aio.OpenConnection(ctx, "server:1", nil)
				if err != nil {
					return err
				}
				defer upC.Close()
				pump := func(to *aio.StreamWriter, from *aio.StreamReader) aio.Awaitable[struct{}] {
					return aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
						for {
							p, err := from.Read(ctx, 100)
							if err != nil || len(p) == 0 {
								to.WriteEOF()
								return err
							}
							_, _ = to.Write(p)
						}
					}))
				}
				up, down := pump(upC, r), pump(c, upR)
				if !mended {
					_, err = up.Await(ctx)
					return err // and close both
				}
				if _, err = up.Await(ctx); err == nil {
					_, err = down.Await(ctx)
				}
				return err
			})
		})
		answer, err := askAndClose(ctx, "relay:1")
		if err == nil && answer != "answer\n" {
			err = fmt.Errorf("the answer is %q", answer)
		}
		return err
	}
}

// variantFeed has a server that aborts a connection when it has too much to do. The
// client takes that for the end of the list; the mended client requires an end line.
func variantFeed(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		w.Host("server", func(ctx context.Context) error {
			return serve(ctx, ":1", func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				for i := range 5 {
					if aiotest.Choose(ctx, 20, "overload") == 19 {
						c.Transport().Abort()
						return nil
					}
					_, _ = fmt.Fprintf(c, "item %d\n", i)
					if err := aio.Sleep(ctx, 10*ms); err != nil {
						return err
					}
				}
				_, _ = c.Write([]byte("end\n"))
				return nil
			})
		})
		for range 20 {
			r, c, err := aio.OpenConnection(ctx, "server:1", nil)
			if err != nil {
				return err
			}
			list, err := r.Read(ctx, -1)
			c.Close()
			if err != nil || mended && !strings.HasSuffix(string(list), "end\n") {
				continue // again
			}
			if n := strings.Count(string(list), "item"); n != 5 {
				return fmt.Errorf("the list has %d items", n)
			}
			return nil
		}
		// never within these runs
		return errors.New("the server has too much to do")
	}
}

// variantCache keeps what it has read until EOF, for the next client. The mended
// version keeps only answers of the announced length.
func variantCache(mended bool) func(ctx context.Context, c *aiotest.Failing) error {
	return func(ctx context.Context, c *aiotest.Failing) error {
		const page = "the first half and the second half"
		origin, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			_, _ = fmt.Fprintf(w, "%d\n%s", len(page), page[:15])
			if err := aio.Sleep(ctx, 10*ms); err != nil {
				return err
			}
			_, _ = w.Write([]byte(page[15:]))
			return nil
		}, "localhost:1", nil)
		if err != nil {
			return err
		}
		defer origin.Close()
		cached := ""
		get := func(ctx context.Context) error {
			if cached != "" {
				return nil
			}
			r, w, err := aio.OpenConnection(ctx, "localhost:1", nil)
			if err != nil {
				return err
			}
			defer w.Close()
			length, err := r.ReadLine(ctx)
			if err != nil {
				return err
			}
			body, err := r.Read(ctx, -1)
			if err != nil {
				return err
			}
			if mended && strings.TrimSpace(string(length)) != strconv.Itoa(len(body)) {
				return errors.New("the origin has broken off")
			}
			cached = string(body)
			return nil
		}
		if err := c.Do(ctx, get); err != nil && !c.Happened() {
			return err
		}
		if err := get(ctx); err != nil {
			return err
		}
		if cached != page {
			return fmt.Errorf("the cache has %q", cached)
		}
		return nil
	}
}

// variantUndo aborts a connection when no answer comes in time, and assumes that the
// request did not arrive. In the mended version a repeated request has the same id, so
// the payment is made once.
func variantUndo(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		paid := map[string]bool{}
		w.Host("bank", func(ctx context.Context) error {
			return serveLines(ctx, ":1", func(_ context.Context, id string) (string, error) {
				paid[id] = true
				return "paid", nil
			})
		})
		w.Link("bank", "test").Latency(ms, 40*ms)
		for try := range 100 {
			id := "payment"
			if !mended {
				id = fmt.Sprint("payment ", try)
			}
			r, c, err := aio.OpenConnection(ctx, "bank:1", nil)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(c, "%s\n", id)
			err = aio.Timeout(ctx, 60*ms, func(ctx context.Context) error {
				_, err := r.ReadLine(ctx)
				return err
			})
			c.Transport().Abort()
			if err == nil {
				break
			}
			if !errors.Is(err, aio.ErrTimeout) {
				return err
			}
		}
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if len(paid) != 1 {
			return fmt.Errorf("paid %d times", len(paid))
		}
		return nil
	}
}
