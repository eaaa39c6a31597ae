//go:build !unix

package aio

import (
	"errors"
	"os"
)

const haveChildren = false

var sigChild = os.Interrupt // no watcher comes so far as to use it

func takeStatus(int) (who, code int, err error) { return 0, 0, errors.ErrUnsupported }
