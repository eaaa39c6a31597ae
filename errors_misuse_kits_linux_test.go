package aio_test

// The tables of TestMisuse for the packages that are made of public parts of aio.

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"iter"
	"net"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aioiter"
	"github.com/goaio/aio/aiokit"
	"github.com/goaio/aio/aiosql"
	"github.com/goaio/aio/aiotest"
)

// misuseDB is a database of which each query has one row with one number.
type misuseDB struct{}

func (misuseDB) Connect(context.Context) (driver.Conn, error) { return misuseDB{}, nil }
func (misuseDB) Driver() driver.Driver                        { return nil }
func (misuseDB) Prepare(string) (driver.Stmt, error)          { return misuseDB{}, nil }
func (misuseDB) Close() error                                 { return nil }
func (misuseDB) Begin() (driver.Tx, error)                    { return misuseDB{}, nil }
func (misuseDB) Commit() error                                { return nil }
func (misuseDB) Rollback() error                              { return nil }
func (misuseDB) NumInput() int                                { return -1 }
func (misuseDB) Exec([]driver.Value) (driver.Result, error)   { return driver.RowsAffected(1), nil }
func (misuseDB) Query([]driver.Value) (driver.Rows, error)    { return &misuseRows{}, nil }

type misuseRows struct{ read bool }

func (*misuseRows) Columns() []string { return []string{"n"} }
func (*misuseRows) Close() error      { return nil }

func (r *misuseRows) Next(dest []driver.Value) error {
	if r.read {
		return io.EOF
	}
	r.read, dest[0] = true, int64(1)
	return nil
}

func (w *misuseWorld) db() *sql.DB {
	db := sql.OpenDB(misuseDB{})
	w.atEnd(func() { db.Close() })
	return db
}

var misuseOfAiosql = &misuse{
	path: "github.com/goaio/aio/aiosql",
	funcs: map[string]any{
		"Column":   aiosql.Column[int],
		"Do":       aiosql.Do[int],
		"Exec":     aiosql.Exec,
		"Query":    aiosql.Query[int],
		"QueryRow": aiosql.QueryRow[int],
		"WithConn": aiosql.WithConn,
		"WithTx":   aiosql.WithTx,
	},
	types: map[string]func(w *misuseWorld) any{},
	params: map[string]func(w *misuseWorld) any{
		"db":   func(w *misuseWorld) any { return w.db() },
		"scan": func(*misuseWorld) any { return aiosql.Column[int] },
		"rows": func(w *misuseWorld) any {
			rows := must(w.db().Query("one"))
			rows.Next()
			return rows
		},
	},
	allowed: map[string]string{
		"Beginner":   "an interface: the types of database/sql",
		"Execer":     "an interface: the types of database/sql",
		"args=[nil]": "NULL",
	},
}

var misuseOfAiokit = &misuse{
	path: "github.com/goaio/aio/aiokit",
	funcs: map[string]any{
		"Every":              aiokit.Every,
		"Keep":               aiokit.Keep,
		"NewBackoff":         aiokit.NewBackoff,
		"NewCapacityLimiter": aiokit.NewCapacityLimiter,
		"NewMemoryChannel":   aiokit.NewMemoryChannel[int],
		"NewPool":            aiokit.NewPool[int],
		"NewRateLimiter":     aiokit.NewRateLimiter,
		"Retry":              aiokit.Retry,
		"RetryResult":        aiokit.RetryResult[int],
		"WithExitStack":      aiokit.WithExitStack,
	},
	types: map[string]func(w *misuseWorld) any{
		"Backoff":         func(w *misuseWorld) any { return must(aiokit.NewBackoff(w.ctx, nil)) },
		"CapacityLimiter": func(*misuseWorld) any { return aiokit.NewCapacityLimiter(1) },
		"ExitStack":       func(w *misuseWorld) any { return w.exitStack() },
		"Pool": func(w *misuseWorld) any {
			p := aiokit.NewPool(newMisusePool())
			must(p.Acquire(w.ctx)) // for Release
			return p
		},
		"RateLimiter": func(*misuseWorld) any { return aiokit.NewRateLimiter(1, time.Second) },
		"Receiver":    func(*misuseWorld) any { _, r := aiokit.NewMemoryChannel[int](1); return r },
		"RetryError":  func(*misuseWorld) any { return &aiokit.RetryError{Err: errOne} },
		"Sender":      func(*misuseWorld) any { s, _ := aiokit.NewMemoryChannel[int](1); return s },
	},
	params: map[string]func(w *misuseWorld) any{
		"NewPool opts": func(*misuseWorld) any { return newMisusePool() },
		"Retry opts":   func(*misuseWorld) any { return &aiokit.RetryOptions{} },
		"who":          func(*misuseWorld) any { return "somebody" },
		"with": func(*misuseWorld) any {
			return func(ctx context.Context, body func(ctx context.Context) error) error { return body(ctx) }
		},
	},
	allowed: map[string]string{
		"CapacityLimiter.Release with good arguments":    "there is no place to return",
		"CapacityLimiter.ReleaseFor with good arguments": "there is no place to return",

		"Keep err=nil":             "no error is marked then",
		"NewMemoryChannel size=-1": "Unlimited",
		"v=-1":                     "a value of the user's",
		"conn=-1":                  "a value of the user's",
	},
}

// exitStack returns a stack whose body is still running.
func (w *misuseWorld) exitStack() (s *aiokit.ExitStack) {
	aio.CreateTask(w.ctx, aio.NoResult(func(ctx context.Context) error {
		return aiokit.WithExitStack(ctx, func(ctx context.Context, stack *aiokit.ExitStack) error {
			s = stack
			_, err := forever(ctx)
			return err
		})
	}))
	letPass(w.ctx, 1)
	return s
}

func newMisusePool() aiokit.PoolOptions[int] {
	return aiokit.PoolOptions[int]{Open: func(context.Context) (int, error) { return 1, nil }}
}

var misuseOfAioiter = &misuse{
	path: "github.com/goaio/aio/aioiter",
	funcs: map[string]any{
		"Buffer":       aioiter.Buffer[int],
		"Chain":        aioiter.Chain[int],
		"Chunk":        aioiter.Chunk[int],
		"Collect":      aioiter.Collect[int],
		"Debounce":     aioiter.Debounce[int],
		"FromSeq":      aioiter.FromSeq[int],
		"Map":          aioiter.Map[int, int],
		"MapUnordered": aioiter.MapUnordered[int, int],
		"Merge":        aioiter.Merge[int],
		"Of":           aioiter.Of[int],
		"Retry":        aioiter.Retry[int],
		"Timeout":      aioiter.Timeout[int],
		"Zip":          aioiter.Zip[int, int],
		"ZipAll":       aioiter.ZipAll[int],
	},
	types: map[string]func(w *misuseWorld) any{},
	params: map[string]func(w *misuseWorld) any{
		"s":       func(*misuseWorld) any { return aioiter.Stream[int](misuseStream) },
		"a":       func(*misuseWorld) any { return aioiter.Stream[int](misuseStream) },
		"b":       func(*misuseWorld) any { return aioiter.Stream[int](misuseStream) },
		"sources": func(*misuseWorld) any { return []aioiter.Stream[int]{misuseStream} },
		"limit":   func(*misuseWorld) any { return 2 },
		"seq":     func(*misuseWorld) any { return iter.Seq[int](func(yield func(int) bool) { yield(1) }) },
	},
	allowed: map[string]string{
		"Collect ctx=nil":        "whether a stream needs a loop is its own matter",
		"Collect ctx=Background": "whether a stream needs a loop is its own matter",
		"d=-1":                   "the time is over",
		"values=[-1]":            "a value of the user's",
	},
}

// misuseTB is a test that may fail.
type misuseTB struct{ failed bool }

func (*misuseTB) Helper()                 {}
func (*misuseTB) Name() string            { return "TestMisused" }
func (t *misuseTB) Failed() bool          { return t.failed }
func (*misuseTB) Logf(string, ...any)     {}
func (t *misuseTB) Errorf(string, ...any) { t.failed = true }

func newMisuseTB(*misuseWorld) any { return &misuseTB{} }

// simulated runs main as the function of a simulation with a host.
func (w *misuseWorld) simulated(main func(ctx context.Context) error) error {
	report := aiotest.Simulation{Runs: 1, AllowDifferences: true}.Run(func(ctx context.Context, world *aiotest.World) error {
		w.world = world
		w.loop = must(aio.GetRunningLoop(ctx))
		world.Host("server", func(ctx context.Context) error { return nil })
		return main(ctx)
	})
	for _, failure := range report.Failures {
		return failure
	}
	return nil
}

var misuseOfAiotest = &misuse{
	path: "github.com/goaio/aio/aiotest",
	funcs: map[string]any{
		"Between":          aiotest.Between,
		"CancelEverywhere": aiotest.CancelEverywhere,
		"Choose":           aiotest.Choose,
		"Explore":          aiotest.Explore,
		"ExploreInput":     aiotest.ExploreInput,
		"FailEverywhere":   aiotest.FailEverywhere,
		"NewSocket":        aiotest.NewSocket,
		"Run":              aiotest.Run,
		"Simulate":         aiotest.Simulate,
		"SocketPair":       aiotest.SocketPair,
		"VirtualExecutor":  aiotest.VirtualExecutor,
		"Whole":            aiotest.Whole,
	},
	types: map[string]func(w *misuseWorld) any{
		"Cancelled": func(*misuseWorld) (v any) {
			aiotest.Sweep{}.Run(func(ctx context.Context, c *aiotest.Cancelled) error {
				v = c
				return c.Do(ctx, func(context.Context) error { return nil })
			})
			return v
		},
		"Choice":      func(*misuseWorld) any { return aiotest.Choice{} },
		"Exploration": func(*misuseWorld) any { return aiotest.Exploration{Runs: 1} },
		"Failing": func(*misuseWorld) (v any) {
			aiotest.Failures{}.Run(func(ctx context.Context, f *aiotest.Failing) error {
				v = f
				return f.Do(ctx, func(context.Context) error { return nil })
			})
			return v
		},
		"Failure":        func(*misuseWorld) any { return &aiotest.Failure{Err: errOne} },
		"Failures":       func(*misuseWorld) any { return aiotest.Failures{} },
		"Host":           func(w *misuseWorld) any { return w.otherHost() },
		"Link":           func(w *misuseWorld) any { return w.world.Link("test", "server") },
		"Mode":           func(*misuseWorld) any { return aiotest.Mode(200) },
		"NetworkFailure": func(*misuseWorld) any { return aiotest.NetworkFailure(200) },
		"Simulation":     func(*misuseWorld) any { return aiotest.Simulation{Runs: 1} },
		"Socket":         func(w *misuseWorld) any { return must(aiotest.NewSocket(w.ctx, "udp4")) },
		"Sweep":          func(*misuseWorld) any { return aiotest.Sweep{} },
		"Timeline":       func(*misuseWorld) any { return aiotest.Timeline{{}} },
		"World":          func(w *misuseWorld) any { return w.world },
	},
	params: map[string]func(w *misuseWorld) any{
		"CancelEverywhere t":  newMisuseTB,
		"Explore t":           newMisuseTB,
		"ExploreInput t":      newMisuseTB,
		"FailEverywhere t":    newMisuseTB,
		"Run t":               newMisuseTB,
		"Simulate t":          newMisuseTB,
		"network":             func(*misuseWorld) any { return "udp4" },
		"a":                   func(*misuseWorld) any { return "test" },
		"b":                   func(*misuseWorld) any { return "server" },
		"from":                func(*misuseWorld) any { return "test" },
		"to":                  func(*misuseWorld) any { return "server" },
		"record":              func(*misuseWorld) any { return "default" },
		"hosts":               func(w *misuseWorld) any { return []*aiotest.Host{w.otherHost()} },
		"x":                   func(*misuseWorld) any { return aiotest.Exploration{Runs: 1} },
		"Simulate s":          func(*misuseWorld) any { return aiotest.Simulation{Runs: 1} },
		"CancelEverywhere fn": func(*misuseWorld) any { return aiotest.Whole(func(context.Context) error { return nil }) },
		"Sweep.Run fn":        func(*misuseWorld) any { return aiotest.Whole(func(context.Context) error { return nil }) },
		"FailEverywhere fn":   func(*misuseWorld) any { return failNothing },
		"Failures.Run fn":     func(*misuseWorld) any { return failNothing },
		"Socket.WriteTo to":   func(*misuseWorld) any { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} },
	},
	inside: (*misuseWorld).simulated,
	allowed: map[string]string{
		"TB": "an interface: the tests of package testing",

		"Socket.WriteTo to=nil":    "the error is that of a real socket",
		"Socket.Listen backlog=-1": "the error is that of a real socket",
		"Socket.SetLinger sec=-1":  "the default of the system, as in package net",
	},
}

func failNothing(ctx context.Context, f *aiotest.Failing) error {
	return f.Do(ctx, func(context.Context) error { return nil })
}

// otherHost adds a host to the world.
func (w *misuseWorld) otherHost() *aiotest.Host {
	return w.world.Host(fmt.Sprintf("host%d", len(w.ended)), func(context.Context) error { return nil })
}

func misuseStream(context.Context) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) { yield(1, nil) }
}
