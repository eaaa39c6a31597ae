package aiomon

import "io"

// WriteTasks writes the JSON of the tasks that the page requests.
func (m *Monitor) WriteTasks(w io.Writer) error { return writeTasks(w, m.all()) }
