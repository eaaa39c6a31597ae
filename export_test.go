package aio

// What the tests see of the package's insides.

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

// HeapPush, HeapPop and Heapify are the heap of timers and priority queues.
func HeapPush[T any](h []T, v T, less func(a, b T) bool) []T { return heapPush(h, v, less) }
func HeapPop[T any](h []T, less func(a, b T) bool) ([]T, T)  { return heapPop(h, less) }
func Heapify[T any](h []T, less func(a, b T) bool)           { heapify(h, less) }

// Timers returns how many timers l holds, and how many of them are cancelled.
// IdleCoroutines returns how many coroutines of l wait for a task.
func IdleCoroutines(l *Loop) int { return len(l.idle) }

func Timers(l *Loop) (held, cancelled int) { return len(l.timers.heap), l.timers.cancelled }

// ForceGoroutines has l serve its connections by goroutines, as on a system without a
// poller.
func ForceGoroutines(l *Loop, on bool) {
	l.net, l.files = nil, nil // to be chosen
	if on {
		l.net, l.files = goroutineBackend{l}, goroutineBackend{l}
	}
}

// SetNetwork has b serve the connections of l. Network returns what does.
func SetNetwork(l *Loop, b netio.Backend) { l.net = b }
func Network(l *Loop) netio.Backend       { return l.network() }

// HidesFrame reports whether the stack of a task leaves a frame out.
func HidesFrame(function, file string) bool {
	return internalFrame(runtime.Frame{Function: function, File: file})
}

// Posted returns how many events other goroutines have handed in that l has not looked
// at.
func Posted(l *Loop) int {
	l.inbox.mu.Lock()
	defer l.inbox.mu.Unlock()
	return len(l.inbox.events) + len(l.inbox.signals)
}

// UsesGoroutines reports whether l serves its connections by goroutines.
func UsesGoroutines(l *Loop) bool {
	_, ok := l.network().(goroutineBackend)
	return ok
}

// The sizes that tests of transports need to know.
const (
	MaxRead    = maxRead
	ConnBuffer = connBuffer
)

// OpenStream makes a transport over s.
func OpenStream(l *Loop, s netio.Stream, p Protocol) (Transport, error) {
	return l.newStreamTransport(s, p, nil)
}

// Again has owner told of its readiness when the next pass begins.
func Again(l *Loop, owner netio.Owner) { l.polling.again(owner) }

// Interleave is the order in which the addresses of a host are tried.
func Interleave(addrs []netip.AddrPort, first int) []netip.AddrPort { return interleave(addrs, first) }

// Resolve and SplitAddr are what connections and servers find their addresses by.
func Resolve(ctx context.Context, network, host, port string, passive bool) ([]netip.AddrPort, error) {
	return loopOf(ctx, "Resolve").resolve(ctx, network, host, port, passive)
}
func SplitAddr(call, addr string) (host, port string, err error) { return splitAddr(call, addr) }

// ServiceIn finds the name of a port in a list of services.
func ServiceIn(list, port, protocol string) string { return serviceIn(list, port, protocol) }

// SendsBySystem reports whether Sendfile of file over t is done by the system.
func SendsBySystem(t Transport, file io.ReadSeeker) bool {
	s, ok := t.(*streamTransport)
	if !ok {
		return false
	}
	_, ok = s.stream.(fileSender)
	return ok && (&fileSend{file: file}).systemFile() != nil
}

// StreamHasBytes reports whether r has bytes that nobody has read.
func StreamHasBytes(r *StreamReader) bool { return r.size() > 0 }

// StreamMemory is the size of the buffer that r holds.
func StreamMemory(r *StreamReader) int { return cap(r.buf) }

// NewTLS makes a TLS layer whose ConnectionMade is called, and returns it with its
// protocol for the transport below.
func NewTLS(l *Loop, app Protocol, config *tls.Config, server bool, handshake, shutdown time.Duration, done func(error)) (Transport, Protocol) {
	t, err := newTLS(l, app, config, tlsSettings{server: server, handshake: handshake, shutdown: shutdown}, done)
	if err != nil {
		panic(err)
	}
	return t, t.lowerProtocol()
}

// StartTLSAhead is StartTLS for a caller that has read some of the peer's TLS.
func StartTLSAhead(ctx context.Context, t Transport, p Protocol, config *tls.Config, opts *TLSOptions, ahead []byte) (Transport, error) {
	return startTLS(ctx, t, p, config, opts, ahead)
}

// TLSMemory returns how many bytes a TLS transport of its own keeps in buffers.
func TLSMemory(t Transport) int {
	tt := t.(*tlsTransport)
	return cap(tt.in.buf) + cap(tt.queue.buf) + cap(tt.borrowed) + cap(tt.records)
}

// ConnectionsWaiting is how many connections wait for Accept of a listener of Listen.
func ConnectionsWaiting(ln net.Listener) int { return len(ln.(*netListener).conns) }

// AcceptsWaiting is how many calls of Accept wait.
func AcceptsWaiting(ln net.Listener) int { return len(ln.(*netListener).calls) }

// FireTimeout lets the time of s run out now.
func FireTimeout(s *TimeoutScope) {
	s.stopTimer()
	s.due()
}

// Gate returns what an await looks at before it asks for cancelled scopes.
func Gate(ctx context.Context) int {
	s, _ := scopeOf(ctx)
	return int(s.loop.gate)
}
