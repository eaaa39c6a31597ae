package aio_test

import (
	"context"
	"crypto/tls"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
	"github.com/goaio/aio/aiomon"
)

var misuseOfAio = &misuse{
	path: "github.com/goaio/aio",
	funcs: map[string]any{
		"AllTasks":                   aio.AllTasks,
		"AsCompleted":                aio.AsCompleted[aio.AnyFuture],
		"AsCoro":                     aio.AsCoro[int],
		"CancelAndWait":              aio.CancelAndWait[aio.AnyFuture],
		"GatherSlice":                aio.GatherSlice[aio.Awaitable[int]],
		"GatherSliceResults":         aio.GatherSliceResults[aio.Awaitable[int]],
		"StartTask":                  aio.StartTask[int],
		"Untyped":                    aio.Untyped[int],
		"FailAfter":                  aio.FailAfter,
		"FailAt":                     aio.FailAt,
		"Listen":                     aio.Listen,
		"MoveOnAfter":                aio.MoveOnAfter,
		"MoveOnAt":                   aio.MoveOnAt,
		"NewLogHandler":              aio.NewLogHandler,
		"Pull":                       aio.Pull[int],
		"Shielded":                   aio.Shielded,
		"CaptureCallGraph":           aio.CaptureCallGraph,
		"CaptureTasks":               aio.CaptureTasks,
		"ConnectAcceptedSocket":      aio.ConnectAcceptedSocket[misuseProtocol],
		"ConnectReadPipe":            aio.ConnectReadPipe[misuseProtocol],
		"ConnectWritePipe":           aio.ConnectWritePipe[misuseProtocol],
		"CreateConnection":           aio.CreateConnection[misuseProtocol],
		"CreateDatagramEndpoint":     aio.CreateDatagramEndpoint[misuseProtocol],
		"CreateFuture":               aio.CreateFuture[int],
		"CreateServer":               aio.CreateServer[misuseProtocol],
		"CreateSubprocessExec":       aio.CreateSubprocessExec,
		"CreateSubprocessShell":      aio.CreateSubprocessShell,
		"CreateTask":                 aio.CreateTask[int],
		"CreateUnixConnection":       aio.CreateUnixConnection[misuseProtocol],
		"CreateUnixServer":           aio.CreateUnixServer[misuseProtocol],
		"CurrentTask":                aio.CurrentTask,
		"Draining":                   aio.Draining,
		"EagerTaskFactory":           aio.EagerTaskFactory,
		"EnsureFuture":               aio.EnsureFuture[int],
		"FormatCallGraph":            aio.FormatCallGraph,
		"FormatTaskTable":            aio.FormatTaskTable,
		"FormatTaskTree":             aio.FormatTaskTree,
		"FutureAddToAwaitedBy":       aio.FutureAddToAwaitedBy,
		"FutureDiscardFromAwaitedBy": aio.FutureDiscardFromAwaitedBy,
		"Gather":                     aio.Gather[int],
		"GatherResults":              aio.GatherResults[int],
		"GetChildWatcher":            aio.GetChildWatcher,
		"GetEventLoop":               aio.GetEventLoop,
		"GetEventLoopPolicy":         aio.GetEventLoopPolicy,
		"GetRunningLoop":             aio.GetRunningLoop,
		"Getaddrinfo":                aio.Getaddrinfo,
		"Getnameinfo":                aio.Getnameinfo,
		"GoResult":                   aio.GoResult[int],
		"NewBarrier":                 aio.NewBarrier,
		"NewBoundedSemaphore":        aio.NewBoundedSemaphore,
		"NewConcurrentFuture":        aio.NewConcurrentFuture[int],
		"NewCondition":               aio.NewCondition,
		"NewConn":                    aio.NewConn,
		"IsCancellation":             aio.IsCancellation,
		"NewEventLoop":               aio.NewEventLoop,
		"NewLifoQueue":               aio.NewLifoQueue[int],
		"NewOrderedQueue":            aio.NewOrderedQueue[int],
		"NewPriorityQueue":           aio.NewPriorityQueue[int],
		"NewQueue":                   aio.NewQueue[int],
		"NewSemaphore":               aio.NewSemaphore,
		"NewStreamReader":            aio.NewStreamReader,
		"NewStreamReaderProtocol":    aio.NewStreamReaderProtocol,
		"NewStreamWriter":            aio.NewStreamWriter,
		"NewThreadPoolExecutor":      aio.NewThreadPoolExecutor,
		"NewTimeline":                aio.NewTimeline,
		"NewTimeout":                 aio.NewTimeout,
		"NewTimeoutAt":               aio.NewTimeoutAt,
		"NoResult":                   aio.NoResult,
		"OpenConnection":             aio.OpenConnection,
		"OpenUnixConnection":         aio.OpenUnixConnection,
		"PrintCallGraph":             aio.PrintCallGraph,
		"Receive":                    aio.Receive[int],
		"Run":                        aio.Run,
		"RunCoroutineThreadsafe":     aio.RunCoroutineThreadsafe[int],
		"RunInExecutor":              aio.RunInExecutor[int],
		"RunUntilComplete":           aio.RunUntilComplete[int],
		"Send":                       aio.Send[int],
		"Sendfile":                   aio.Sendfile,
		"SetChildWatcher":            aio.SetChildWatcher,
		"SetEventLoop":               aio.SetEventLoop,
		"SetEventLoopPolicy":         aio.SetEventLoopPolicy,
		"SharedListeners":            aio.SharedListeners,
		"Shield":                     aio.Shield[int],
		"Sleep":                      aio.Sleep,
		"SockAccept":                 aio.SockAccept,
		"SockConnect":                aio.SockConnect,
		"SockRecv":                   aio.SockRecv,
		"SockRecvInto":               aio.SockRecvInto,
		"SockRecvfrom":               aio.SockRecvfrom,
		"SockRecvfromInto":           aio.SockRecvfromInto,
		"SockSendall":                aio.SockSendall,
		"SockSendfile":               aio.SockSendfile,
		"SockSendto":                 aio.SockSendto,
		"StaggeredRace":              aio.StaggeredRace[int],
		"StartLoop":                  aio.StartLoop,
		"StartServer":                aio.StartServer,
		"StartTLS":                   aio.StartTLS,
		"StartUnixServer":            aio.StartUnixServer,
		"SubprocessExec":             aio.SubprocessExec[misuseProtocol],
		"SubprocessShell":            aio.SubprocessShell[misuseProtocol],
		"TaskOf":                     aio.TaskOf,
		"Timeout":                    aio.Timeout,
		"TimeoutAt":                  aio.TimeoutAt,
		"ToThread":                   aio.ToThread[int],
		"Wait":                       aio.Wait[aio.AnyFuture],
		"WaitFor":                    aio.WaitFor[int],
		"WithContext":                aio.WithContext,
		"WithEagerStart":             aio.WithEagerStart,
		"WithName":                   aio.WithName,
		"WithTaskGroup":              aio.WithTaskGroup,
		"WrapFuture":                 aio.WrapFuture[int],
	},
	types: map[string]func(w *misuseWorld) any{
		"AnyFuture":       func(w *misuseWorld) any { return aio.CreateFuture[int](w.ctx) },
		"AnyTask":         func(w *misuseWorld) any { return w.task() },
		"AwaitCycleError": func(*misuseWorld) any { return &aio.AwaitCycleError{Cycle: []string{"a", "b"}} },
		"Awaitable":       func(w *misuseWorld) any { return returns(1) },
		"CancelScope":     func(*misuseWorld) any { return &aio.CancelScope{} },
		"CancelSource":    func(*misuseWorld) any { return aio.CancelSource(200) },
		"Dialer":          func(*misuseWorld) any { return &aio.Dialer{} },
		"Iterator": func(w *misuseWorld) any {
			return aio.Pull(w.ctx, func(context.Context) iter.Seq2[int, error] {
				return func(func(int, error) bool) {}
			})
		},
		"Resource":       func(*misuseWorld) any { return &aio.Resource{} },
		"Barrier":        func(*misuseWorld) any { return aio.NewBarrier(2) },
		"BaseTransport":  func(w *misuseWorld) any { return w.transport() },
		"BlockedLoop":    func(*misuseWorld) any { return &aio.BlockedLoop{} },
		"CancelledError": func(*misuseWorld) any { return &aio.CancelledError{Message: "m"} },
		"CompletedIterator": func(w *misuseWorld) any {
			return aio.AsCompleted(w.ctx, []aio.AnyFuture{aio.CreateFuture[int](w.ctx)}, 0)
		},
		"ConcurrentFuture": func(*misuseWorld) any {
			f := aio.NewConcurrentFuture[int]()
			f.SetResult(1)
			return f
		},
		"Condition": func(w *misuseWorld) any {
			c := &aio.Condition{}
			must(c, c.Acquire(w.ctx)) // for Wait
			return c
		},
		"Coro": func(*misuseWorld) any { return returns(1) },
		"DatagramTransport": func(w *misuseWorld) any {
			tr, _, err := aio.CreateDatagramEndpoint(w.ctx, newMisuseProtocol, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
			return must(tr, err)
		},
		"DeadlockError":          func(*misuseWorld) any { return &aio.DeadlockError{} },
		"DefaultEventLoopPolicy": func(*misuseWorld) any { return &aio.DefaultEventLoopPolicy{} },
		"Event":                  func(*misuseWorld) any { return &aio.Event{} },
		"Executor":               func(*misuseWorld) any { return aio.NewThreadPoolExecutor(1) },
		"FastChildWatcher":       func(*misuseWorld) any { return &aio.FastChildWatcher{} },
		"Future":                 func(w *misuseWorld) any { return aio.CreateFuture[int](w.ctx) },
		"FutureLike":             func(w *misuseWorld) any { return aio.CreateFuture[int](w.ctx) },
		"GroupError":             func(*misuseWorld) any { return &aio.GroupError{Errors: []error{errOne}} },
		"Handle":                 func(w *misuseWorld) any { return w.loop.CallSoon(nop) },
		"IncompleteReadError":    func(*misuseWorld) any { return &aio.IncompleteReadError{} },
		"LimitOverrunError":      func(*misuseWorld) any { return &aio.LimitOverrunError{} },
		"Lock": func(w *misuseWorld) any {
			l := &aio.Lock{}
			must(l, l.Acquire(w.ctx)) // for Release
			return l
		},
		"Loop": func(w *misuseWorld) any {
			return w.loop
		},
		"LoopError":             func(*misuseWorld) any { return &aio.LoopError{Err: errOne} },
		"LoopEvent":             func(w *misuseWorld) any { return &aio.LoopEvent{} },
		"LoopEventKind":         func(*misuseWorld) any { return aio.LoopEventKind(200) },
		"LoopGroup":             func(*misuseWorld) any { return &aio.LoopGroup{} },
		"MultiLoopChildWatcher": func(*misuseWorld) any { return &aio.MultiLoopChildWatcher{} },
		"ObserverFunc":          func(*misuseWorld) any { return aio.ObserverFunc(func(*aio.LoopEvent) {}) },
		"PanicError":            func(*misuseWorld) any { return &aio.PanicError{Value: errOne} },
		"PidfdChildWatcher":     func(*misuseWorld) any { return &aio.PidfdChildWatcher{} },
		"Process": func(w *misuseWorld) any {
			return must(aio.CreateSubprocessExec(w.ctx, "true", nil, nil))
		},
		"Queue": func(*misuseWorld) any {
			q := aio.NewQueue[int](1)
			must(q, q.PutNowait(1))
			must(q.GetNowait()) // for TaskDone
			return q
		},
		"ReadTransport": func(w *misuseWorld) any {
			r, _ := w.pipe()
			tr, _, err := aio.ConnectReadPipe(w.ctx, newMisuseProtocol, r)
			return must(tr, err)
		},
		"Runner":           func(*misuseWorld) any { return &aio.Runner{} },
		"SafeChildWatcher": func(*misuseWorld) any { return &aio.SafeChildWatcher{} },
		"Semaphore":        func(*misuseWorld) any { return aio.NewSemaphore(1) },
		"Server": func(w *misuseWorld) any {
			s := must(aio.CreateServer(w.ctx, newMisuseProtocol, "127.0.0.1:0", nil))
			w.atEnd(s.Close)
			return s
		},
		"SignalError":          func(*misuseWorld) any { return &aio.SignalError{} },
		"StreamReader":         func(w *misuseWorld) any { return aio.NewStreamReader(w.ctx, 0) },
		"StreamReaderProtocol": func(w *misuseWorld) any { return w.readerProtocol() },
		"StreamWriter":         func(w *misuseWorld) any { return aio.NewStreamWriter(w.transport(), w.readerProtocol()) },
		"SubprocessTransport": func(w *misuseWorld) any {
			tr, _, err := aio.SubprocessExec(w.ctx, newMisuseProtocol, "true", nil, nil)
			return must(tr, err)
		},
		"Task":                 func(w *misuseWorld) any { return w.task() },
		"TaskCycleError":       func(*misuseWorld) any { return &aio.TaskCycleError{} },
		"TaskGroup":            func(w *misuseWorld) any { return w.taskGroup() },
		"TaskGroup.Run":        func(*misuseWorld) any { return &aio.TaskGroup{} },
		"ThreadPoolExecutor":   func(*misuseWorld) any { return aio.NewThreadPoolExecutor(1) },
		"ThreadedChildWatcher": func(*misuseWorld) any { return &aio.ThreadedChildWatcher{} },
		"Timeline":             func(*misuseWorld) any { return aio.NewTimeline(1) },
		"TimeoutScope":         func(*misuseWorld) any { return aio.NewTimeout(0) },
		"TimerHandle":          func(w *misuseWorld) any { return w.loop.CallLater(0, nop) },
		"Transport":            func(w *misuseWorld) any { return w.transport() },
		"TransportSocket": func(w *misuseWorld) any {
			return w.transport().GetExtraInfo("socket")
		},
		"WriteTransport": func(w *misuseWorld) any {
			_, wr := w.pipe()
			tr, _, err := aio.ConnectWritePipe(w.ctx, newMisuseProtocol, wr)
			return must(tr, err)
		},
	},
	params: map[string]func(w *misuseWorld) any{
		"StartTask f": func(*misuseWorld) any {
			return func(_ context.Context, started func(int)) error { started(1); return nil }
		},
		"Listen network":      func(*misuseWorld) any { return "tcp" },
		"Listen address":      func(*misuseWorld) any { return "127.0.0.1:0" },
		"GroupError.Format s": func(*misuseWorld) any { return misuseState{} },
		"PanicError.Format s": func(*misuseWorld) any { return misuseState{} },
		"factory":             func(*misuseWorld) any { return newMisuseProtocol },
		// no program listens there
		"addr":                          func(*misuseWorld) any { return "127.0.0.1:1" },
		"SockSendto addr":               func(*misuseWorld) any { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} },
		"DatagramTransport.SendTo addr": func(*misuseWorld) any { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} },
		"CreateServer addr":             func(*misuseWorld) any { return "127.0.0.1:0" },
		"StartServer addr":              func(*misuseWorld) any { return "127.0.0.1:0" },
		"SharedListeners addr":          func(*misuseWorld) any { return "127.0.0.1:0" },
		"SharedListeners network":       func(*misuseWorld) any { return "tcp" },
		"Getnameinfo addr":              func(*misuseWorld) any { return netip.MustParseAddrPort("127.0.0.1:80") },
		"Getaddrinfo host":              func(*misuseWorld) any { return "127.0.0.1" },
		"Getaddrinfo port":              func(*misuseWorld) any { return "80" },
		"path":                          func(w *misuseWorld) any { return filepath.Join(w.TempDir(), "s") },
		"program":                       func(*misuseWorld) any { return "true" },
		"command":                       func(*misuseWorld) any { return "true" },
		"args":                          func(*misuseWorld) any { return []string(nil) },
		"CreateDatagramEndpoint opts":   func(*misuseWorld) any { return &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"} },
		"config":                        func(*misuseWorld) any { return &tls.Config{InsecureSkipVerify: true} },
		"sock":                          func(w *misuseWorld) any { c, _ := w.pair(); return c },
		"SockAccept sock": func(w *misuseWorld) any {
			ln := must(net.Listen("tcp", "127.0.0.1:0"))
			w.atEnd(func() { ln.Close() })
			return ln
		},
		"fd": func(w *misuseWorld) any { r, _ := w.pipe(); return r },
		"SubprocessTransport.GetPipeTransport fd": func(*misuseWorld) any { return 1 },
		"ConnectReadPipe pipe":                    func(w *misuseWorld) any { r, _ := w.pipe(); return r },
		"ConnectWritePipe pipe":                   func(w *misuseWorld) any { _, wr := w.pipe(); return wr },
	},
	outside: []string{"Run", "RunUntilComplete", "Loop.RunForever", "LoopGroup.Run", "Runner.Run", "Runner.Close", "Runner.GetLoop", "Loop.Close"},
	allowed: map[string]string{
		"IsCancellation err=nil":  "nil is not a cancellation",
		"AbstractChildWatcher":    "an interface: the watchers have entries",
		"AbstractEventLoopPolicy": "an interface: DefaultEventLoopPolicy has an entry",
		"BufferedProtocol":        "for users to implement",
		"ConnectionMaker":         "for users to implement",
		"DataReceiver":            "for users to implement",
		"DatagramReceiver":        "for users to implement",
		"EOFReceiver":             "for users to implement",
		"ErrorReceiver":           "for users to implement",
		"ExitReceiver":            "for users to implement",
		"LossReceiver":            "for users to implement",
		"Observer":                "for users to implement",
		"PipeDataReceiver":        "for users to implement",
		"PipeLossReceiver":        "for users to implement",
		"WritingPauser":           "for users to implement",
		"WritingResumer":          "for users to implement",

		"DefaultEventLoopPolicy.GetEventLoop with good arguments": "no loop was set",
		"Dialer.Dial with good arguments":                         "its Loop was not set",
		"FastChildWatcher.AddChildHandler with good arguments":    "no loop was attached",
		"FastChildWatcher.Exit with good arguments":               "it was not entered",
		"SafeChildWatcher.AddChildHandler with good arguments":    "no loop was attached",
		"TimeoutScope.Reschedule with good arguments":             "it was not entered",

		"Condition.Notify n=-1":         "none is woken, as in asyncio",
		"reason=[nil]":                  "a reason may be anything",
		"Iterator.Close ctx=nil":        "nothing runs, so nothing awaits",
		"Iterator.Close ctx=Background": "nothing runs, so nothing awaits",
		"msg=[nil]":                     "a message may be anything",
		"target=nil":                    "errors.Is passes anything",
		"v=-1":                          "a value of the user's",
		"item=-1":                       "a value of the user's",
		"timeout=-1":                    "the time is over",
		"grace=-1":                      "the time is over",
		"d=-1":                          "the time is over",
		"delay=-1":                      "the time is over",
		"limit=-1":                      "no limit, or that many of the innermost frames",
		"maxsize=-1":                    "no limit, as in asyncio",
		"opts={Skip: -1}":               "none is skipped",
		"opts={Limit: -1}":              "that many of the innermost frames",

		"*.PrintStack w=nil":               "standard error",
		"PrintCallGraph w=nil":             "standard output",
		"CaptureCallGraph f=nil":           "the current task",
		"FormatCallGraph f=nil":            "the current task",
		"PrintCallGraph f=nil":             "the current task",
		"*.AttachLoop l=nil":               "detaches it, as in asyncio",
		"*.AttachLoop =nil":                "has no effect, as in asyncio",
		"TransportSocket.SetLinger sec=-1": "the default of the system, as in package net",
		"*.RemoveChildHandler pid=-1":      "there is no such handler",

		"*.Await ctx=nil":                              "a Coro gets the context as it is",
		"*.Await ctx=Background":                       "a Coro gets the context as it is",
		"TaskOf ctx=nil":                               "there is no task",
		"TaskOf ctx=Background":                        "there is no task",
		"CurrentTask ctx=nil":                          "there is no task",
		"CurrentTask ctx=Background":                   "there is no task",
		"Draining ctx=Background":                      "there is no server",
		"EnsureFuture ctx=nil":                         "a future needs no context",
		"EnsureFuture ctx=Background":                  "a future needs no context",
		"WithContext ctx=nil":                          "that of CreateTask",
		"WithContext ctx=Background":                   "a context without values",
		"ConcurrentFuture.Result ctx=Background":       "any goroutine may call it",
		"DefaultEventLoopPolicy.SetChildWatcher w=nil": "the default",
		"SetChildWatcher w=nil":                        "the default",
		"SetEventLoopPolicy p=nil":                     "the default",
		"DefaultEventLoopPolicy.SetEventLoop l=nil":    "there is no loop then",
		"SetEventLoop l=nil":                           "there is no loop then",
		"Loop.SetExceptionHandler handler=nil":         "the default",
		"Loop.SetTaskFactory f=nil":                    "the default",
		"NewCondition lock=nil":                        "a lock of its own",
		"NewStreamReaderProtocol connected=nil":        "no callback",
		"ObserverFunc.Observe e":                       "the function is the user's",
		"GroupError.Format s":                          "package fmt calls it",
		"PanicError.Format s":                          "package fmt calls it",
		"Receive ch=nil":                               "waits for ever, as in Go",
		"Send ch=nil":                                  "waits for ever, as in Go",
		"RunInExecutor ex=nil":                         "the default",
		"SockSendto addr=nil":                          "the peer of a connected socket",
		"StreamReader.Read n=-1":                       "until the end",
		"StreamReader.Reader ctx=nil":                  "reading fails",
		"StreamReader.Reader ctx=Background":           "reading fails",
		"StreamWriter.Writer ctx=nil":                  "writing fails",
		"StreamWriter.Writer ctx=Background":           "writing fails",
		"StreamReaderProtocol.GetBuffer =-1":           "a hint that is not used",
		"StreamReaderProtocol.ConnectionLost err=nil":  "an end without an error",
		"SubprocessTransport.GetPipeTransport fd=-1":   "there is no such pipe",
	},
}

// misuseState is a fmt.State without flags.
type misuseState struct{}

func (misuseState) Write(p []byte) (int, error) { return len(p), nil }
func (misuseState) Width() (int, bool)          { return 0, false }
func (misuseState) Precision() (int, bool)      { return 0, false }
func (misuseState) Flag(int) bool               { return false }

func newMisuseProtocol() misuseProtocol { return misuseProtocol{} }

func (w *misuseWorld) task() *aio.Task[int] { return aio.CreateTask(w.ctx, aio.Coro[int](forever)) }

// taskGroup returns a group whose body is still running.
func (w *misuseWorld) taskGroup() (tg *aio.TaskGroup) {
	aio.CreateTask(w.ctx, aio.NoResult(func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, entered *aio.TaskGroup) error {
			tg = entered
			_, err := forever(ctx)
			return err
		})
	}))
	letPass(w.ctx, 1)
	return tg
}

func (w *misuseWorld) readerProtocol() *aio.StreamReaderProtocol {
	return aio.NewStreamReaderProtocol(aio.NewStreamReader(w.ctx, 0), nil)
}

var misuseOfAiohttp = &misuse{
	path: "github.com/goaio/aio/aiohttp",
	funcs: map[string]any{
		"Blocking": aiohttp.Blocking,
		"Draining": aiohttp.Draining,
		"Handler":  aiohttp.Handler,
		"Pipe":     aiohttp.Pipe,
		"Serve":    aiohttp.Serve,
	},
	types: map[string]func(w *misuseWorld) any{
		"Client":     func(*misuseWorld) any { return &aiohttp.Client{} },
		"LimitError": func(*misuseWorld) any { return &aiohttp.LimitError{} },
		"PipeReader": func(w *misuseWorld) any {
			r, _ := aiohttp.Pipe(w.ctx)
			r.Close() // otherwise reading would block
			return r
		},
		"PipeWriter": func(w *misuseWorld) any { _, wr := aiohttp.Pipe(w.ctx); return wr },
		"Server": func(w *misuseWorld) any {
			s := must(aiohttp.Serve(w.ctx, http.NotFoundHandler(), "127.0.0.1:0", nil))
			w.atEnd(func() { s.Close() })
			return s
		},
	},
	params: map[string]func(w *misuseWorld) any{
		"addr": func(*misuseWorld) any { return "127.0.0.1:0" },
		"url":  func(*misuseWorld) any { return "http://127.0.0.1:1/" },
	},
	allowed: map[string]string{
		"HandlerFunc":                       "net/http calls its method",
		"Client.Post body=nil":              "no body",
		"PipeWriter.CloseWithError err=nil": "the end of the data",
		"Serve opts={StallTimeout: -1}":     "no limit",
		"Client.PostJSON v=nil":             "null",
		"Response":                          "made by a Client",
		"grace=-1":                          "the time is over",
		"Draining ctx=Background":           "there is no server",
	},
}

var misuseOfAiomon = &misuse{
	path: "github.com/goaio/aio/aiomon",
	funcs: map[string]any{
		"New":           aiomon.New,
		"Start":         aiomon.Start,
		"WriteTimeline": aiomon.WriteTimeline,
		"SocketDir":     aiomon.SocketDir,
	},
	types: map[string]func(w *misuseWorld) any{
		"Monitor": func(*misuseWorld) any { return aiomon.New(nil) },
		"Warning": func(*misuseWorld) any { return aiomon.Warning{} },
	},
	params: map[string]func(w *misuseWorld) any{
		"w":    func(*misuseWorld) any { return httptest.NewRecorder() },
		"addr": func(*misuseWorld) any { return "127.0.0.1:0" },
	},
	allowed: map[string]string{
		"Monitor.ServeHTTP w": "net/http calls it",
		"Monitor.ServeHTTP r": "net/http calls it",
	},
}
