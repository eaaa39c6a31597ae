//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package aio

import "os"

func (l *Loop) attachPipe(f *os.File, writes bool, owner pollable) (stream, error) {
	return l.serveFile(f, writes, owner)
}
