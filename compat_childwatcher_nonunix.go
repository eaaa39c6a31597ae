//go:build !unix

package aio

import (
	"errors"
	"os"
)

const haveChildren = false

var sigChild = os.Interrupt // never used: AddChildHandler fails first

func takeStatus(int) (who, code int, err error) { return 0, 0, errors.ErrUnsupported }
