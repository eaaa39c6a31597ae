// Command aio shows what the event loops of a running program are doing. The program
// needs an aiomon.Monitor that serves a TCP address (ListenAndServe) or a Unix socket
// of this user (ListenUnix).
//
//	aio ps WHERE              a table of the tasks, and which tasks await them
//	aio pstree WHERE          the same as a tree
//	aio top WHERE             loops and tasks, refreshed each second until Ctrl-C
//	aio health WHERE          the state of each loop, and the warnings
//	aio resources WHERE       locks and their holders, queues, connections
//	aio pages WHERE           the tables that packages have added, such as queues
//	aio stacks WHERE          the stacks of all goroutines, even if a loop is stuck
//	aio trace [-o FILE] WHERE [SECONDS]
//	                          the timeline, for ui.perfetto.dev
//	aio snapshot [-o FILE] WHERE
//	                          the current page, as one HTML file
//	aio cancel WHERE LOOP TASK
//	                          cancel a task; top shows the numbers LOOP and TASK
//
// WHERE is an address (127.0.0.1:8765, or a URL) or a process id. ps and pstree print
// the same as python -m asyncio ps and pstree.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goaio/aio/aiomon"
)

const usage = `usage: aio COMMAND WHERE

  aio ps WHERE                 a table of the tasks, and which tasks await them
  aio pstree WHERE             the same as a tree
  aio top WHERE                loops and tasks, refreshed each second
  aio health WHERE             the state of each loop, and warnings
  aio resources WHERE          locks and their holders, queues, connections
  aio pages WHERE              the tables that packages have added
  aio stacks WHERE             the stacks of all goroutines
  aio trace [-o FILE] WHERE [SECONDS]
                               a timeline for ui.perfetto.dev
  aio snapshot [-o FILE] WHERE the current page, as one HTML file
  aio cancel WHERE LOOP TASK   cancel a task; top shows the numbers LOOP and TASK

WHERE is the address of a monitor (127.0.0.1:8765) or the id of a process that
has called ListenUnix of its aiomon.Monitor.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// errUsage reports a wrong command line.
var errUsage = errors.New("wrong command line")

// run is the program without os.Exit. The exit code is 0 for success, 1 for a failure
// and 2 for a wrong command line.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	err := command(ctx, args, out)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, usage)
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintf(errOut, "aio: %v\n%s", err, usage)
		return 2
	}
	var text conflict
	if errors.As(err, &text) {
		fmt.Fprintln(errOut, string(text))
	} else {
		fmt.Fprintln(errOut, "aio:", err)
	}
	return 1
}

// conflict is the text with which a monitor says why there is no tree; pstree prints it
// as it is.
type conflict string

func (c conflict) Error() string { return string(c) }

func command(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("no command: %w", errUsage)
	}
	name, args := args[0], args[1:]
	flags := flag.NewFlagSet("aio "+name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	file := flags.String("o", "", "file")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp), name == "help", name == "-h", name == "--help":
		return flag.ErrHelp
	case err != nil:
		return fmt.Errorf("%s: %v: %w", name, err, errUsage)
	case *file != "" && name != "trace" && name != "snapshot":
		return fmt.Errorf("%s: only trace and snapshot have the flag -o: %w", name, errUsage)
	}
	args = flags.Args()
	want := map[string][2]int{"ps": {1, 1}, "pstree": {1, 1}, "top": {1, 1}, "stacks": {1, 1},
		"health": {1, 1}, "resources": {1, 1}, "pages": {1, 1}, "snapshot": {1, 1}, "trace": {1, 2}, "cancel": {3, 3}}
	n, known := want[name]
	switch {
	case !known:
		return fmt.Errorf("no command %q: %w", name, errUsage)
	case len(args) == 0:
		return fmt.Errorf("%s: WHERE is missing: %w", name, errUsage)
	case len(args) < n[0] || len(args) > n[1]:
		return fmt.Errorf("%s: %d arguments: %w", name, len(args), errUsage)
	}
	c, err := newClient(args[0])
	if err != nil {
		return err
	}
	switch name {
	case "ps", "pstree", "stacks", "health", "resources", "pages":
		return c.text(ctx, out, "text/"+name)
	case "top":
		return c.top(ctx, out)
	case "trace":
		return c.trace(ctx, out, *file, args[1:])
	case "snapshot":
		return c.toFile(ctx, out, *file, "api/snapshot")
	}
	return c.cancel(ctx, args[1], args[2])
}

// client sends requests to one monitor.
type client struct {
	http http.Client
	base string
}

// newClient finds the monitor of an address or of a process.
func newClient(where string) (*client, error) {
	if pid, err := strconv.Atoi(where); err == nil {
		path := filepath.Join(aiomon.SocketDir(), strconv.Itoa(pid)+".sock")
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("process %d has no socket %s: does it call ListenUnix of its aiomon.Monitor?", pid, path)
		}
		c := &client{base: "http://localhost/"}
		c.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}
		return c, nil
	}
	if !strings.Contains(where, "://") {
		where = "http://" + where
	}
	u, err := url.Parse(where)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is neither an address nor a process id: %w", where, errUsage)
	}
	return &client{base: strings.TrimSuffix(u.String(), "/") + "/"}, nil
}

func (c *client) get(ctx context.Context, path string) (io.ReadCloser, error) {
	return c.do(ctx, http.MethodGet, path)
}

func (c *client) do(ctx context.Context, method, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Aiomon", "1")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		// without the text, the status is the error message
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 10_000))
		reason := cmp.Or(strings.TrimSpace(string(text)), resp.Status)
		if resp.StatusCode == http.StatusConflict {
			return nil, conflict(clean(reason))
		}
		return nil, errors.New(reason)
	}
	return resp.Body, nil
}

func (c *client) copy(ctx context.Context, out io.Writer, path string) error {
	body, err := c.get(ctx, path)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(out, body)
	return err
}

// text copies a text response to the terminal.
func (c *client) text(ctx context.Context, out io.Writer, path string) error {
	body, err := c.get(ctx, path)
	if err != nil {
		return err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err == nil {
		_, err = io.WriteString(out, clean(string(text)))
	}
	return err
}

func (c *client) trace(ctx context.Context, out io.Writer, file string, args []string) error {
	path := "api/trace"
	if len(args) > 0 {
		if s, err := strconv.ParseFloat(args[0], 64); err != nil || s <= 0 {
			return fmt.Errorf("trace: %q is not a number of seconds: %w", args[0], errUsage)
		}
		path += "?seconds=" + args[0]
	}
	return c.toFile(ctx, out, file, path)
}

// toFile copies a response to a file, or to out if file is "".
func (c *client) toFile(ctx context.Context, out io.Writer, file, path string) (err error) {
	if file != "" {
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		defer func() {
			if e := f.Close(); err == nil {
				err = e
			}
		}()
		out = f
	}
	return c.copy(ctx, out, path)
}

func (c *client) cancel(ctx context.Context, loop, task string) error {
	body, err := c.do(ctx, http.MethodPost, "api/cancel?"+url.Values{"loop": {loop}, "task": {task}}.Encode())
	if err == nil {
		body.Close()
	}
	return err
}

// overview and task are the parts of the monitor's JSON that top needs.
type overview struct {
	PID   int
	Loops []struct {
		Number int
		Name   string
		State  string
		Stats  struct {
			Tasks, Ready, Timers, Jobs int
			Passes, Steps, Callbacks   uint64
			MaxLag                     time.Duration
		}
		Blocked *struct{ Task, Stack string }
	}
}

type task struct {
	Loop              int
	ID                uint64
	Name, State, What string
	Holder            string
	Age, Busy, Waited time.Duration
	Steps             uint64
}

func (c *client) json(ctx context.Context, path string, v any) error {
	body, err := c.get(ctx, path)
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(body).Decode(v)
}

// top prints the loops, and the tasks that were busiest since the last refresh, until
// ctx is done.
func (c *client) top(ctx context.Context, out io.Writer) error {
	busy := map[[2]uint64]time.Duration{}
	for {
		var o overview
		var tasks []task
		if err := errors.Join(c.json(ctx, "api/overview", &o), c.json(ctx, "api/tasks", &tasks)); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		fmt.Fprint(out, "\x1b[H\x1b[2J") // cursor home, and clear
		fmt.Fprintf(out, "process %d, %s\n\n", o.PID, time.Now().Format(time.TimeOnly))
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "LOOP\tNAME\tSTATE\tTASKS\tREADY\tTIMERS\tJOBS\tSTEPS\tMAX LAG")
		for _, l := range o.Loops {
			s := l.Stats
			fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%v\n", l.Number, clean(l.Name), l.State, s.Tasks, s.Ready, s.Timers, s.Jobs, s.Steps, s.MaxLag.Round(time.Microsecond))
		}
		w.Flush()
		for _, l := range o.Loops {
			if l.Blocked != nil {
				fmt.Fprintf(out, "\n%s is blocked by %s, in\n%s\n", clean(l.Name), cmp.Or(clean(l.Blocked.Task), "a callback"), clean(l.Blocked.Stack))
			}
		}
		since := map[[2]uint64]time.Duration{}
		for _, t := range tasks {
			key := [2]uint64{uint64(t.Loop), t.ID}
			since[key] = t.Busy - busy[key]
			busy[key] = t.Busy
		}
		slices.SortStableFunc(tasks, func(a, b task) int {
			return cmp.Compare(since[[2]uint64{uint64(b.Loop), b.ID}], since[[2]uint64{uint64(a.Loop), a.ID}])
		})
		fmt.Fprintln(out)
		w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "LOOP\tTASK\tNAME\tSTATE\tBUSY\tWAITED\tAGE\tSTEPS\tWAITS FOR")
		for _, t := range tasks[:min(len(tasks), 20)] {
			if t.Holder != "" {
				t.What += ", held by " + t.Holder
			}
			fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%v\t%v\t%v\t%d\t%s\n", t.Loop, t.ID, clean(t.Name), t.State, t.Busy.Round(time.Microsecond),
				t.Waited.Round(time.Millisecond), t.Age.Round(time.Second), t.Steps, clean(t.What))
		}
		w.Flush()
		if n := len(tasks); n > 20 {
			fmt.Fprintf(out, "and %d more\n", n-20)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// clean removes control characters that a terminal would interpret: names of tasks may
// come from a client of the program.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
