package aiomon

// The JSON of the tasks, which may be a hundred thousand. Package encoding/json takes
// some 10 µs for each task, and needs a copy of all. Here the tasks are encoded by
// hand, a few at a time: the loop waits for the registry while a few tasks are copied,
// but not while they are encoded and written.

import (
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// writeTasks writes at least writtenAtOnce bytes at a time, except at the end.
const writtenAtOnce = 64 << 10

// writeTasks writes the tasks of some loops as a JSON array, those of a loop in the
// order in which they were created.
func writeTasks(out io.Writer, loops []*watched) error {
	buf := []byte{'['}
	var views []taskView
	for _, w := range loops {
		holders := w.holders()
		for part := range slices.Chunk(w.records(), kept) {
			views = w.viewsOf(views[:0], part)
			for i := range views {
				views[i].heldBy(holders)
				buf = append(views[i].appendJSON(buf), ',')
			}
			if len(buf) < writtenAtOnce {
				continue
			}
			// keeps the last comma in buf: it is dropped if no task follows
			n := len(buf) - 1
			if _, err := out.Write(buf[:n]); err != nil {
				return err
			}
			buf = append(buf[:0], buf[n])
		}
	}
	if n := len(buf) - 1; buf[n] == ',' {
		buf = buf[:n]
	}
	_, err := out.Write(append(buf, ']', '\n'))
	return err
}

// viewsOf appends the views of those tasks that are not done.
func (w *watched) viewsOf(views []taskView, records []*record) []taskView {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.elapsed()
	for _, r := range records {
		if r.state != "done" {
			views = append(views, w.viewOf(r, now))
		}
	}
	return views
}

// appendJSON appends v in JSON, as json.Marshal encodes it.
func (v *taskView) appendJSON(b []byte) []byte {
	number := func(key string, n int64) {
		b = strconv.AppendInt(append(b, key...), n, 10)
	}
	text := func(key, s string) {
		b = appendQuoted(append(b, key...), s)
	}
	number(`{"loop":`, int64(v.Loop))
	number(`,"id":`, int64(v.ID))
	text(`,"name":`, v.Name)
	text(`,"state":`, v.State)
	text(`,"place":`, v.Place)
	number(`,"by":`, int64(v.By))
	number(`,"age":`, int64(v.Age))
	number(`,"for":`, int64(v.For))
	number(`,"busy":`, int64(v.Busy))
	number(`,"waited":`, int64(v.Waited))
	number(`,"steps":`, int64(v.Steps))
	text(`,"what":`, v.What)
	for i, id := range v.Awaits {
		key := `,`
		if i == 0 {
			key = `,"awaits":[`
		}
		number(key, int64(id))
	}
	if len(v.Awaits) > 0 {
		b = append(b, ']')
	}
	if v.Cancels {
		b = append(b, `,"cancelled":true`...)
	}
	if v.Resource != 0 {
		number(`,"resource":`, int64(v.Resource))
	}
	if v.HeldBy != 0 {
		number(`,"heldBy":`, int64(v.HeldBy))
	}
	if v.Holder != "" {
		text(`,"holder":`, v.Holder)
	}
	return append(b, '}')
}

// appendQuoted appends s as json.Marshal does. Nearly all texts need no escapes.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // cannot fail for a string
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
