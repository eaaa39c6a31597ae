//go:build !linux

package aio

import (
	"errors"
	"os"
)

func openChild(int) (*os.File, error) { return nil, errors.ErrUnsupported }

func canOpenChildren() bool { return false }
