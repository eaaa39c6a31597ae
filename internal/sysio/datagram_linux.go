package sysio

// Datagrams. An Addrs keeps the addresses of one socket, in the kernel's form. So
// neither sending a datagram nor receiving one from the same sender as before
// allocates.

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
)

// Addrs are the addresses of one socket's datagrams. Most datagrams come from the same
// sender as the one before, whose address is reused.
type Addrs struct {
	raw      rawAddr // address for the system call
	last     rawAddr // address of the last sender
	lastAddr net.Addr
	zone     string // the zone that was last sent to, and its number
	zoneID   uint32
}

// rawAddr is an address in the kernel's form.
type rawAddr struct {
	b [unix.SizeofSockaddrAny]byte
	n uint32
}

// Recvfrom receives a datagram. The address is nil if the sender has none.
func (a *Addrs) Recvfrom(fd int, p []byte) (int, net.Addr, error) {
	raw := &a.raw
	for {
		raw.n = uint32(len(raw.b))
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			0, uintptr(unsafe.Pointer(&raw.b)), uintptr(unsafe.Pointer(&raw.n)))
		switch errno {
		case 0:
			return int(n), a.sender(), nil
		case unix.EAGAIN:
			return 0, nil, netio.ErrWouldBlock
		case unix.EINTR:
		default:
			return 0, nil, os.NewSyscallError("recvfrom", errno)
		}
	}
}

// Sendto sends a datagram over a socket of family, to the peer if to is nil.
func (a *Addrs) Sendto(fd, family int, p []byte, to net.Addr) error {
	raw := &a.raw
	raw.n = 0
	var addr unsafe.Pointer
	if to != nil {
		if err := a.encode(to, family); err != nil {
			return err
		}
		addr = unsafe.Pointer(&raw.b)
	}
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			0, uintptr(addr), uintptr(raw.n))
		switch errno {
		case 0:
			return nil
		case unix.EAGAIN:
			return netio.ErrWouldBlock
		case unix.EINTR:
		default:
			a.zone = "" // the number of the zone may have changed
			return os.NewSyscallError("sendto", errno)
		}
	}
}

// sender returns the address in raw.
func (a *Addrs) sender() net.Addr {
	if !bytes.Equal(a.raw.b[:a.raw.n], a.last.b[:a.last.n]) {
		a.last = a.raw
		a.lastAddr = a.raw.decode()
	}
	return a.lastAddr
}

// decode returns Go's form of an address, nil if there is none.
func (r *rawAddr) decode() net.Addr {
	if r.n <= 2 {
		return nil
	}
	switch binary.NativeEndian.Uint16(r.b[:]) {
	case unix.AF_INET:
		return r.udpAddr(r.b[4:8])
	case unix.AF_INET6:
		if zone := binary.NativeEndian.Uint32(r.b[24:]); zone != 0 {
			sa := &unix.SockaddrInet6{Port: r.port(), ZoneId: zone, Addr: [16]byte(r.b[8:24])}
			return NetAddr(sa, true)
		}
		return r.udpAddr(r.b[8:24])
	case unix.AF_UNIX:
		name := r.b[2:r.n]
		if name[0] == 0 {
			return &net.UnixAddr{Name: "@" + string(name[1:]), Net: "unixgram"}
		}
		name, _, _ = bytes.Cut(name, []byte{0})
		return &net.UnixAddr{Name: string(name), Net: "unixgram"}
	}
	return nil
}

func (r *rawAddr) port() int { return int(binary.BigEndian.Uint16(r.b[2:])) }

// udpAddr makes an IP address with one allocation.
func (r *rawAddr) udpAddr(ip net.IP) net.Addr {
	u := &struct {
		net.UDPAddr
		ip [net.IPv6len]byte
	}{}
	u.Port = r.port()
	u.IP = u.ip[:copy(u.ip[:], ip)]
	if ip4 := u.IP.To4(); ip4 != nil {
		u.IP = ip4
	}
	return &u.UDPAddr
}

// encode stores the kernel's form of an address for a socket of family in raw.
func (a *Addrs) encode(to net.Addr, family int) error {
	b := a.raw.b[:]
	binary.NativeEndian.PutUint16(b, uint16(family))
	if u, ok := to.(*net.UnixAddr); ok {
		if len(u.Name) > unix.SizeofSockaddrUnix-3 {
			return &net.AddrError{Err: "path too long", Addr: u.Name}
		}
		b[2+copy(b[2:], u.Name)] = 0
		a.raw.n = uint32(2 + len(u.Name) + 1)
		if strings.HasPrefix(u.Name, "@") || strings.HasPrefix(u.Name, "\x00") {
			b[2] = 0
			a.raw.n-- // an abstract name has no terminating zero byte
		}
		return nil
	}
	u := to.(*net.UDPAddr)
	ip, err := ipFor(family, u)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint16(b[2:], uint16(u.Port))
	if family == unix.AF_INET {
		ip4 := ip.As4()
		clear(b[copy(b[4:], ip4[:])+4 : unix.SizeofSockaddrInet4])
		a.raw.n = unix.SizeofSockaddrInet4
		return nil
	}
	if u.Zone != a.zone {
		if err := a.find(u.Zone); err != nil {
			return err
		}
	}
	ip16 := ip.As16()
	clear(b[4:8])
	copy(b[8:], ip16[:])
	binary.NativeEndian.PutUint32(b[24:], a.zoneID)
	a.raw.n = unix.SizeofSockaddrInet6
	return nil
}

// find looks up the number of a zone, which enumerates all network interfaces.
func (a *Addrs) find(zone string) error {
	sa, _, err := Sockaddr(netip.AddrPortFrom(netip.IPv6LinkLocalAllNodes().WithZone(zone), 0))
	if err != nil {
		return err
	}
	a.zone, a.zoneID = zone, sa.(*unix.SockaddrInet6).ZoneId
	return nil
}
