//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package aio

import "net"

func (l *Loop) newDatagramSocket(network string, local, remote net.Addr, o *DatagramOptions) (datagramSocket, error) {
	return l.newPacketSocket(network, local, remote, o)
}

func (l *Loop) datagramSocketOf(conn net.PacketConn) (datagramSocket, error) {
	return l.packetSocketOf(conn), nil
}
