// Command aiovet finds mistakes in the use of package aio that the compiler accepts. Run
// it on packages, or let go vet run it:
//
//	aiovet ./...
//	aiovet -fix ./...
//	go vet -vettool=$(which aiovet) ./...
//
// aiovet help lists the analyzers, and aiovet help NAME describes one:
//
//	aioouterctx      the outer ctx in the body of a Timeout or TaskGroup
//	aiogoctx         go statements whose function awaits
//	aiodroppederror  awaits whose error is dropped, and with it a cancellation
//	aiolockheld      a sync.Mutex that is held during an await
//	aioblocking      calls that block the loop
//	aiomethodvalue   method values that a task does not run as meant
//
// A comment //aiovet:ok at the end of a line says that a report about it is known; the
// reason may follow.
//
// The linter contextcheck accepts tg.Go, CreateTask and the other calls that start tasks:
// comments in package aio tell it which functions take their ctx from elsewhere on
// purpose. Its report is false for a function of your own that starts a task with a
// stored ctx, a callback of a protocol that awaits with loop.Context, or a helper without
// a ctx that uses context.Background on purpose. Suppress it with
// "//nolint:contextcheck" in the comment of the declaration.
package main

import (
	"os"
	"strings"

	"golang.org/x/tools/go/analysis/multichecker"
	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/goaio/aio/cmd/aiovet/passes"
)

func main() {
	// go vet asks for the version and the flags, and then passes one file of options
	for _, arg := range os.Args[1:] {
		if arg == "-flags" || strings.HasPrefix(arg, "-V") || strings.HasSuffix(arg, ".cfg") {
			unitchecker.Main(passes.All...)
		}
	}
	multichecker.Main(passes.All...)
}
