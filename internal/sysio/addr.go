//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sysio

// Addresses: the kernel's form, Go's form, and the conversions between them. Sockaddr
// is the only conversion to the kernel's form that system calls take. A datagram socket
// on Linux encodes addresses without Sockaddr, which would allocate
// (datagram_linux.go).

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// Sockaddr returns the kernel's form of ap, and its address family. An IPv4-mapped IPv6
// address counts as an IPv4 address.
func Sockaddr(ap netip.AddrPort) (sa unix.Sockaddr, family int, err error) {
	addr := ap.Addr()
	if addr.Is4() || addr.Is4In6() {
		return &unix.SockaddrInet4{Port: int(ap.Port()), Addr: addr.As4()}, unix.AF_INET, nil
	}
	sa6 := &unix.SockaddrInet6{Port: int(ap.Port()), Addr: addr.As16()}
	if zone := addr.Zone(); zone != "" {
		if ifi, err := net.InterfaceByName(zone); err == nil {
			sa6.ZoneId = uint32(ifi.Index)
		} else if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
			sa6.ZoneId = uint32(n)
		} else {
			return nil, 0, fmt.Errorf("aio: %v: no such network interface: %q", ap, zone)
		}
	}
	return sa6, unix.AF_INET6, nil
}

// SockaddrIn is Sockaddr for a socket of family: an IPv6 socket takes an IPv4 address
// only in its IPv4-mapped form.
func SockaddrIn(family int, ap netip.AddrPort) (unix.Sockaddr, error) {
	sa, of, err := Sockaddr(ap)
	if of == unix.AF_INET && family == unix.AF_INET6 {
		return &unix.SockaddrInet6{Port: int(ap.Port()), Addr: ap.Addr().As16()}, nil
	}
	return sa, err
}

// SockaddrFor is SockaddrIn for an address in Go's form, a *net.UDPAddr or *net.UnixAddr.
func SockaddrFor(family int, addr net.Addr) (unix.Sockaddr, error) {
	u, ok := addr.(*net.UDPAddr)
	if !ok {
		return &unix.SockaddrUnix{Name: addr.String()}, nil
	}
	ip, err := ipFor(family, u)
	if err != nil {
		return nil, err
	}
	if u.Zone != "" {
		ip = ip.WithZone(u.Zone)
	}
	return SockaddrIn(family, netip.AddrPortFrom(ip, uint16(u.Port)))
}

// ipFor returns the IP address of a, in the form for sockets of family.
func ipFor(family int, a *net.UDPAddr) (netip.Addr, error) {
	ip, ok := netip.AddrFromSlice(a.IP)
	want := "IP"
	if family == unix.AF_INET {
		ip = ip.Unmap()
		ok = ok && ip.Is4()
		want = "IPv4"
	}
	if !ok {
		return ip, &net.AddrError{Err: "not an " + want + " address", Addr: a.String()}
	}
	if a.Port < 0 || a.Port > 0xFFFF {
		return ip, &net.AddrError{Err: "invalid port", Addr: a.String()}
	}
	return ip, nil
}

// Family returns the address family of sa, 0 if it is none of IPv4, IPv6 and Unix.
func Family(sa unix.Sockaddr) int {
	switch sa.(type) {
	case *unix.SockaddrInet4:
		return unix.AF_INET
	case *unix.SockaddrInet6:
		return unix.AF_INET6
	case *unix.SockaddrUnix:
		return unix.AF_UNIX
	}
	return 0
}

// NetworkFamily returns the address family of a datagram network.
func NetworkFamily(network string) int {
	switch network {
	case "udp4":
		return unix.AF_INET
	case "udp6":
		return unix.AF_INET6
	}
	return unix.AF_UNIX
}

// addrPort returns the address that the kernel returned, if it is an IPv4 or IPv6
// address.
func addrPort(sa unix.Sockaddr) (ap netip.AddrPort, ok bool) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), true
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 && addr.Is6() {
			zone := strconv.FormatUint(uint64(sa.ZoneId), 10)
			if ifi, err := net.InterfaceByIndex(int(sa.ZoneId)); err == nil {
				zone = ifi.Name
			}
			addr = addr.WithZone(zone)
		}
		return netip.AddrPortFrom(addr, uint16(sa.Port)), true
	}
	return netip.AddrPort{}, false
}

// NetAddr returns the address of a stream or datagram socket in Go's form, nil if it has
// none.
func NetAddr(sa unix.Sockaddr, datagram bool) net.Addr {
	if ap, ok := addrPort(sa); ok {
		if datagram {
			return net.UDPAddrFromAddrPort(ap)
		}
		return net.TCPAddrFromAddrPort(ap)
	}
	if sa, ok := sa.(*unix.SockaddrUnix); ok {
		if datagram {
			return &net.UnixAddr{Name: sa.Name, Net: "unixgram"}
		}
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	return nil
}
