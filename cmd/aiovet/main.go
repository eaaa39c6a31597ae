// Command aiovet finds mistakes with package aio that compile. Run it on packages, or let
// go vet run it:
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
//	aiolockheld      a sync.Mutex that is held over an await
//	aioblocking      calls that block the loop
//	aiomethodvalue   method values that a task does not run as meant
//
// A comment //aiovet:ok at the end of a line says that a report about it is known; the
// reason may follow.
//
// The linter contextcheck accepts tg.Go, CreateTask and the other calls that start tasks:
// the functions of package aio that take their ctx from elsewhere tell it so. What is
// left are its true reports, and its false ones: a function of your own that starts a
// task on a ctx that it has stored, a callback of a protocol that awaits on loop.Context,
// a helper without a ctx that uses context.Background on purpose. Silence it for such a
// function with //nolint:contextcheck in the comment of its declaration.
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
