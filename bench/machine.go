package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/goaio/aio/bench/internal/machine"
)

// fact is a condition of the measurement that readers of the figures need.
type fact struct{ what, value string }

// about describes the machine and the versions. config holds the configuration lines of
// go test.
func about(config map[string]string, found []python) []fact {
	facts := []fact{
		{"processor", fmt.Sprintf("%s, %d cores", strings.Join(strings.Fields(config["cpu"]), " "), runtime.NumCPU())},
		{"system", machine.System() + ", " + config["goos"] + "/" + config["goarch"]},
		{"Go", machine.Command("go", "env", "GOVERSION")},
	}
	if len(found) > 0 {
		facts = append(facts, fact{"asyncio", "Python " + found[0].Label})
	}
	if p, ok := withUVLoop(found); ok {
		facts = append(facts, fact{"uvloop", p.UVLoop + " on Python " + p.Label})
	}
	return facts
}
