// Package aiomon shows what the event loops of a running program are doing: as a page
// for a browser, as JSON, and as text for a terminal (command aio in cmd/aio requests
// these).
//
// A [Monitor] is an http.Handler; it does not register itself anywhere:
//
//	err := aio.Run(func(ctx context.Context) error {
//		_, stop, err := aiomon.Start(ctx, "127.0.0.1:8765", nil)
//		if err != nil {
//			return err
//		}
//		defer stop()
//		return serve(ctx)
//	})
//
// [Start] does everything that most programs need. Other programs make a monitor with
// [New], let it [Monitor.Watch] one or more loops, and serve it with
// [Monitor.ListenAndServe], [Monitor.ListenUnix] or another server.
//
// A monitor observes each loop from the call of Watch on, and keeps the observed state
// in its own registry. So it answers from other goroutines, without running a step of a
// task, even while a task blocks its loop and after the loop is closed. Loops that are
// not watched have no cost; in a watched loop each step takes about a microsecond
// longer.
//
// It is read-only unless [Options.AllowCancel] is set. It serves only requests whose
// Host is a loopback address or localhost, so that no page of another site reaches it
// by DNS rebinding; see [Options.Hosts]. It shows names of tasks and functions, source
// positions, the operations that tasks wait for, and the texts of errors: no arguments,
// no values, no buffers.
package aiomon

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/goaio/aio"
)

//go:embed page
var pageFiles embed.FS

// Options are the settings of a [Monitor]. The zero value means the defaults.
type Options struct {
	// AllowCancel lets the page and the command cancel tasks.
	AllowCancel bool
	// Hosts are additional host names that requests may use, besides the loopback
	// ones: for example the name of a reverse proxy that has its own access
	// control. "*" allows every name.
	Hosts []string
	// SlowStep is how long a step of a task or a callback may last. A longer step
	// is listed as slow, and a watchdog reports the step while it lasts. Zero means
	// 100 ms.
	SlowStep time.Duration
	// LongWait is how long a task may wait for a lock, a permit of a semaphore or
	// room in a queue before the monitor warns; zero means 10 s.
	LongWait time.Duration
	// Interval is how often the monitor checks for problems; zero means 1 s. It
	// checks less often if the checks would take more than a twentieth of one
	// processor.
	Interval time.Duration
	// Report is called once for each warning, by a goroutine of the monitor, which
	// does not hold the token. It must not block for long. nil logs with log/slog.
	Report func(Warning)
	// TimelineRecords is the number of the latest steps of each loop that the
	// timeline keeps; zero means 20 000, which take about 4 megabytes.
	TimelineRecords int
}

// Monitor watches loops and shows their state. Any goroutine may use it. Make one with
// [New].
type Monitor struct {
	options Options
	mux     http.ServeMux

	mu    sync.Mutex
	loops []*watched
	pages []page
	url   string
}

// page is a page that another package has added.
type page struct {
	Name string `json:"name"`
	rows func() any
}

// check returns an error if an option is negative.
func (o *Options) check(call string) error {
	if o.SlowStep < 0 || o.LongWait < 0 || o.Interval < 0 || o.TimelineRecords < 0 {
		return fmt.Errorf("aiomon: %s: a negative option: SlowStep %v, LongWait %v, Interval %v, TimelineRecords %d: %w",
			call, o.SlowStep, o.LongWait, o.Interval, o.TimelineRecords, aio.ErrUsage)
	}
	return nil
}

// New returns a monitor that watches no loop yet. nil options mean the defaults. A
// negative duration or number panics with an error that matches aio.ErrUsage.
func New(opts *Options) *Monitor {
	m := &Monitor{}
	if opts != nil {
		m.options = *opts
	}
	o := &m.options
	if err := o.check("New"); err != nil {
		panic(err)
	}
	o.SlowStep = cmp.Or(o.SlowStep, 100*time.Millisecond)
	o.LongWait = cmp.Or(o.LongWait, 10*time.Second)
	o.Interval = cmp.Or(o.Interval, time.Second)
	o.TimelineRecords = cmp.Or(o.TimelineRecords, 20_000)
	if o.Report == nil {
		o.Report = logWarning
	}
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the files are part of the program
	}
	m.mux.Handle("GET /", http.FileServerFS(files))
	m.mux.HandleFunc("GET /api/overview", m.overview)
	m.mux.HandleFunc("GET /api/tasks", m.tasks)
	m.mux.HandleFunc("GET /api/task", m.task)
	m.mux.HandleFunc("GET /api/resources", m.resources)
	m.mux.HandleFunc("GET /api/health", m.health)
	m.mux.HandleFunc("GET /api/timeline", m.timeline)
	m.mux.HandleFunc("GET /api/trace", m.trace)
	m.mux.HandleFunc("GET /api/snapshot", m.snapshot)
	m.mux.HandleFunc("GET /api/events", m.events)
	m.mux.HandleFunc("GET /api/page/{name}", m.page)
	m.mux.HandleFunc("GET /text/ps", m.ps)
	m.mux.HandleFunc("GET /text/pstree", m.pstree)
	m.mux.HandleFunc("GET /text/stacks", m.stacks)
	m.mux.HandleFunc("GET /text/resources", m.resourcesText)
	m.mux.HandleFunc("GET /text/health", m.healthText)
	m.mux.HandleFunc("GET /text/pages", m.pagesText)
	m.mux.Handle("GET /metrics", m.Metrics())
	m.mux.HandleFunc("POST /api/cancel", m.cancel)
	return m
}

// Start makes a monitor that watches the loop of ctx, under the name main, and serves
// it at a TCP address; see [Monitor.ListenAndServe] for the allowed addresses. stop
// ends both. Start and stop must be called by tasks or callbacks of the loop, and never
// await. nil options mean the defaults.
//
// The error is that of [Monitor.ListenAndServe], or matches aio.ErrNoRunningLoop if ctx
// belongs to no running loop. After an error nothing is left running.
func Start(ctx context.Context, addr string, opts *Options) (m *Monitor, stop func(), err error) {
	l, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return nil, nil, err
	}
	if opts != nil {
		if err := opts.check("Start"); err != nil {
			return nil, nil, err
		}
	}
	m = New(opts)
	stopServer, err := m.ListenAndServe(addr)
	if err != nil {
		return nil, nil, err
	}
	unwatch := m.Watch(l, "main")
	return m, func() {
		unwatch()
		stopServer()
	}, nil
}

// AddPage adds a table to the page of the monitor, under a name. rows is called for
// each request, by any goroutine, and returns a slice of structs or maps, whose fields
// become the columns as encoding/json names them. For example, a job queue can show its
// queues, and a pool its connections. The command aio pages prints the tables.
func (m *Monitor) AddPage(name string, rows func() any) {
	if rows == nil {
		panic(fmt.Errorf("aiomon: AddPage: the function is nil: %w", aio.ErrUsage))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pages = append(m.pages, page{name, rows})
}

// ServeHTTP implements http.Handler. Mount it at the root of a server or, with
// http.StripPrefix, below a path that ends in a slash.
func (m *Monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if reason := m.refuses(r); reason != "" {
		http.Error(w, "aiomon: "+reason, http.StatusForbidden)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	m.mux.ServeHTTP(w, r)
}

// refuses returns why a request is not served, "" if it is. The page of another site
// whose name resolves to this machine sends that name as Host; a form of another site
// sends that site's Origin.
func (m *Monitor) refuses(r *http.Request) string {
	if !m.allowed(r.Host) {
		return fmt.Sprintf("host %q is not allowed: ask by a loopback address, or set Options.Hosts", r.Host)
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		_, host, _ := strings.Cut(origin, "://")
		if !m.allowed(host) || host != r.Host {
			return fmt.Sprintf("origin %q is not allowed", origin)
		}
	}
	if r.Method == http.MethodPost && r.Header.Get("X-Aiomon") == "" {
		return "the header X-Aiomon is missing" // a form cannot send this header
	}
	return ""
}

func (m *Monitor) allowed(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if slices.Contains(m.options.Hosts, "*") || slices.Contains(m.options.Hosts, host) || host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

// ListenAndServe serves the monitor at a TCP address, in its own goroutines, until stop
// is called. It refuses an address other than a loopback one unless [Options.Hosts] has
// a name for clients to use. The error is that of [net.Listen], or matches
// aio.ErrUsage.
func (m *Monitor) ListenAndServe(addr string) (stop func(), err error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	if a, ok := ln.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() && len(m.options.Hosts) == 0 {
		ln.Close()
		return nil, fmt.Errorf("aiomon: %s is not a loopback address, and Options.Hosts is empty: %w", addr, aio.ErrUsage)
	}
	m.mu.Lock()
	m.url = "http://" + ln.Addr().String() + "/"
	m.mu.Unlock()
	slog.Info("aiomon: serving", "url", m.URL())
	return m.serve(ln), nil
}

// URL returns the URL of the page that the latest [Monitor.ListenAndServe] serves, ""
// if there was none.
func (m *Monitor) URL() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.url
}

// SocketDir returns the directory in which [Monitor.ListenUnix] makes its sockets, and
// in which the aio command looks for the socket of a process: aio in $XDG_RUNTIME_DIR,
// or aio-UID in the directory for temporary files.
func SocketDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "aio")
	}
	return filepath.Join(os.TempDir(), "aio-"+strconv.Itoa(os.Getuid()))
}

// ListenUnix serves the monitor on a Unix socket in [SocketDir] that is named after the
// process id, for the aio command: `aio ps PID`. The directory has mode 0700 and the
// socket 0600. stop ends it and removes the socket.
func (m *Monitor) ListenUnix() (stop func(), err error) {
	dir := SocketDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	// If another user has made the directory, that user could replace the socket.
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ownedByUs(info) {
		return nil, fmt.Errorf("aiomon: %s is not a directory of this user alone (mode 0700)", dir)
	}
	path := filepath.Join(dir, strconv.Itoa(os.Getpid())+".sock")
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, err
	}
	return m.serve(ln), nil
}

func (m *Monitor) serve(ln net.Listener) (stop func()) {
	server := &http.Server{Handler: m, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("aiomon: the server has ended", "error", err)
		}
	}()
	return sync.OnceFunc(func() {
		server.Close()
		<-ended
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	// an error means that the client has disconnected
	_ = json.NewEncoder(w).Encode(v)
}

func (m *Monitor) all() []*watched {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.loops)
}

func (m *Monitor) overview(w http.ResponseWriter, r *http.Request) { writeJSON(w, m.overviewNow()) }

// overview is the part that the page shows above every view.
type overview struct {
	Loops       []loopView `json:"loops"`
	Pages       []page     `json:"pages"`
	AllowCancel bool       `json:"allowCancel"`
	PID         int        `json:"pid"`
}

func (m *Monitor) overviewNow() overview {
	o := overview{Loops: []loopView{}, AllowCancel: m.options.AllowCancel, PID: os.Getpid()}
	for _, l := range m.all() {
		o.Loops = append(o.Loops, l.view())
	}
	m.mu.Lock()
	o.Pages = append([]page{}, m.pages...)
	m.mu.Unlock()
	return o
}

func (m *Monitor) tasks(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	// an error means that the client has disconnected
	_ = writeTasks(w, m.all())
}

// find returns the loop and the task that a request names.
func (m *Monitor) find(r *http.Request) (*watched, uint64) {
	id, _ := strconv.ParseUint(r.FormValue("task"), 10, 64)
	n, _ := strconv.Atoi(r.FormValue("loop"))
	for _, l := range m.all() {
		if l.number == n {
			return l, id
		}
	}
	return nil, 0
}

func (m *Monitor) task(w http.ResponseWriter, r *http.Request) {
	l, id := m.find(r)
	if l == nil {
		http.Error(w, "aiomon: no such loop", http.StatusNotFound)
		return
	}
	d, ok := l.detail(id)
	if !ok {
		http.Error(w, "aiomon: no such task: it may be done", http.StatusNotFound)
		return
	}
	ctx, stop := context.WithTimeout(r.Context(), 300*time.Millisecond)
	defer stop()
	d.Stack = l.stackOf(ctx, id)
	writeJSON(w, d)
}

func (m *Monitor) resources(w http.ResponseWriter, r *http.Request) {
	views := []resourceView{}
	for _, l := range m.all() {
		views = append(views, l.resourceViews()...)
	}
	writeJSON(w, views)
}

func (m *Monitor) health(w http.ResponseWriter, r *http.Request) {
	views := []healthView{}
	for _, l := range m.all() {
		views = append(views, l.healthView())
	}
	writeJSON(w, views)
}

func (m *Monitor) page(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	i := slices.IndexFunc(m.pages, func(p page) bool { return p.Name == r.PathValue("name") })
	var rows func() any
	if i >= 0 {
		rows = m.pages[i].rows
	}
	m.mu.Unlock()
	if rows == nil {
		http.NotFound(w, r)
		return
	}
	writeJSON(w, rows())
}

// events sends the overview each second, as server-sent events.
func (m *Monitor) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		data, err := json.Marshal(m.overviewNow())
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

func (m *Monitor) cancel(w http.ResponseWriter, r *http.Request) {
	if !m.options.AllowCancel {
		http.Error(w, "aiomon: this monitor may not cancel tasks: set Options.AllowCancel", http.StatusForbidden)
		return
	}
	l, id := m.find(r)
	if l == nil {
		http.Error(w, "aiomon: no such loop", http.StatusNotFound)
		return
	}
	if err := l.cancel(id); err != nil {
		http.Error(w, "aiomon: "+err.Error(), http.StatusNotFound)
		return
	}
	writeJSON(w, "asked")
}

// ask calls f with the tasks of each loop, captured with the token held. It waits for
// each loop, except for blocked ones.
func (m *Monitor) ask(w http.ResponseWriter, r *http.Request, f func(tasks []aio.TaskInfo) error) {
	var tasks []aio.TaskInfo
	for _, l := range m.all() {
		of, err := l.capture(r.Context())
		if err != nil {
			http.Error(w, fmt.Sprintf("aiomon: loop %s: %v", l.name, err), http.StatusServiceUnavailable)
			return
		}
		tasks = append(tasks, of...)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	var cycle *aio.TaskCycleError
	switch err := f(tasks); {
	case errors.As(err, &cycle):
		http.Error(w, cycleText(cycle), http.StatusConflict)
	case err != nil:
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

// cycleText is what python -m asyncio pstree prints for tasks that await each other.
func cycleText(e *aio.TaskCycleError) string {
	text := "ERROR: await-graph contains cycles - cannot print a tree!\n"
	for _, cycle := range e.Cycles {
		var names []string
		for _, id := range cycle {
			names = append(names, cmp.Or(e.Names[id], fmt.Sprintf("%#x", id)))
		}
		text += "\ncycle: " + strings.Join(names, " → ")
	}
	return text
}

func (m *Monitor) ps(w http.ResponseWriter, r *http.Request) {
	m.ask(w, r, func(tasks []aio.TaskInfo) error {
		fmt.Fprintln(w, aio.FormatTaskTable(tasks))
		return nil
	})
}

func (m *Monitor) pstree(w http.ResponseWriter, r *http.Request) {
	m.ask(w, r, func(tasks []aio.TaskInfo) error {
		tree, err := aio.FormatTaskTree(tasks, nil)
		if err == nil && tree != "" {
			fmt.Fprintln(w, tree)
		}
		return err
	})
}

// stacks writes the stacks of all goroutines, with the labels of those of tasks. It
// does not need a loop.
func (m *Monitor) stacks(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// an error means that the client has disconnected
	_ = pprof.Lookup("goroutine").WriteTo(w, 1)
}
