package aiotest_test

// The variants of the zoo that wait too long, or for the wrong answer, or keep too much:
// see zoo_variants_test.go.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// slowLines is a host that answers each line after a time that the run chooses.
func slowLines(w *aiotest.World, name string) {
	w.Host(name, func(ctx context.Context) error {
		return serveLines(ctx, ":1", func(ctx context.Context, line string) (string, error) {
			return "answer to " + line, aio.Sleep(ctx, time.Duration(10*aiotest.Choose(ctx, 8, "work"))*ms)
		})
	})
}

// variantPool returns a connection to the pool after a timeout. The mended version closes
// it.
func variantPool(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		slowLines(w, "server")
		type connection struct {
			r *aio.StreamReader
			c *aio.StreamWriter
		}
		var free []connection
		ask := func(ctx context.Context, question string) (answer string, err error) {
			var conn connection
			if n := len(free); n > 0 {
				conn, free = free[n-1], free[:n-1]
			} else if conn.r, conn.c, err = aio.OpenConnection(ctx, "server:1", nil); err != nil {
				return "", err
			}
			defer func() {
				if err != nil && mended {
					conn.c.Close()
					return
				}
				free = append(free, conn)
			}()
			_, _ = fmt.Fprintf(conn.c, "%s\n", question)
			err = aio.Timeout(ctx, 50*ms, func(ctx context.Context) error {
				line, err := conn.r.ReadLine(ctx)
				answer = strings.TrimSpace(string(line))
				return err
			})
			return answer, err
		}
		for i := range 5 {
			question := fmt.Sprint("question ", i)
			answer, err := ask(ctx, question)
			if err == nil && answer != "answer to "+question {
				return fmt.Errorf("%s got the %s", question, answer)
			}
		}
		for _, conn := range free {
			conn.c.Close()
		}
		return nil
	}
}

// variantPipeline sends requests on one connection. A request that times out leaves the
// queue of requests that wait for an answer; in the mended version the request keeps
// its place.
func variantPipeline(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		slowLines(w, "server")
		r, c, err := aio.OpenConnection(ctx, "server:1", nil)
		if err != nil {
			return err
		}
		defer c.Close()
		var line []*aio.Future[string]
		reader := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for {
				answer, err := r.ReadLine(ctx)
				if err != nil || len(answer) == 0 {
					return err
				}
				if len(line) == 0 {
					// the answer to a request that has timed out
					continue
				}
				if f := line[0]; !f.Done() {
					_ = f.SetResult(strings.TrimSpace(string(answer)))
				}
				line = line[1:]
			}
		}))
		ask := func(question string) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				f := aio.CreateFuture[string](ctx)
				line = append(line, f)
				_, _ = fmt.Fprintf(c, "%s\n", question)
				answer, err := aio.WaitFor(ctx, f, 100*ms)
				if errors.Is(err, aio.ErrTimeout) {
					if !mended {
						line = slices.DeleteFunc(line, func(other *aio.Future[string]) bool { return other == f })
					}
					return nil
				}
				if err == nil && answer != "answer to "+question {
					err = fmt.Errorf("%s got the %s", question, answer)
				}
				return err
			}
		}
		for i := range 4 {
			if err := together(ctx, ask(fmt.Sprint("a", i)), ask(fmt.Sprint("b", i))); err != nil {
				return err
			}
		}
		reader.Cancel()
		_, _, err = aio.Wait(ctx, []aio.AnyFuture{reader}, aio.NoTimeout, aio.AllCompleted)
		return err
	}
}

// variantLookup takes the next datagram for the answer. The mended version compares the
// names.
func variantLookup(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		w.Host("names", func(ctx context.Context) error {
			t, c, err := endpoint(ctx, "0.0.0.0:1", "client:1")
			if err != nil {
				return err
			}
			defer t.Close()
			for {
				name, err := c.got.Get(ctx)
				if err != nil {
					return err
				}
				if err := aio.Sleep(ctx, time.Duration(10*aiotest.Choose(ctx, 8, "work"))*ms); err != nil {
					return err
				}
				if err := t.SendTo([]byte(name+" has the address "+name+"'"), nil); err != nil {
					return err
				}
			}
		})
		client := w.Host("client", func(ctx context.Context) error {
			t, c, err := endpoint(ctx, "0.0.0.0:1", "names:1")
			if err != nil {
				return err
			}
			defer t.Close()
			for _, name := range []string{"a", "b", "c", "d"} {
				if err := t.SendTo([]byte(name), nil); err != nil {
					return err
				}
				answer, err := inTime(ctx, c, 50*ms)
				for err == nil && mended && answer != "" && !strings.HasPrefix(answer, name) {
					answer, err = inTime(ctx, c, 50*ms)
				}
				if err != nil {
					return err
				}
				if answer != "" && !strings.HasSuffix(answer, " "+name+"'") {
					return fmt.Errorf("%s: %s", name, answer)
				}
			}
			return nil
		})
		return client.Wait(ctx)
	}
}

// variantSession has a server with one place, and a client that crashes. The mended
// server ends sessions that are silent.
func variantSession(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		w.Host("server", func(ctx context.Context) error {
			place := aio.NewSemaphore(1)
			return serve(ctx, ":1", func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				return place.With(ctx, func(ctx context.Context) error {
					for {
						limit := aio.NoTimeout
						if mended {
							limit = 5 * time.Second
						}
						err := aio.Timeout(ctx, limit, func(ctx context.Context) error {
							line, err := r.ReadLine(ctx)
							if err == nil && len(line) == 0 {
								err = errors.New("EOF")
							}
							return err
						})
						if err != nil {
							// the session has ended
							return nil
						}
						_, _ = c.Write([]byte("answer\n"))
					}
				})
			})
		})
		first := w.Host("first", func(ctx context.Context) error {
			_, err := askLine(ctx, "server:1", "question")
			return err
		})
		if err := aio.Sleep(ctx, 200*ms-aiotest.Between(ctx, 0, 200*ms)); err != nil {
			return err
		}
		first.Crash()
		return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
			_, err := askLine(ctx, "server:1", "question")
			return err
		})
	}
}

// variantDrain waits until all data is sent before it ends. The mended version has a
// timeout for that.
func variantDrain(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		server := w.Host("server", func(ctx context.Context) error {
			return serve(ctx, ":1", func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				for {
					if p, err := r.Read(ctx, 64<<10); err != nil || len(p) == 0 {
						return nil
					}
				}
			})
		})
		client := w.Host("client", func(ctx context.Context) error {
			_, c, err := aio.OpenConnection(ctx, "server:1", nil)
			if err != nil {
				return err
			}
			defer c.Transport().Abort()
			for range 20 {
				if _, err := c.Write(make([]byte, 10<<10)); err != nil {
					return nil // reset
				}
				if err := aio.Sleep(ctx, 10*ms); err != nil {
					return err
				}
			}
			limit := aio.NoTimeout
			if mended {
				limit = 10 * time.Second
			}
			c.Close()
			if err := aio.Timeout(ctx, limit, c.WaitClosed); errors.Is(err, aio.ErrCancelled) || errors.Is(err, aio.ErrLoopClosed) {
				return err
			}
			return nil
		})
		if err := aio.Sleep(ctx, time.Second-aiotest.Between(ctx, 0, 980*ms)); err != nil {
			return err
		}
		server.Crash()
		return aio.Timeout(ctx, time.Minute, client.Wait)
	}
}

// variantLock has a lock that is released when the connection of its owner ends. In the
// mended version the owner must renew the lock.
func variantLock(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		w.Host("server", func(ctx context.Context) error {
			var lock aio.Lock
			return serve(ctx, ":1", func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				return lock.With(ctx, func(ctx context.Context) error {
					_, _ = c.Write([]byte("yours\n"))
					for {
						limit := aio.NoTimeout
						if mended {
							limit = 3 * time.Second
						}
						_, err := aio.WaitFor(ctx, aio.Coro[[]byte](func(ctx context.Context) ([]byte, error) {
							line, err := r.ReadLine(ctx)
							if err == nil && len(line) == 0 {
								err = errors.New("EOF")
							}
							return line, err
						}), limit)
						if err != nil {
							return nil // the owner is gone
						}
					}
				})
			})
		})
		own := func(ctx context.Context) error {
			r, c, err := aio.OpenConnection(ctx, "server:1", nil)
			if err != nil {
				return err
			}
			defer c.Close()
			if line, err := r.ReadLine(ctx); err != nil || string(line) != "yours\n" {
				return fmt.Errorf("got %q: %w", line, err)
			}
			for range 3 {
				if _, err := c.Write([]byte("still here\n")); err != nil {
					return err
				}
				if err := aio.Sleep(ctx, 100*ms); err != nil {
					return err
				}
			}
			return nil
		}
		first := w.Host("first", own)
		if err := aio.Sleep(ctx, time.Second-aiotest.Between(ctx, 0, time.Second)); err != nil {
			return err
		}
		first.Crash()
		return aio.Timeout(ctx, time.Minute, own)
	}
}

// readSlowly reads from a host as a user scrolls, until EOF.
func readSlowly(ctx context.Context, addr string) error {
	r, c, err := aio.OpenConnection(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		p, err := r.Read(ctx, 64<<10)
		if err != nil || len(p) == 0 {
			return nil
		}
		if err := aio.Sleep(ctx, time.Duration(20*aiotest.Choose(ctx, 8, "user"))*ms); err != nil {
			return err
		}
	}
}

// variantQueue has a queue for each reader. In the mended version the queue has a
// limit: a reader that is too slow is disconnected.
func variantQueue(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		most := 0
		w.Host("news", func(ctx context.Context) error {
			return serve(ctx, ":1", func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				limit := 0
				if mended {
					limit = 8
				}
				queue := aio.NewQueue[[]byte](limit)
				sender := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					for {
						p, err := queue.Get(ctx)
						if err != nil {
							return err
						}
						if _, err := c.Write(p); err != nil {
							return nil
						}
						if err := c.Drain(ctx); err != nil {
							return nil // the reader is gone
						}
					}
				}))
				defer sender.Cancel()
				for range 60 {
					if err := queue.PutNowait(make([]byte, 8<<10)); err != nil {
						c.Transport().Abort()
						return nil
					}
					most = max(most, queue.QSize())
					if err := aio.Sleep(ctx, 5*ms); err != nil {
						return err
					}
				}
				return nil
			})
		})
		if err := readSlowly(ctx, "news:1"); err != nil {
			return err
		}
		if most > 10 {
			return fmt.Errorf("%d messages wait for a reader", most)
		}
		return nil
	}
}

// variantPump copies from a fast server to a slow client. The mended version waits until
// the client has read.
func variantPump(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		buffered := 0
		w.Host("server", func(ctx context.Context) error {
			return serve(ctx, ":1", func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				for range 60 {
					if _, err := c.Write(make([]byte, 8<<10)); err != nil {
						return nil
					}
					if err := c.Drain(ctx); err != nil {
						return nil
					}
					if err := aio.Sleep(ctx, 5*ms); err != nil {
						return err
					}
				}
				return nil
			})
		})
		w.Host("relay", func(ctx context.Context) error {
			return serve(ctx, ":1", func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				from, to, err := aio.OpenConnection(ctx, "server:1", nil)
				if err != nil {
					return err
				}
				defer to.Close()
				for {
					p, err := from.Read(ctx, 64<<10)
					if err != nil || len(p) == 0 {
						return nil
					}
					if _, err := c.Write(p); err != nil {
						return nil
					}
					buffered = max(buffered, c.Transport().GetWriteBufferSize())
					if mended {
						if err := c.Drain(ctx); err != nil {
							return nil
						}
					}
				}
			})
		})
		if err := readSlowly(ctx, "relay:1"); err != nil {
			return err
		}
		if buffered > 128<<10 {
			return fmt.Errorf("%d bytes wait for a reader", buffered)
		}
		return nil
	}
}

// variantInTurn sends each message to one reader after the other. The mended version
// does not wait for a slow reader, and disconnects it.
func variantInTurn(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		var late time.Duration
		w.Host("news", func(ctx context.Context) error {
			var readers []*aio.StreamWriter
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				readers = append(readers, c)
				return nil
			}, ":1", nil)
			if err != nil {
				return err
			}
			defer s.Close()
			if err := aio.Sleep(ctx, 200*ms); err != nil {
				return err
			}
			for range 60 {
				began := w.Now()
				for _, c := range slices.Clone(readers) {
					if mended && c.Transport().GetWriteBufferSize() > 64<<10 {
						c.Transport().Abort()
						readers = slices.DeleteFunc(readers, func(other *aio.StreamWriter) bool { return other == c })
						continue
					}
					if _, err := c.Write(make([]byte, 8<<10)); err != nil || mended {
						continue
					}
					// fails if the reader is gone
					_ = c.Drain(ctx)
				}
				late = max(late, w.Now()-began)
				if err := aio.Sleep(ctx, 5*ms); err != nil {
					return err
				}
			}
			for _, c := range readers {
				c.Close()
			}
			return nil
		})
		for _, name := range []string{"one", "two"} {
			w.Host(name, func(ctx context.Context) error { return readSlowly(ctx, "news:1") })
		}
		if err := aio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		if late > 50*ms {
			return fmt.Errorf("the readers got a message %v later", late)
		}
		return nil
	}
}
