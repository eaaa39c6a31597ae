package main

// The asyncio names in a file: which names its imports bind, which class of asyncio a
// variable holds, and what each name is called in package aio.

import (
	"cmp"
	_ "embed"
	"slices"
	"strings"
)

// namesTable is the table of docs/porting.md: name, name here ("" if there is none),
// note.
//
//go:embed names.tsv
var namesTable string

type counterpart struct{ name, note string }

var counterparts = func() map[string]counterpart {
	m := map[string]counterpart{}
	for line := range strings.Lines(namesTable) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		m[f[0]] = counterpart{f[1], f[2]}
	}
	return m
}()

// bases has the classes whose methods a class inherits.
var bases = map[string][]string{
	"Task":              {"Future"},
	"LifoQueue":         {"Queue"},
	"PriorityQueue":     {"Queue"},
	"BoundedSemaphore":  {"Semaphore"},
	"Server":            {"AbstractServer"},
	"Transport":         {"ReadTransport", "WriteTransport", "BaseTransport"},
	"ReadTransport":     {"BaseTransport"},
	"WriteTransport":    {"BaseTransport"},
	"DatagramTransport": {"BaseTransport"},
}

// method returns the entry of a method of a class of asyncio.
func method(class, name string) (entry string, ok bool) {
	if _, ok := counterparts[class+"."+name]; ok {
		return class + "." + name, true
	}
	for _, b := range bases[class] {
		if entry, ok := method(b, name); ok {
			return entry, true
		}
	}
	return "", false
}

// The classes of Python itself that the rules look for.
const (
	pythonSet  = "set"
	pythonDict = "dict"
)

// results are the classes of the values that functions return, or that an await of them
// returns.
var results = map[string]string{
	"asyncio.create_task":                    "Task",
	"asyncio.ensure_future":                  "Task",
	"asyncio.current_task":                   "Task",
	"asyncio.get_running_loop":               "AbstractEventLoop",
	"asyncio.get_event_loop":                 "AbstractEventLoop",
	"asyncio.new_event_loop":                 "AbstractEventLoop",
	"asyncio.timeout":                        "Timeout",
	"asyncio.timeout_at":                     "Timeout",
	"asyncio.start_server":                   "Server",
	"asyncio.start_unix_server":              "Server",
	"asyncio.create_subprocess_exec":         "subprocess.Process",
	"asyncio.create_subprocess_shell":        "subprocess.Process",
	"asyncio.shield":                         "Future",
	"asyncio.gather":                         "Future",
	"asyncio.wrap_future":                    "Future",
	"AbstractEventLoop.create_task":          "Task",
	"AbstractEventLoop.create_future":        "Future",
	"AbstractEventLoop.create_server":        "Server",
	"AbstractEventLoop.run_in_executor":      "Future",
	"AbstractEventLoop.call_soon":            "Handle",
	"AbstractEventLoop.call_later":           "TimerHandle",
	"AbstractEventLoop.call_at":              "TimerHandle",
	"TaskGroup.create_task":                  "Task",
	"set":                                    pythonSet,
	"frozenset":                              pythonSet,
	"dict":                                   pythonDict,
	"collections.defaultdict":                pythonDict,
	"collections.OrderedDict":                pythonDict,
	"collections.Counter":                    pythonDict,
	"AbstractEventLoop.create_unix_server":   "Server",
	"AbstractEventLoop.subprocess_exec":      "",
	"AbstractEventLoop.create_connection":    "",
	"asyncio.run_coroutine_threadsafe":       "",
	"asyncio.get_event_loop_policy":          "AbstractEventLoopPolicy",
	"AbstractEventLoop.create_eager_task":    "Task",
	"asyncio.eager_task_factory":             "Task",
	"asyncio.all_tasks":                      pythonSet,
	"AbstractEventLoopPolicy.new_event_loop": "AbstractEventLoop",
}

// pairs are the classes of the elements of tuples that an await returns.
var pairs = map[string][]string{
	"asyncio.open_connection":                    {"StreamReader", "StreamWriter"},
	"asyncio.open_unix_connection":               {"StreamReader", "StreamWriter"},
	"AbstractEventLoop.create_connection":        {"Transport", ""},
	"AbstractEventLoop.create_unix_connection":   {"Transport", ""},
	"AbstractEventLoop.create_datagram_endpoint": {"DatagramTransport", ""},
	"AbstractEventLoop.subprocess_exec":          {"SubprocessTransport", ""},
	"AbstractEventLoop.subprocess_shell":         {"SubprocessTransport", ""},
	"AbstractEventLoop.connect_read_pipe":        {"ReadTransport", ""},
	"AbstractEventLoop.connect_write_pipe":       {"WriteTransport", ""},
}

// variable is a name, or an attribute such as self.queue, in a function, class or module.
type variable struct {
	owner *node
	text  string
}

// symbols are the names of a file.
type symbols struct {
	module *node
	// the names that imports bind: "aio" is asyncio after "import asyncio as aio"
	imports map[string]string
	classes map[variable]string // the class of the value of a variable
	defs    map[variable]*node  // functions by name, methods as self.name
}

func resolve(module *node) *symbols {
	s := &symbols{module, map[string]string{}, map[variable]string{}, map[variable]*node{}}
	module.walk(func(n *node) bool {
		switch {
		case n.is("Import"):
			for _, a := range n.children("names") {
				name, as := a.text("name"), a.text("asname")
				if as == "" {
					as, _, _ = strings.Cut(name, ".")
					name = as
				}
				s.imports[as] = name
			}
		case n.is("ImportFrom"):
			for _, a := range n.children("names") {
				name, as := a.text("name"), a.text("asname")
				if as == "" {
					as = name
				}
				s.imports[as] = n.text("module") + "." + name
			}
		case n.is("FunctionDef", "AsyncFunctionDef"):
			if c := n.parent; c.is("ClassDef") {
				s.defs[variable{c, "self." + n.text("name")}] = n
			} else {
				s.defs[variable{s.owner(n), n.text("name")}] = n
			}
		}
		return true
	})
	// twice, because a method may use an attribute that a later method assigns
	for range 2 {
		module.walk(func(n *node) bool { s.bind(n); return true })
	}
	return s
}

// owner is the function or module in which a name of n is bound.
func (s *symbols) owner(n *node) *node {
	if f := n.function(); f != nil {
		return f
	}
	return s.module
}

// bind records what the statement or parameter n assigns.
func (s *symbols) bind(n *node) {
	switch n.kind {
	case "Assign":
		for _, target := range n.children("targets") {
			s.assign(target, n.child("value"))
		}
	case "NamedExpr":
		s.assign(n.child("target"), n.child("value"))
	case "AnnAssign":
		if class := s.annotated(n.child("annotation")); class != "" {
			s.set(n.child("target"), class)
		} else {
			s.assign(n.child("target"), n.child("value"))
		}
	case "withitem":
		if target := n.child("optional_vars"); target != nil {
			s.assign(target, n.child("context_expr"))
		}
	case "arg":
		if class := s.annotated(n.child("annotation")); class != "" {
			s.classes[variable{s.owner(n), n.text("arg")}] = class
		}
	}
}

func (s *symbols) assign(target, value *node) {
	if target.is("Tuple", "List") {
		elements := target.children("elts")
		if value.is("Await") {
			value = value.child("value")
		}
		for i, class := range pairs[s.callee(value)] {
			if i < len(elements) && class != "" {
				s.set(elements[i], class)
			}
		}
		return
	}
	if class := s.class(value); class != "" {
		s.set(target, class)
	}
}

func (s *symbols) set(target *node, class string) {
	if text := target.source(); text != "" {
		s.classes[s.variable(target, text)] = class
	}
}

// variable returns the variable that an assignment to text binds.
func (s *symbols) variable(n *node, text string) variable {
	if strings.HasPrefix(text, "self.") {
		if c := n.around("ClassDef"); c != nil {
			return variable{c, text}
		}
	}
	if c := n.around(append([]string{"ClassDef"}, functions...)...); c.is("ClassDef") {
		return variable{c, "self." + text} // like the fields of a dataclass
	}
	return variable{s.owner(n), text}
}

// annotated returns the class of an annotation, without its type arguments.
func (s *symbols) annotated(n *node) string {
	text := n.source()
	for _, part := range strings.Split(text, " | ") {
		part = strings.TrimPrefix(part, "Optional[")
		part = strings.TrimPrefix(part, "typing.Optional[")
		part, _, _ = strings.Cut(part, "[")
		part = strings.TrimSuffix(part, "]")
		switch name := s.expand(part); name {
		case "set", "frozenset", "typing.Set", "typing.FrozenSet":
			return pythonSet
		case "dict", "typing.Dict", "collections.defaultdict", "typing.DefaultDict":
			return pythonDict
		default:
			if class, ok := strings.CutPrefix(name, "asyncio."); ok && isClass(class) {
				return class
			}
		}
	}
	return ""
}

// isClass reports whether a name of asyncio is that of a class.
func isClass(name string) bool {
	_, last, ok := strings.Cut(name, ".")
	if !ok {
		last = name
	}
	return last[0] >= 'A' && last[0] <= 'Z' && !strings.Contains(last, "_")
}

// modules are the modules of asyncio whose names asyncio itself exports too.
var modules = []string{
	"events", "exceptions", "futures", "locks", "protocols", "queues", "runners", "streams", "taskgroups",
	"tasks", "threads", "timeouts", "transports",
}

// expand replaces the first part of a dotted name by what an import binds it to.
func (s *symbols) expand(text string) string {
	first, rest, dotted := strings.Cut(text, ".")
	to, ok := s.imports[first]
	if !ok {
		return text
	}
	if dotted {
		to += "." + rest
	}
	if in, ok := strings.CutPrefix(to, "asyncio."); ok {
		if module, name, ok := strings.Cut(in, "."); ok && (slices.Contains(modules, module) ||
			module == "subprocess" && strings.HasPrefix(name, "create_")) {
			return "asyncio." + name
		}
	}
	return to
}

// callee returns the full name of the function that a call calls: asyncio.sleep, or
// Queue.put for a method of a class that is known; otherwise as it is written.
func (s *symbols) callee(call *node) string {
	if !call.is("Call") {
		return ""
	}
	return s.name(call.child("func"))
}

// name returns the full name of an expression.
func (s *symbols) name(n *node) string {
	if n.is("Attribute") {
		if class := s.class(n.child("value")); class != "" {
			if entry, ok := method(class, n.text("attr")); ok {
				return entry
			}
			return class + "." + n.text("attr")
		}
	}
	return s.expand(n.source())
}

// class returns the class of the value of an expression, "" if it is not known.
func (s *symbols) class(n *node) string {
	switch {
	case n.is("Await"):
		// the result of an await of a future is not known
		switch class := s.class(n.child("value")); class {
		case "Server", "subprocess.Process":
			return class
		}
	case n.is("Call"):
		name := s.callee(n)
		if class, ok := results[name]; ok {
			return class
		}
		if class, ok := strings.CutPrefix(name, "asyncio."); ok && isClass(class) {
			return class
		}
		if name == "contextlib.aclosing" {
			return s.class(n.argument(0, "thing"))
		}
	case n.is("Set", "SetComp"):
		return pythonSet
	case n.is("Dict", "DictComp"):
		return pythonDict
	case n.is("BinOp") && n.child("op").is("BitOr", "BitAnd", "Sub"):
		if s.class(n.child("left")) == pythonSet {
			return pythonSet
		}
	case n.is("BoolOp"): // for example "loop or asyncio.get_event_loop()"
		for _, v := range n.children("values") {
			if class := s.class(v); class != "" {
				return class
			}
		}
	case n.is("IfExp"):
		return cmp.Or(s.class(n.child("body")), s.class(n.child("orelse")))
	case n.is("Name", "Attribute"):
		text := n.source()
		if strings.HasPrefix(text, "self.") {
			if c := n.around("ClassDef"); c != nil {
				return s.classes[variable{c, text}]
			}
		}
		for o := s.owner(n); ; o = s.owner(o) {
			if class, ok := s.classes[variable{o, text}]; ok {
				return class
			}
			if o == s.module {
				return ""
			}
		}
	}
	return ""
}

// def returns the definition of a function of the file that an expression names.
func (s *symbols) def(n *node) *node {
	text := n.source()
	switch {
	case text == "":
		return nil
	case strings.HasPrefix(text, "self."):
		return s.defs[variable{n.around("ClassDef"), text}]
	}
	for o := s.owner(n); ; o = s.owner(o) {
		if d := s.defs[variable{o, text}]; d != nil {
			return d
		}
		if o == s.module {
			return nil
		}
	}
}
