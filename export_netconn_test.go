package aio

// InboxLen returns how much other goroutines have handed to l that it has not taken yet.
func InboxLen(l *Loop) int {
	l.inbox.mu.Lock()
	defer l.inbox.mu.Unlock()
	return len(l.inbox.events)
}
