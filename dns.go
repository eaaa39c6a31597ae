package aio

// Names and addresses. Package net resolves them with blocking calls, so lookups are
// jobs of the default executor. Nothing here has state that outlives a call.
//
// Each lookup has its own context, which ends when the await ends. The task's context
// is not suitable: it stays ended after a cancellation, but a task may catch the
// cancellation and make another lookup.

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/goaio/aio/internal/netio"
)

// AddrInfo is an address that a socket can connect or be bound to.
type AddrInfo struct {
	// Network is "tcp4", "tcp6", "udp4" or "udp6": family and type of the socket.
	Network string
	// Addr has the zone of a link-local address.
	Addr netip.AddrPort
	// CanonName is the canonical name of the host, without a final dot; "" if it was
	// not asked for, or no host was given.
	CanonName string
}

// AddrInfoOptions are the settings of [Getaddrinfo]. The zero value has the defaults.
type AddrInfoOptions struct {
	// Network is like that of [net.Dial]: "tcp", "udp", or one of them with a 4 or
	// 6 to get addresses of that family only. Empty means "tcp".
	Network string
	// Passive makes an empty host stand for all addresses of this machine, to
	// listen on, instead of the loopback addresses.
	Passive bool
	// CanonName also asks for the canonical name of the host.
	CanonName bool
	// NumericHost refuses a host that is neither empty nor an IP address, instead of
	// resolving it.
	NumericHost bool
	// Resolver makes the lookup; nil means [net.DefaultResolver].
	Resolver *net.Resolver
}

// Getaddrinfo finds the addresses of host with port. host is a name or an IP address,
// which may have a zone; port is a number or the name of a service. An empty host is
// this machine (see Passive); an empty port is 0. The order of the addresses is that of
// the resolver, which follows RFC 6724, so the first is the best to try. nil options
// are the defaults.
//
// It always suspends the calling task, while the default executor makes the lookup. If
// the task is cancelled, Getaddrinfo returns the [*CancelledError] at once and the
// context of the lookup ends.
//
// There always is an address, or an error: a [*net.DNSError] if the host has no address
// of that family, the port is unknown or the resolver has no answer; an error that
// matches [ErrUsage] if the network is unknown.
//
// (asyncio: loop.getaddrinfo. It lists an address for each type of socket unless it is
// given one, sets the canonical name in the first entry only, and encodes names that
// are not ASCII. It leaves ::ffff:192.0.2.1 as an IPv6 address; here it is the IPv4
// address, as everywhere in package net.)
func Getaddrinfo(ctx context.Context, host, port string, opts *AddrInfoOptions) ([]AddrInfo, error) {
	c, err := enter(ctx, "Getaddrinfo")
	if err != nil {
		return nil, err
	}
	if opts == nil {
		opts = &AddrInfoOptions{}
	}
	q, err := newLookup(opts.Network, host, port, opts.Resolver)
	if err != nil {
		return nil, err
	}
	q.passive, q.numeric = opts.Passive, opts.NumericHost
	find := func(ctx context.Context) ([]AddrInfo, error) {
		addrs, err := q.run(ctx)
		if err != nil {
			return nil, err
		}
		name := ""
		if opts.CanonName {
			if name, err = q.canonName(ctx); err != nil {
				return nil, err
			}
		}
		infos := make([]AddrInfo, len(addrs))
		for i, a := range addrs {
			infos[i] = AddrInfo{q.network[:3] + ipVersion(a.Addr()), a, name}
		}
		return infos, nil
	}
	if opts.Resolver == nil && q.useNames(c.fut.loop) {
		if err := Sleep(ctx, 0); err != nil {
			return nil, err
		}
		return find(ctx)
	}
	return inExecutor(ctx, find)
}

// NameInfoOptions are the settings of [Getnameinfo]. The zero value has the defaults.
type NameInfoOptions struct {
	// Network is as in [AddrInfoOptions]. A port may have another name with udp
	// than with tcp.
	Network string
	// NumericHost returns the IP address as the host.
	NumericHost bool
	// NumericService returns the port's number as the service.
	NumericService bool
	// Resolver makes the lookup; nil means [net.DefaultResolver].
	Resolver *net.Resolver
}

// Getnameinfo finds the name of a host and the name of the service on a port. If there
// is no name, it returns the number. nil options are the defaults.
//
// It always suspends the calling task, while the default executor makes the lookup. If
// the task is cancelled, Getnameinfo returns the [*CancelledError] at once and the
// context of the lookup ends.
//
// The error is a [*net.DNSError] if the resolver has no answer, and matches [ErrUsage]
// if the address is the zero one or the network unknown.
//
// (asyncio: loop.getnameinfo, which leaves ::ffff:192.0.2.1 as it is; here it is the
// IPv4 address)
func Getnameinfo(ctx context.Context, addr netip.AddrPort, opts *NameInfoOptions) (host, service string, err error) {
	c, err := enter(ctx, "Getnameinfo")
	if err != nil {
		return "", "", err
	}
	if opts == nil {
		opts = &NameInfoOptions{}
	}
	if !addr.IsValid() {
		return "", "", usagef("Getnameinfo", "the address is the zero AddrPort")
	}
	ip, port := addr.Addr().Unmap(), strconv.Itoa(int(addr.Port()))
	q, err := newLookup(opts.Network, ip.String(), port, opts.Resolver)
	if err != nil {
		return "", "", err
	}
	// netio.Names has no reverse lookups
	numericHost := opts.NumericHost || opts.Resolver == nil && q.useNames(c.fut.loop)
	names, err := inExecutor(ctx, func(ctx context.Context) ([2]string, error) {
		names := [2]string{q.host, q.port}
		if !opts.NumericService {
			names[1] = q.serviceName()
		}
		if numericHost {
			return names, nil
		}
		var err error
		names[0], err = q.hostName(ctx, ip)
		return names, err
	})
	return names[0], names[1], err
}

// resolve finds the addresses to which a socket of network can connect or be bound, at
// least one. It suspends the calling task only if there is a name to look up.
func (l *Loop) resolve(ctx context.Context, network, host, port string, passive bool) ([]netip.AddrPort, error) {
	q, err := newLookup(network, host, port, nil)
	if err != nil {
		return nil, err
	}
	q.passive = passive
	if q.useNames(l) || q.isLiteral() {
		return q.run(ctx)
	}
	return inExecutor(ctx, q.run)
}

// inExecutor calls fn, which blocks, in the default executor. The context of fn ends
// with the await.
func inExecutor[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	return ToThread(ctx, func(context.Context) (T, error) { return fn(own) })
}

// lookup is a query to the resolver. It is immutable, and passed to another goroutine.
type lookup struct {
	network, host, port string
	passive, numeric    bool
	resolver            *net.Resolver
	// used instead of a resolver, by the calling task; nil in most cases
	names netio.Names
}

// useNames makes q ask the names of the network of l, and reports whether it has any.
func (q *lookup) useNames(l *Loop) bool {
	q.names, _ = l.network().(netio.Names)
	return q.names != nil
}

func newLookup(network, host, port string, r *net.Resolver) (*lookup, error) {
	switch network {
	case "":
		network = "tcp"
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
	default:
		return nil, usagef("", "unknown network %q: it must be tcp, tcp4, tcp6, udp, udp4 or udp6", network)
	}
	if r == nil {
		r = net.DefaultResolver
	}
	return &lookup{network: network, host: host, port: port, resolver: r}, nil
}

// isLiteral reports whether run needs no resolver: host and port are empty or numbers.
func (q *lookup) isLiteral() bool {
	_, noAddr := netip.ParseAddr(q.host)
	_, noPort := strconv.Atoi(q.port)
	return (q.host == "" || noAddr == nil) && (q.port == "" || noPort == nil)
}

// run makes the lookup.
func (q *lookup) run(ctx context.Context) ([]netip.AddrPort, error) {
	port, err := q.resolver.LookupPort(ctx, q.network, q.port)
	if err != nil {
		return nil, asDNSError(err)
	}
	ips, err := q.addrs(ctx)
	if err != nil {
		return nil, asDNSError(err)
	}
	var addrs []netip.AddrPort
	for _, ip := range ips {
		// Package net returns IPv4 addresses mapped to IPv6.
		if ip = ip.Unmap(); q.network[3:] == "" || q.network[3:] == ipVersion(ip) {
			addrs = append(addrs, netip.AddrPortFrom(ip, uint16(port)))
		}
	}
	if len(addrs) == 0 {
		return nil, q.notFound("no address for " + q.network)
	}
	return addrs, nil
}

// addrs finds the addresses of the host, possibly some of the wrong family.
func (q *lookup) addrs(ctx context.Context) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(q.host); err == nil {
		return []netip.Addr{ip}, nil
	}
	switch {
	case q.host == "" && q.passive: // the order of getaddrinfo
		return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}, nil
	case q.host == "":
		return []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
	case q.numeric:
		return nil, q.notFound("not an IP address")
	case q.names != nil:
		return q.names.LookupNetIP(ctx, "ip"+q.network[3:], q.host)
	case q.network[3:] == "4":
		// LookupNetIP with "ip4" does not ask for IPv6 addresses. Some servers
		// never answer such queries.
		return q.resolver.LookupNetIP(ctx, "ip4", q.host)
	}
	// LookupNetIP would drop the zones.
	found, err := q.resolver.LookupIPAddr(ctx, q.host)
	if err != nil {
		return nil, err
	}
	ips := make([]netip.Addr, len(found))
	for i, f := range found {
		ip, _ := netip.AddrFromSlice(f.IP)
		ips[i] = ip.WithZone(f.Zone)
	}
	return ips, nil
}

// canonName finds the canonical name of the host, which is known to have an address.
func (q *lookup) canonName(ctx context.Context) (string, error) {
	if _, err := netip.ParseAddr(q.host); err == nil || q.host == "" || q.names != nil {
		return q.host, nil
	}
	name, err := q.resolver.LookupCNAME(ctx, q.host)
	return strings.TrimSuffix(name, "."), err
}

// hostName finds the name of ip, the host.
func (q *lookup) hostName(ctx context.Context, ip netip.Addr) (string, error) {
	names, err := q.resolver.LookupAddr(ctx, ip.WithZone("").String())
	if len(names) > 0 {
		// an error here only reports further, malformed names
		return strings.TrimSuffix(names[0], "."), nil
	}
	if none := (*net.DNSError)(nil); errors.As(err, &none) && none.IsNotFound {
		err = nil
	}
	return q.host, err
}

// serviceName finds the name of the port, which package net cannot.
func (q *lookup) serviceName() string {
	file := "/etc/services"
	if runtime.GOOS == "windows" {
		file = filepath.Join(os.Getenv("SystemRoot"), `System32\drivers\etc\services`)
	}
	list, err := os.ReadFile(file)
	if err != nil {
		return q.port // many containers have no such file
	}
	return serviceIn(string(list), q.port, q.network[:3])
}

// serviceIn finds the name of a port in a list of services, and returns the port if it
// has none.
func serviceIn(list, port, protocol string) string {
	for line := range strings.Lines(list) {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.Fields(line); len(f) > 1 && f[1] == port+"/"+protocol {
			return f[0]
		}
	}
	return port
}

// asDNSError converts the other type of error that package net returns for names and
// ports.
func asDNSError(err error) error {
	if bad := (*net.AddrError)(nil); errors.As(err, &bad) {
		return &net.DNSError{Err: bad.Err, Name: bad.Addr, IsNotFound: true}
	}
	return err
}

func (q *lookup) notFound(why string) error {
	return &net.DNSError{Err: why, Name: q.host, IsNotFound: true}
}

// ipVersion returns "4" or "6": the last character of the names of the networks to
// which ip belongs.
func ipVersion(ip netip.Addr) string {
	if ip.Is4() {
		return "4"
	}
	return "6"
}
