//go:build !unix

package main

import "github.com/goaio/aio"

func onCounters(*aio.Loop, func()) bool { return false }
