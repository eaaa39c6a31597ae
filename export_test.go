package aio

// Unexported parts of the package that tests use.

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/goaio/aio/internal/netio"
)

// HeapPush, HeapPop and Heapify are the heap functions of timers and priority queues.
func HeapPush[T any](h []T, v T, less func(a, b T) bool) []T { return heapPush(h, v, less) }
func HeapPop[T any](h []T, less func(a, b T) bool) ([]T, T)  { return heapPop(h, less) }
func Heapify[T any](h []T, less func(a, b T) bool)           { heapify(h, less) }

// IdleCoroutines returns the number of coroutines of l that wait for a task.
func IdleCoroutines(l *Loop) int { return len(l.idle) }

// Timers returns the number of timers of l, and of the cancelled ones among them.
func Timers(l *Loop) (held, cancelled int) { return len(l.timers.heap), l.timers.cancelled }

// ForceGoroutines makes l serve its connections with goroutines, as on a system without
// a poller.
func ForceGoroutines(l *Loop, on bool) {
	l.net, l.files = nil, nil // the back ends are chosen again on the next use
	if on {
		l.net, l.files = goroutineBackend{l}, goroutineBackend{l}
	}
}

// SetNetwork sets the back end of l. Network returns it.
func SetNetwork(l *Loop, b netio.Backend) { l.net = b }
func Network(l *Loop) netio.Backend       { return l.network() }

// HidesFrame reports whether the stack of a task omits a frame.
func HidesFrame(function, file string) bool {
	return internalFrame(runtime.Frame{Function: function, File: file})
}

// Posted returns the number of events from other goroutines that l has not taken yet.
func Posted(l *Loop) int {
	l.inbox.mu.Lock()
	defer l.inbox.mu.Unlock()
	return len(l.inbox.events) + len(l.inbox.signals)
}

// UsesGoroutines reports whether l serves its connections with goroutines.
func UsesGoroutines(l *Loop) bool {
	_, ok := l.network().(goroutineBackend)
	return ok
}

// Sizes used by tests of transports.
const (
	MaxRead    = maxRead
	ConnBuffer = connBuffer
)

// OpenStream makes a transport over s.
func OpenStream(l *Loop, s netio.Stream, p Protocol) (Transport, error) {
	return l.newStreamTransport(s, p, nil)
}

// Again makes the loop report the readiness of owner in the next pass.
func Again(l *Loop, owner netio.Owner) { l.polling.again(owner, -1) }

// Interleave returns the order in which the addresses of a host are tried.
func Interleave(addrs []netip.AddrPort, first int) []netip.AddrPort { return interleave(addrs, first) }

// Resolve and SplitAddr are the functions with which connections and servers find their
// addresses.
func Resolve(ctx context.Context, network, host, port string, passive bool) ([]netip.AddrPort, error) {
	return loopOf(ctx, "Resolve").resolve(ctx, network, host, port, passive)
}
func SplitAddr(call, addr string) (host, port string, err error) { return splitAddr(call, addr) }

// ServiceIn finds the name of a port in a list of services.
func ServiceIn(list, port, protocol string) string { return serviceIn(list, port, protocol) }

// SendsBySystem reports whether the kernel sends file in a Sendfile over t.
func SendsBySystem(t Transport, file io.ReadSeeker) bool {
	s, ok := t.(*streamTransport)
	if !ok {
		return false
	}
	_, ok = s.stream.(fileSender)
	return ok && (&fileSend{file: file}).systemFile() != nil
}

// StreamHasBytes reports whether r has unread bytes.
func StreamHasBytes(r *StreamReader) bool { return r.size() > 0 }

// StreamMemory returns the size of the buffer of r.
func StreamMemory(r *StreamReader) int { return cap(r.buf) }

// NewTLS makes a TLS layer, whose ConnectionMade has been called, and returns it with
// its protocol for the transport below.
func NewTLS(l *Loop, app Protocol, config *tls.Config, server bool, handshake, shutdown time.Duration, done func(error)) (Transport, Protocol) {
	t, err := newTLS(l, app, config, tlsSettings{server: server, handshake: handshake, shutdown: shutdown}, done)
	if err != nil {
		panic(err)
	}
	return t, t.lowerProtocol()
}

// StartTLSAhead is like StartTLS, for a caller that has already read some TLS bytes of
// the peer.
func StartTLSAhead(ctx context.Context, t Transport, p Protocol, config *tls.Config, opts *TLSOptions, ahead []byte) (Transport, error) {
	return startTLS(ctx, t, p, config, opts, ahead)
}

// TLSMemory returns the number of bytes in the buffers of a TLS transport.
func TLSMemory(t Transport) int {
	tt := t.(*tlsTransport)
	return cap(tt.in.buf) + cap(tt.queue.buf) + cap(tt.borrowed) + cap(tt.records)
}

// ConnectionsWaiting returns the number of connections that wait for Accept on a
// listener of Listen.
func ConnectionsWaiting(ln net.Listener) int { return ln.(*netListener).conns.n }

// AcceptsWaiting returns the number of pending calls of Accept.
func AcceptsWaiting(ln net.Listener) (n int) {
	ln.(*netListener).calls.all(func(*acceptCall) { n++ })
	return n
}

// FireTimeout makes s expire now.
func FireTimeout(s *TimeoutScope) {
	stopTimer(&s.timer)
	s.due()
}

// Gate returns the value that an await checks before it looks for cancelled scopes.
func Gate(ctx context.Context) int {
	s, _ := scopeOf(ctx)
	return int(s.loop.gate)
}

// HurryBlocked makes loops notice after a short time that they are blocked. undo restores
// the time.
func HurryBlocked() (undo func()) { return NoticeBlocked(20*time.Millisecond, 10*time.Millisecond) }

// NoticeBlocked makes loops notice after the given times that they are blocked.
func NoticeBlocked(first, second time.Duration) (undo func()) {
	patience := blockedPatience.Swap(int64(first))
	again := blockedAgain.Swap(int64(second))
	return func() {
		blockedPatience.Store(patience)
		blockedAgain.Store(again)
	}
}

// Begun returns the number of calls of other goroutines that the loop has begun and not
// yet completed.
func Begun(l *Loop) int {
	l.inbox.mu.Lock()
	defer l.inbox.mu.Unlock()
	return len(l.inbox.begun)
}

// CallbacksOf returns the number of entries of a future that is not done, including
// gaps, plus the number of tasks that are recorded as awaiting it.
func CallbacksOf(f AnyFuture) (n int) {
	c := f.core()
	if c.first != nil {
		n++
	}
	if c.more != nil {
		n += len(c.more.list)
	}
	if c.report != nil {
		n += len(c.report.awaitedBy)
	}
	return n
}
