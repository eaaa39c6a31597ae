package aiomon

// Plain-text responses of the handlers, for a terminal and for other programs.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goaio/aio"
)

func plain(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/plain; charset=utf-8") }

// resourcesText writes a table of the resources.
func (m *Monitor) resourcesText(w http.ResponseWriter, r *http.Request) {
	plain(w)
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "loop\tkind\tstate\tlimit\tpeak\twaiting\tholder\tplace")
	for _, l := range m.all() {
		for _, v := range l.resourceViews() {
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", l.name, v.Kind, v.State, number(v.Limit), number(v.Peak), v.Waiting, v.Holder, v.Place)
		}
	}
	out.Flush()
}

// pagesText writes the tables of other packages.
func (m *Monitor) pagesText(w http.ResponseWriter, r *http.Request) {
	plain(w)
	m.mu.Lock()
	pages := slices.Clone(m.pages)
	m.mu.Unlock()
	for i, p := range pages {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, p.Name)
		if err := writeRows(w, p.rows()); err != nil {
			fmt.Fprintln(w, "the table has no rows:", err)
		}
	}
}

// writeRows writes the same table as the page: its columns are the keys of all rows, in
// the order in which encoding/json writes them.
func writeRows(w io.Writer, rows any) error {
	data, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	var columns []string
	table := make([]map[string]string, len(list))
	for i, row := range list {
		table[i] = map[string]string{}
		d := json.NewDecoder(bytes.NewReader(row))
		if t, err := d.Token(); err != nil || t != json.Delim('{') {
			return fmt.Errorf("%s is no object", row)
		}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return err
			}
			var v json.RawMessage
			if err := d.Decode(&v); err != nil {
				return err
			}
			name := key.(string)
			if !slices.Contains(columns, name) {
				columns = append(columns, name)
			}
			var text string
			if json.Unmarshal(v, &text) != nil {
				text = string(v)
			}
			table[i][name] = oneCell.Replace(text)
		}
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, strings.Join(columns, "\t"))
	for _, row := range table {
		for i, name := range columns {
			if i > 0 {
				fmt.Fprint(out, "\t")
			}
			fmt.Fprint(out, row[name])
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}

// oneCell makes the text of one cell.
var oneCell = strings.NewReplacer("\t", " ", "\n", " ")

// number is n, or "" for 0.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// healthText writes the state of each loop and its warnings.
func (m *Monitor) healthText(w http.ResponseWriter, r *http.Request) {
	plain(w)
	for _, l := range m.all() {
		v := l.view()
		s := v.Stats
		fmt.Fprintf(w, "loop %s: %s, tasks %d, timers %d, jobs %d, timers late by up to %v\n", v.Name, v.State, s.Tasks, s.Timers, s.Jobs, s.MaxLag.Round(time.Microsecond))
		for _, f := range l.warnings() {
			fmt.Fprintf(w, "  %s: %s\n", f.Kind, f.Text)
			if f.More != "" {
				fmt.Fprintln(w, indent(strings.TrimRight(f.More, "\n")))
			}
		}
	}
}

// String returns the numbers of the loops as JSON: an object that maps the name of each
// loop to its [aio.LoopStats]. So a monitor is an expvar.Var:
//
//	expvar.Publish("loops", monitor)
//
// This package does not import expvar, because that package registers a handler when it
// is imported.
func (m *Monitor) String() string {
	all := map[string]aio.LoopStats{}
	for _, l := range m.all() {
		all[l.name] = l.loop.Stats()
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "{}" // cannot fail: there are only numbers and booleans
	}
	return string(text)
}

// metrics lists the numbers of a loop in the text format of Prometheus.
var metrics = []struct {
	name, kind, help string
	value            func(s aio.LoopStats) float64
}{
	{"aio_loop_up", "gauge", "1 while the loop runs.", func(s aio.LoopStats) float64 { return oneIf(s.Running) }},
	{"aio_loop_waiting", "gauge", "1 while nothing is ready.", func(s aio.LoopStats) float64 { return oneIf(s.Waiting) }},
	{"aio_passes_total", "counter", "Passes of the loop.", func(s aio.LoopStats) float64 { return float64(s.Passes) }},
	{"aio_steps_total", "counter", "Steps of tasks.", func(s aio.LoopStats) float64 { return float64(s.Steps) }},
	{"aio_callbacks_total", "counter", "Callbacks.", func(s aio.LoopStats) float64 { return float64(s.Callbacks) }},
	{"aio_tasks", "gauge", "Tasks that are not done.", func(s aio.LoopStats) float64 { return float64(s.Tasks) }},
	{"aio_ready", "gauge", "Entries of the ready queue when the last pass began.", func(s aio.LoopStats) float64 { return float64(s.Ready) }},
	{"aio_timers", "gauge", "Timers that are set.", func(s aio.LoopStats) float64 { return float64(s.Timers) }},
	{"aio_jobs", "gauge", "Jobs of executors that are queued or run.", func(s aio.LoopStats) float64 { return float64(s.Jobs) }},
	{"aio_connections", "gauge", "Open connections.", func(s aio.LoopStats) float64 { return float64(s.Connections) }},
	{"aio_servers", "gauge", "Open servers.", func(s aio.LoopStats) float64 { return float64(s.Servers) }},
	{"aio_processes", "gauge", "Child processes that run.", func(s aio.LoopStats) float64 { return float64(s.Processes) }},
	{"aio_timer_lag_max_seconds", "gauge", "The longest delay of a timer.", func(s aio.LoopStats) float64 { return s.MaxLag.Seconds() }},
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Metrics returns a handler that serves the numbers of the loops in the text format of
// Prometheus, with the name of the loop as a label: those of [aio.LoopStats],
// aio_loop_blocked, and the number of warnings. It answers while a task blocks a loop
// and when a loop is closed.
//
// The monitor itself serves the same at /metrics. This handler does not check the Host
// of a request, because it exposes only numbers: mount it on the server that Prometheus
// scrapes.
func (m *Monitor) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		m.writeMetrics(w)
	})
}

func (m *Monitor) writeMetrics(w io.Writer) {
	loops := m.all()
	views := make([]loopView, len(loops))
	for i, l := range loops {
		views[i] = l.view()
	}
	family := func(name, kind, help string, value func(v loopView) float64) {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
		for _, v := range views {
			fmt.Fprintf(w, "%s{loop=\"%s\"} %s\n", name, labelValue.Replace(v.Name), strconv.FormatFloat(value(v), 'g', -1, 64))
		}
	}
	for _, c := range metrics {
		family(c.name, c.kind, c.help, func(v loopView) float64 { return c.value(v.Stats) })
	}
	family("aio_loop_blocked", "gauge", "1 while a step has lasted longer than it should.", func(v loopView) float64 { return oneIf(v.Blocked != nil) })
	family("aio_warnings", "gauge", "Warnings of the monitor.", func(v loopView) float64 { return float64(v.Alarms) })
}

// labelValue escapes the value of a label.
var labelValue = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
