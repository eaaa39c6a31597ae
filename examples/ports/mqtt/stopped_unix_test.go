//go:build unix

package mqtt

// The client while mosquitto is suspended by a signal.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/goaio/aio"
)

// The errors of deliveries that no task waits for: none is reported after Close and
// Disconnect, and one after a lost connection.
func TestSendWithoutWait(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		want []string
		end  func(ctx context.Context, m *mosquitto, c *Client) error
	}{
		{"Close", nil, func(ctx context.Context, _ *mosquitto, c *Client) error {
			c.Close()
			return nil
		}},
		{"Disconnect", nil, func(ctx context.Context, _ *mosquitto, c *Client) error {
			return c.Disconnect(ctx, Success)
		}},
		{"Lost", []string{"future: error was never retrieved"}, func(ctx context.Context, m *mosquitto, c *Client) error {
			m.stop(syscall.SIGKILL)
			if _, err := c.Receive(ctx); !errors.As(err, new(*LostError)) {
				return fmt.Errorf("Receive: %w", err)
			}
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := startMosquitto(t, "")
			var reports []string
			err := func() error {
				var r aio.Runner
				defer r.Close()
				loop, err := r.GetLoop()
				if err != nil {
					return err
				}
				loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { reports = append(reports, ec.Message) })
				return r.Run(func(ctx context.Context) error {
					client, err := Dial(ctx, m.url(), nil)
					if err != nil {
						return err
					}
					// mosquitto no longer answers.
					if err := m.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
						return err
					}
					for i := range 4 {
						if _, err := client.Send(ctx, &Message{Topic: "a", QoS: QoS(1 + i%2)}); err != nil {
							return err
						}
					}
					err = aio.Timeout(ctx, patience, func(ctx context.Context) error { return c.end(ctx, m, client) })
					client.Close()
					return errors.Join(err, aio.CancelAndWait(ctx, client.task))
				})
			}()
			if err != nil {
				t.Error(err)
			}
			if !slices.Equal(reports, c.want) {
				t.Errorf("reports: got %q, want %q", reports, c.want)
			}
		})
	}
}
