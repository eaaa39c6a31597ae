package aiohttp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

// show prints what there is at an address.
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

// An ordinary server whose handlers share state without a lock, as they run in one loop.
func ExampleHandler() {
	loop, stop := aio.StartLoop(nil)
	visits := 0 // of the loop
	site := httptest.NewServer(aiohttp.Handler(loop, aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		visits++
		if err := aio.Sleep(ctx, time.Millisecond); err != nil { // others are served meanwhile
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
