// Command aiotour is a course about event loops and tasks, in the browser. The learner
// is the scheduler: programs run one step at a time, and the learner chooses which ready
// task runs next, breaks programs, and mends them.
//
//	aiotour [-addr ADDRESS]   build the course, serve it, and print its address
//	aiotour -o DIR            write its files to a folder, for any web server
//	aiotour -check            run its tests, in a browser too, and exit
//
// It compiles the programs to WebAssembly with the Go command on the PATH. Nothing is
// downloaded, and the pages use no network.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"
)

const usage = `usage: aiotour [-addr ADDRESS] | -o DIR | -check

  aiotour          build the course, serve it, and print its address
  aiotour -o DIR   write the files of the course to DIR, for any web server
  aiotour -check   run the tests of the course, in a browser too, and exit

  -addr ADDRESS    the address to serve (default 127.0.0.1:0, a free port)
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// errUsage reports a wrong command line.
var errUsage = errors.New("wrong command line")

// run is the program without os.Exit. The exit code is 0 for success, 1 for a failure and
// 2 for a wrong command line.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	err := command(ctx, args, out)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, usage)
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintf(errOut, "aiotour: %v\n%s", err, usage)
		return 2
	}
	fmt.Fprintf(errOut, "aiotour: %v\n", err)
	return 1
}

func command(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("aiotour", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	addr := flags.String("addr", "127.0.0.1:0", "")
	dir := flags.String("o", "", "")
	checking := flags.Bool("check", false, "")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %v", errUsage, err)
	}
	if flags.NArg() > 0 || *checking && *dir != "" {
		return fmt.Errorf("%w: too many arguments", errUsage)
	}
	fmt.Fprintln(out, "compiling the programs of the course…")
	files, err := build(ctx)
	if err != nil {
		return err
	}
	switch {
	case *checking:
		return check(ctx, files, out)
	case *dir != "":
		if err := write(*dir, files); err != nil {
			return err
		}
		fmt.Fprintf(out, "wrote %d files to %s\n", len(files), *dir)
		return nil
	}
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the course is at http://%s (Ctrl-C to end)\n", l.Addr())
	return serve(ctx, l, handler(files))
}

// serve serves until ctx ends.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	stopped := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stopped()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// handler serves files by their names.
func handler(files map[string][]byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[1:]
		if name == "" {
			name = "index.html"
		}
		data, ok := files[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", contentType(name))
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(data) // a client that has left needs no answer
	})
}
