package aio

// The choice among several addresses of a host: one after the other, or in overlapping
// attempts (happy eyeballs, RFC 8305) with StaggeredRace.

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/goaio/aio/internal/netio"
)

// dialAny connects to the first address of host that accepts.
func dialAny(ctx context.Context, l *Loop, host, port string, o *ConnectionOptions) (netio.Stream, error) {
	network := o.Network
	if network == "" {
		network = "tcp"
	}
	remotes, err := l.resolve(ctx, network, host, port, false)
	if err != nil {
		return nil, err
	}
	d := dialing{loop: l}
	if o.LocalAddr != "" {
		host, port, err := splitAddr("CreateConnection", o.LocalAddr)
		if err != nil {
			return nil, err
		}
		if d.locals, err = l.resolve(ctx, network, host, port, true); err != nil {
			return nil, err
		}
	}
	first := o.Interleave
	if first == 0 && o.HappyEyeballsDelay > 0 {
		first = 1
	}
	if first > 0 {
		remotes = interleave(remotes, first)
	}
	delay := o.HappyEyeballsDelay
	if delay == 0 {
		delay = NoTimeout
	}
	s, err := d.connect(ctx, remotes, delay)
	if s != nil || err != nil {
		return s, err
	}
	return nil, d.failure(o.AllErrors)
}

// dialing is the attempt to connect to one of several addresses.
type dialing struct {
	loop   *Loop
	locals []netip.AddrPort // local addresses to connect from; any if empty
	// the errors of each address that was tried, in the order of the attempts
	errs [][]error
}

// connect tries the addresses until one accepts. It returns an error if the call itself
// was ended.
func (d *dialing) connect(ctx context.Context, remotes []netip.AddrPort, delay time.Duration) (netio.Stream, error) {
	d.errs = make([][]error, len(remotes))
	if delay == NoTimeout || len(remotes) == 1 {
		for i, remote := range remotes {
			s, err := d.attempt(ctx, i, remote)
			if err == nil || isEnd(err) {
				return s, err
			}
		}
		return nil, nil
	}
	var attempts []Coro[netio.Stream]
	for i, remote := range remotes {
		attempts = append(attempts, func(ctx context.Context) (netio.Stream, error) { return d.attempt(ctx, i, remote) })
	}
	r, err := StaggeredRace(ctx, delay, attempts...)
	if err != nil {
		if r.Value != nil {
			r.Value.Close()
		}
		return nil, err
	}
	return r.Value, nil
}

// isEnd reports whether err ends the whole call rather than the attempt at one address.
func isEnd(err error) bool {
	return interrupted(err) || errors.Is(err, ErrLoopClosed) || errors.Is(err, ErrUsage)
}

// attempt connects to one address, from the first local one of its family that is free.
func (d *dialing) attempt(ctx context.Context, i int, remote netip.AddrPort) (s netio.Stream, err error) {
	if len(d.locals) == 0 {
		s, err = d.loop.network().DialTCP(ctx, remote, netip.AddrPort{})
	} else {
		err = &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(remote),
			Err: errors.New("no local address of the same family is given")}
		for _, local := range d.locals {
			if local.Addr().Unmap().Is4() != remote.Addr().Unmap().Is4() {
				continue
			}
			if s, err = d.loop.network().DialTCP(ctx, remote, local); err == nil || !isBindError(err) {
				break
			}
			d.errs[i] = append(d.errs[i], err)
		}
	}
	if err != nil && !isBindError(err) {
		d.errs[i] = append(d.errs[i], err)
	}
	return s, err
}

// isBindError reports whether the local address could not be used.
func isBindError(err error) bool {
	var e *os.SyscallError
	return errors.As(err, &e) && e.Syscall == "bind"
}

// failure is the error of CreateConnection when no address has accepted.
func (d *dialing) failure(all bool) error {
	errs := slices.Concat(d.errs...)
	switch {
	case all:
		return &GroupError{Message: "no address could be connected to", Errors: errs}
	case len(errs) == 0:
		return ErrTimeout
	}
	for _, err := range errs[1:] {
		if err.Error() != errs[0].Error() {
			return &GroupError{Message: "no address could be connected to", Errors: errs}
		}
	}
	return errs[0]
}

// interleave returns the addresses in the order in which first addresses of the first
// family come first, and then the families alternate.
func interleave(addrs []netip.AddrPort, first int) []netip.AddrPort {
	var families [2][]netip.AddrPort
	firstIs4 := addrs[0].Addr().Unmap().Is4()
	for _, a := range addrs {
		i := 0
		if a.Addr().Unmap().Is4() != firstIs4 {
			i = 1
		}
		families[i] = append(families[i], a)
	}
	n := min(first-1, len(families[0]))
	out := slices.Clone(families[0][:n])
	families[0] = families[0][n:]
	for len(families[0])+len(families[1]) > 0 {
		for i := range families {
			if len(families[i]) > 0 {
				out = append(out, families[i][0])
				families[i] = families[i][1:]
			}
		}
	}
	return out
}
