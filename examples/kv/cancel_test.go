package main

import (
	"context"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// A handler is cancelled in each of the passes after an item has arrived for its BLPOP:
// it ends, and does not wait for the client's next command.
func TestCancelledWhenAnItemArrives(t *testing.T) {
	for passes := range 14 {
		err := aio.Run(func(ctx context.Context) error {
			s, err := inMemory(ctx)
			if err != nil {
				return err
			}
			var handlers []aio.AnyTask
			srv, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
				handlers = append(handlers, aio.CurrentTask(ctx))
				return s.handle(ctx, r, w)
			}, "127.0.0.1:0", nil)
			if err != nil {
				return err
			}
			defer srv.Close()
			send := func(command string) (*aio.StreamWriter, error) {
				_, w, err := aio.OpenConnection(ctx, srv.Addr().String(), nil)
				if err != nil {
					return nil, err
				}
				_, err = w.Write([]byte(command + "\r\n"))
				return w, err
			}
			pause := func(until func() bool) error {
				return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
					for !until() {
						if err := aio.Sleep(ctx, 0); err != nil {
							return err
						}
					}
					return nil
				})
			}
			waits, err := send("BLPOP jobs 0")
			if err != nil {
				return err
			}
			defer waits.Close()
			if err := pause(func() bool { return len(s.store.blocked) > 0 }); err != nil {
				return err
			}
			pushes, err := send("RPUSH jobs job")
			if err != nil {
				return err
			}
			defer pushes.Close()
			left := passes + 1
			if err := pause(func() bool {
				if len(s.store.blocked) == 0 {
					left--
				}
				return left == 0
			}); err != nil {
				return err
			}
			handler := handlers[0]
			handler.Cancel()
			_, _, err = aio.Wait(ctx, []aio.AnyFuture{handler}, time.Minute, aio.AllCompleted)
			if err == nil && !handler.Cancelled() {
				t.Errorf("%d passes later: the handler has not ended as cancelled", passes)
			}
			return err
		})
		if err != nil {
			t.Errorf("%d passes later: %v", passes, err)
		}
	}
}
