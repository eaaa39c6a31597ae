// Command aiotour is a course about event loops and tasks, in the browser. The learner
// is the scheduler: programs run one step at a time, and the learner chooses which ready
// task runs next, breaks programs, and mends them.
//
//	aiotour [-addr ADDRESS]   build the course, serve it, and print its address
//	aiotour -o DIR            write its files to a folder, for any web server
//	aiotour -check            run its tests, in a browser too, and exit
//
// The page of an exercise has a button that runs its tests, in the folder of the
// exercises on this computer. That works only if the address is one of the loopback
// interface, which is the default, and only from a page of the course.
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
	"strings"
	"time"
)

const usage = `usage: aiotour [-addr ADDRESS] [-exercises DIR] | -o DIR [-exercises DIR] | -check

  aiotour          build the course, serve it, and print its address
  aiotour -o DIR   write the files of the course to DIR, for any web server
  aiotour -check   run the tests of the course, in a browser too, and exit

  -addr ADDRESS    the address to serve (default 127.0.0.1:0, a free port); on another
                   than a loopback address the pages run no tests of exercises
  -exercises DIR   the folder of the exercises (default examples/exercises, in the
                   repository that aiotour was built from)
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
	folder := flags.String("exercises", "", "")
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
	w, err := newWorkshop(*folder)
	if err != nil {
		return err
	}
	var l net.Listener
	if !*checking && *dir == "" {
		if l, err = net.Listen("tcp", *addr); err != nil {
			return err
		}
		defer l.Close()
		w.checks = w.dir != "" && isLoopback(l.Addr())
	}
	files, err := build(ctx, w)
	if err != nil {
		return err
	}
	switch {
	case *checking:
		return check(ctx, files, w, out)
	case *dir != "":
		if err := write(*dir, files); err != nil {
			return err
		}
		fmt.Fprintf(out, "wrote %d files to %s\n", len(files), *dir)
		fmt.Fprintf(out, "they need a web server, such as: python3 -m http.server -d %s\n", *dir)
		return nil
	}
	fmt.Fprintf(out, "the course is at http://%s (Ctrl-C to end)\n", l.Addr())
	if w.checks {
		fmt.Fprintf(out, "its page of exercises runs the tests in %s\n", w.dir)
	}
	return serve(ctx, l, handler(files, w))
}

// isLoopback reports whether only programs of this computer can reach an address.
func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
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

// handler serves files by their names, and the exercises.
func handler(files map[string][]byte, w *workshop) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /exercises/{name}", w)
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[1:]
		if name == "" {
			name = "index.html"
		}
		data, ok := files[name]
		if !ok {
			http.NotFound(rw, r)
			return
		}
		if strings.HasPrefix(name, "exercise-") {
			now, err := w.page(name)
			if err != nil {
				http.Error(rw, err.Error(), http.StatusInternalServerError)
				return
			}
			data = now
		}
		rw.Header().Set("Content-Type", contentType(name))
		rw.Header().Set("Cache-Control", "no-cache")
		_, _ = rw.Write(data) // a client that has left needs no answer
	})
	return mux
}
