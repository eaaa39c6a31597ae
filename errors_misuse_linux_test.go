package aio_test

// The rule for misuse, over the whole exported API. Each function, and each method of a
// value of each type, is called with valid arguments except for one, which is nil, zero
// or negative in turn; then each method is called on the zero value of its type. A call
// with an error result must return misuse, one without must panic with it, and nothing
// may fail in the Go runtime. Calls that are not misuse are listed with the reason in
// misuse.allowed. The functions and types are those of api.txt, so a new one needs an
// entry here.

import (
	"context"
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// misuse is the table of a package.
type misuse struct {
	path string
	// the functions; type parameters have their arguments
	funcs map[string]any
	// functions that make a value of each type that has methods, or a value for one
	// method; nil for a type whose methods the test does not call: allowed has the
	// reason
	types map[string]func(w *misuseWorld) any
	// functions that make a good argument for a parameter, by "Function parameter"
	// or "parameter"; otherwise the good argument of its type is used
	params map[string]func(w *misuseWorld) any
	// the reason why a call is not misuse, by "call parameter=value", "call",
	// "parameter=value" or "*.method parameter=value"
	allowed map[string]string
	// calls that are made outside of a task
	outside []string
	// runs main where the calls must be made, for example in a simulation; nil
	// means a new loop
	inside func(w *misuseWorld, main func(ctx context.Context) error) error

	used map[string]bool // the entries of allowed that some call needed
}

// misuseWorld is where one call is made.
type misuseWorld struct {
	*testing.T
	ctx   context.Context
	loop  *aio.Loop
	ended []func()
	world *aiotest.World // nil outside of a simulation
}

// atEnd calls f after the call.
func (w *misuseWorld) atEnd(f func()) { w.ended = append(w.ended, f) }

// must returns v.
func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("preparing a call: %v", err))
	}
	return v
}

// pair returns the two ends of a TCP connection.
func (w *misuseWorld) pair() (client, server net.Conn) {
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	defer ln.Close()
	client = must(net.Dial("tcp", ln.Addr().String()))
	server = must(ln.Accept())
	w.atEnd(func() { client.Close(); server.Close() })
	return client, server
}

// misuseProtocol is a protocol that takes everything.
type misuseProtocol struct{}

func (misuseProtocol) DataReceived([]byte) {}

func (w *misuseWorld) transport() aio.Transport {
	client, _ := w.pair()
	tr, _, err := aio.ConnectAcceptedSocket(w.ctx, func() misuseProtocol { return misuseProtocol{} }, client, nil)
	return must(tr, err)
}

// pipe returns the two ends of a pipe.
func (w *misuseWorld) pipe() (r, wr *os.File) {
	r, wr, err := os.Pipe()
	must(r, err)
	w.atEnd(func() { r.Close(); wr.Close() })
	return r, wr
}

// good returns a good argument of a type.
func (w *misuseWorld) good(typ reflect.Type) reflect.Value {
	var v any
	switch typ {
	case reflect.TypeFor[context.Context]():
		v = w.ctx
	case reflect.TypeFor[*aio.Loop]():
		v = w.loop
	case reflect.TypeFor[aio.AnyFuture](), reflect.TypeFor[aio.Awaitable[int]](), reflect.TypeFor[*aio.Future[int]]():
		v = aio.CreateFuture[int](w.ctx)
	case reflect.TypeFor[aio.AnyTask]():
		v = aio.CurrentTask(w.ctx)
	case reflect.TypeFor[io.Writer]():
		v = io.Discard
	case reflect.TypeFor[io.ReadSeeker](), reflect.TypeFor[io.Reader]():
		v = strings.NewReader("text")
	case reflect.TypeFor[net.Conn]():
		v, _ = w.pair()
	case reflect.TypeFor[net.Addr]():
		v = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}
	case reflect.TypeFor[aio.Transport](), reflect.TypeFor[aio.WriteTransport](), reflect.TypeFor[aio.BaseTransport]():
		v = w.transport()
	case reflect.TypeFor[aio.Protocol]():
		v = misuseProtocol{}
	case reflect.TypeFor[os.Signal]():
		v = syscall.SIGURG
	case reflect.TypeFor[aio.Executor]():
		v = aio.NewThreadPoolExecutor(1)
	case reflect.TypeFor[aio.Observer]():
		v = aio.ObserverFunc(func(*aio.LoopEvent) {})
	case reflect.TypeFor[error]():
		v = errOne
	case reflect.TypeFor[aio.AbstractChildWatcher]():
		v = &aio.ThreadedChildWatcher{}
	case reflect.TypeFor[aio.AbstractEventLoopPolicy]():
		v = &aio.DefaultEventLoopPolicy{}
	case reflect.TypeFor[*aio.StreamReader]():
		v = aio.NewStreamReader(w.ctx, 0)
	case reflect.TypeFor[*aio.StreamReaderProtocol]():
		v = aio.NewStreamReaderProtocol(aio.NewStreamReader(w.ctx, 0), nil)
	case reflect.TypeFor[*aio.StreamWriter]():
		v = aio.NewStreamWriter(w.transport(), aio.NewStreamReaderProtocol(aio.NewStreamReader(w.ctx, 0), nil))
	case reflect.TypeFor[*aio.ConcurrentFuture[int]]():
		v = aio.NewConcurrentFuture[int]()
	case reflect.TypeFor[*aio.Lock]():
		v = &aio.Lock{}
	case reflect.TypeFor[*aio.TaskGroup]():
		v = w.taskGroup()
	case reflect.TypeFor[time.Time]():
		v = w.loop.Time().Add(time.Hour)
	case reflect.TypeFor[time.Duration]():
		v = time.Hour
	case reflect.TypeFor[aio.DoneCallback]():
		v = aio.CreateFuture[int](w.ctx).AddDoneCallback(func(*aio.Future[int]) {})
	case reflect.TypeFor[slog.Handler]():
		v = slog.DiscardHandler
	case reflect.TypeFor[http.Handler]():
		v = http.NotFoundHandler()
	case reflect.TypeFor[*http.Request]():
		v = must(http.NewRequest("GET", "http://127.0.0.1:1/", nil))
	default:
		return w.plain(typ)
	}
	return reflect.ValueOf(v)
}

// plain returns a good argument of a type all of whose values are valid.
func (w *misuseWorld) plain(typ reflect.Type) reflect.Value {
	v := reflect.New(typ).Elem()
	switch typ.Kind() {
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.String:
		v.SetString("x")
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte("data"))
		} else {
			v.Set(reflect.Append(v, w.good(typ.Elem())))
		}
	case reflect.Chan:
		v.Set(reflect.MakeChan(reflect.ChanOf(reflect.BothDir, typ.Elem()), 1).Convert(typ))
	case reflect.Pointer:
		if typ.Elem().Kind() == reflect.Struct {
			v.Set(reflect.New(typ.Elem()))
		}
	case reflect.Func:
		v.Set(reflect.MakeFunc(typ, func([]reflect.Value) (results []reflect.Value) {
			for i := range typ.NumOut() {
				results = append(results, reflect.Zero(typ.Out(i)))
			}
			return results
		}))
	}
	return v
}

// closeMisused closes the receiver of a misused method, in any state.
func closeMisused(v any) {
	defer func() { _ = recover() }()
	switch v := v.(type) {
	case *aio.Loop: // the loop of misuseWorld, which the test still needs
	case interface{ Close() error }:
		v.Close()
	case interface{ Close() }:
		v.Close()
	}
}

// badValue is an unusual argument, with its name in the messages of the test.
type badValue struct {
	name  string
	value reflect.Value
	// true: it is misuse, unless the table allows it; false: it may be valid, but
	// must not fail in the Go runtime
	strict bool
	// if not nil, value is not used: change makes one field of a good argument
	// invalid
	change func(good reflect.Value)
}

// misuseFields returns the invalid values for each field of a struct of settings.
func misuseFields(typ reflect.Type) (bad []badValue) {
	for i := range typ.NumField() {
		field := typ.Field(i)
		if !field.IsExported() {
			continue
		}
		set := func(name string, set func(field reflect.Value)) {
			bad = append(bad, badValue{
				name:   "{" + field.Name + ": " + name + "}",
				strict: true,
				change: func(v reflect.Value) { set(v.Field(i)) },
			})
		}
		switch field.Type.Kind() {
		case reflect.Int, reflect.Int64:
			set("-1", func(v reflect.Value) { v.SetInt(-1) })
		case reflect.Float64:
			set("-1", func(v reflect.Value) { v.SetFloat(-1) })
		}
	}
	return bad
}

// badValues returns the unusual arguments of a type: nil, zero and negative ones.
func badValues(typ reflect.Type) (bad []badValue) {
	add := func(strict bool, name string, v reflect.Value) {
		bad = append(bad, badValue{name: name, value: v.Convert(typ), strict: strict})
	}
	zero := reflect.Zero(typ)
	switch typ.Kind() {
	case reflect.Interface:
		add(true, "nil", zero)
		switch typ {
		case reflect.TypeFor[context.Context]():
			add(true, "Background", reflect.ValueOf(context.Background()))
		case reflect.TypeFor[aio.AnyFuture](), reflect.TypeFor[aio.Awaitable[int]]():
			add(true, "nil *Future", reflect.ValueOf((*aio.Future[int])(nil)))
			add(true, "zero Future", reflect.ValueOf(&aio.Future[int]{}))
			add(true, "nil *Task", reflect.ValueOf((*aio.Task[int])(nil)))
			add(true, "zero Task", reflect.ValueOf(&aio.Task[int]{}))
		}
		if typ == reflect.TypeFor[aio.Awaitable[int]]() {
			add(true, "nil Coro", reflect.ValueOf(aio.Coro[int](nil)))
		}
	case reflect.Func, reflect.Chan, reflect.Map:
		add(true, "nil", zero)
	case reflect.Slice:
		add(false, "nil", zero)
		for _, b := range badValues(typ.Elem()) {
			if b.strict {
				add(true, "["+b.name+"]", reflect.Append(reflect.MakeSlice(typ, 0, 1), b.value))
			}
		}
	case reflect.Pointer:
		options := strings.HasSuffix(typ.Elem().Name(), "Options")
		add(!options, "nil", zero)
		if typ.Elem().Kind() != reflect.Struct || !strings.HasPrefix(typ.Elem().PkgPath(), "github.com/goaio/") {
			break
		}
		add(false, "zero", reflect.New(typ.Elem()))
		if options {
			for _, f := range misuseFields(typ.Elem()) {
				v := reflect.New(typ.Elem())
				f.change(v.Elem())
				add(true, f.name, v)
			}
		}
	case reflect.Int, reflect.Int64:
		add(true, "-1", reflect.ValueOf(int64(-1)))
		add(false, "0", reflect.ValueOf(int64(0)))
		if typ.Kind() == reflect.Int64 {
			add(false, "min", reflect.ValueOf(int64(math.MinInt64)))
		} else {
			add(false, "min", reflect.ValueOf(math.MinInt))
		}
	case reflect.String:
		add(false, "zero", zero)
	case reflect.Struct:
		add(false, "zero", zero)
		if strings.HasPrefix(typ.PkgPath(), "github.com/goaio/") {
			bad = append(bad, misuseFields(typ)...)
		}
	}
	return bad
}

// misuseOutcome is the outcome of a call.
type misuseOutcome struct {
	err      error // the error that the call returned or panicked with
	panicked bool
	value    any // the value that it panicked with
	hasError bool
	later    error // an error of something that the call has started
}

// call makes a call in a task of a loop of its own. prepare returns the function
// and its arguments, in a world that lasts as long as the call.
func (m *misuse) call(t *testing.T, call string, outside bool, prepare func(w *misuseWorld) (fn reflect.Value, args []reflect.Value)) (o misuseOutcome) {
	defer time.AfterFunc(patience, func() { panic(call + " does not return") }).Stop()
	w := &misuseWorld{T: t}
	w.loop = aio.NewEventLoop(nil)
	w.loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
		if inRuntime(ec.Err) {
			o.later = fmt.Errorf("reported: %w", ec.Err)
		}
	})
	defer func() {
		for _, f := range slices.Backward(w.ended) {
			f()
		}
		w.loop.Close()
	}()
	if outside {
		w.ctx = w.loop.Context()
		fn, args := prepare(w)
		done := make(chan struct{})
		go func() {
			defer close(done)
			o.make(w, fn, args)
		}()
		<-done
		return o
	}
	inside := m.inside
	if inside == nil {
		inside = func(w *misuseWorld, main func(ctx context.Context) error) error { return runMain(w.loop, main) }
	}
	err := inside(w, func(ctx context.Context) error {
		w.ctx = ctx
		var fn reflect.Value
		var args []reflect.Value
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			w.ctx = ctx
			fn, args = prepare(w)
			o.make(w, fn, args)
			return nil
		}))
		// for what needs the kernel or other goroutines; an idle process
		// sleeps for a millisecond at least
		for range 15 {
			if task.Done() {
				break
			}
			letPass(ctx, 1)
			time.Sleep(time.Millisecond)
		}
		for !task.Done() {
			task.Cancel()
			letPass(ctx, 1)
		}
		letPass(ctx, 3) // so that what it has started runs
		return nil
	})
	switch {
	case inRuntime(err):
		o.later = err
	case err != nil && !errors.Is(err, aio.ErrLoopStopped):
		t.Error(err)
	}
	return o
}

// call calls fn.
func (o *misuseOutcome) call(fn reflect.Value, args []reflect.Value) (results []reflect.Value) {
	defer func() {
		if v := recover(); v != nil {
			o.panicked, o.value = true, v
			o.err, _ = v.(error)
		}
	}()
	typ := fn.Type()
	n := typ.NumOut()
	o.hasError = n > 0 && typ.Out(n-1) == reflect.TypeFor[error]()
	if typ.IsVariadic() {
		results = fn.CallSlice(args)
	} else {
		results = fn.Call(args)
	}
	if o.hasError {
		o.err, _ = results[n-1].Interface().(error)
	}
	return results
}

// make calls fn, and checks the outcome.
func (o *misuseOutcome) make(w *misuseWorld, fn reflect.Value, args []reflect.Value) {
	defer func() {
		if v := recover(); v != nil {
			o.later = fmt.Errorf("what it returned panics: %w", &aio.PanicError{Value: v})
			o.panicked, o.value = true, v
		}
	}()
	o.look(w, o.call(fn, args))
}

// look uses what a call has returned, and closes it.
func (o *misuseOutcome) look(w *misuseWorld, results []reflect.Value) {
	for _, r := range results {
		if k := r.Kind(); (k == reflect.Pointer || k == reflect.Interface || k == reflect.Func) && r.IsNil() {
			continue
		}
		if isStream(r.Type()) {
			r = r.Call([]reflect.Value{reflect.ValueOf(w.ctx)})[0]
		}
		if r.Type().CanSeq2() && r.Kind() == reflect.Func {
			// an iterator yields the error when it is used
			o.hasError = true
			for _, second := range r.Seq2() {
				o.err, _ = second.Interface().(error)
				break
			}
		}
		switch v := r.Interface().(type) {
		case func():
			v() // stop, remove
		case func() error:
			_ = v()
		case *aio.Loop:
			if v != w.loop {
				w.atEnd(func() { v.Close() })
			}
		case *aio.Server:
			v.Close()
		case aio.SubprocessTransport:
			v.Close()
		case *aio.Process:
			v.Wait(w.ctx)
		case aiotest.Report:
			o.hasError = true
			for _, failure := range v.Failures {
				o.err = errors.Join(o.err, failure)
			}
		case aio.AnyFuture:
			for range 5 {
				if !v.Done() {
					letPass(w.ctx, 1)
				}
			}
			if c := v.GetLoop(); c == w.loop && v.Done() && !v.Cancelled() {
				o.later = v.Exception()
			}
		case io.Closer:
			v.Close()
		}
	}
}

// isStream reports whether a type is a function that makes an iterator for a context.
func isStream(t reflect.Type) bool {
	return t.Kind() == reflect.Func && t.NumIn() == 1 && t.NumOut() == 1 &&
		t.In(0) == reflect.TypeFor[context.Context]() && t.Out(0).CanSeq2()
}

// inRuntime reports whether an error is a panic of the Go runtime.
func inRuntime(v any) bool {
	err, ok := v.(error)
	if !ok {
		return false
	}
	var fault runtime.Error
	var p *aio.PanicError
	return errors.As(err, &fault) || errors.As(err, &p) && inRuntime(p.Value)
}

func (o misuseOutcome) String() string {
	switch {
	case o.panicked:
		return fmt.Sprintf("it panics with %v", o.value)
	case o.err != nil:
		return fmt.Sprintf("it returns %v", o.err)
	case o.later != nil:
		return fmt.Sprintf("afterwards %v", o.later)
	default:
		return "it succeeds"
	}
}

// judge fails the test if the outcome of a call breaks the rule. strict says that the
// call was misuse.
func (m *misuse) judge(t *testing.T, call, arg string, strict bool, o misuseOutcome) {
	t.Helper()
	usage := errors.Is(o.err, aio.ErrUsage) || errors.Is(o.later, aio.ErrUsage)
	switch {
	case o.panicked && inRuntime(o.value), inRuntime(o.later), inRuntime(o.err):
		t.Errorf("%s %s: a fault in the runtime: %v", call, arg, o)
	case o.panicked && o.hasError:
		t.Errorf("%s %s: %v, but has an error result", call, arg, o)
	case o.panicked && !usage:
		t.Errorf("%s %s: %v, which does not match ErrUsage", call, arg, o)
	case strict && !usage && !m.allows(call, arg):
		t.Errorf("%s %s: %v, and should be misuse", call, arg, o)
	case strings.Count(o.String(), "aio: ") > 1:
		t.Errorf("%s %s: %v: its text has two prefixes", call, arg, o)
	}
}

// allows reports whether the table gives a reason why a call is not misuse.
func (m *misuse) allows(call, arg string) bool {
	_, method, isMethod := strings.Cut(call, ".")
	keys := []string{call + " " + arg, call, arg}
	if isMethod {
		keys = append(keys, "*."+method+" "+arg, "*."+method)
	}
	for _, key := range keys {
		if m.allowed[key] != "" {
			m.used[key] = true
			return true
		}
	}
	return false
}

// argument returns a good argument for a parameter.
func (m *misuse) argument(w *misuseWorld, call string, param *types.Var, typ reflect.Type) reflect.Value {
	for _, key := range []string{call + " " + param.Name(), param.Name()} {
		if f := m.params[key]; f != nil {
			return reflect.ValueOf(f(w)).Convert(typ)
		}
	}
	return w.good(typ)
}

// good calls a function or method with good arguments only: if one of these were
// misuse, the calls with one bad argument would prove nothing. If the call returns a
// stream, good then makes iterators of it with bad contexts.
func (m *misuse) good(t *testing.T, call string, signature *types.Signature, fn func(w *misuseWorld) reflect.Value, typ reflect.Type) {
	if slices.Contains(m.outside, call) {
		return // it runs a loop until something stops it
	}
	prepare := func(w *misuseWorld) (reflect.Value, []reflect.Value) {
		f := fn(w)
		var args []reflect.Value
		for j := range typ.NumIn() {
			args = append(args, m.argument(w, call, signature.Params().At(j), typ.In(j)))
		}
		return f, args
	}
	o := m.call(t, call, false, prepare)
	if errors.Is(o.err, aio.ErrUsage) && !m.allows(call, "with good arguments") {
		t.Errorf("%s with good arguments: %v", call, o)
	}
	if typ.NumOut() != 1 || !isStream(typ.Out(0)) {
		return
	}
	for _, bad := range badValues(reflect.TypeFor[context.Context]()) {
		o := m.call(t, call, false, func(w *misuseWorld) (reflect.Value, []reflect.Value) {
			f, args := prepare(w)
			if typ.IsVariadic() {
				return f.CallSlice(args)[0], []reflect.Value{bad.value}
			}
			return f.Call(args)[0], []reflect.Value{bad.value}
		})
		m.judge(t, call, "iterated with ctx="+bad.name, false, o)
	}
}

// calls makes all calls of a function or method.
func (m *misuse) calls(t *testing.T, call string, signature *types.Signature, fn func(w *misuseWorld) reflect.Value, typ reflect.Type) {
	m.good(t, call, signature, fn, typ)
	outside := slices.Contains(m.outside, call)
	for i := range typ.NumIn() {
		param := signature.Params().At(i)
		if m.allows(call, param.Name()) {
			continue // another package decides which values are valid
		}
		for _, bad := range badValues(typ.In(i)) {
			o := m.call(t, call+" "+param.Name()+"="+bad.name, outside, func(w *misuseWorld) (reflect.Value, []reflect.Value) {
				f := fn(w)
				var args []reflect.Value
				for j := range typ.NumIn() {
					if j == i && bad.change == nil {
						args = append(args, bad.value)
						continue
					}
					arg := m.argument(w, call, signature.Params().At(j), typ.In(j))
					if j == i {
						changed := reflect.New(typ.In(j)).Elem()
						changed.Set(arg)
						bad.change(changed)
						arg = changed
					}
					args = append(args, arg)
				}
				return f, args
			})
			m.judge(t, call, param.Name()+"="+bad.name, bad.strict, o)
		}
	}
}

// elsewhere calls a method in a goroutine that does not hold the token.
func (m *misuse) elsewhere(t *testing.T, call string, signature *types.Signature, fn func(w *misuseWorld) reflect.Value, typ reflect.Type) {
	if slices.Contains(m.outside, call) {
		return
	}
	var o misuseOutcome
	m.call(t, call, false, func(w *misuseWorld) (reflect.Value, []reflect.Value) {
		f := fn(w)
		var args []reflect.Value
		for j := range typ.NumIn() {
			args = append(args, m.argument(w, call, signature.Params().At(j), typ.In(j)))
		}
		var results []reflect.Value
		inGoroutine(func() { results = o.call(f, args) })
		hasError, err := o.hasError, o.err
		o.look(w, results)
		o.hasError, o.err = hasError, err
		return reflect.ValueOf(nop), nil
	})
	m.judge(t, call, "in another goroutine", false, o)
}

// zero calls a method of the zero value of its type.
func (m *misuse) zero(t *testing.T, call, method string, signature *types.Signature, typ reflect.Type) {
	o := m.call(t, call, slices.Contains(m.outside, call), func(w *misuseWorld) (reflect.Value, []reflect.Value) {
		v := reflect.New(typ.Elem())
		w.atEnd(func() { closeMisused(v.Interface()) })
		f := v.MethodByName(method)
		var args []reflect.Value
		for j := range f.Type().NumIn() {
			args = append(args, m.argument(w, call, signature.Params().At(j), f.Type().In(j)))
		}
		return f, args
	})
	m.judge(t, call, "of a zero value", false, o)
}

// run makes all calls of the API of a package.
func (m *misuse) run(t *testing.T) {
	m.used = map[string]bool{}
	p := apiImport(t, m.path)
	scope := p.Scope()
	listed := map[string]bool{}
	for _, name := range scope.Names() {
		if !token.IsExported(name) {
			continue
		}
		switch o := scope.Lookup(name).(type) {
		case *types.Func:
			listed[name] = true
			fn := m.funcs[name]
			if fn == nil {
				t.Errorf("the function %s has no entry", name)
				continue
			}
			v := reflect.ValueOf(fn)
			m.calls(t, name, o.Type().(*types.Signature), func(*misuseWorld) reflect.Value { return v }, v.Type())
		case *types.TypeName:
			named, isNamed := o.Type().(*types.Named)
			if !isNamed {
				continue
			}
			all := types.NewMethodSet(types.NewPointer(named))
			if types.IsInterface(named) {
				all = types.NewMethodSet(named)
			}
			methods := map[string]*types.Signature{}
			for s := range all.Methods() {
				if s.Obj().Exported() {
					methods[s.Obj().Name()] = s.Type().(*types.Signature)
				}
			}
			if len(methods) == 0 {
				continue
			}
			listed[name] = true
			value := m.types[name]
			if value == nil {
				if !m.allows(name, "") {
					t.Errorf("the type %s has methods, and no entry", name)
				}
				continue
			}
			for method, signature := range methods {
				call := name + "." + method
				value := value
				if own := m.types[call]; own != nil {
					listed[call], value = true, own
				}
				var typ, zero reflect.Type
				m.call(t, call, false, func(w *misuseWorld) (reflect.Value, []reflect.Value) {
					made := value(w)
					w.atEnd(func() { closeMisused(made) })
					v := reflect.ValueOf(made)
					typ = v.MethodByName(method).Type()
					if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct && !types.IsInterface(named) {
						zero = v.Type()
					}
					return reflect.ValueOf(func() {}), nil
				})
				fn := func(w *misuseWorld) reflect.Value {
					v := value(w)
					w.atEnd(func() { closeMisused(v) })
					return reflect.ValueOf(v).MethodByName(method)
				}
				m.calls(t, call, signature, fn, typ)
				if !m.allows(call, "in another goroutine") {
					m.elsewhere(t, call, signature, fn, typ)
				}
				if zero != nil {
					m.zero(t, call, method, signature, zero)
				}
			}
		}
	}
	for name := range m.funcs {
		if !listed[name] {
			t.Errorf("the entry for %s is not needed", name)
		}
	}
	for name := range m.types {
		if !listed[name] {
			t.Errorf("the entry for the type %s is not needed", name)
		}
	}
	for key := range m.allowed {
		if !m.used[key] {
			t.Errorf("the reason for %q is not needed", key)
		}
	}
}

func TestMisuse(t *testing.T) {
	quiet(t)
	t.Cleanup(aio.NoticeBlocked(100*time.Millisecond, 50*time.Millisecond))
	t.Run("aio", misuseOfAio.run)
	t.Run("aiohttp", misuseOfAiohttp.run)
	t.Run("aiomon", misuseOfAiomon.run)
	t.Run("aiosql", misuseOfAiosql.run)
	t.Run("aiokit", misuseOfAiokit.run)
	t.Run("aioiter", misuseOfAioiter.run)
	t.Run("aiotest", misuseOfAiotest.run)
}
