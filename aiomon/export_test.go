package aiomon

// CopyTasks copies what the tasks page shows, without encoding it.
func (m *Monitor) CopyTasks() (n int) {
	for _, l := range m.all() {
		n += len(l.taskViews(nil))
	}
	return n
}
