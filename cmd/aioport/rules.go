package main

// The rules: constructs that Go or package aio treats differently from Python, so that a
// literal translation would be wrong. A rule reports only what it can see in the file; in
// doubt it is silent.

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// finding is a place in a file: a name of asyncio, or a construct that needs attention.
type finding struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"column"`
	// for a name: the name in asyncio, and its counterpart in package aio, "" if
	// there is none
	Name string `json:"name,omitempty"`
	Go   string `json:"go,omitempty"`
	// for a construct
	Rule    string `json:"rule,omitempty"`
	Message string `json:"message"`
}

// rules are all rules, with the text that -rules prints.
var rules = []struct {
	name, about string
	check       func(c *checker, n *node)
}{
	{"unknown", "a name of asyncio that has no counterpart", nil},
	{"anext", "anext, aclose, asend and athrow of an asynchronous generator", (*checker).anext},
	{"except", "an except clause over an await that would also meet cancellations in Go", (*checker).except},
	{"set-result", "set_result or set_exception without a look at done()", (*checker).setResult},
	{"dropped-task", "a task without a reference", (*checker).droppedTask},
	{"seconds", "a time in seconds that is not a plain integer", (*checker).seconds},
	{"no-timeout", "a timeout that is None", (*checker).noTimeout},
	{"callback", "tasks and callbacks made in a callback, which has no context", (*checker).callback},
	{"order", "the order of a set or dict, which Go maps do not have", (*checker).order},
	{"weak", "sets and dicts with weak references", (*checker).weak},
	{"exit", "sys.exit, SystemExit and KeyboardInterrupt in a coroutine or callback", (*checker).exit},
	{"gather-mixed", "a gather of results of several types", (*checker).gatherMixed},
	{"gather-list", "a gather of a list", (*checker).gatherList},
	{"early-exit", "an async for that leaves a generator early", (*checker).earlyExit},
}

// checker checks a file.
type checker struct {
	file      *file
	names     *symbols
	callbacks map[*node]bool // functions that are called as callbacks
	rule      string
	findings  []finding
}

// check returns the findings of a file in the order of the source.
func check(f *file) []finding {
	c := &checker{file: f, names: resolve(f.module), callbacks: map[*node]bool{}}
	f.module.walk(func(n *node) bool { c.noteCallbacks(n); return true })
	f.module.walk(func(n *node) bool {
		c.rule = ""
		c.useOf(n)
		for _, r := range rules {
			if r.check != nil {
				c.rule = r.name
				r.check(c, n)
			}
		}
		return true
	})
	slices.SortStableFunc(c.findings, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return c.findings
}

// flag reports a construct, unless its line has a comment that says it is known.
func (c *checker) flag(n *node, format string, args ...any) {
	if acknowledged(c.file.comments[n.line], c.rule) {
		return
	}
	c.findings = append(c.findings, finding{
		File: c.file.name, Line: n.line, Col: n.col, Rule: c.rule, Message: fmt.Sprintf(format, args...),
	})
}

// acknowledged reports whether a comment is "aioport: ok", alone or with a list of
// rules that contains rule.
func acknowledged(comment, rule string) bool {
	text, ok := strings.CutPrefix(strings.TrimSpace(strings.TrimPrefix(comment, "#")), "aioport: ok")
	return ok && (strings.TrimSpace(text) == "" || slices.Contains(strings.Fields(strings.ReplaceAll(text, ",", " ")), rule))
}

// useOf reports a name of asyncio, or a method of one of its classes.
func (c *checker) useOf(n *node) {
	if !n.is("Name", "Attribute") || !n.child("ctx").is("Load") {
		return
	}
	entry, ofModule := strings.CutPrefix(c.names.name(n), "asyncio.")
	if !ofModule && (n.is("Name") || c.names.class(n.child("value")) == "") {
		return
	}
	to, ok := counterparts[entry]
	switch {
	case ok:
		c.findings = append(c.findings, finding{
			File: c.file.name, Line: n.line, Col: n.col, Name: entry, Go: to.name, Message: to.note,
		})
	// otherwise the name is the module in module.name
	case ofModule && !n.parent.is("Attribute"):
		c.rule = "unknown"
		c.flag(n, "asyncio.%s has no counterpart, and is no public name of asyncio", entry)
	}
}

// callbackArgument is the position of the callback among the arguments of a method.
var callbackArgument = map[string]int{
	"call_soon": 0, "call_soon_threadsafe": 0, "call_later": 1, "call_at": 1, "add_done_callback": 0,
	"add_reader": 1, "add_writer": 1, "add_signal_handler": 1,
}

// protocolMethods are the callbacks of a protocol.
var protocolMethods = []string{
	"connection_made", "connection_lost", "data_received", "eof_received", "pause_writing", "resume_writing",
	"datagram_received", "error_received", "buffer_updated", "get_buffer", "pipe_data_received",
	"pipe_connection_lost", "process_exited",
}

// noteCallbacks records the functions that n passes on as callbacks.
func (c *checker) noteCallbacks(n *node) {
	switch {
	case n.is("Call") && n.child("func").is("Attribute"):
		at, ok := callbackArgument[n.child("func").text("attr")]
		if !ok {
			return
		}
		cb := n.argument(at, "callback")
		if cb.is("Call") && c.names.callee(cb) == "functools.partial" {
			cb = cb.argument(0, "func")
		}
		if cb.is("Lambda") {
			c.callbacks[cb] = true
		} else if cb != nil {
			if d := c.names.def(cb); d != nil {
				c.callbacks[d] = true
			}
		}
	case n.is("FunctionDef") && n.parent.is("ClassDef") && slices.Contains(protocolMethods, n.text("name")):
		for _, b := range n.parent.children("bases") {
			if strings.HasSuffix(b.source(), "Protocol") {
				c.callbacks[n] = true
			}
		}
	}
}

// inCallback reports whether n is in a callback.
func (c *checker) inCallback(n *node) bool {
	f := n.function()
	return f != nil && c.callbacks[f] && !f.is("AsyncFunctionDef")
}

func (c *checker) anext(n *node) {
	if !n.is("Call") {
		return
	}
	f := n.child("func")
	switch {
	case c.names.callee(n) == "anext" || f.is("Attribute") && f.text("attr") == "__anext__":
		c.flag(n, "anext: take the iteration with aio.Pull, and each item with Iterator.Next, which returns false at the end")
	case f.is("Attribute") && f.text("attr") == "aclose" && !c.isObject(f.child("value")):
		c.flag(n, "aclose: Iterator.Close for an iteration of aio.Pull; a range loop closes by itself")
	case f.is("Attribute") && slices.Contains([]string{"asend", "athrow"}, f.text("attr")):
		c.flag(n, "%s: an iteration takes nothing; pass the value through a Queue or a variable", f.text("attr"))
	}
}

// isObject reports whether the file shows that an expression is not an asynchronous
// generator, by a call of a class or by an annotation. Many other objects also have a
// method aclose.
func (c *checker) isObject(n *node) bool { return c.object(n, map[string]bool{}) }

// object implements isObject. seen has the variables that were followed already.
func (c *checker) object(n *node, seen map[string]bool) bool {
	if n.is("Await") {
		n = n.child("value")
	}
	switch {
	case n.is("Call"):
		f := n.child("func")
		if d := c.names.def(f); d != nil {
			return !has(d.children("body"), "Yield")
		}
		name := f.source()
		name = name[strings.LastIndexByte(name, '.')+1:]
		return name != "" && name[0] >= 'A' && name[0] <= 'Z'
	case n.is("BoolOp"):
		return slices.ContainsFunc(n.children("values"), func(v *node) bool { return c.object(v, seen) })
	case n.is("IfExp"):
		return c.object(n.child("body"), seen) || c.object(n.child("orelse"), seen)
	case !n.is("Name", "Attribute"), seen[n.source()]:
		return false
	}
	seen[n.source()] = true
	in := c.names.module
	if strings.HasPrefix(n.source(), "self.") {
		in = cmp.Or(n.around("ClassDef"), in)
	} else if f := n.function(); f != nil {
		in = f
	}
	// number of assignments to the variable, and how many of them assign such an
	// object
	var made, objects int
	count := func(target *node, object bool) {
		if target.source() == n.source() {
			made++
			if object {
				objects++
			}
		}
	}
	in.walk(func(a *node) bool {
		switch a.kind {
		case "Assign":
			for _, t := range a.children("targets") {
				count(t, c.object(a.child("value"), seen))
			}
		case "AnnAssign":
			count(a.child("target"), !iterates(a.child("annotation")))
		case "withitem":
			if t := a.child("optional_vars"); t != nil {
				count(t, c.object(a.child("context_expr"), seen))
			}
		case "arg":
			if t := a.child("annotation"); t != nil && a.text("arg") == n.source() {
				made++
				if !iterates(t) {
					objects++
				}
			}
		}
		return true
	})
	return made > 0 && made == objects
}

// iterates reports whether an annotation may be that of an asynchronous generator.
func iterates(annotation *node) bool {
	text := annotation.source()
	return text == "" || strings.Contains(text, "Async") && (strings.Contains(text, "Iter") || strings.Contains(text, "Generator")) ||
		text == "Any" || text == "typing.Any" || text == "object"
}

func (c *checker) except(n *node) {
	if n.is("With", "AsyncWith") {
		c.suppress(n)
		return
	}
	if !n.is("Try", "TryStar") || !has(n.children("body"), "Await", "AsyncFor", "AsyncWith") {
		return
	}
	for _, h := range n.children("handlers") {
		var names []string
		switch t := h.child("type"); {
		case t == nil:
			names = []string{"BaseException"}
		case t.is("Tuple"):
			for _, e := range t.children("elts") {
				names = append(names, c.names.expand(e.source()))
			}
		default:
			names = []string{c.names.expand(t.source())}
		}
		raises := has(h.children("body"), "Raise")
		switch {
		case slices.Contains(names, "asyncio.CancelledError") && len(names) == 1:
			if !raises {
				c.flag(h, "the cancellation is not passed on: it is spent here as in asyncio, and Task.Uncancel may be missing")
			}
			return // the following handlers do not get cancellations
		case slices.Contains(names, "BaseException") || slices.Contains(names, "asyncio.CancelledError"):
			if !raises {
				c.flag(h, "swallows cancellations: return an error that matches aio.ErrCancelled")
			}
			return
		case slices.Contains(names, "Exception"):
			c.flag(h, "lets cancellations pass in Python; in Go they are errors as any other: return what matches aio.ErrCancelled before you handle err")
			return
		}
	}
}

// suppress applies the rules for except to contextlib.suppress.
func (c *checker) suppress(with *node) {
	if !has(with.children("body"), "Await", "AsyncFor", "AsyncWith") {
		return
	}
	for _, item := range with.children("items") {
		call := item.child("context_expr")
		if c.names.callee(call) != "contextlib.suppress" {
			continue
		}
		for _, a := range call.children("args") {
			switch name := c.names.expand(a.source()); name {
			case "asyncio.CancelledError":
				c.flag(call, "the cancellation is not passed on: it is spent here as in asyncio, and Task.Uncancel may be missing")
			case "BaseException":
				c.flag(call, "swallows cancellations: return an error that matches aio.ErrCancelled")
			case "Exception":
				c.flag(call, "lets cancellations pass in Python; in Go they are errors as any other: return what matches aio.ErrCancelled before you drop err")
			default:
				continue
			}
			break
		}
	}
}

func (c *checker) setResult(n *node) {
	f := n.child("func")
	if !n.is("Call") || !f.is("Attribute") || !slices.Contains([]string{"set_result", "set_exception"}, f.text("attr")) {
		return
	}
	of := f.child("value").source()
	if of == "" || c.guarded(n, of) {
		return
	}
	c.flag(n, "%s raises InvalidStateError if the future is done or was cancelled; here it returns ErrInvalidState: handle it, or ask Done first", f.text("attr"))
}

// guarded reports whether the code around or before n checks whether the future in the
// variable named by of is done, catches its error, or has just made the future.
func (c *checker) guarded(n *node, of string) bool {
	asks := func(test *node) bool {
		found := false
		test.walk(func(t *node) bool {
			if f := t.child("func"); t.is("Call") && f.is("Attribute") && f.child("value").source() == of &&
				slices.Contains([]string{"done", "cancelled"}, f.text("attr")) {
				found = true
			}
			return true
		})
		return found
	}
	for p := n; p.parent != nil && !p.is(functions...); p = p.parent {
		up := p.parent
		switch {
		case up.is("If", "IfExp", "While") && p != up.child("test") && asks(up.child("test")):
			return true
		case up.is("BoolOp"):
			for _, v := range up.children("values") {
				if v != p && asks(v) {
					return true
				}
			}
		case up.is("Try"):
			for _, h := range up.children("handlers") {
				found := false
				h.child("type").walk(func(t *node) bool {
					found = found || c.names.expand(t.source()) == "asyncio.InvalidStateError"
					return true
				})
				if found {
					return true
				}
			}
		}
		for _, before := range earlier(p) {
			switch {
			case before.is("If") && asks(before.child("test")) && leaves(before.children("body")):
				return true
			case before.is("Assign") && before.children("targets")[0].source() == of &&
				c.names.class(before.child("value")) == "Future":
				return !has(between(before, p), "Await", "AsyncFor", "AsyncWith")
			}
		}
	}
	return false
}

// earlier returns the statements before p in its block.
func earlier(p *node) (before []*node) {
	for _, f := range p.parent.fields {
		list, _ := f.value.([]any)
		at := slices.Index(list, any(p))
		for i := range max(at, 0) {
			if s, ok := list[i].(*node); ok {
				before = append(before, s)
			}
		}
	}
	return before
}

// between returns the statements between two statements of a block.
func between(first, last *node) []*node {
	list := earlier(last)
	return list[slices.Index(list, first)+1:]
}

// leaves reports whether the last statement of a block leaves the enclosing block.
func leaves(block []*node) bool {
	return len(block) > 0 && block[len(block)-1].is("Return", "Raise", "Continue", "Break")
}

// makesTask reports whether a call makes a task that its caller must keep.
func (c *checker) makesTask(call *node) bool {
	switch c.names.callee(call) {
	case "asyncio.create_task", "asyncio.ensure_future", "AbstractEventLoop.create_task":
		return true
	}
	f := call.child("func")
	return f.is("Attribute") && f.text("attr") == "create_task" && strings.HasSuffix(f.child("value").source(), "loop")
}

func (c *checker) droppedTask(n *node) {
	call := n.child("value")
	switch {
	case n.is("Expr"):
		// add_done_callback(f) does not keep the task alive
		if f := call.child("func"); call.is("Call") && f.is("Attribute") && f.text("attr") == "add_done_callback" {
			call = f.child("value")
		}
	case n.is("Assign") && len(n.children("targets")) == 1 && n.children("targets")[0].source() == "_":
	default:
		return
	}
	if call.is("Call") && c.makesTask(call) {
		c.flag(call, "this task is not referenced: asyncio may garbage-collect it before it ends, this package never does; its error reaches the exception handler. A TaskGroup would wait for it")
	}
}

// argument is an argument of a call: its position, negative if it must be named, and
// its name.
type argument struct {
	at   int
	name string
}

// connects are the times among the arguments of calls that connect or listen.
var connects = []argument{{-1, "ssl_handshake_timeout"}, {-1, "ssl_shutdown_timeout"}, {-1, "happy_eyeballs_delay"}}

// times has the arguments that are times.
var times = map[string][]argument{
	"asyncio.sleep":                               {{0, "delay"}},
	"asyncio.wait_for":                            {{1, "timeout"}},
	"asyncio.wait":                                {{-1, "timeout"}},
	"asyncio.as_completed":                        {{-1, "timeout"}},
	"asyncio.timeout":                             {{0, "delay"}},
	"asyncio.timeout_at":                          {{0, "when"}},
	"AbstractEventLoop.call_later":                {{0, "delay"}},
	"AbstractEventLoop.call_at":                   {{0, "when"}},
	"Timeout.reschedule":                          {{0, "when"}},
	"asyncio.open_connection":                     connects,
	"asyncio.open_unix_connection":                connects,
	"asyncio.start_server":                        connects,
	"asyncio.start_unix_server":                   connects,
	"AbstractEventLoop.create_connection":         connects,
	"AbstractEventLoop.create_unix_connection":    connects,
	"AbstractEventLoop.create_server":             connects,
	"AbstractEventLoop.create_unix_server":        connects,
	"AbstractEventLoop.start_tls":                 connects,
	"StreamWriter.start_tls":                      connects,
	"AbstractEventLoop.shutdown_default_executor": {{0, "timeout"}},
}

// times returns the arguments of a call that are times.
func (c *checker) times(call *node) (list []*node) {
	if !call.is("Call") {
		return nil
	}
	callee := c.names.callee(call)
	t, ok := times[callee]
	if f := call.child("func"); !ok && f.is("Attribute") && strings.HasSuffix(f.child("value").source(), "loop") {
		t = times["AbstractEventLoop."+f.text("attr")]
	}
	for _, a := range t {
		if n := call.argument(a.at, a.name); n != nil {
			list = append(list, n)
		}
	}
	return list
}

func (c *checker) seconds(n *node) {
	for _, t := range c.times(n) {
		c.second(n, t)
	}
}

// second checks t, an argument of the call n that is a time.
func (c *checker) second(n, t *node) {
	switch {
	case t.isNone():
	case strings.HasSuffix(c.names.callee(n), "_at") || strings.HasSuffix(c.names.callee(n), "reschedule"):
		c.flag(t, "a time of the loop in seconds: a time.Time here, as Loop.Time returns it")
	case t.is("Constant"):
		if v, ok := t.field("value").(number); ok && v.isFloat {
			c.flag(t, "%s seconds: %s", v.text, duration(v.text))
		}
	case t.is("Name") && c.paramDefault(t).isNone(): // noTimeout reports this case
	default:
		c.flag(t, "seconds as a number: a time.Duration here; convert with time.Duration(x * float64(time.Second))")
	}
}

// duration returns a number of seconds as Go writes it.
func duration(seconds string) string {
	x, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return "a time.Duration"
	}
	for _, u := range []struct {
		name string
		n    float64
	}{{"time.Second", 1}, {"time.Millisecond", 1e3}, {"time.Microsecond", 1e6}, {"time.Nanosecond", 1e9}} {
		if v := x * u.n; v == float64(int64(v)) {
			return fmt.Sprintf("%d * %s", int64(v), u.name)
		}
	}
	return fmt.Sprintf("time.Duration(%s * float64(time.Second))", seconds)
}

// paramDefault returns the default of the parameter that a name means, nil if it has
// none.
func (c *checker) paramDefault(n *node) *node {
	f := n.function()
	if f == nil {
		return nil
	}
	args := f.child("args")
	named := append(args.children("posonlyargs"), args.children("args")...)
	defaults := args.children("defaults")
	for i, a := range named {
		if at := i - len(named) + len(defaults); a.text("arg") == n.text("id") && at >= 0 {
			return defaults[at]
		}
	}
	list, _ := args.field("kw_defaults").([]any)
	for i, a := range args.children("kwonlyargs") {
		if d, ok := list[i].(*node); ok && a.text("arg") == n.text("id") {
			return d
		}
	}
	return nil
}

func (c *checker) noTimeout(n *node) {
	for _, t := range c.times(n) {
		switch {
		case t.isNone():
			c.flag(t, "no limit: aio.NoTimeout; zero would be no time at all")
		case t.is("Name") && c.paramDefault(t).isNone():
			c.flag(t, "%s is None by default: the Go parameter is a time.Duration whose callers pass aio.NoTimeout, not zero", t.text("id"))
		}
	}
}

func (c *checker) callback(n *node) {
	if !n.is("Call") || !c.inCallback(n) {
		return
	}
	switch name := c.names.callee(n); {
	case c.makesTask(n), name == "asyncio.gather", name == "asyncio.shield", name == "asyncio.wrap_future":
		c.flag(n, "a callback has no ctx: use the ctx of the task that registered it, or Loop.Context")
	case name == "asyncio.get_running_loop" || name == "asyncio.get_event_loop" || name == "asyncio.current_task":
		c.flag(n, "a callback has no ctx to ask: keep the loop where the callback is made")
	case strings.HasSuffix(name, "loop.call_soon") || strings.HasSuffix(name, "loop.call_later") ||
		name == "AbstractEventLoop.call_soon" || name == "AbstractEventLoop.call_later" || name == "AbstractEventLoop.call_at":
		c.flag(n, "Python copies the context variables of the callback; here a callback is a closure and keeps the ctx that it needs")
	}
}

func (c *checker) order(n *node) {
	var iterated *node
	var body []*node
	switch {
	case n.is("For"):
		iterated, body = n.child("iter"), n.children("body")
	case n.is("comprehension"):
		iterated, body = n.child("iter"), []*node{n.parent}
		if n.parent.is("SetComp", "DictComp") {
			return
		}
		if call := n.parent.parent; call.is("Call") && slices.Contains([]string{"sorted", "sum", "any", "all", "min", "max", "set", "len"}, call.child("func").source()) {
			return
		}
	case n.is("Starred") && n.parent.is("Call"):
		iterated = n.child("value")
	default:
		return
	}
	if iterated.is("Call") {
		switch iterated.child("func").source() {
		case "list", "tuple", "iter", "enumerate":
			if a := iterated.argument(0, "iterable"); a != nil {
				iterated = a
			}
		}
	}
	switch {
	case c.names.class(iterated) == pythonSet:
		c.flag(iterated, "a set has no order, and neither has a Go map: if tasks start or end in this order, keep a slice")
	case c.isDict(iterated) && (n.is("Starred") || has(body, "Call", "Await", "Yield")):
		c.flag(iterated, "a dict keeps the order of insertion, a Go map does not: keep a slice of its keys")
	}
}

// isDict reports whether an expression is a dict, or its keys, values or items.
func (c *checker) isDict(n *node) bool {
	if f := n.child("func"); n.is("Call") && f.is("Attribute") && slices.Contains([]string{"keys", "values", "items"}, f.text("attr")) {
		n = f.child("value")
	}
	return c.names.class(n) == pythonDict
}

func (c *checker) weak(n *node) {
	if n.is("Call") {
		switch name := c.names.callee(n); name {
		case "weakref.WeakSet", "weakref.WeakKeyDictionary", "weakref.WeakValueDictionary":
			c.flag(n, "%s: Go has package weak, but nothing that removes entries by itself: remove them when their owner ends", strings.TrimPrefix(name, "weakref."))
		}
	}
}

func (c *checker) exit(n *node) {
	f := n.function()
	if f == nil || !f.is("AsyncFunctionDef") && !c.callbacks[f] {
		return
	}
	const instead = "os.Exit would skip every deferred function: return an error up to main, and exit there"
	switch {
	case n.is("Call"):
		switch name := c.names.callee(n); name {
		case "sys.exit", "exit", "quit", "os._exit":
			c.flag(n, "%s: %s", name, instead)
		}
	case n.is("Raise"):
		raised := n.child("exc")
		if raised.is("Call") {
			raised = raised.child("func")
		}
		if name := raised.source(); name == "SystemExit" || name == "KeyboardInterrupt" {
			c.flag(n, "%s: %s", name, instead)
		}
	}
}

func (c *checker) gatherMixed(n *node) {
	args := n.children("args")
	if c.names.callee(n) != "asyncio.gather" || len(args) < 2 {
		return
	}
	types := map[string]bool{}
	for _, a := range args {
		if !a.is("Call") {
			return
		}
		// a call that makes a task or limits a wait has the result of its
		// argument
		switch c.names.callee(a) {
		case "asyncio.create_task", "asyncio.ensure_future", "asyncio.wait_for", "asyncio.shield", "AbstractEventLoop.create_task":
			if inner := a.children("args"); len(inner) > 0 && inner[0].is("Call") {
				a = inner[0]
			}
		}
		types[c.resultOf(a)] = true
	}
	if len(types) > 1 {
		c.flag(n, "results of several types, or of functions whose types are not known: Gather has one; use a TaskGroup with GoResult, or Untyped")
	}
}

// resultOf names the type of the result of a call of a coroutine function: its
// annotation, "None", or the function if it is not known.
func (c *checker) resultOf(call *node) string {
	unknown := "of " + c.names.callee(call)
	d := c.names.def(call.child("func"))
	if !d.is("AsyncFunctionDef", "FunctionDef") {
		if name, ok := results[c.names.callee(call)]; ok {
			return name
		}
		if slices.Contains([]string{"asyncio.sleep", "Event.wait", "Queue.put", "Queue.join", "StreamWriter.drain"}, c.names.callee(call)) {
			return "None"
		}
		return unknown
	}
	if r := d.child("returns"); r != nil {
		if text := r.source(); text != "" {
			return text
		}
		return unknown
	}
	result := "None"
	for _, s := range d.children("body") {
		s.walk(func(r *node) bool {
			if r.is("Return") && r.child("value") != nil && !r.child("value").isNone() {
				result = unknown
			}
			return !r.is(functions...)
		})
	}
	return result
}

func (c *checker) gatherList(n *node) {
	if c.names.callee(n) != "asyncio.gather" {
		return
	}
	for _, a := range n.children("args") {
		if a.is("Starred") {
			c.flag(n, "gather of a list: GatherSlice, which infers the type of the results")
			return
		}
	}
}

func (c *checker) earlyExit(n *node) {
	if !n.is("AsyncFor") {
		return
	}
	from := n.child("iter")
	if from.is("Name") {
		from = c.assigned(from)
	}
	if d := c.names.def(from.child("func")); !from.is("Call") || !d.is("AsyncFunctionDef") || !has(d.children("body"), "Yield") {
		return
	}
	if left := exitOf(n.children("body"), true); left != nil {
		c.flag(left, "leaves an asynchronous generator early: Python suspends it until it is collected, a range loop closes it here, and its clean-up runs now")
	}
}

// assigned returns what the file assigns to a variable in the function of n, if that is
// not entered with aclosing; otherwise n.
func (c *checker) assigned(n *node) *node {
	value := n
	c.names.owner(n).walk(func(a *node) bool {
		if a.is("Assign") && a.children("targets")[0].source() == n.source() {
			value = a.child("value")
		}
		return true
	})
	return value
}

// exitOf returns the first statement among body that leaves the loop around it.
func exitOf(body []*node, ofLoop bool) (found *node) {
	for _, s := range body {
		s.walk(func(n *node) bool {
			switch {
			case found != nil || n.is(functions...) || n.is("ClassDef"):
				return false
			case n.is("Return") || n.is("Break") && ofLoop:
				found = n
			case n.is("For", "AsyncFor", "While"):
				found = cmp.Or(found, exitOf(n.children("body"), false), exitOf(n.children("orelse"), ofLoop))
				return false
			}
			return true
		})
	}
	return found
}
