package aio_test

import (
	"context"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

// The programs of README.md.

func download(name string, d time.Duration) aio.Coro[string] {
	return func(ctx context.Context) (string, error) {
		if err := aio.Sleep(ctx, d); err != nil {
			return "", err
		}
		return name, nil
	}
}

func main() {
	err := aio.Run(func(ctx context.Context) error {
		both := aio.Gather(ctx, download("a", 100*time.Millisecond), download("b", 200*time.Millisecond))
		fmt.Println(both.Await(ctx)) // [a b] <nil>, after 200 ms

		return aio.Timeout(ctx, 100*time.Millisecond, func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				aio.GoIn(tg, download("c", time.Millisecond))
				aio.GoIn(tg, download("d", time.Hour)) // is cancelled, and waited for
				return nil
			})
		})
	})
	fmt.Println(err) // aio: timed out
}

func Example_readme() {
	main()
	// Output:
	// [a b] <nil>
	// aio: timed out
}

func echo(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
	for line, err := range r.Lines(ctx) {
		if err != nil {
			return err
		}
		w.Write(line)
		if err := w.Drain(ctx); err != nil {
			return err
		}
	}
	return nil
}

func serve(ctx context.Context, addr string) error {
	srv, err := aio.StartServer(ctx, echo, addr, nil)
	if err != nil {
		return err
	}
	return srv.ServeForever(ctx)
}

func Example_readmeServer() {
	err := aio.Run(func(ctx context.Context) error {
		return aio.Timeout(ctx, time.Millisecond, func(ctx context.Context) error {
			return serve(ctx, "localhost:0")
		})
	})
	fmt.Println(err)
	// Output: aio: timed out
}
