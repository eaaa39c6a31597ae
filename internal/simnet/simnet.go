// Package simnet simulates a network in virtual time: hosts with addresses and names,
// links between them, TCP, UDP and Unix sockets. A [Host] is a backend of package aio
// (netio.Backend and netio.Names).
//
// The package has no goroutines and no locks. All hosts of a network belong to one
// goroutine, which runs the loops of all of them. Every effect of one host on another
// is an event that becomes due at the other host; a host processes its events when its
// loop begins a pass and calls [Host.Poll]. So the state of a socket is only accessed
// under the token of the loop that owns it.
//
// A [Driver] decides the behaviour that a real network leaves open: how long a packet
// takes, how a stream is split into pieces, which packets are lost. The answer 0 is
// always the ordinary one.
//
// A packet of a stream is never lost: where a real network would retransmit it, it is
// held back until the link is healed. An end that gets no answer for a quarter of an
// hour fails with ETIMEDOUT, as on Linux.
package simnet

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/goaio/aio/internal/netio"
)

// Driver is the part of a run that a network uses.
type Driver interface {
	// Now is the time since the beginning of the run.
	Now() time.Duration
	// Choose returns a number from 0 to n-1; 0 is the ordinary case. what names the
	// choice.
	Choose(n int, what string) int
	// Note adds an outcome to the report of the run.
	Note(text string)
}

// Loop is the part of a loop that a host uses.
type Loop interface {
	// Soon queues f as a separate entry.
	Soon(f func())
	// Waiter returns a function with which the task of ctx waits, and one that
	// wakes it. The host's Poll may call wake, once.
	Waiter(ctx context.Context) (wait func() error, wake func(), err error)
}

// The limits of the network. They are those of Linux, except for the last.
const (
	// bytes in each direction of a stream, including bytes in transit
	bufferSize = 64 << 10
	// bytes in the receive buffer of a datagram socket
	datagramsMax = 208 << 10
	maxDatagram  = 65507             // bytes
	synTimeout   = 127 * time.Second // timeout of connecting
	// timeout of a stream whose packets get no answer
	ackTimeout = 924 * time.Second
	lostDelay  = 200 * time.Millisecond
	firstPort  = 32768
	// attempts to connect while the listener's queue is full: 1, 2, 4, … 64 s apart
	maxAttempts = 6
)

// Network is a simulated network. Its fields may be changed at any time.
type Network struct {
	// Fault, if it is not nil, is called before each operation of a socket. can has
	// the faults that the operation can have; empty means all of them.
	Fault func(op string, host *Host, can ...Fault) Fault

	driver Driver
	hosts  []*Host
	links  map[[2]*Host]*Link
	seq    uint64
	count  Counters
}

// Counters count the traffic of a network.
type Counters struct {
	Connections int // established
	Segments    int // stream segments that have arrived
	Datagrams   int // that have arrived
	Dropped     int // datagrams that were lost
	Resets      int // of streams
}

// Fault replaces the success of an operation.
type Fault uint8

const (
	NoFault   Fault = iota
	Reset           // the connection is reset, or refused
	TimedOut        // the operation fails with ETIMEDOUT, and the connection with it
	EndOfFile       // the peer seems to have closed the connection
	Short           // one byte is read or written at a time
)

// New returns a network with no hosts.
func New(d Driver) *Network {
	return &Network{driver: d, links: map[[2]*Host]*Link{}}
}

// Counters returns the traffic so far.
func (n *Network) Counters() Counters { return n.count }

// Host is a machine with an IPv4 and an IPv6 address, and the backend of a loop.
type Host struct {
	net    *Network
	name   string
	v4, v6 netip.Addr
	loop   Loop // nil while the host is down

	events    heap
	listeners map[netip.AddrPort][]*listener
	datagrams map[netip.AddrPort][]*datagram
	paths     map[string]*listener // Unix sockets
	mailboxes map[string]*datagram // Unix sockets for datagrams
	ready     []pollable           // may have readiness to report, in this order
	limbo     []event              // events that arrived while the host was down
	spare     []pollable           // reused memory for ready
	streams   map[*stream]struct{}
	port      uint16
	crashes   int
}

// Host adds a host. Its addresses are in 10.0.0.0/16 and fd00::/64, derived from its
// number.
func (n *Network) Host(name string) *Host {
	i := len(n.hosts) + 1
	h := &Host{
		net:  n,
		name: name,
		v4:   netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}),
		v6:   netip.AddrFrom16([16]byte{0: 0xfd, 14: byte(i >> 8), 15: byte(i)}),
		port: firstPort,
	}
	h.clear()
	n.hosts = append(n.hosts, h)
	return h
}

// clear sets the state of a host that has just started.
func (h *Host) clear() {
	h.listeners, h.datagrams = map[netip.AddrPort][]*listener{}, map[netip.AddrPort][]*datagram{}
	h.paths, h.mailboxes = map[string]*listener{}, map[string]*datagram{}
	h.streams, h.ready = map[*stream]struct{}{}, nil
}

// Name is the name of the host.
func (h *Host) Name() string { return h.name }

// Addrs are the addresses of the host.
func (h *Host) Addrs() (v4, v6 netip.Addr) { return h.v4, h.v6 }

// Start makes loop the loop of the host. Packets that arrived for an earlier loop are
// answered with a reset.
func (h *Host) Start(loop Loop) {
	h.loop = loop
	late := h.limbo
	h.limbo = nil
	now := h.net.driver.Now()
	for _, e := range late {
		if e.kind == evCall && e.when < now {
			// A datagram is not sent again.
			h.net.count.Dropped++
			continue
		}
		h.events.push(e)
	}
}

// Crash drops all sockets without notifying the peers: their packets get no answer
// until the host is started again.
func (h *Host) Crash() {
	for s := range h.streams {
		s.dead = true
	}
	h.loop = nil
	h.crashes++
	h.clear()
	now := h.net.driver.Now()
	for e, ok := h.events.pop(); ok; e, ok = h.events.pop() {
		h.limbo = append(h.limbo, e)
		e.unanswered(now)
	}
}

// Down reports whether the host has crashed.
func (h *Host) Down() bool { return h.loop == nil }

// Next returns when the next event of the host is due.
func (h *Host) Next() (when time.Duration, ok bool) {
	if h.loop == nil {
		return 0, false
	}
	for _, p := range h.ready {
		if s := p.source(); s.again || s.report(p) != 0 {
			return h.net.driver.Now(), true
		}
	}
	if len(h.events) == 0 {
		return 0, false
	}
	return h.events[0].when, true
}

// Poll processes the due events of the host, and notifies the owners of its sockets.
func (h *Host) Poll() {
	h.Settle()
	// As with epoll on Linux, a socket that was reported keeps its place for the
	// next pass, before the sockets that become ready until then.
	ready := h.ready
	h.ready = h.spare[:0]
	for i, p := range ready {
		ready[i] = nil
		s := p.source()
		r, again := s.report(p), s.again
		s.queued, s.news, s.again = false, false, false
		if r == 0 && !again || s.owner == nil {
			continue
		}
		s.queued = true
		h.ready = append(h.ready, p)
		if again {
			s.owner.Ready(0)
		}
		if r != 0 {
			s.owner.Ready(r)
		}
	}
	h.spare = ready
}

// Settle processes the due events of the host, without notifying the owners of its
// sockets.
func (h *Host) Settle() {
	now := h.net.driver.Now()
	for len(h.events) > 0 && h.events[0].when <= now {
		e, _ := h.events.pop()
		e.happen(h)
	}
}

// source is the part of a socket that notifies its owner: once for each time that it
// becomes ready, if edge is set, or in each pass in which it is ready.
type source struct {
	owner  netio.Owner // nil if no owner is notified
	want   netio.Readiness
	edge   bool
	queued bool // in Host.ready
	news   bool // the socket has become ready since the last report
	again  bool // the owner asks for an entry in the next pass
}

// report returns the readiness to report to the owner of p.
func (s *source) report(p pollable) netio.Readiness {
	if s.owner == nil || s.edge && !s.news {
		return 0
	}
	return p.readiness() & s.want
}

// pollable is a socket with a source.
type pollable interface {
	source() *source
	readiness() netio.Readiness
}

// wake queues p because it has become ready for r.
func (h *Host) wake(p pollable, r netio.Readiness) {
	if s := p.source(); s.owner != nil && s.want&r != 0 {
		s.news = true
		h.queue(p)
	}
}

// queue appends p to the list ready, unless p is in it.
func (h *Host) queue(p pollable) {
	if s := p.source(); !s.queued {
		s.queued = true
		h.ready = append(h.ready, p)
	}
}

// renew makes p report its readiness as if p had just become ready. With keep, a socket
// that was reported in this pass keeps its place.
func (h *Host) renew(p pollable, keep bool) {
	if !keep {
		h.unqueue(p)
	}
	h.wake(p, p.readiness())
}

// unqueue removes p from the list ready.
func (h *Host) unqueue(p pollable) {
	if s := p.source(); s.queued {
		s.queued, s.news, s.again = false, false, false
		h.ready = slices.DeleteFunc(h.ready, func(other pollable) bool { return other == p })
	}
}

// Link is the connection between two hosts, in one direction. The zero value has no
// latency.
type Link struct {
	net      *Network
	from, to *Host
	min, max time.Duration
	loss     int // of 1000
	twice    int // of 1000
	cut      bool
	held     []event
	back     *Link // the link in the other direction
}

// Link returns the link from one host to another, or within one host.
func (n *Network) Link(from, to *Host) *Link {
	l := n.links[[2]*Host{from, to}]
	if l == nil {
		l = &Link{net: n, from: from, to: to}
		if from != to {
			l.min, l.max = time.Millisecond, 10*time.Millisecond
		} else {
			l.max = 2 * time.Millisecond
		}
		n.links[[2]*Host{from, to}] = l
		l.back = l
		if from != to {
			l.back = n.Link(to, from)
		}
	}
	return l
}

// Latency sets how long packets take: min, or a time up to max that the run chooses.
func (l *Link) Latency(min, max time.Duration) { l.min, l.max = min, max }

// Loss sets how many of 1000 datagrams may be lost, and how many may be duplicated. A
// lost packet of a stream is retransmitted, and takes 200 ms longer.
func (l *Link) Loss(lost, twice int) { l.loss, l.twice = lost, twice }

// Cut stops the transport of packets. Packets in transit arrive.
func (l *Link) Cut() { l.cut = true }

// Heal reverts Cut: packets that were held back are sent again, if their sender still
// does that.
func (l *Link) Heal() {
	if !l.cut {
		return
	}
	l.cut = false
	held := l.held
	l.held = nil
	if !l.back.cut && l.from.loop != nil {
		// acknowledgements arrive again
		for s := range l.to.streams {
			if s.to == l.from && !s.connecting {
				s.deadline = 0
			}
		}
	}
	for _, e := range held {
		if e.crashes == l.from.crashes && !(e.from != nil && e.from.broken && e.kind != evReset) {
			l.send(e)
		}
	}
}

// IsCut reports whether the link is cut.
func (l *Link) IsCut() bool { return l.cut }

// latencies is the number of different latencies that a packet can have.
const latencies = 8

// latency returns the latency of a packet.
func (l *Link) latency() time.Duration {
	if l.max <= l.min {
		return l.min
	}
	return l.min + (l.max-l.min)*time.Duration(l.net.driver.Choose(latencies, "latency"))/(latencies-1)
}

// chance reports whether an event happens that may happen n times out of 1000.
func (l *Link) chance(n int, what string) bool {
	return n > 0 && l.net.driver.Choose(1000, what) >= 1000-n
}

// send sends an event of a stream: in order, and never lost.
func (l *Link) send(e event) {
	if l.cut {
		e.crashes = l.from.crashes
		l.held = append(l.held, e)
		e.unanswered(l.net.driver.Now())
		return
	}
	switch {
	case e.from == nil:
	case l.back.cut: // the packet arrives, and is not acknowledged
		e.unanswered(l.net.driver.Now())
	case l.to.loop != nil:
		e.from.deadline = 0
	}
	when := l.net.driver.Now() + l.latency()
	if l.chance(l.loss, "loss") {
		when += lostDelay
	}
	if e.last != nil {
		when = max(when, *e.last)
		*e.last = when
	}
	l.deliver(when, e)
}

// deliver makes e happen at the time when. Within a host, an event that is due already
// happens at once.
func (l *Link) deliver(when time.Duration, e event) {
	if l.from == l.to && l.to.loop != nil && when <= l.net.driver.Now() {
		l.to.Settle()
		e.happen(l.to)
		return
	}
	l.to.at(when, e)
}

// at schedules e at the host.
func (h *Host) at(when time.Duration, e event) {
	h.net.seq++
	e.when, e.seq = when, h.net.seq
	if h.loop == nil {
		h.limbo = append(h.limbo, e)
		e.unanswered(h.net.driver.Now())
		return
	}
	h.events.push(e)
}

// event is an event at a host.
type event struct {
	when time.Duration
	seq  uint64
	kind eventKind
	n    int            // bytes
	from *stream        // the stream that sent it, nil if none has
	to   *stream        // the stream that receives it, nil if there is none
	last *time.Duration // arrival time of the latest event of its direction
	fn   func(h *Host)  // of evCall

	// number of crashes of the sender when it sent an event that is held back
	crashes int
}

type eventKind uint8

const (
	evCall eventKind = iota
	evSyn
	evAccepted
	evRefused
	evData
	evAck
	evFin
	evGone // the peer of a Unix socket is closed
	evReset
	evTimeout
)

// happen processes the event. The host of the event calls it, and is up.
func (e event) happen(h *Host) {
	switch {
	case e.kind == evCall:
		e.fn(h)
	case e.kind == evSyn:
		h.arrived(e.from)
	case e.to.host.loop != nil && !e.to.dead:
		e.to.happen(e)
	case e.kind != evReset && e.kind != evTimeout && e.kind != evAck:
		// A stream from before the host's crash.
		e.to.answerReset()
	}
}

// heap orders events by time, and events of the same time in the order in which they
// were made.
type heap []event

func (q heap) less(i, j int) bool {
	return q[i].when < q[j].when || q[i].when == q[j].when && q[i].seq < q[j].seq
}

func (q *heap) push(e event) {
	*q = append(*q, e)
	s := *q
	for i := len(s) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s.less(i, parent) {
			break
		}
		s[i], s[parent] = s[parent], s[i]
		i = parent
	}
}

func (q *heap) pop() (event, bool) {
	s := *q
	if len(s) == 0 {
		return event{}, false
	}
	e := s[0]
	n := len(s) - 1
	s[0], s[n] = s[n], event{}
	s = s[:n]
	for i := 0; ; {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && s.less(child+1, child) {
			child++
		}
		if !s.less(child, i) {
			break
		}
		s[i], s[child] = s[child], s[i]
		i = child
	}
	*q = s
	return e, true
}

// fault returns the fault of an operation, one of can if that is not empty.
func (h *Host) fault(op string, can ...Fault) Fault {
	if h.net.Fault == nil {
		return NoFault
	}
	return h.net.Fault(op, h, can...)
}

// LookupNetIP implements netio.Names: the names are those of the hosts, and localhost.
func (h *Host) LookupNetIP(_ context.Context, network, name string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	if strings.EqualFold(strings.TrimSuffix(name, "."), "localhost") {
		addrs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	} else if to := h.net.named(name); to != nil {
		addrs = []netip.Addr{to.v4, to.v6}
	}
	addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool {
		return network == "ip4" && !a.Is4() || network == "ip6" && a.Is4()
	})
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: name, Server: "the simulated network", IsNotFound: true}
	}
	return addrs, nil
}

// named returns the host of that name, nil if there is none. As in DNS, case is
// ignored, and so is a dot at the end.
func (n *Network) named(name string) *Host {
	name = strings.TrimSuffix(name, ".")
	for _, h := range n.hosts {
		if strings.EqualFold(h.name, name) {
			return h
		}
	}
	return nil
}

// route returns the host with the address addr, as seen from h; nil if there is none.
func (h *Host) route(addr netip.Addr) *Host {
	addr = addr.Unmap().WithZone("")
	if addr.IsLoopback() || addr.IsUnspecified() {
		return h
	}
	for _, to := range h.net.hosts {
		if addr == to.v4 || addr == to.v6 {
			return to
		}
	}
	return nil
}

// own reports whether a socket can be bound to addr.
func (h *Host) own(addr netip.Addr) bool { return h.route(addr) == h }

// source returns the address from which h sends to addr.
func (h *Host) source(addr netip.Addr) netip.Addr {
	switch {
	case addr.IsUnspecified() && addr.Is4():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case addr.IsUnspecified():
		return netip.IPv6Loopback()
	case addr.IsLoopback():
		return addr
	case addr.Is4():
		return h.v4
	}
	return h.v6
}

// ephemeral returns a port for which used returns false.
func (h *Host) ephemeral(used func(port uint16) bool) (uint16, error) {
	for range math.MaxUint16 - firstPort {
		p := h.port
		if h.port++; h.port < firstPort {
			h.port = firstPort
		}
		if !used(p) {
			return p, nil
		}
	}
	return 0, os.NewSyscallError("bind", syscall.EADDRINUSE)
}

// Unsupported implements netio.Simulated.
func (h *Host) Unsupported(what string) error { return unsupported(what) }

// unsupported returns the error for an operation that a simulated network does not
// support.
func unsupported(what string) error {
	return fmt.Errorf("aiotest: the simulated network cannot %s: %w", what, errUnsupported)
}
