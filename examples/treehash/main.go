// Treehash prints the SHA-256 of every regular file below a directory, sorted by path,
// in the format of sha256sum, which checks the list with its -c option:
//
//	treehash [flags] DIR
//
// Symbolic links below DIR are not followed, and other entries that are not regular
// files are skipped. A file that cannot be read is reported on standard error and
// omitted. The list is printed after all files have been read: after a timeout or an
// interrupt nothing is printed, because a partial list could be mistaken for a complete
// one. For the same reason a complete list is printed even if the timeout expires
// meanwhile. Only an interrupt stops the printing, after a complete line.
//
// The exit status is 0 if every file was hashed, 1 after an error or a timeout, 2 for
// wrong arguments, and 128+N if signal N ended it.
//
// # What it shows
//
//   - State without locks. One task of a loop runs at a time, and other tasks run only
//     where it awaits, so the workers append to a slice and add to counters, and a
//     progress line reads them, as if there were no concurrency.
//   - Blocking work in worker goroutines. Only the functions in [aio.ToThread] run in
//     parallel: reading directories, hashing files, printing. They share no state with
//     the tasks: the closure has the arguments, and the result is a return value.
//   - A bounded [aio.Queue] between the walk and the workers. If the walk is faster
//     than the workers, it waits for room in the queue, so it does not get far ahead of
//     them.
//   - An [aio.TaskGroup] owns the tasks: when it returns all tasks have ended, whether
//     the work succeeded, failed or was cancelled.
//   - One way to stop. [aio.Timeout] and Ctrl-C both arrive as a cancellation: as an
//     error where a task awaits, as the end of the context where a worker goroutine
//     computes.
package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/goaio/aio"
)

const (
	exitFailure = 1
	exitUsage   = 2
	exitSignal  = 128 // plus the signal's number, as shells report it

	usage = "usage: treehash [flags] DIR"

	queueSize = 1000 // maximum number of paths between the walk and the workers
	// a worker goroutine checks for cancellation after this many bytes
	readSize         = 256 << 10
	progressInterval = 100 * time.Millisecond
)

// open is replaced by tests.
var open = func(path string) (io.ReadCloser, error) { return os.Open(path) }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without os.Exit. It returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parseArgs(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "treehash: %v\n%s\n", err, usage)
		return exitUsage
	}
	h := newHasher(stderr)
	r := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	defer r.Close()
	err = r.Run(func(ctx context.Context) error {
		err := aio.Timeout(ctx, o.timeout, func(ctx context.Context) error {
			return h.hashTree(ctx, o.dir, o.workers)
		})
		if err != nil {
			return err
		}
		return printSums(ctx, stdout, h.sums)
	})
	var sig *aio.SignalError
	switch {
	case errors.As(err, &sig):
		fmt.Fprintf(stderr, "treehash: stopped by %v\n", sig.Signal)
		return exitSignal + int(sig.Signal.(syscall.Signal))
	case errors.Is(err, aio.ErrTimeout):
		fmt.Fprintf(stderr, "treehash: timed out after %v\n", o.timeout)
		return exitFailure
	case err != nil:
		fmt.Fprintf(stderr, "treehash: %v\n", err)
		return exitFailure
	case h.failed > 0:
		return exitFailure
	}
	return 0
}

type options struct {
	dir     string
	timeout time.Duration
	workers int
}

// parseArgs writes to stdout only for -h.
func parseArgs(args []string, stdout io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("treehash", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run reports the error in the format of this program
	flags.Usage = func() {}
	flags.DurationVar(&o.timeout, "timeout", 0, "time limit `D`, such as 90s or 5m; 0 means no limit")
	flags.IntVar(&o.workers, "workers", 2*runtime.GOMAXPROCS(0), "hash up to `N` files in parallel")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return o, err
	}
	switch {
	case o.timeout < 0:
		return o, fmt.Errorf("-timeout must not be negative, got %v", o.timeout)
	case o.workers < 1:
		return o, fmt.Errorf("-workers must be at least 1, got %d", o.workers)
	case flags.NArg() != 1:
		return o, fmt.Errorf("want one directory, got %d", flags.NArg())
	}
	o.dir = flags.Arg(0)
	if o.timeout == 0 {
		o.timeout = aio.NoTimeout
	}
	// Stat, not Lstat: a link given as the argument is followed
	info, err := os.Stat(o.dir)
	switch {
	case err != nil:
		return o, fmt.Errorf("%s: %w", escape(o.dir), withoutPath(err))
	case !info.IsDir():
		return o, fmt.Errorf("%s: not a directory", escape(o.dir))
	}
	return o, nil
}

// hasher hashes a tree once. Its tasks share the fields without a lock; worker
// goroutines must not access them.
type hasher struct {
	files  *aio.Queue[string]
	sums   []sum // in the order of completion
	found  int   // files
	failed int   // number of files and directories
	bytes  int64 // in sums
	stderr io.Writer
	status statusLine
}

func newHasher(stderr io.Writer) *hasher {
	return &hasher{
		files:  aio.NewQueue[string](queueSize),
		stderr: stderr,
		status: statusLine{w: stderr, live: isTerminal(stderr)},
	}
}

// hashTree stores the sums of the files below dir in h.sums. Its error is never that of
// a file.
func (h *hasher) hashTree(ctx context.Context, dir string, workers int) error {
	defer h.status.clear()
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		// The executor of ToThread has a limit too. Workers above it would only
		// wait.
		for range min(workers, aio.DefaultMaxWorkers) {
			tg.Go(h.hashFiles)
		}
		progress := tg.Go(h.showProgress)
		if err := h.walk(ctx, dir); err != nil {
			return err
		}
		h.files.Shutdown(false) // ends the workers once the queue is empty
		if err := h.files.Join(ctx); err != nil {
			return err
		}
		progress.Cancel() // showProgress runs until it is cancelled
		return nil
	})
}

// walk puts the path of every regular file below root into the queue. Directories are
// kept on a stack and never in the queue: a worker that had to put into a full queue
// would wait for itself.
func (h *hasher) walk(ctx context.Context, root string) error {
	for dirs := []string{root}; len(dirs) > 0; {
		last := len(dirs) - 1
		dir := dirs[last]
		dirs = dirs[:last]
		l, err := aio.ToThread(ctx, func(context.Context) (listing, error) { return list(dir), nil })
		if err != nil {
			return err
		}
		if l.err != nil {
			h.report(dir, l.err)
		}
		dirs = append(dirs, l.dirs...)
		h.found += len(l.files)
		for _, path := range l.files {
			if err := h.files.Put(ctx, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// listing holds the subdirectories and regular files of a directory, after an error
// possibly not all of them.
type listing struct {
	dirs, files []string
	err         error
}

func list(dir string) (l listing) {
	entries, err := os.ReadDir(dir)
	l.err = err
	for _, e := range entries {
		switch path := join(dir, e.Name()); {
		case e.IsDir():
			l.dirs = append(l.dirs, path)
		case e.Type().IsRegular():
			l.files = append(l.files, path)
		}
	}
	return l
}

// join keeps dir as the user wrote it, unlike filepath.Join, which would clean it.
func join(dir, name string) string {
	if os.IsPathSeparator(dir[len(dir)-1]) {
		return dir + name
	}
	return dir + "/" + name
}

// sum is the result for one file. An unreadable file is a result too, so that an error
// of ToThread always means that the task cannot continue.
type sum struct {
	path   string
	digest [sha256.Size]byte
	bytes  int64
	err    error
}

// hashFiles is the body of a worker task.
func (h *hasher) hashFiles(ctx context.Context) error {
	// After a cancellation the function passed to ToThread may still run and use
	// buf. So the task must end after an error, and must not use buf for the next
	// file.
	buf := make([]byte, readSize)
	for path, err := range h.files.All(ctx) {
		if err != nil {
			return err
		}
		s, err := aio.ToThread(ctx, func(ctx context.Context) (sum, error) {
			return hashFile(ctx, path, buf), nil
		})
		if err != nil {
			return err
		}
		h.add(s)
		h.files.TaskDone()
	}
	return nil
}

func (h *hasher) add(s sum) {
	if s.err != nil {
		h.report(s.path, s.err)
		return
	}
	h.sums = append(h.sums, s)
	h.bytes += s.bytes
}

// report writes to standard error, which blocks the loop. That is accepted, so that the
// messages do not interleave with each other or with the status line.
func (h *hasher) report(path string, err error) {
	h.failed++
	h.status.clear()
	fmt.Fprintf(h.stderr, "treehash: %s: %v\n", escape(path), withoutPath(err))
}

func hashFile(ctx context.Context, path string, buf []byte) sum {
	s := sum{path: path}
	f, err := open(path)
	if err != nil {
		s.err = err
		return s
	}
	defer f.Close()
	h := sha256.New()
	s.bytes, s.err = io.CopyBuffer(h, untilDone{ctx, f}, buf)
	h.Sum(s.digest[:0])
	return s
}

// untilDone is a reader that fails once ctx is done. Callers never see that error: the
// ToThread call with this ctx has already returned a CancelledError.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// showProgress updates the status line periodically until it is cancelled.
func (h *hasher) showProgress(ctx context.Context) error {
	for h.status.live {
		if err := aio.Sleep(ctx, progressInterval); err != nil {
			return err
		}
		h.status.show(fmt.Sprintf("%d of %d files, %d MiB", len(h.sums), h.found, h.bytes>>20))
	}
	return nil
}

// statusLine is a line of a terminal that is overwritten repeatedly.
type statusLine struct {
	w     io.Writer
	live  bool // w is a terminal
	shown bool
}

// eraseLine moves the cursor to the first column and erases the line.
const eraseLine = "\r\x1b[K"

func (l *statusLine) show(text string) {
	if l.live {
		fmt.Fprint(l.w, eraseLine+text)
		l.shown = true
	}
}

func (l *statusLine) clear() {
	if l.shown {
		fmt.Fprint(l.w, eraseLine)
		l.shown = false
	}
}

// isTerminal also reports true for some other devices, such as /dev/null, where the
// status line does no harm.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// printSums prints the list sorted by path. It uses a worker goroutine: a write to a
// slow pipe would block the loop, and an interrupt would not be handled. No task uses
// sums at the same time, so the worker may access it.
func printSums(ctx context.Context, out io.Writer, sums []sum) error {
	_, err := aio.ToThread(ctx, aio.NoResult(func(ctx context.Context) error {
		slices.SortFunc(sums, func(a, b sum) int { return cmp.Compare(a.path, b.path) })
		return writeSums(ctx, out, sums)
	}))
	return err
}

// writeSums writes the list. When ctx is done it stops after a complete line.
func writeSums(ctx context.Context, out io.Writer, sums []sum) error {
	w := bufio.NewWriter(out)
	for _, s := range sums {
		if ctx.Err() != nil {
			break
		}
		name := escape(s.path)
		if name != s.path {
			w.WriteByte('\\')
		}
		fmt.Fprintf(w, "%x  %s\n", s.digest, name)
	}
	return w.Flush() // the first error of all writes
}

var escapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)

// escape formats a path as sha256sum does, so that it fits on one line. A backslash at
// the beginning of a line says that the path is escaped.
func escape(path string) string { return escapes.Replace(path) }

// withoutPath removes the path from an error, for messages that contain the path
// already.
func withoutPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
