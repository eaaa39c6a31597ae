// Command miniloop runs a program with the event loop of package loop, which has about
// 100 lines. docs/how-it-works.md explains it.
package main

import (
	"os"

	"github.com/goaio/aio/examples/miniloop/loop"
)

func main() {
	l := &loop.Loop{}
	loop.Program(l, os.Stdout)
	l.Run()
}
