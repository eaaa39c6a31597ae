package aiohttp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing/fstest"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

// show prints the response to a GET request.
func show(url string) {
	resp, err := http.Get(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Printf("%s %v\n", body, err)
}

// A net/http server whose handlers run in one loop, and share state without a lock.
func ExampleHandler() {
	loop, stop := aio.StartLoop(nil)
	visits := 0 // accessed only by tasks of the loop
	site := httptest.NewServer(aiohttp.Handler(loop, aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		visits++
		if err := aio.Sleep(ctx, time.Millisecond); err != nil {
			// other requests are handled during the sleep
			return
		}
		fmt.Fprintf(w, "visit %d of %s", visits, r.URL.Path)
	})))
	show(site.URL + "/tea")
	show(site.URL + "/milk")
	site.Close()
	fmt.Println(stop())
	// Output:
	// visit 1 of /tea <nil>
	// visit 2 of /milk <nil>
	// <nil>
}

// A server whose handlers are tasks of the loop that started it.
func ExampleServe() {
	mux := http.NewServeMux()
	mux.Handle("GET /hello", aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		if err := aio.Sleep(ctx, time.Millisecond); err != nil {
			return
		}
		fmt.Fprintf(w, "hello %s", r.FormValue("name"))
	}))
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aiohttp.Serve(ctx, mux, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		client := aio.NoResult(func(context.Context) error { // which blocks
			show(srv.URL() + "/hello?name=Ann")
			http.DefaultClient.CloseIdleConnections()
			return nil
		})
		if _, err := aio.ToThread(ctx, client); err != nil {
			return err
		}
		return srv.Shutdown(ctx, time.Second)
	})
	fmt.Println(err)
	// Output:
	// hello Ann <nil>
	// <nil>
}

// Requests that run concurrently, at most two at a time.
func ExampleClient() {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"path": %q}`, r.URL.Path)
	}))
	defer site.Close()
	client := &aiohttp.Client{BaseURL: site.URL, PerHost: 2, Retry: aiohttp.Retry{Attempts: 3}}
	defer client.CloseIdleConnections()
	fetch := func(name string) aio.Coro[string] {
		return func(ctx context.Context) (string, error) {
			resp, err := client.Get(ctx, name)
			if err != nil {
				return "", err
			}
			var answer struct{ Path string }
			err = resp.JSON(ctx, &answer)
			return answer.Path, err
		}
	}
	err := aio.Run(func(ctx context.Context) error {
		return aio.Timeout(ctx, 10*time.Second, func(ctx context.Context) error {
			paths, err := aio.Gather[string](ctx, fetch("tea"), fetch("milk"), fetch("sugar")).Await(ctx)
			fmt.Println(paths)
			return err
		})
	})
	fmt.Println(err)
	// Output:
	// [/tea /milk /sugar]
	// <nil>
}

// The lines of a response, as they arrive.
func ExampleResponse_Lines() {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "tea\nmilk\n")
	}))
	defer site.Close()
	err := aio.Run(func(ctx context.Context) error {
		var client aiohttp.Client
		defer client.CloseIdleConnections()
		resp, err := client.Get(ctx, site.URL)
		if err != nil {
			return err
		}
		for line, err := range resp.Lines(ctx) {
			if err != nil {
				return err
			}
			fmt.Println(line)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// tea
	// milk
	// <nil>
}

// A body that a task writes while it is sent.
func ExamplePipe() {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, " bytes")
	}))
	defer site.Close()
	err := aio.Run(func(ctx context.Context) error {
		var client aiohttp.Client
		defer client.CloseIdleConnections()
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			body, w := aiohttp.Pipe(ctx)
			tg.Go(func(ctx context.Context) error {
				for range 3 {
					if _, err := w.Write(make([]byte, 1000)); err != nil {
						return w.CloseWithError(err)
					}
				}
				return w.Close()
			})
			resp, err := client.Post(ctx, site.URL, "application/octet-stream", body)
			if err != nil {
				return err
			}
			text, err := resp.Text(ctx)
			fmt.Println(text)
			return err
		})
	})
	fmt.Println(err)
	// Output:
	// 3000 bytes
	// <nil>
}

// A handler that reads files, behind a mux whose other handlers are tasks.
func ExampleBlocking() {
	files := fstest.MapFS{"tea.txt": {Data: []byte("green")}}
	mux := http.NewServeMux()
	mux.Handle("GET /files/", aiohttp.Blocking(http.StripPrefix("/files/", http.FileServerFS(files))))
	mux.Handle("GET /hello", aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, _ *http.Request) {
		if err := aio.Sleep(ctx, time.Millisecond); err == nil {
			fmt.Fprint(w, "hello")
		}
	}))
	loop, stop := aio.StartLoop(nil)
	site := httptest.NewServer(aiohttp.Handler(loop, mux))
	show(site.URL + "/hello")
	show(site.URL + "/files/tea.txt")
	site.Close()
	fmt.Println(stop())
	// Output:
	// hello <nil>
	// green <nil>
	// <nil>
}
