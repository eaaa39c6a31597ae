//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio

// Watched returns what the poller is asked about for t.
func Watched(t DatagramTransport) string {
	s, ok := t.(*datagramTransport).sock.(*fdDatagram)
	if !ok {
		return "no poller"
	}
	return [...]string{"nothing", "reading", "writing", "both"}[s.loop.polling.fds[s.fd].want]
}
