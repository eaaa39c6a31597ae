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
	site := httptest.NewServer(aiohttp.Handler(loop, func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		visits++
		if err := aio.Sleep(ctx, time.Millisecond); err != nil { // others are served meanwhile
			return
		}
		fmt.Fprintf(w, "visit %d of %s", visits, r.URL.Path)
	}))
	show(site.URL + "/tea")
	show(site.URL + "/milk")
	site.Close()
	fmt.Println(stop())
	// Output:
	// visit 1 of /tea <nil>
	// visit 2 of /milk <nil>
	// <nil>
}

// A server that is the loop's own.
func ExampleServe() {
	hello := func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s", r.FormValue("name"))
	}
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.StartServer(ctx, aiohttp.Serve(hello, &aiohttp.ServeOptions{IdleTimeout: time.Minute}), "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		url := "http://" + srv.Addr().String() + "?name=Ann"
		client := aio.NoResult(func(context.Context) error { // which blocks
			show(url)
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
