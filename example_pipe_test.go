package aio_test

import (
	"context"
	"fmt"
	"os"

	"github.com/goaio/aio"
)

// pipePrinter is a protocol that prints what it reads from a pipe.
type pipePrinter struct{ over aio.Event }

func (p *pipePrinter) DataReceived(b []byte) { fmt.Printf("%s!\n", b) }
func (p *pipePrinter) ConnectionLost(error)  { p.over.Set() }

// pipeSilent is a protocol for a transport of which only the writing matters.
type pipeSilent struct{}

func (pipeSilent) ConnectionLost(error) {}

// One task writes to a pipe that a protocol reads from. Where programs do not need protocols, streams
// are more convenient.
func ExampleConnectReadPipe() {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	err = aio.Run(func(ctx context.Context) error {
		_, s, err := aio.ConnectReadPipe(ctx, func() *pipePrinter { return &pipePrinter{} }, r)
		if err != nil {
			return err
		}
		out, _, err := aio.ConnectWritePipe(ctx, func() pipeSilent { return pipeSilent{} }, w)
		if err != nil {
			return err
		}
		out.Write([]byte("hello"))
		out.Close()
		return s.over.Wait(ctx)
	})
	fmt.Println(err)
	// Output:
	// hello!
	// <nil>
}
