//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package aio

// Where there is no poller, goroutines serve all connections.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/goaio/aio/internal/netio"
)

// canPoll reports whether descriptors can be polled.
const canPoll = false

func (l *Loop) streamOf(conn net.Conn) (netio.Stream, error) { return l.newConnStream(conn), nil }

func (l *Loop) dialTCP(ctx context.Context, remote, local netip.AddrPort) (netio.Stream, error) {
	return l.dialInGoroutine(ctx, "tcp", remote.String(), local)
}

func (l *Loop) dialUnix(ctx context.Context, path string) (netio.Stream, error) {
	return l.dialInGoroutine(ctx, "unix", path, netip.AddrPort{})
}

func (l *Loop) bindTCP(ap netip.AddrPort, o netio.ListenOptions) (netio.Listener, error) {
	return l.listenInGoroutine("tcp", ap.String(), o)
}

func (l *Loop) bindUnix(path string, o netio.ListenOptions) (netio.Listener, error) {
	return l.listenInGoroutine("unix", path, o)
}

func (l *Loop) listenerOf(ln net.Listener) (netio.Listener, error) {
	return l.newConnListener(ln), nil
}

func (l *Loop) newDatagramSocket(network string, local, remote net.Addr, o netio.DatagramOptions) (netio.Datagram, error) {
	return l.newPacketSocket(network, local, remote, o)
}

func (l *Loop) datagramSocketOf(conn net.PacketConn) (netio.Datagram, error) {
	return l.packetSocketOf(conn), nil
}

func (l *Loop) attachPipe(f *os.File, writes bool, owner netio.Owner) (netio.Stream, error) {
	return l.serveFile(f, writes, owner)
}

// descriptorSocket has nothing to wait with.
func (l *Loop) descriptorSocket(call string, sock any) (socket, error) {
	if _, _, err := descriptorOf(call, sock); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("aio: %s: descriptors: %w", call, errors.ErrUnsupported)
}
