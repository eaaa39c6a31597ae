// Command chat is a chat server for people with nc or telnet:
//
//	chat -addr localhost:7777 -idle 10m
//	nc localhost 7777
//
// A line is a message to the room one is in, or a command if it begins with a slash; /help lists them.
// On SIGINT or SIGTERM everybody is told, and has a moment to read it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/goaio/aio"
)

func main() {
	addr := flag.String("addr", "localhost:7777", "the address to listen on")
	idle := flag.Duration("idle", 10*time.Minute, "how long somebody may be silent")
	grace := flag.Duration("grace", 2*time.Second, "how long the end may take")
	flag.Parse()
	if flag.NArg() > 0 || *idle <= 0 || *grace < 0 {
		flag.Usage()
		os.Exit(2)
	}
	r := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	defer r.Close()
	err := r.Run(func(ctx context.Context) error {
		return serve(ctx, *addr, *idle, *grace, func(at net.Addr) { log.Printf("listening on %v", at) })
	})
	var sig *aio.SignalError
	switch {
	case errors.As(err, &sig):
		log.Printf("ended by %v", sig.Signal)
	case err != nil:
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

// serve runs the chat until it is cancelled. It calls ready when it listens.
func serve(ctx context.Context, addr string, idle, grace time.Duration, ready func(net.Addr)) error {
	h := newHouse(idle)
	srv, err := aio.StartServer(ctx, h.welcome, addr, &aio.ServerOptions{Limit: maxLine})
	if err != nil {
		return err
	}
	ready(srv.Addr())
	err = aio.Sleep(ctx, aio.NoTimeout)
	h.closing = true
	for _, u := range h.users() {
		u.tell("* the server is going down")
	}
	// A cancellation is delivered once: there is time to say good-bye.
	if serr := srv.Shutdown(ctx, grace); serr != nil {
		return serr
	}
	return err
}
