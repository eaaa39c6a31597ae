package aio

import "net/netip"

// Interleave is the order in which the addresses of a host are tried.
func Interleave(addrs []netip.AddrPort, first int) []netip.AddrPort { return interleave(addrs, first) }
