//go:build !linux && !darwin && !freebsd

package aio

import "os"

func (f *fileSend) systemFile() *os.File { return nil }

func (f *fileSend) system(int) (done bool, err error) { return false, ErrSendfileNotAvailable }
