package aiomon

import "io"

// WriteTasks writes what the tasks page asks for.
func (m *Monitor) WriteTasks(w io.Writer) error { return writeTasks(w, m.all()) }
