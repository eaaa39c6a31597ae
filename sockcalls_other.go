//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package aio

import (
	"errors"
	"fmt"
)

// descriptorSocket has nothing to wait with.
func (l *Loop) descriptorSocket(call string, sock any) (socket, error) {
	if _, _, err := descriptorOf(call, sock); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("aio: %s: descriptors: %w", call, errors.ErrUnsupported)
}
