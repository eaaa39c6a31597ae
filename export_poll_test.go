//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio

import "github.com/goaio/aio/internal/netio"

// Watched returns the events that the poller is asked to report for t.
func Watched(t DatagramTransport) string {
	s, ok := t.(*datagramTransport).sock.(*fdDatagram)
	if !ok {
		return "no poller"
	}
	return [...]string{"nothing", "reading", "writing", "both"}[s.loop.polling.fds[s.fd].want]
}

// WriteWatch returns whether the system reports when t, a pipe for writing, has room,
// and what the poller does with such a report.
func WriteWatch(t WriteTransport) string {
	p, ok := t.(*writePipe).stream.(*fdPipe)
	if !ok {
		return "no poller"
	}
	switch d := p.loop.polling.fds[p.fd]; {
	case d.want&netio.Writable == 0:
		return "not reported"
	case d.muted != 0:
		return "dropped"
	}
	return "passed on"
}
