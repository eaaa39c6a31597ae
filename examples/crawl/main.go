// Crawl checks the links of a web site:
//
//	crawl [flags] URL
//
// It reads the page at URL and the pages of the same host that can be reached from it
// with at most -depth links, and checks all links in these pages, and their images,
// style sheets, scripts and frames. Then it prints a line for each address, sorted: the
// status, the time the answer took, the size, the address and the page it was found on.
// A redirect has its own line, and so has its target. Meanwhile it shows its progress,
// if standard error is a terminal.
//
// It sends a User-Agent, follows robots.txt, and limits for each host the number of
// concurrent requests (-per-host) and of requests per second (-rate).
//
// The exit status is 0 if no link is broken, 1 if one is or something failed, 2 for
// wrong arguments, and 128 plus the number of the signal if SIGINT or SIGTERM stopped
// it. After a signal it prints the results so far.
//
// # What it shows
//
//   - State without locks. One task of a loop runs at a time, and other tasks run only
//     where it awaits, so the map of known addresses, the counters and the timetable of
//     each host are plain variables.
//   - Workers around an [aio.Queue], here a priority queue: they range over All and
//     call TaskDone. The task that started them waits in Join until all items are
//     processed, also those that the workers add. Then Shutdown ends the workers'
//     loops.
//   - An HTTP client whose calls are awaits, [aiohttp.Client]: when the task is
//     cancelled or its [aio.WaitFor] runs out of time, the request on the wire ends
//     too. The search for links is a computation, so it runs in a worker goroutine with
//     [aio.ToThread].
//   - Limits of two kinds: an [aio.Semaphore] limits concurrent requests, and
//     [aio.Sleep] until a reserved start time limits requests per second.
//   - A task as a value that is computed once: all tasks that need the robots.txt of a
//     host await the one task that fetches it.
//   - The result of a cancelled run. When [aio.Run] returns all tasks have ended, and
//     their shared state is consistent, because no task was stopped between two awaits.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/goaio/aio"
)

const (
	exitFailure = 1
	exitUsage   = 2
	exitSignal  = 128 // plus the number of the signal, as shells report it

	usage = "usage: crawl [flags] URL"
)

// newTransport is replaced by tests.
var newTransport = func() *http.Transport { return http.DefaultTransport.(*http.Transport).Clone() }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without os.Exit. It returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parseArgs(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "crawl: %v\n%s\n", err, usage)
		return exitUsage
	}
	transport := newTransport()
	// With a lower limit most connections would serve only one request.
	transport.MaxIdleConnsPerHost = o.perHost
	defer transport.CloseIdleConnections()

	c := newCrawler(o, overHTTP{newClient(transport)})
	c.progress = progressLine{stderr, isTerminal(stderr)}
	r := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	defer r.Close()
	crawlErr := r.Run(c.crawl)
	broken, err := c.report(stdout)
	var sig *aio.SignalError
	switch err := cmp.Or(crawlErr, err); {
	case errors.As(err, &sig):
		fmt.Fprintf(stderr, "crawl: stopped by %v\n", sig.Signal)
		return exitSignal + int(sig.Signal.(syscall.Signal))
	case err != nil:
		fmt.Fprintf(stderr, "crawl: %v\n", err)
		return exitFailure
	case broken > 0:
		return exitFailure
	}
	return 0
}

type options struct {
	start   link
	depth   int
	workers int
	perHost int
	rate    float64
	timeout time.Duration
	limit   int
}

// minRate limits the interval between two requests to what a time.Duration can hold.
const minRate = 0.001

// parseArgs writes to stdout only for -h.
func parseArgs(args []string, stdout io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("crawl", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run reports the error in the format of this program
	flags.Usage = func() {}
	flags.IntVar(&o.depth, "depth", 3, "read pages up to `N` links away from URL, and check what they link to")
	flags.IntVar(&o.workers, "workers", 8, "check up to `N` addresses concurrently")
	flags.IntVar(&o.perHost, "per-host", 2, "make up to `N` concurrent requests to a host")
	flags.Float64Var(&o.rate, "rate", 10, "make up to `N` requests per second to a host; 0 means no limit")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Second, "time limit `D` of a request")
	flags.IntVar(&o.limit, "limit", 1000, "check at most `N` addresses, nearest first")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return o, err
	}
	switch {
	case o.depth < 0:
		return o, fmt.Errorf("-depth must not be negative, got %d", o.depth)
	case o.workers < 1:
		return o, fmt.Errorf("-workers must be at least 1, got %d", o.workers)
	case o.perHost < 1:
		return o, fmt.Errorf("-per-host must be at least 1, got %d", o.perHost)
	case o.rate != 0 && !(o.rate >= minRate): // true for NaN too
		return o, fmt.Errorf("-rate must be 0 or at least %v, got %v", minRate, o.rate)
	case o.timeout <= 0:
		return o, fmt.Errorf("-timeout must be greater than 0, got %v", o.timeout)
	case o.limit < 1:
		return o, fmt.Errorf("-limit must be at least 1, got %d", o.limit)
	case flags.NArg() != 1:
		return o, fmt.Errorf("want one URL, got %d", flags.NArg())
	}
	o.start = newLink(&url.URL{}, flags.Arg(0))
	switch {
	case o.start.err != nil:
		return o, fmt.Errorf("%s: %w", o.start.name, o.start.err)
	case !o.start.isWeb():
		return o, fmt.Errorf("%q does not begin with http:// or https://", flags.Arg(0))
	}
	return o, nil
}
