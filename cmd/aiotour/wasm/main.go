//go:build js && wasm

// Command wasm is the part of the course that runs in the page: it runs its programs, and
// searches for schedules in which they fail. Its functions take and return JSON.
package main

import (
	"encoding/json"
	"fmt"
	"syscall/js"

	"github.com/goaio/aio/cmd/aiotour/internal/course"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

func main() {
	programs := course.Programs()
	// export makes f a method of the page's object aiotour. It returns a promise,
	// because f runs event loops, and a callback of JavaScript must not wait for
	// them.
	export := func(name string, f func(p play.Program, args []js.Value) (any, error)) {
		js.Global().Get("aiotour").Set(name, js.FuncOf(func(_ js.Value, args []js.Value) any {
			var executor js.Func
			executor = js.FuncOf(func(_ js.Value, settle []js.Value) any {
				executor.Release()
				go func() {
					p, ok := programs[args[0].String()]
					if !ok {
						settle[1].Invoke(js.Global().Get("Error").New("there is no program " + args[0].String()))
						return
					}
					result, err := f(p, args[1:])
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
	export("run", func(p play.Program, args []js.Value) (any, error) {
		var choices []int
		if err := json.Unmarshal([]byte(args[0].String()), &choices); err != nil {
			return nil, fmt.Errorf("choices: %w", err)
		}
		return play.Do(p, choices), nil
	})
	export("search", func(p play.Program, args []js.Value) (any, error) {
		return play.Search(p, args[0].Int()), nil
	})
	js.Global().Get("aiotour").Call("ready")
	select {}
}
