package aiojobs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/goaio/aio"
	"github.com/goaio/aio/contrib/aiojobs"
)

// A job and its worker in one process, with the embedded server.
func Example() {
	shout := aiojobs.NewJob[string, string]("shout", nil)
	err := aio.Run(func(ctx context.Context) error {
		dir, err := os.MkdirTemp("", "aiojobs")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		c, err := aiojobs.Open(ctx, &aiojobs.Options{Dir: dir})
		if err != nil {
			return err
		}
		err = aiojobs.Register(c, shout, func(ctx context.Context, s string) (string, error) {
			return strings.ToUpper(s) + "!", nil
		})
		if err != nil {
			return errors.Join(err, c.Close(ctx))
		}
		work := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return c.Work(ctx, &aiojobs.WorkOptions{Limit: 4})
		}))
		h, err := shout.Submit(ctx, c, "ahoy", nil)
		if err == nil {
			var loud string
			loud, err = h.Await(ctx)
			fmt.Println(loud)
		}
		c.Drain()
		return errors.Join(err, work.Join(ctx), c.Close(ctx))
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: AHOY!
}
