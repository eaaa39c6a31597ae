// Package passes has the analyzers of aiovet: mistakes with package aio that compile, and
// that a test finds only if it takes the right path.
package passes

import (
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// All are the analyzers, in the order of the documentation.
var All = []*analysis.Analyzer{OuterCtx, GoCtx, DroppedError, LockHeld, Blocking, MethodValue}

const aioPath = "github.com/goaio/aio"

// neverAwait are the functions and methods of package aio that take a context and never
// suspend the task. All others that take a context may suspend it.
var neverAwait = map[string]bool{
	"AllTasks": true, "AsCompleted": true, "AsCoro": true, "Barrier.Abort": true, "Barrier.Reset": true,
	"CaptureCallGraph": true, "CaptureTasks": true, "ConcurrentFuture.Result": true, "CompletedIterator.All": true,
	"CreateFuture": true, "CreateTask": true, "CurrentTask": true, "Dialer.DialContext": true, "Draining": true,
	"EnsureFuture": true, "FormatCallGraph": true, "FutureAddToAwaitedBy": true, "Gather": true,
	"GatherResults": true, "GatherSlice": true, "GatherSliceResults": true, "GetEventLoop": true,
	"GetRunningLoop": true, "Iterator.All": true, "Listen": true, "NewStreamReader": true, "NoResult": true,
	"PrintCallGraph": true, "Pull": true, "Queue.All": true, "RunInExecutor": true, "Shield": true,
	"StreamReader.Lines": true, "StreamReader.Reader": true, "StreamWriter.Writer": true, "WithContext": true,
	"WrapFuture": true, "AbstractChildWatcher.AddChildHandler": true, "FastChildWatcher.AddChildHandler": true,
	"MultiLoopChildWatcher.AddChildHandler": true, "PidfdChildWatcher.AddChildHandler": true,
	"SafeChildWatcher.AddChildHandler": true, "ThreadedChildWatcher.AddChildHandler": true,
}

// elsewhere are the functions and methods of package aio whose function argument does not
// run in the loop.
var elsewhere = map[string]bool{
	"ToThread": true, "RunInExecutor": true, "ConcurrentFuture.AddDoneCallback": true, "Executor.Submit": true,
	"ThreadPoolExecutor.Submit": true, "NewExecutor": true, "LoopGroup.Start": true,
}

// awaitFact says that a function may suspend the task that calls it.
type awaitFact struct{}

func (*awaitFact) AFact()         {}
func (*awaitFact) String() string { return "awaits" }

// code is what the other analyzers know of a package.
type code struct {
	pass *analysis.Pass
	// whether a function of this package, or of one that it imports, may suspend
	awaits map[*types.Func]bool
	// the functions whose code runs in a loop: bodies of tasks and callbacks
	inLoop map[ast.Node]bool // *ast.FuncDecl or *ast.FuncLit
}

var awaits = &analysis.Analyzer{
	Name:       "aioawaits",
	Doc:        "find the functions that await, for the other analyzers",
	Requires:   []*analysis.Analyzer{inspect.Analyzer},
	FactTypes:  []analysis.Fact{(*awaitFact)(nil)},
	ResultType: reflect.TypeFor[*code](),
	Run:        findAwaits,
}

// analyzer returns an analyzer that calls visit for each node, with the nodes around it.
// If visit returns false, the nodes inside are left out.
func analyzer(name, doc string, visit func(c *code, n ast.Node, stack []ast.Node) bool) *analysis.Analyzer {
	return &analysis.Analyzer{
		Name: name, Doc: doc, URL: "https://pkg.go.dev/" + aioPath + "/cmd/aiovet",
		Requires: []*analysis.Analyzer{inspect.Analyzer, awaits},
		Run: func(pass *analysis.Pass) (any, error) {
			if !uses(pass.Pkg) {
				return nil, nil
			}
			c := *pass.ResultOf[awaits].(*code)
			known := acknowledged(pass)
			filtered := *pass
			filtered.Report = func(d analysis.Diagnostic) {
				if p := pass.Fset.Position(d.Pos); !known[place{p.Filename, p.Line}] {
					pass.Report(d)
				}
			}
			c.pass = &filtered
			pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).WithStack(nil, func(n ast.Node, push bool, stack []ast.Node) bool {
				return push && visit(&c, n, stack)
			})
			return nil, nil
		},
	}
}

// place is a line of a file.
type place struct {
	file string
	line int
}

// acknowledged returns the lines whose comment begins with //aiovet:ok, by which the
// author says that a report about them is known.
func acknowledged(pass *analysis.Pass) map[place]bool {
	known := map[place]bool{}
	for _, f := range pass.Files {
		for _, g := range f.Comments {
			for _, c := range g.List {
				if strings.HasPrefix(c.Text, "//aiovet:ok") {
					p := pass.Fset.Position(c.Pos())
					known[place{p.Filename, p.Line}] = true
				}
			}
		}
	}
	return known
}

// uses reports whether a package imports package aio, directly or not. Package aio itself
// is left out: its code is what the rules are about.
func uses(pkg *types.Package) bool {
	if pkg.Path() == aioPath {
		return false
	}
	seen := map[*types.Package]bool{}
	var imports func(p *types.Package) bool
	imports = func(p *types.Package) bool {
		if p.Path() == aioPath {
			return true
		}
		if seen[p] {
			return false
		}
		seen[p] = true
		for _, i := range p.Imports() {
			if imports(i) {
				return true
			}
		}
		return false
	}
	return imports(pkg)
}

func findAwaits(pass *analysis.Pass) (any, error) {
	c := &code{pass, map[*types.Func]bool{}, map[ast.Node]bool{}}
	if !uses(pass.Pkg) {
		return c, nil
	}
	// The facts are used here, because the other analyzers have no access to the
	// facts of this one.
	for _, o := range pass.TypesInfo.Uses {
		if fn, ok := o.(*types.Func); ok && fn.Pkg() != pass.Pkg && pass.ImportObjectFact(fn.Origin(), &awaitFact{}) {
			c.awaits[fn.Origin()] = true
		}
	}
	// repeat until nothing is added, because functions call each other
	for added := true; added; {
		added = false
		for _, f := range pass.Files {
			for _, d := range f.Decls {
				fd, ok := d.(*ast.FuncDecl)
				if !ok || fd.Body == nil {
					continue
				}
				fn, _ := pass.TypesInfo.Defs[fd.Name].(*types.Func)
				if fn == nil || c.awaits[fn] || !takesContext(fn) || c.firstAwait(fd.Body) == nil {
					continue
				}
				c.awaits[fn] = true
				pass.ExportObjectFact(fn, &awaitFact{})
				added = true
			}
		}
	}
	c.findInLoop()
	return c, nil
}

// takesContext reports whether the first parameter of a function is a context.
func takesContext(fn *types.Func) bool {
	p := fn.Signature().Params()
	return p.Len() > 0 && isContext(p.At(0).Type())
}

func isContext(t types.Type) bool { return isNamed(t, "context", "Context") }

// isNamed reports whether t is the type with this name of a package.
func isNamed(t types.Type, path, name string) bool {
	n, ok := types.Unalias(t).(*types.Named)
	return ok && n.Obj().Name() == name && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == path
}

// name returns the name of a function or method of package aio, as "Sleep" or
// "Queue.Get", "" for a function of another package.
func name(fn *types.Func) string {
	if fn == nil || fn.Pkg() == nil || fn.Pkg().Path() != aioPath {
		return ""
	}
	return method(fn)
}

// method returns the name of a function, with its type for a method.
func method(fn *types.Func) string {
	recv := fn.Signature().Recv()
	if recv == nil {
		return fn.Name()
	}
	t := recv.Type()
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := types.Unalias(t).(*types.Named); ok {
		return n.Obj().Name() + "." + fn.Name()
	}
	return fn.Name()
}

// callee returns the function that a call calls, nil if that is not known.
func (c *code) callee(call *ast.CallExpr) *types.Func {
	fn, _ := typeutil.Callee(c.pass.TypesInfo, call).(*types.Func)
	if fn == nil {
		return nil
	}
	return fn.Origin()
}

// awaiting reports whether a call may suspend the calling task.
func (c *code) awaiting(call *ast.CallExpr) bool {
	if c.pass.TypesInfo.Types[call.Fun].IsType() {
		return false // a conversion
	}
	fn := c.callee(call)
	if fn == nil {
		// a variable or parameter: a Coro awaits
		return isNamed(c.pass.TypesInfo.TypeOf(call.Fun), aioPath, "Coro")
	}
	if n := name(fn); n != "" {
		return takesContext(fn) && !neverAwait[n]
	}
	return c.awaits[fn]
}

// firstAwait returns the first awaiting call of the function with this body, nil if there
// is none.
func (c *code) firstAwait(body ast.Node) *ast.CallExpr {
	return c.findAwait(body, func(*ast.CallExpr) bool { return true })
}

// findAwait returns the first awaiting call for which ok is true, nil if there is none.
// Functions inside do not count unless they run in place.
func (c *code) findAwait(body ast.Node, ok func(call *ast.CallExpr) bool) (found *ast.CallExpr) {
	inPlace := map[*ast.FuncLit]bool{}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			return false
		case *ast.FuncLit:
			return inPlace[n]
		case *ast.CallExpr:
			if lit, ok := ast.Unparen(n.Fun).(*ast.FuncLit); ok {
				inPlace[lit] = true
			}
			if found == nil && c.awaiting(n) && ok(n) {
				found = n
			}
		}
		return found == nil
	})
	return found
}

// findInLoop fills inLoop.
func (c *code) findInLoop() {
	mark := func(n ast.Node) { c.inLoop[n] = true }
	decls := map[*types.Func]*ast.FuncDecl{}
	for _, f := range c.pass.Files {
		for _, d := range f.Decls {
			if fd, ok := d.(*ast.FuncDecl); ok && fd.Body != nil {
				if fn, _ := c.pass.TypesInfo.Defs[fd.Name].(*types.Func); fn != nil {
					decls[fn] = fd
					if c.awaits[fn] {
						mark(fd)
					}
				}
			}
		}
	}
	in := c.pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)
	in.Preorder([]ast.Node{(*ast.CallExpr)(nil)}, func(n ast.Node) {
		call := n.(*ast.CallExpr)
		fn := c.callee(call)
		named := name(fn)
		tv := c.pass.TypesInfo.Types[call.Fun]
		conversion := tv.IsType() && isNamed(tv.Type, aioPath, "Coro")
		if named == "" && !conversion || elsewhere[named] {
			return
		}
		for _, arg := range call.Args {
			switch arg := ast.Unparen(arg).(type) {
			case *ast.FuncLit:
				mark(arg)
			case *ast.Ident, *ast.SelectorExpr:
				if fd := decls[c.function(arg)]; fd != nil {
					mark(fd)
				}
			}
		}
	})
	// a literal that awaits runs in a task; a literal that is called in place
	// belongs to the function around it
	in.WithStack([]ast.Node{(*ast.FuncLit)(nil)}, func(n ast.Node, push bool, stack []ast.Node) bool {
		lit := n.(*ast.FuncLit)
		if !push || c.inLoop[lit] {
			return push
		}
		if len(stack) > 2 {
			if call, ok := stack[len(stack)-2].(*ast.CallExpr); ok {
				if elsewhere[name(c.callee(call))] {
					return true
				}
				if ast.Unparen(call.Fun) == lit {
					if _, ok := stack[len(stack)-3].(*ast.GoStmt); ok {
						return true
					}
					if f := function(stack[:len(stack)-1]); f != nil && c.inLoop[f] {
						mark(lit)
					}
				}
			}
		}
		if c.firstAwait(lit.Body) != nil {
			mark(lit)
		}
		return true
	})
}

// function returns the function that an expression names.
func (c *code) function(e ast.Expr) *types.Func {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		return c.function(e.Sel)
	case *ast.Ident:
		fn, _ := c.pass.TypesInfo.Uses[e].(*types.Func)
		if fn != nil {
			return fn.Origin()
		}
	}
	return nil
}

// function returns the innermost function of a stack of nodes.
func function(stack []ast.Node) ast.Node {
	for i := len(stack) - 1; i >= 0; i-- {
		switch stack[i].(type) {
		case *ast.FuncDecl, *ast.FuncLit:
			return stack[i]
		}
	}
	return nil
}

// parts returns type and body of a function.
func parts(f ast.Node) (*ast.FuncType, *ast.BlockStmt) {
	switch f := f.(type) {
	case *ast.FuncDecl:
		return f.Type, f.Body
	case *ast.FuncLit:
		return f.Type, f.Body
	}
	return nil, nil
}

// returnsError reports whether a function has one result, an error: there a failed await
// can be passed on with return err.
func (c *code) returnsError(f ast.Node) bool {
	t, _ := parts(f)
	if t == nil || t.Results == nil || t.Results.NumFields() != 1 {
		return false
	}
	return isError(c.pass.TypesInfo.TypeOf(t.Results.List[0].Type))
}

func isError(t types.Type) bool {
	return t != nil && types.Identical(t, types.Universe.Lookup("error").Type())
}

// errorAt returns the position of the error among the results of a call, -1 if it returns
// none, and the number of its results.
func (c *code) errorAt(call *ast.CallExpr) (at, n int) {
	switch t := c.pass.TypesInfo.TypeOf(call).(type) {
	case *types.Tuple:
		for i := range t.Len() {
			if isError(t.At(i).Type()) {
				return i, t.Len()
			}
		}
		return -1, t.Len()
	default:
		if isError(t) {
			return 0, 1
		}
		return -1, 1
	}
}

// text returns the name of a call's function as the source has it.
func text(e ast.Expr) string {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if of := text(e.X); of != "" {
			return of + "." + e.Sel.Name
		}
		return e.Sel.Name
	case *ast.IndexExpr:
		return text(e.X)
	case *ast.IndexListExpr:
		return text(e.X)
	case *ast.CallExpr:
		return text(e.Fun) + "()"
	}
	return ""
}

// aio returns the name under which the file of a node imports package aio, "" if it has
// none.
func (c *code) aio(stack []ast.Node) string {
	for _, n := range stack {
		f, ok := n.(*ast.File)
		if !ok {
			continue
		}
		for _, i := range f.Imports {
			if strings.Trim(i.Path.Value, `"`) == aioPath {
				switch {
				case i.Name == nil:
					return "aio"
				case i.Name.Name != "." && i.Name.Name != "_":
					return i.Name.Name
				}
			}
		}
	}
	return ""
}

// means reports whether a name refers at a position to an object for which is returns
// true.
func (c *code) means(pos token.Pos, name string, is func(o types.Object) bool) bool {
	scope := c.pass.Pkg.Scope().Innermost(pos)
	if scope == nil {
		return false
	}
	_, o := scope.LookupParent(name, pos)
	return o != nil && is(o)
}

// returnable reports whether "if err := ...; err != nil { return err }" may be put at a
// position.
func (c *code) returnable(pos token.Pos) bool {
	return c.means(pos, "nil", func(o types.Object) bool { return o.Parent() == types.Universe })
}

// isAio reports whether an object is the name of the imported package aio.
func isAio(o types.Object) bool {
	p, ok := o.(*types.PkgName)
	return ok && p.Imported().Path() == aioPath
}
