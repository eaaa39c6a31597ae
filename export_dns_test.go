package aio

import (
	"context"
	"net/netip"
)

// Resolve and SplitAddr are what connections and servers find their addresses by.
func Resolve(ctx context.Context, network, host, port string, passive bool) ([]netip.AddrPort, error) {
	return loopOf(ctx, "Resolve").resolve(ctx, network, host, port, passive)
}
func SplitAddr(call, addr string) (host, port string, err error) { return splitAddr(call, addr) }

// ServiceIn finds the name of a port in a list of services.
func ServiceIn(list, port, protocol string) string { return serviceIn(list, port, protocol) }
