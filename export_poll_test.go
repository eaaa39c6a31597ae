//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio

// Watched returns the events that the poller is asked to report for t.
func Watched(t DatagramTransport) string {
	s, ok := t.(*datagramTransport).sock.(*fdDatagram)
	if !ok {
		return "no poller"
	}
	return [...]string{"nothing", "reading", "writing", "both"}[s.loop.polling.fds[s.fd].want]
}
