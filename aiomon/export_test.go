package aiomon

// CopyTasks copies the data of the tasks page without encoding it.
func (m *Monitor) CopyTasks() (n int) {
	for _, l := range m.all() {
		n += len(l.taskViews(nil))
	}
	return n
}
