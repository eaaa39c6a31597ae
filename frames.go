package aio

// Stacks, their frames in the user's code, and names of functions.

import (
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
)

// callers returns the innermost part of the stack of the caller's caller, short enough
// to be stored.
func callers() []uintptr {
	pcs := make([]uintptr, 64)
	return pcs[:runtime.Callers(3, pcs)]
}

// wholeStack returns the stack from the caller's caller outwards.
func wholeStack() []uintptr {
	for size := 64; ; size *= 4 {
		pcs := make([]uintptr, size)
		if n := runtime.Callers(3, pcs); n < size {
			return pcs[:n]
		}
	}
}

// frames turns program counters, innermost first, into frames of the user's code,
// outermost first.
func frames(pcs []uintptr, limit int) []runtime.Frame {
	var all []runtime.Frame
	if len(pcs) > 0 {
		it := runtime.CallersFrames(pcs)
		for more := true; more; {
			var f runtime.Frame
			f, more = it.Next()
			if f.Function != "" && !internalFrame(f) {
				all = append(all, f)
			}
		}
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	return all
}

// packagePath is the prefix of this package's own functions, and internalPath of those of
// its internal packages.
var (
	packagePath  = strings.TrimSuffix(funcName(callers), "callers")
	internalPath = strings.TrimSuffix(packagePath, ".") + "/internal/"
)

// packageDir is where the files of this package are, as the compiler names them.
var packageDir = func() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}()

func internalFrame(f runtime.Frame) bool {
	name := f.Function
	own := strings.HasPrefix(name, packagePath) || strings.HasPrefix(name, internalPath) ||
		// a closure of an iterator that was inlined in the user's function
		filepath.Dir(f.File) == packageDir
	return own && !strings.HasSuffix(f.File, "_test.go") ||
		strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "iter.")
}

// pulled reports whether a stack is that of a coroutine of iter.Pull that does not run
// a task.
func pulled(stack []uintptr) bool {
	it := runtime.CallersFrames(stack)
	for more := len(stack) > 0; more; {
		var f runtime.Frame
		f, more = it.Next()
		switch {
		case f.Function == packagePath+"(*coroutine).main":
			return false
		case strings.HasPrefix(f.Function, "iter.Pull"):
			return true
		}
	}
	return false
}

// funcName returns the name of a function.
func funcName(fn any) string {
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func || v.IsNil() {
		return "nil"
	}
	return runtime.FuncForPC(v.Pointer()).Name()
}

// shortFunction is the name of a function with its package name, without the package's
// path.
func shortFunction(function string) string { return function[strings.LastIndex(function, "/")+1:] }
