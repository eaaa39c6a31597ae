//go:build unix

package supervisor

// The control socket. A client sends one request as a line of JSON. The server answers
// with lines of JSON: any number with output, and a last one with the result.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/goaio/aio"
)

// Request is a command of a client.
type Request struct {
	// Command is status, start, stop, restart, tail, reload or shutdown.
	Command string   `json:"command"`
	Names   []string `json:"names,omitempty"`
	// Follow makes tail continue with new output; Stderr chooses the other log, and
	// Bytes is the number of bytes that are sent of it.
	Follow bool  `json:"follow,omitempty"`
	Stderr bool  `json:"stderr,omitempty"`
	Bytes  int64 `json:"bytes,omitempty"`
}

// reply is a line of the answer.
type reply struct {
	// Output is base64 in JSON: it may be cut off within a character, and need not
	// be text.
	Output []byte `json:"output,omitempty"`
	Done   bool   `json:"done,omitempty"`
	Error  string `json:"error,omitempty"`
}

// listen serves the socket until stop is called.
func (s *Supervisor) listen(ctx context.Context, path string) (stop func(), err error) {
	// A Unix server replaces a socket that another server uses, as in asyncio. So
	// check first.
	if _, w, err := aio.OpenUnixConnection(ctx, path, nil); err == nil {
		w.Close()
		return nil, fmt.Errorf("another supervisor serves %s", path)
	} else if errors.Is(err, aio.ErrCancelled) {
		return nil, err
	}
	srv, err := aio.StartUnixServer(ctx, s.handle, path, nil)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil && s.executor != nil {
		srv.Close()
		return nil, err
	}
	return func() {
		srv.Close()
		srv.CloseClients()
		if s.executor != nil {
			_ = removeSocket(path)
		}
	}, nil
}

// handle serves one client.
func (s *Supervisor) handle(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
	send := func(ctx context.Context, p reply) error {
		b, err := json.Marshal(p)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(b, '\n')); err != nil {
			return err
		}
		return w.Drain(ctx)
	}
	line, err := r.ReadLine(ctx)
	if errors.Is(err, aio.ErrCancelled) {
		return err
	}
	var q Request
	if err == nil {
		err = json.Unmarshal(line, &q)
	}
	if err == nil {
		// The command ends if the client does.
		command := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return s.do(ctx, q, func(ctx context.Context, text string) error { return send(ctx, reply{Output: []byte(text)}) })
		}), aio.WithName("control "+q.Command))
		gone := aio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return r.Read(ctx, 1) })
		_, _, err = aio.Wait(ctx, []aio.AnyFuture{command, gone}, aio.NoTimeout, aio.FirstCompleted)
		if again := aio.CancelAndWait(ctx, aio.AnyFuture(command), aio.AnyFuture(gone)); err == nil {
			err = again
		}
		if err != nil {
			return err
		}
		if command.Cancelled() {
			return nil
		}
		err = command.Exception()
	}
	last := reply{Done: true}
	if err != nil {
		last.Error = err.Error()
	}
	if err := send(ctx, last); errors.Is(err, aio.ErrCancelled) {
		return err
	}
	return nil // a client that has disconnected is not an error
}

// do executes a command.
func (s *Supervisor) do(ctx context.Context, q Request, print func(ctx context.Context, text string) error) error {
	needNames := map[string]bool{"start": true, "stop": true, "restart": true, "tail": true}
	if needNames[q.Command] != (len(q.Names) > 0) {
		return fmt.Errorf("%s with %d names", q.Command, len(q.Names))
	}
	switch q.Command {
	case "status":
		return print(ctx, s.Status())
	case "start":
		return s.Start(ctx, q.Names...)
	case "stop":
		return s.Stop(ctx, q.Names...)
	case "restart":
		return s.Restart(ctx, q.Names...)
	case "reload":
		summary, err := s.Reload(ctx)
		if err != nil {
			return err
		}
		return print(ctx, summary+"\n")
	case "shutdown":
		s.Shutdown()
		return nil
	case "tail":
		return s.tail(ctx, q, print)
	}
	return fmt.Errorf("unknown command %q", q.Command)
}

// tail prints the end of a log and, on request, what follows.
func (s *Supervisor) tail(ctx context.Context, q Request, print func(ctx context.Context, text string) error) error {
	procs, err := s.find(q.Names)
	if err != nil {
		return err
	}
	if len(procs) != 1 {
		return fmt.Errorf("want one process, %q are %d", q.Names, len(procs))
	}
	path := procs[0].program.Stdout.Path
	if q.Stderr {
		path = procs[0].program.Stderr.Path
	}
	l := s.logs()[path]
	if l == nil {
		return fmt.Errorf("%s has no log yet", procs[0].name)
	}
	text, err := l.tail(q.Bytes)
	if err != nil {
		return err
	}
	if !q.Follow {
		return print(ctx, string(text))
	}
	// There is no await between tail and follow, so no output is missing or sent
	// twice.
	more, stop := l.follow()
	defer stop()
	if err := print(ctx, string(text)); err != nil {
		return err
	}
	for p, err := range more.All(ctx) {
		if err != nil {
			return err
		}
		if err := print(ctx, string(p)); err != nil {
			return err
		}
	}
	return errors.New("the log was closed, or its reader is too slow")
}

// Control sends a request to the supervisor at a socket, and calls print with the output
// as it arrives.
func Control(ctx context.Context, socket string, q Request, print func(text string) error) error {
	r, w, err := aio.OpenUnixConnection(ctx, socket, nil)
	if err != nil {
		return err
	}
	defer w.Close()
	b, err := json.Marshal(q)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(b, '\n')); err != nil {
		return err
	}
	in := json.NewDecoder(r.Reader(ctx))
	for {
		var p reply
		if err := in.Decode(&p); err != nil {
			return fmt.Errorf("the supervisor has closed the connection: %w", err)
		}
		if len(p.Output) > 0 {
			if err := print(string(p.Output)); err != nil {
				return err
			}
		}
		if p.Error != "" {
			return errors.New(p.Error)
		}
		if p.Done {
			return nil
		}
	}
}
