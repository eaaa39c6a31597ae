package aio

// Datagram endpoints: the options, the addresses, the functions that make them.

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"github.com/goaio/aio/internal/netio"
)

// DatagramOptions are the settings of [CreateDatagramEndpoint]. It needs an address, a
// Network that gives the family, or a Conn.
type DatagramOptions struct {
	// LocalAddr is the address to receive at: "host:port" or, for "unixgram", a
	// path. An empty host means all addresses of this machine, of IPv4 unless
	// Network is "udp6". An existing socket at path is replaced; the endpoint does
	// not remove its own. A path that begins with @ is a name in Linux's abstract
	// namespace.
	//
	// (asyncio: local_addr)
	LocalAddr string
	// RemoteAddr is the destination of all datagrams, in the same form. The
	// endpoint is connected to it: datagrams from other addresses do not arrive.
	// (asyncio: remote_addr)
	RemoteAddr string
	// Network is "udp", "udp4", "udp6" or "unixgram"; empty is "udp". (asyncio:
	// family)
	Network string
	// ReusePort lets several sockets receive at the same port, if all of them set
	// it. (asyncio: reuse_port)
	ReusePort bool
	// AllowBroadcast permits datagrams to all hosts of a network. Then the endpoint
	// is not connected to RemoteAddr, because the answers come from other
	// addresses. On systems without a poller, all sockets permit broadcasts.
	// (asyncio: allow_broadcast)
	AllowBroadcast bool
	// Conn is a socket to use in place of addresses, with no other option. The
	// transport takes it over. (asyncio: sock)
	Conn net.PacketConn
}

// check returns an error if the options contradict each other.
func (o *DatagramOptions) check(call string) error {
	if o.Conn != nil {
		if o.LocalAddr != "" || o.RemoteAddr != "" || o.Network != "" || o.ReusePort || o.AllowBroadcast {
			return usagef(call, "a socket that exists takes no other option")
		}
		if c, ok := o.Conn.(*net.UnixConn); ok && c.LocalAddr().Network() != "unixgram" {
			return usagef(call, "the socket is not one of datagrams but of network %q", c.LocalAddr().Network())
		}
		return nil
	}
	switch o.Network {
	case "", "udp":
		if o.LocalAddr == "" && o.RemoteAddr == "" {
			return usagef(call, "there is no address: set Network to udp4, udp6 or unixgram to let the system choose one")
		}
	case "udp4", "udp6":
	case "unixgram":
		if o.ReusePort || o.AllowBroadcast {
			return usagef(call, "ReusePort and AllowBroadcast are for UDP")
		}
	default:
		return usagef(call, "the network must be udp, udp4, udp6 or unixgram, not %q", o.Network)
	}
	return nil
}

// socket returns the settings of the socket.
func (o *DatagramOptions) socket() netio.DatagramOptions {
	return netio.DatagramOptions{ReusePort: o.ReusePort, Broadcast: o.AllowBroadcast}
}

// CreateDatagramEndpoint makes a datagram socket, and returns its transport and the
// protocol that factory has made for it. The protocol's ConnectionMade has been called
// when it returns, and datagrams may arrive as soon as the caller awaits or returns.
//
// It suspends the calling task: while a name is resolved, and until the endpoint is
// open. If the task is cancelled before that, nothing stays open. If a name has several
// addresses, the first address of each family is tried, a local one together with the
// remote one of the same family, until a pair can be used.
//
// If there is no such pair, the error is that of the first address, a [*net.OpError]. A
// name that does not resolve gives a [*net.DNSError]. Options that contradict each
// other, an address of another form, a local and a remote address without a common
// family, and a value of factory that is not a [Protocol] give an error that matches
// [ErrUsage]. ReusePort on a system without it gives one that matches
// [errors.ErrUnsupported].
//
// The addr that DatagramReceived gets is that of [net.PacketConn]: a [*net.UDPAddr], a
// [*net.UnixAddr], or nil if the sender has no address. It stays valid and must not be
// changed, because later datagrams of the same sender may share it. ErrorReceived gets
// a *net.OpError, whose Addr is the destination of the failed datagram. It may be
// called inside SendTo.
//
// (asyncio: loop.create_datagram_endpoint, which uses the last address of each family,
// and sends to the peer of a connected socket whatever address it is given)
func CreateDatagramEndpoint[P any](ctx context.Context, factory func() P, opts *DatagramOptions) (DatagramTransport, P, error) {
	const call = "CreateDatagramEndpoint"
	var zero P
	if opts == nil {
		opts = &DatagramOptions{}
	}
	c, err := enter(ctx, call)
	if err == nil {
		err = checkFactory(call, factory)
	}
	if err == nil {
		err = opts.check(call)
	}
	if err != nil {
		return nil, zero, err
	}
	s, target, err := c.fut.loop.openDatagram(ctx, call, opts)
	if err != nil {
		return nil, zero, err
	}
	made := false
	defer func() { // runs even if the factory panics
		if !made {
			s.Close()
		}
	}()
	p := factory()
	t, err := c.fut.loop.newDatagramTransport(s, target, p)
	if err != nil {
		return nil, zero, err
	}
	made = true
	if err := t.waitMade(c, call); err != nil {
		t.close()
		return nil, zero, err
	}
	return t, p, nil
}

// openDatagram makes the socket that o describes. target is the destination of all
// datagrams, nil if each has its own.
func (l *Loop) openDatagram(ctx context.Context, call string, o *DatagramOptions) (_ netio.Datagram, target net.Addr, err error) {
	switch {
	case o.Conn != nil:
		s, err := l.network().Datagram(o.Conn)
		if err != nil {
			return nil, nil, err
		}
		return s, s.RemoteAddr(), nil
	case o.Network == "unixgram":
		var local, remote net.Addr
		if o.LocalAddr != "" {
			l.removeStale(o.LocalAddr)
			local = &net.UnixAddr{Name: o.LocalAddr, Net: o.Network}
		}
		if o.RemoteAddr != "" {
			remote = &net.UnixAddr{Name: o.RemoteAddr, Net: o.Network}
		}
		s, err := l.network().BindDatagram(o.Network, local, remote, o.socket())
		return s, remote, err
	case o.LocalAddr == "" && o.RemoteAddr == "":
		s, err := l.network().BindDatagram(o.Network, nil, nil, o.socket())
		return s, nil, err
	}
	pairs, err := l.resolvePairs(ctx, call, o)
	if err != nil {
		return nil, nil, err
	}
	var first error
	for _, pair := range pairs {
		s, err := l.network().BindDatagram(pair.network, pair.local, pair.remote, o.socket())
		if err == nil {
			return s, pair.remote, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, nil, first
}

// addrPair has the addresses to which a socket is bound and connected; either may be
// nil.
type addrPair struct {
	network       string
	local, remote net.Addr
}

// resolvePairs finds the addresses of o: a pair for each family that has all requested
// addresses.
func (l *Loop) resolvePairs(ctx context.Context, call string, o *DatagramOptions) ([]addrPair, error) {
	network := o.Network
	if network == "" {
		network = "udp"
	}
	var found [2][]netip.AddrPort
	var order []netip.AddrPort
	for i, addr := range []string{o.LocalAddr, o.RemoteAddr} {
		if addr == "" {
			continue
		}
		host, port, err := splitAddr(call, addr)
		if err != nil {
			return nil, err
		}
		if found[i], err = l.resolve(ctx, network, host, port, i == 0); err != nil {
			return nil, err
		}
		order = append(order, found[i]...)
	}
	var pairs []addrPair
	version := ipVersion(order[0].Addr())
	for _, version := range []string{version, strings.Trim("46", version)} {
		local, remote := firstOf(found[0], version), firstOf(found[1], version)
		if (local != nil || o.LocalAddr == "") && (remote != nil || o.RemoteAddr == "") {
			pairs = append(pairs, addrPair{"udp" + version, local, remote})
		}
	}
	if len(pairs) == 0 {
		return nil, usagef(call, "the addresses %s and %s are of different families", o.LocalAddr, o.RemoteAddr)
	}
	return pairs, nil
}

// firstOf returns the first address of a version, nil if there is none.
func firstOf(addrs []netip.AddrPort, version string) net.Addr {
	for _, a := range addrs {
		if ipVersion(a.Addr()) == version {
			return net.UDPAddrFromAddrPort(a)
		}
	}
	return nil
}
