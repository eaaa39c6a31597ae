package aio_test

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// LOOP-100: addresses of other families are not resolved.
func TestSockConnectOfAnotherFamily(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		fd := newSocket(t, unix.AF_NETLINK, unix.SOCK_RAW)
		matches(t, "SockConnect", aio.SockConnect(ctx, fd, "localhost:1"), errors.ErrUnsupported)
		return nil
	})
}
