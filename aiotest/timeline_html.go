package aiotest

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// pageStyle is the style of WriteHTML. The page needs no script and no network.
const pageStyle = `body{font:14px/1.4 system-ui,sans-serif;margin:2em}pre{background:#f6f6f6;padding:1em;overflow:auto}
table{border-collapse:collapse}th{position:sticky;top:0;background:#fff;text-align:left;vertical-align:bottom}
td,th{padding:2px 8px;border-left:1px solid #ddd}td.time,td.n{text-align:right;color:#666;border:0;font-variant-numeric:tabular-nums}
td.on{background:#dbe9ff;border-radius:4px;white-space:nowrap}td.on small{color:#555}td.done{background:#d8f0d8}td.cancelled{background:#ffe1d6}
b.note{color:#b00}tr:target{outline:2px solid #06c}a{color:#06c;text-decoration:none}`

// WriteHTML writes the failure as an HTML page: a column for each task, a row for each
// step.
func (f *Failure) WriteHTML(w io.Writer, title string) error {
	if w == nil {
		return usagef("Failure.WriteHTML: the writer is nil")
	}
	var columns []string
	column := map[string]int{}
	for _, s := range f.Timeline {
		if _, ok := column[s.lane()]; !ok {
			column[s.lane()] = len(columns)
			columns = append(columns, s.lane())
		}
	}
	var b strings.Builder
	esc := html.EscapeString
	fmt.Fprintf(&b, "<!doctype html><meta charset=utf-8><title>%s</title><style>%s</style>\n", esc(title), pageStyle)
	fmt.Fprintf(&b, "<h1>%s</h1><pre>%s\n%s</pre><p>Record: <code>%s</code></p>\n<table><tr><th>step<th>time", esc(title), esc(f.Error()), esc(f.Cancelled), esc(f.Record))
	for _, c := range columns {
		fmt.Fprintf(&b, "<th>%s", esc(c))
	}
	b.WriteByte('\n')
	for i, s := range f.Timeline {
		fmt.Fprintf(&b, "<tr id=s%d><td class=n>%d<td class=time>%v", i, i, s.At)
		at := column[s.lane()]
		for range at {
			b.WriteString("<td>")
		}
		class := "on"
		switch s.Where {
		case "is done":
			class += " done"
		case "is cancelled":
			class += " cancelled"
		}
		fmt.Fprintf(&b, "<td class=%q>", class)
		if !s.Task {
			fmt.Fprintf(&b, "%s ", esc(s.Name))
		}
		if s.Why != "" {
			fmt.Fprintf(&b, "after %s", esc(s.Why))
		}
		if s.By >= 0 {
			fmt.Fprintf(&b, " <a href=#s%d>(step %d)</a>", s.By, s.By)
		}
		if s.Where != "" {
			fmt.Fprintf(&b, "<br><small>%s</small>", esc(s.Where))
		}
		for _, n := range s.Notes {
			fmt.Fprintf(&b, "<br><b class=note>%s</b>", esc(n))
		}
		for range len(columns) - at - 1 {
			b.WriteString("<td>")
		}
		b.WriteByte('\n')
	}
	b.WriteString("</table>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// lane returns the column of the step.
func (s Step) lane() string {
	if s.Task {
		return s.Name
	}
	return "callbacks"
}
