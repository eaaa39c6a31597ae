package passes

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/printer"
	"go/token"
	"go/types"
	"maps"

	"golang.org/x/tools/go/analysis"
)

// OuterCtx finds the ctx of a task where a Timeout or group has given its body another.
var OuterCtx = analyzer("aioouterctx", `report the outer ctx in the body of a Timeout or TaskGroup

The body of Timeout, WithTaskGroup, CancelScope.Run and the like gets a ctx of its own,
which ends with the scope. An await with the ctx around it still is cancelled, but what
is derived from it, as a context of ToThread or of a database call, does not end.`, outerCtx)

// bodies are the functions and methods that give their body a ctx for a scope.
var bodies = map[string]bool{
	"Timeout": true, "TimeoutAt": true, "TimeoutScope.Run": true, "WithTaskGroup": true, "TaskGroup.Run": true,
	"TaskGroup.Go": true, "GoResult": true, "MoveOnAfter": true, "MoveOnAt": true, "FailAfter": true,
	"FailAt": true, "Shielded": true, "CancelScope.Run": true, "StartTask": true,
}

func outerCtx(c *code, n ast.Node, stack []ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok || !bodies[name(c.callee(call))] {
		return true
	}
	for _, arg := range call.Args {
		lit, ok := ast.Unparen(arg).(*ast.FuncLit)
		if !ok || lit.Type.Params.NumFields() == 0 {
			continue
		}
		var param *ast.Ident // nil if the body has not named it
		for _, p := range lit.Type.Params.List {
			if isContext(c.pass.TypesInfo.TypeOf(p.Type)) {
				if len(p.Names) > 0 && p.Names[0].Name != "_" {
					param = p.Names[0]
				}
				break
			}
		}
		c.outerUses(lit, text(call.Fun), param)
	}
	return true
}

// outerUses reports the contexts from outside that the body lit passes to calls.
func (c *code) outerUses(lit *ast.FuncLit, scope string, param *ast.Ident) {
	ast.Inspect(lit.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if bodies[name(c.callee(call))] {
			// the body of this call is checked separately
			for _, arg := range call.Args {
				if _, ok := ast.Unparen(arg).(*ast.FuncLit); !ok {
					c.outerUse(lit, arg, scope, param)
				}
			}
			return false
		}
		for _, arg := range call.Args {
			c.outerUse(lit, arg, scope, param)
		}
		return true
	})
}

func (c *code) outerUse(lit *ast.FuncLit, arg ast.Expr, scope string, param *ast.Ident) {
	id, ok := ast.Unparen(arg).(*ast.Ident)
	if !ok {
		return
	}
	v, ok := c.pass.TypesInfo.Uses[id].(*types.Var)
	if !ok || !isContext(v.Type()) || v.Pos() >= lit.Pos() && v.Pos() < lit.End() || v.Parent() == c.pass.Pkg.Scope() {
		return
	}
	d := analysis.Diagnostic{
		Pos: id.Pos(), End: id.End(),
		Message: fmt.Sprintf("%s is a ctx from outside of the body of %s: it does not end with it", id.Name, scope),
	}
	if param != nil && c.means(id.Pos(), param.Name, func(o types.Object) bool { return o == c.pass.TypesInfo.Defs[param] }) {
		d.SuggestedFixes = []analysis.SuggestedFix{{
			Message:   "Use " + param.Name + ", the ctx of the body",
			TextEdits: []analysis.TextEdit{{Pos: id.Pos(), End: id.End(), NewText: []byte(param.Name)}},
		}}
	}
	c.pass.Report(d)
}

// GoCtx finds goroutines that await with the ctx of a task.
var GoCtx = analyzer("aiogoctx", `report go statements whose function awaits

Only a task may await. In a goroutine of its own the call fails with ErrWrongGoroutine:
CreateTask or TaskGroup.Go start a task, RunCoroutineThreadsafe submits one.`, goCtx)

func goCtx(c *code, n ast.Node, stack []ast.Node) bool {
	g, ok := n.(*ast.GoStmt)
	if !ok {
		return true
	}
	awaiting := g.Call
	if lit, ok := ast.Unparen(g.Call.Fun).(*ast.FuncLit); ok {
		awaiting = c.findAwait(lit.Body, func(call *ast.CallExpr) bool { return !c.ownContext(call, lit) })
		if awaiting == nil {
			return true
		}
	} else if !c.awaiting(g.Call) {
		return true
	}
	c.pass.ReportRangef(awaiting, "%s awaits, and a goroutine is no task: use CreateTask or TaskGroup.Go", text(awaiting.Fun))
	return true
}

// ownContext reports whether an awaiting call in lit uses a ctx that lit declares, as
// the body of an event loop that lit runs does.
func (c *code) ownContext(call *ast.CallExpr, lit *ast.FuncLit) bool {
	if len(call.Args) == 0 {
		return false
	}
	id, ok := ast.Unparen(call.Args[0]).(*ast.Ident)
	if !ok {
		return false
	}
	v, ok := c.pass.TypesInfo.Uses[id].(*types.Var)
	return ok && v.Pos() >= lit.Pos() && v.Pos() < lit.End()
}

// DroppedError finds awaits whose error is lost, and with it a cancellation.
var DroppedError = analyzer("aiodroppederror", `report awaits whose error is dropped

A cancellation is the error of an await, and it comes once. A task that drops it goes on
as if it had not been cancelled. In a deferred function an error that is assigned to the
blank identifier is lost as well: join it with the function's error.`, droppedError)

func droppedError(c *code, n ast.Node, stack []ast.Node) bool {
	switch n := n.(type) {
	case *ast.ExprStmt:
		if call, ok := ast.Unparen(n.X).(*ast.CallExpr); ok {
			c.dropped(n, call, stack, "the error of %s is dropped: it may be a cancellation")
		}
	case *ast.DeferStmt:
		c.dropped(n, n.Call, stack, "the error of the deferred %s is dropped: it may be a cancellation")
	case *ast.AssignStmt:
		if !deferred(stack) || len(n.Rhs) != 1 {
			return true
		}
		call, ok := ast.Unparen(n.Rhs[0]).(*ast.CallExpr)
		if !ok {
			return true
		}
		at, results := c.errorAt(call)
		if at < 0 || results != len(n.Lhs) {
			return true
		}
		if id, ok := n.Lhs[at].(*ast.Ident); ok && id.Name == "_" {
			c.dropped(nil, call, stack, "the error of %s in a deferred function is dropped: it may be a cancellation")
		}
	}
	return true
}

// dropped reports the call of an await. stmt is the whole statement if it can be
// replaced.
func (c *code) dropped(stmt ast.Stmt, call *ast.CallExpr, stack []ast.Node, format string) {
	at, results := c.errorAt(call)
	if at < 0 || !c.awaiting(call) {
		return
	}
	d := analysis.Diagnostic{Pos: call.Pos(), End: call.End(), Message: fmt.Sprintf(format, text(call.Fun))}
	if _, ok := stmt.(*ast.ExprStmt); ok && results == 1 && !deferred(stack) && c.returnsError(function(stack)) &&
		inBlock(stack, stmt) && !startsLiteral(call) && c.returnable(call.Pos()) {
		d.SuggestedFixes = []analysis.SuggestedFix{{
			Message: "Return the error",
			TextEdits: []analysis.TextEdit{
				{Pos: stmt.Pos(), End: stmt.Pos(), NewText: []byte("if err := ")},
				{Pos: stmt.End(), End: stmt.End(), NewText: []byte("; err != nil {\n\treturn err\n}")},
			},
		}}
	}
	c.pass.Report(d)
}

// inBlock reports whether a statement of a stack belongs to the list of a block, and is
// not a part of another statement, such as the init statement of an if.
func inBlock(stack []ast.Node, stmt ast.Stmt) bool {
	for i := len(stack) - 1; i > 0; i-- {
		if stack[i] != stmt {
			continue
		}
		switch around := stack[i-1].(type) {
		case *ast.BlockStmt, *ast.CaseClause, *ast.LabeledStmt:
			return true
		case *ast.CommClause:
			return around.Comm != stmt
		}
		return false
	}
	return false
}

// startsLiteral reports whether a call begins with a composite literal, as in
// T{}.Do(ctx): the brace would begin the block of an if.
func startsLiteral(call *ast.CallExpr) bool {
	for e := call.Fun; ; {
		switch x := e.(type) {
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.TypeAssertExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.CallExpr:
			e = x.Fun
		default:
			_, ok := e.(*ast.CompositeLit)
			return ok
		}
	}
}

// deferred reports whether the innermost function of a stack is a literal that is
// deferred.
func deferred(stack []ast.Node) bool {
	for i := len(stack) - 1; i > 1; i-- {
		switch f := stack[i].(type) {
		case *ast.FuncDecl:
			return false
		case *ast.FuncLit:
			call, ok := stack[i-1].(*ast.CallExpr)
			if !ok || ast.Unparen(call.Fun) != f {
				return false
			}
			_, ok = stack[i-2].(*ast.DeferStmt)
			return ok
		}
	}
	return false
}

// LockHeld finds mutexes that are held over an await.
var LockHeld = analyzer("aiolockheld", `report a sync.Mutex that is held over an await

Another task that locks the mutex meanwhile blocks the loop, and with it the task that
would unlock it: a deadlock. Use aio.Lock, or unlock before the await.`, lockHeld)

func lockHeld(c *code, n ast.Node, stack []ast.Node) bool {
	if _, body := parts(n); body != nil {
		c.heldIn(body.List, map[string]bool{})
	}
	return true
}

// heldIn follows the statements of a block. held has the mutexes that are locked.
func (c *code) heldIn(block []ast.Stmt, held map[string]bool) {
	for _, s := range block {
		if mutex, method := c.mutexCall(s); mutex != "" {
			switch method {
			case "Lock", "RLock":
				held[mutex] = true
			case "Unlock", "RUnlock":
				delete(held, mutex)
			}
			continue
		}
		if _, ok := s.(*ast.DeferStmt); ok {
			// a deferred call runs at the end: a deferred Unlock keeps the
			// mutex locked until then
			continue
		}
		inner := blocks(s)
		if len(held) > 0 {
			if call := c.awaitOf(s, inner); call != nil {
				for mutex := range held {
					c.pass.ReportRangef(call, "%s awaits while %s is locked: a task that locks it meanwhile blocks the loop", text(call.Fun), mutex)
					delete(held, mutex)
				}
			}
		}
		for i, b := range inner {
			branch := maps.Clone(held)
			if mutex := c.tryLock(s); mutex != "" && i == 0 {
				branch[mutex] = true
			}
			c.heldIn(b, branch)
			if !leaves(b) {
				// A mutex that one branch unlocks counts as unlocked.
				maps.DeleteFunc(held, func(mutex string, _ bool) bool { return !branch[mutex] })
			}
		}
	}
}

// leaves reports whether the last statement of a block leaves the enclosing block.
func leaves(block []ast.Stmt) bool {
	if len(block) == 0 {
		return false
	}
	switch block[len(block)-1].(type) {
	case *ast.ReturnStmt, *ast.BranchStmt:
		return true
	}
	return false
}

// tryLock returns the mutex of a statement such as if m.mu.TryLock().
func (c *code) tryLock(s ast.Stmt) string {
	branch, ok := s.(*ast.IfStmt)
	if !ok {
		return ""
	}
	mutex, method := c.mutexMethod(branch.Cond)
	if method != "TryLock" && method != "TryRLock" {
		return ""
	}
	return mutex
}

// mutexCall returns the mutex and the method of a statement such as m.mu.Lock().
func (c *code) mutexCall(s ast.Stmt) (mutex, method string) {
	e, ok := s.(*ast.ExprStmt)
	if !ok {
		return "", ""
	}
	return c.mutexMethod(e.X)
}

// mutexMethod returns the mutex and the method of a call such as m.mu.Lock().
func (c *code) mutexMethod(e ast.Expr) (mutex, method string) {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return "", ""
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	fn := c.function(sel)
	if fn == nil || fn.Pkg() == nil || fn.Pkg().Path() != "sync" {
		return "", ""
	}
	switch fn.Name() {
	case "Lock", "Unlock", "RLock", "RUnlock", "TryLock", "TryRLock":
		return text(sel.X), fn.Name()
	}
	return "", ""
}

// blocks returns the blocks of a statement.
func blocks(s ast.Stmt) (list [][]ast.Stmt) {
	switch s := s.(type) {
	case *ast.BlockStmt:
		return [][]ast.Stmt{s.List}
	case *ast.IfStmt:
		list = append(list, s.Body.List)
		if s.Else != nil {
			list = append(list, blocks(s.Else)...)
		}
	case *ast.ForStmt:
		list = append(list, s.Body.List)
	case *ast.RangeStmt:
		list = append(list, s.Body.List)
	case *ast.LabeledStmt:
		return blocks(s.Stmt)
	case *ast.SwitchStmt:
		return clauses(s.Body)
	case *ast.TypeSwitchStmt:
		return clauses(s.Body)
	case *ast.SelectStmt:
		return clauses(s.Body)
	}
	return list
}

func clauses(b *ast.BlockStmt) (list [][]ast.Stmt) {
	for _, s := range b.List {
		switch s := s.(type) {
		case *ast.CaseClause:
			list = append(list, s.Body)
		case *ast.CommClause:
			list = append(list, s.Body)
		}
	}
	return list
}

// awaitOf returns the first awaiting call of a statement that is not in one of its
// blocks.
func (c *code) awaitOf(s ast.Stmt, inner [][]ast.Stmt) (found *ast.CallExpr) {
	ast.Inspect(s, func(n ast.Node) bool {
		for _, b := range inner {
			if len(b) > 0 && n != nil && n.Pos() >= b[0].Pos() && n.End() <= b[len(b)-1].End() {
				return false
			}
		}
		switch n := n.(type) {
		case *ast.FuncLit, *ast.GoStmt:
			return false
		case *ast.CallExpr:
			if found == nil && c.awaiting(n) {
				found = n
			}
		}
		return found == nil
	})
	return found
}

// Blocking finds calls that block the whole loop.
var Blocking = analyzer("aioblocking", `report calls that block the loop, in tasks and callbacks

time.Sleep, a receive from a channel, WaitGroup.Wait or an HTTP request of net/http in a
task stop every task of its loop. Await instead, or call it with ToThread.`, blocking)

// blockers are the functions and methods that block, with what to use instead.
var blockers = map[string]string{
	"time.Sleep":                            "Sleep",
	"sync.WaitGroup.Wait":                   "a TaskGroup",
	"sync.Cond.Wait":                        "Condition",
	"net/http.Get":                          "aiohttp.Client or ToThread",
	"net/http.Head":                         "aiohttp.Client or ToThread",
	"net/http.Post":                         "aiohttp.Client or ToThread",
	"net/http.PostForm":                     "aiohttp.Client or ToThread",
	"net/http.Client.Do":                    "aiohttp.Client or ToThread",
	"net/http.Client.Get":                   "aiohttp.Client or ToThread",
	"net/http.Client.Head":                  "aiohttp.Client or ToThread",
	"net/http.Client.Post":                  "aiohttp.Client or ToThread",
	"net/http.Client.PostForm":              "aiohttp.Client or ToThread",
	"os/exec.Cmd.Run":                       "CreateSubprocessExec",
	"os/exec.Cmd.Wait":                      "CreateSubprocessExec",
	"os/exec.Cmd.Output":                    "CreateSubprocessExec",
	"os/exec.Cmd.CombinedOutput":            "CreateSubprocessExec",
	"net.Dial":                              "OpenConnection",
	"net.DialTimeout":                       "OpenConnection",
	"golang.org/x/sync/errgroup.Group.Wait": "a TaskGroup",
	aioPath + ".ConcurrentFuture.Result":    "WrapFuture",
}

func blocking(c *code, n ast.Node, stack []ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		fn := c.callee(n)
		if fn == nil || fn.Pkg() == nil || !c.runsInLoop(stack) {
			return true
		}
		full := fn.Pkg().Path() + "." + method(fn)
		instead, ok := blockers[full]
		if !ok {
			return true
		}
		d := analysis.Diagnostic{
			Pos: n.Pos(), End: n.End(),
			Message: fmt.Sprintf("%s blocks the loop: use %s", text(n.Fun), instead),
		}
		if full == "time.Sleep" {
			d.SuggestedFixes = c.sleepFix(n, stack)
		}
		c.pass.Report(d)
	case *ast.UnaryExpr:
		if n.Op == token.ARROW && c.runsInLoop(stack) && !inSelect(stack) {
			c.pass.ReportRangef(n, "a receive blocks the loop: use Receive")
		}
	case *ast.SendStmt:
		// a send to a channel with room does not block, so it is not reported
	case *ast.RangeStmt:
		t := c.pass.TypesInfo.TypeOf(n.X)
		if t == nil {
			return true
		}
		if _, ok := t.Underlying().(*types.Chan); ok && c.runsInLoop(stack) {
			c.pass.ReportRangef(n.X, "a receive blocks the loop: use Receive")
		}
	case *ast.SelectStmt:
		if !c.runsInLoop(stack) {
			return true
		}
		for _, s := range n.Body.List {
			if s.(*ast.CommClause).Comm == nil {
				return true // there is a default
			}
		}
		c.pass.Reportf(n.Pos(), "a select without a default blocks the loop: use Receive in a task for each channel")
	}
	return true
}

func (c *code) runsInLoop(stack []ast.Node) bool {
	f := function(stack)
	return f != nil && c.inLoop[f]
}

// inSelect reports whether the innermost statement is the communication of a select.
func inSelect(stack []ast.Node) bool {
	for i := len(stack) - 1; i >= 0; i-- {
		switch stack[i].(type) {
		case *ast.CommClause:
			// only if the statement is not in the body of the clause
			s, ok := stack[min(i+1, len(stack)-1)].(ast.Stmt)
			return ok && stack[i].(*ast.CommClause).Comm == s
		case *ast.FuncLit, *ast.FuncDecl:
			return false
		}
	}
	return false
}

// sleepFix replaces time.Sleep by Sleep where the function can return its error.
func (c *code) sleepFix(call *ast.CallExpr, stack []ast.Node) []analysis.SuggestedFix {
	f := function(stack)
	t, _ := parts(f)
	aio := c.aio(stack)
	if aio == "" || !c.returnsError(f) || t.Params.NumFields() == 0 {
		return nil
	}
	first := t.Params.List[0]
	if len(first.Names) == 0 || first.Names[0].Name == "_" || !isContext(c.pass.TypesInfo.TypeOf(first.Type)) {
		return nil
	}
	stmt, ok := stack[len(stack)-2].(*ast.ExprStmt)
	if !ok || !inBlock(stack, stmt) || !c.returnable(call.Pos()) || !c.means(call.Pos(), aio, isAio) ||
		!c.means(call.Pos(), first.Names[0].Name, func(o types.Object) bool { return o == c.pass.TypesInfo.Defs[first.Names[0]] }) {
		return nil
	}
	var d bytes.Buffer
	if err := printer.Fprint(&d, c.pass.Fset, call.Args[0]); err != nil {
		return nil
	}
	return []analysis.SuggestedFix{{
		Message: "Sleep as a task",
		TextEdits: []analysis.TextEdit{{Pos: call.Pos(), End: call.End(), NewText: fmt.Appendf(nil,
			"if err := %s.Sleep(%s, %s); err != nil {\n\treturn err\n}", aio, first.Names[0].Name, &d)}},
	}}
}

// MethodValue finds method values that a task does not run in the way that the code
// suggests.
var MethodValue = analyzer("aiomethodvalue", `report method values that a task does not run as meant

A method value of a method with a value receiver works on a copy that was made when the
task was made, so what it writes is lost. And a task that only acquires a lock holds it
itself, although the caller believes that the caller holds it.`, methodValue)

// starters are the functions that run their argument as a task.
var starters = map[string]bool{
	"TaskGroup.Go": true, "GoResult": true, "CreateTask": true, "NoResult": true, "AsCoro": true,
	"RunCoroutineThreadsafe": true, "EnsureFuture": true, "Shield": true, "Gather": true, "StartTask": true,
}

// acquirers are the methods that acquire something for the calling task. If another
// task calls them, that task gets it.
var acquirers = map[string]bool{"Lock.Acquire": true, "Semaphore.Acquire": true, "Condition.Acquire": true, "Condition.Wait": true}

func methodValue(c *code, n ast.Node, stack []ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok || !starters[name(c.callee(call))] {
		return true
	}
	for _, arg := range call.Args {
		sel, ok := ast.Unparen(arg).(*ast.SelectorExpr)
		if !ok || c.pass.TypesInfo.Selections[sel] == nil || c.pass.TypesInfo.Selections[sel].Kind() != types.MethodVal {
			continue
		}
		fn := c.function(sel)
		switch {
		case fn == nil:
		case acquirers[name(fn)]:
			c.pass.ReportRangef(sel, "%s in a task of its own: the task that calls %s does not hold it afterwards", text(sel), text(call.Fun))
		case c.writesReceiver(fn):
			c.pass.ReportRangef(sel, "%s works on a copy of %s, so what it writes is lost: give it a pointer receiver", text(sel), text(sel.X))
		}
	}
	return true
}

// writesReceiver reports whether a method of this package has a value receiver and
// assigns to its fields.
func (c *code) writesReceiver(fn *types.Func) bool {
	recv := fn.Signature().Recv()
	if recv == nil {
		return false
	}
	if _, ok := recv.Type().Underlying().(*types.Struct); !ok {
		return false
	}
	for _, f := range c.pass.Files {
		for _, d := range f.Decls {
			fd, ok := d.(*ast.FuncDecl)
			if !ok || fd.Body == nil || c.pass.TypesInfo.Defs[fd.Name] != fn || len(fd.Recv.List[0].Names) == 0 {
				continue
			}
			receiver := c.pass.TypesInfo.Defs[fd.Recv.List[0].Names[0]]
			writes := false
			ast.Inspect(fd.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.AssignStmt:
					for _, l := range n.Lhs {
						writes = writes || c.fieldOf(l, receiver)
					}
				case *ast.IncDecStmt:
					writes = writes || c.fieldOf(n.X, receiver)
				}
				return !writes
			})
			return writes
		}
	}
	return false
}

// fieldOf reports whether e is a field of the struct in v, reached through no pointer,
// slice or map.
func (c *code) fieldOf(e ast.Expr, v types.Object) bool {
	for depth := 0; ; depth++ {
		switch x := ast.Unparen(e).(type) {
		case *ast.SelectorExpr:
			if t := c.pass.TypesInfo.TypeOf(x.X); t == nil || isPointer(t) {
				return false
			}
			e = x.X
		case *ast.IndexExpr:
			t := c.pass.TypesInfo.TypeOf(x.X)
			if t == nil {
				return false
			}
			if _, ok := t.Underlying().(*types.Array); !ok {
				return false
			}
			e = x.X
		case *ast.Ident:
			return depth > 0 && c.pass.TypesInfo.Uses[x] == v
		default:
			return false
		}
	}
}

func isPointer(t types.Type) bool {
	_, ok := t.Underlying().(*types.Pointer)
	return ok
}
