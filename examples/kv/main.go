// Command kv is an in-memory server for strings, lists, sets, hashes, streams and
// messages. It implements enough of the Redis protocol for redis-cli and for all tests
// of redis-benchmark:
//
//	kv -addr localhost:6379
//
// With -monitor 127.0.0.1:8765 it serves the page of package aiomon there, which shows
// what each client is doing.
//
// Each client is a task that reads commands and runs them. There are no locks: one task
// runs at a time, and a command does not await while it accesses the data.
//
// SIGINT and SIGTERM stop the server. The exit status is 0 then, 1 after a failure, 2
// for wrong arguments.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiomon"
)

const (
	exitFailure = 1
	exitUsage   = 2

	usage = "usage: kv [flags]"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without os.Exit. It returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	addr, monitor, err := parseArgs(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "kv: %v\n%s\n", err, usage)
		return exitUsage
	}
	r := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	defer r.Close()
	err = r.Run(func(ctx context.Context) error {
		if monitor != "" {
			_, stop, err := aiomon.Start(ctx, monitor, nil)
			if err != nil {
				return err
			}
			defer stop()
		}
		return serve(ctx, addr, func(at net.Addr) { log.Printf("listening on %v", at) })
	})
	var sig *aio.SignalError
	switch {
	case errors.As(err, &sig):
		log.Printf("stopped by %v", sig.Signal)
	case err != nil:
		fmt.Fprintf(stderr, "kv: %v\n", err)
		return exitFailure
	}
	return 0
}

func parseArgs(args []string, stdout io.Writer) (addr, monitor string, err error) {
	flags := flag.NewFlagSet("kv", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run reports the error in the format of this program
	flags.Usage = func() {}
	flags.StringVar(&addr, "addr", "localhost:6379", "listen on `HOST:PORT`")
	flags.StringVar(&monitor, "monitor", "", "show what the loop is doing at http://`HOST:PORT`")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return "", "", err
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return "", "", fmt.Errorf("-addr must be HOST:PORT, got %q", addr)
	}
	if flags.NArg() > 0 {
		return "", "", fmt.Errorf("want no arguments, got %q", flags.Arg(0))
	}
	return addr, monitor, nil
}

// server is the state shared by the clients.
type server struct {
	loop      *aio.Loop
	store     *store
	topics    map[string][]*client // subscribers in the order of their subscriptions
	started   time.Time
	connected int
	accepted  int
	processed int
}

// serve listens on addr until it is cancelled. It calls ready when it is listening.
func serve(ctx context.Context, addr string, ready func(net.Addr)) error {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return err
	}
	s := &server{loop: loop, store: newStore(loop), topics: map[string][]*client{}, started: loop.Time()}
	srv, err := aio.StartServer(ctx, s.handle, addr, &aio.ServerOptions{Backlog: 512})
	if err != nil {
		return err
	}
	ready(srv.Addr())
	sweeper := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		for {
			s.store.sweep()
			if err := aio.Sleep(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
	}), aio.WithName("sweeper"))
	defer sweeper.Cancel()
	return srv.ServeForever(ctx)
}

// client is a connection.
type client struct {
	srv      *server
	w        *aio.StreamWriter
	commands commandReader
	out      []byte // replies that are not sent yet
	leaving  bool   // after QUIT

	topics map[string]struct{} // topics of its subscriptions

	queueing bool // between MULTI and EXEC
	spoilt   bool // a queued command was invalid
	queued   []queued
	running  bool // in EXEC
}

// queued is a command of a transaction.
type queued struct {
	cmd  command
	args [][]byte
}

// maxUnread is the number of unread bytes at which a subscriber is disconnected.
const maxUnread = 32 << 20

// handle serves one client.
func (s *server) handle(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	c := &client{srv: s, w: w}
	c.commands.in = bufio.NewReaderSize(&repliesFirst{c, ctx, r}, 16<<10)
	s.connected++
	s.accepted++
	defer func() {
		s.connected--
		for topic := range c.topics {
			c.leave(topic)
		}
		w.Close()
	}()
	err := c.talk(ctx)
	var bad errProtocol
	switch {
	case errors.As(err, &bad):
		c.out = appendError(c.out, "ERR "+bad.Error())
		return c.flush(ctx)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, new(*net.OpError)), errors.As(err, new(*os.SyscallError)):
		return nil // the client has disconnected, which is not an error
	}
	return err
}

// repliesFirst is the client's input. It sends the pending replies before it waits for
// more commands. So the replies of a pipeline are sent together, and an incomplete
// command does not delay earlier replies.
type repliesFirst struct {
	client *client
	ctx    context.Context
	in     *aio.StreamReader
}

func (r *repliesFirst) Read(p []byte) (int, error) {
	if err := r.client.flush(r.ctx); err != nil {
		return 0, err
	}
	// A reader from Reader returns the same error for ever after a cancelled read,
	// and BLPOP cancels a read when it watches for the next command. So make a new
	// one for each read.
	return r.in.Reader(r.ctx).Read(p)
}

// talk runs commands until the client quits.
func (c *client) talk(ctx context.Context) error {
	for !c.leaving {
		args, err := c.commands.read()
		if err != nil {
			return err
		}
		if len(args) == 0 {
			continue
		}
		if err := c.run(ctx, args); err != nil {
			return err
		}
		if len(c.out) > 64<<10 {
			if err := c.flush(ctx); err != nil {
				return err
			}
		}
	}
	return c.flush(ctx)
}

// flush sends the replies, and waits if the client does not read them.
func (c *client) flush(ctx context.Context) error {
	if len(c.out) == 0 {
		return nil
	}
	c.w.Write(c.out)
	if c.out = c.out[:0]; cap(c.out) > 256<<10 {
		c.out = nil
	}
	return c.w.Drain(ctx)
}

// send sends a message to a subscriber, from the task of the publisher. The publisher
// does not wait for slow subscribers.
func (c *client) send(msg []byte) {
	if c.w.Transport().GetWriteBufferSize() > maxUnread {
		c.w.Transport().Abort()
		return
	}
	c.w.Write(msg)
}

// leave ends a subscription.
func (c *client) leave(topic string) {
	delete(c.topics, topic)
	rest := slices.DeleteFunc(c.srv.topics[topic], func(s *client) bool { return s == c })
	if len(rest) == 0 {
		delete(c.srv.topics, topic)
	} else {
		c.srv.topics[topic] = rest
	}
}

// sortedKeys returns the keys of m in order.
func sortedKeys(m map[string]struct{}) []string { return slices.Sorted(maps.Keys(m)) }
