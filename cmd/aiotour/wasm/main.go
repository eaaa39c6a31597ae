//go:build js && wasm

// Command wasm is the part of the course that runs in the page: it runs its programs, and
// searches for schedules in which they fail. Its functions take and return JSON.
package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall/js"

	"github.com/goaio/aio/cmd/aiotour/internal/course"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
	"github.com/goaio/aio/examples/miniloop/loop"
)

func main() {
	programs := course.Programs()
	// export makes f a method of the page's object aiotour. It returns a promise,
	// because f runs event loops, and a callback of JavaScript must not wait for
	// them.
	export := func(name string, f func(args []js.Value) (any, error)) {
		js.Global().Get("aiotour").Set(name, js.FuncOf(func(_ js.Value, args []js.Value) any {
			var executor js.Func
			executor = js.FuncOf(func(_ js.Value, settle []js.Value) any {
				executor.Release()
				go func() {
					result, err := f(args)
					var text []byte
					if err == nil {
						text, err = json.Marshal(result)
					}
					if err != nil {
						settle[1].Invoke(js.Global().Get("Error").New(err.Error()))
						return
					}
					settle[0].Invoke(string(text))
				}()
				return nil
			})
			return js.Global().Get("Promise").New(executor)
		}))
	}
	program := func(name js.Value) (play.Program, error) {
		p, ok := programs[name.String()]
		if !ok {
			return nil, fmt.Errorf("there is no program %v", name)
		}
		return p, nil
	}
	export("run", func(args []js.Value) (any, error) {
		p, err := program(args[0])
		if err != nil {
			return nil, err
		}
		var choices []int
		if err := json.Unmarshal([]byte(args[1].String()), &choices); err != nil {
			return nil, fmt.Errorf("choices: %w", err)
		}
		return play.Do(p, choices), nil
	})
	export("search", func(args []js.Value) (any, error) {
		p, err := program(args[0])
		if err != nil {
			return nil, err
		}
		return play.Search(p, args[1].Int()), nil
	})
	export("passes", func([]js.Value) (any, error) { return passes(), nil })
	js.Global().Get("aiotour").Call("ready")
	select {}
}

// pass is the state of the small loop after a pass.
type pass struct {
	Now    string `json:"now"`
	Ready  int    `json:"ready"`
	Timers int    `json:"timers"`
	Output string `json:"output"`
}

// passes runs the program of the small loop, and returns its state before the first pass
// and after each one.
func passes() (all []pass) {
	var out strings.Builder
	l := &loop.Loop{}
	loop.Program(l, &out)
	for more := true; more; more = l.Pass() {
		ready, timers := l.Waiting()
		all = append(all, pass{l.Now.String(), ready, timers, out.String()})
	}
	return all
}
