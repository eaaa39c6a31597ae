package aio_test

// The tables of TestMisuse for the packages that are made of public parts of aio.

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"iter"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aioiter"
	"github.com/goaio/aio/aiokit"
	"github.com/goaio/aio/aiosql"
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

// exitStack returns a stack that a task has not left.
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

func misuseStream(context.Context) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) { yield(1, nil) }
}
