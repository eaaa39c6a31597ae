package main

// Step 5: the server says goodbye, and ends in time.

import (
	"context"
	"net"
	"time"

	"github.com/goaio/aio"
)

// serve serves the chat until it is cancelled. Then the members are told, and have up to
// grace to read what is left for them.
func (h *hall) serve(ctx context.Context, addr string, opts *aio.ServerOptions, grace time.Duration, ready func(net.Addr)) error {
	server, err := aio.StartServer(ctx, h.handle, addr, opts)
	if err != nil {
		return err
	}
	ready(server.Addr())
	err = aio.Sleep(ctx, aio.NoTimeout) // for ever: it ends with the cancellation
	h.say(nil, "* the server ends")
	for _, m := range h.members {
		m.out.Shutdown(false) // what is in the queue is still sent
	}
	// A cancellation is delivered once, so this await is not cancelled.
	if serr := server.Shutdown(ctx, grace); serr != nil {
		return serr
	}
	return err
}
