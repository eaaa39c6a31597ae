// Package aiosql makes the calls of [database/sql] awaits: in place of blocking, they
// suspend the calling task, and other tasks of its loop run meanwhile.
//
// Its functions take a [sql.DB], [sql.Tx] or [sql.Conn] as it is; pooling,
// drivers, conversions and errors are database/sql's. Do not call the methods of these
// types in a task: they block its loop.
//
//	db, err := sql.Open("pgx", "postgres://localhost/shop")
//	...
//	_, err = aiosql.Exec(ctx, db, "DELETE FROM stock WHERE name = $1", "tea")
//	n, err := aiosql.QueryRow(ctx, db, aiosql.Column[int],
//		"SELECT n FROM stock WHERE name = $1", "tea")
//	names := aiosql.Query(ctx, db, aiosql.Column[string], "SELECT name FROM stock")
//	for name, err := range names {
//		...
//	}
//	err = aiosql.WithTx(ctx, db, nil, func(ctx context.Context, tx *sql.Tx) error {
//		...
//	})
//
// # Cancellation
//
// If the task is cancelled while it waits, or a Timeout around the call expires, the
// statement is cancelled too, as far as the driver can, and the call returns when the
// driver has given up: no statement runs any more, its arguments are the caller's again,
// and its connection is back in the pool, or closed. The error is then that of the await,
// a *aio.CancelledError. A driver that does not watch its context delays the cancellation
// until the statement has ended; most watch it.
//
// After a cancellation that the task goes on from, the functions work as before, although
// the ctx of the task has ended: the context that they hand to database/sql ends when the
// await is cancelled, or the context that the caller has derived ends, and not before.
//
// # Errors
//
// Each call that awaits may return the errors of an await, which the documentation of
// [aio.Future.Await] lists; the others are those of database/sql and the driver. A panic
// of the driver or of a function of the caller's becomes a *aio.PanicError.
//
// (Python: aiosqlite, asyncpg and the like have the same calls as methods)
package aiosql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/goaio/aio"
)

// Execer is what [Exec] and [Query] use: a *[sql.DB], *[sql.Tx] or *[sql.Conn].
type Execer interface {
	// ExecContext executes a statement that has no rows.
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	// QueryContext executes a query.
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Beginner is what [WithTx] uses: a *[sql.DB] or *[sql.Conn].
type Beginner interface {
	// BeginTx begins a transaction, which is rolled back when ctx ends.
	BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error)
}

// goroutines runs the calls. It has no limit of its own, as the pool of a sql.DB has one.
var goroutines = aio.NewThreadPoolExecutor(math.MaxInt)

// Exec executes a statement that has no rows, and suspends the calling task until that is
// done. Whether a statement that was cancelled has taken effect is not known, outside of
// a transaction.
func Exec(ctx context.Context, db Execer, query string, args ...any) (sql.Result, error) {
	if db == nil {
		return nil, usage("Exec", "the database is nil")
	}
	return Do(ctx, func(ctx context.Context) (sql.Result, error) {
		return db.ExecContext(ctx, query, args...)
	})
}

// Do calls fn, which blocks, in another goroutine, and suspends the calling task until it
// returns: for calls of database/sql that this package has no function for. In contrast
// to [aio.ToThread] it returns when fn has, even if the task is cancelled, so fn may use
// what belongs to the task. The ctx of fn ends when the await is cancelled; what fn
// returns then is dropped, so use [WithTx] and [WithConn] for what must be closed.
func Do[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	var zero T
	if fn == nil {
		return zero, usage("Do", "the function is nil")
	}
	run, cancel := context.WithCancelCause(inner(ctx))
	defer cancel(nil)
	f, err := start(ctx, "Do", func() (T, error) { return fn(run) })
	if err == nil {
		err = join(ctx, f, cancel)
	}
	if err != nil {
		return zero, err
	}
	return f.Result()
}

// inner returns the context for database/sql: with the values of ctx, and nothing of its
// end. The end of ctx comes by way of the await, which knows whether the task goes on.
func inner(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background() // the await says so
	}
	return context.WithoutCancel(ctx)
}

// start calls fn in another goroutine.
func start[T any](ctx context.Context, call string, fn func() (T, error)) (*aio.Future[T], error) {
	if ctx == nil {
		return nil, usage(call, "the context is nil")
	}
	if _, err := aio.GetRunningLoop(ctx); err != nil {
		return nil, fmt.Errorf("aiosql: %s: %w", call, err)
	}
	if aio.CurrentTask(ctx) == nil { // in a callback, or in another goroutine
		return nil, fmt.Errorf("aiosql: %s: %w", call, aio.ErrNoTask)
	}
	return aio.RunInExecutor(ctx, goroutines, fn), nil
}

// join waits for f. If the task is cancelled, or a context that was derived from it ends,
// join calls cancel, waits all the same, and returns the error of the await.
func join[T any](ctx context.Context, f *aio.Future[T], cancel context.CancelCauseFunc) error {
	fs := []*aio.Future[T]{f}
	defer func() { _ = f.Exception() }() // somebody has seen it, whatever comes of it
	_, _, err := aio.Wait(ctx, fs, aio.NoTimeout, aio.AllCompleted)
	if err == nil {
		return nil
	}
	cancel(err)
	for !f.Done() {
		_, _, again := aio.Wait(context.WithoutCancel(ctx), fs, aio.NoTimeout, aio.AllCompleted)
		if again != nil && !errors.Is(again, aio.ErrCancelled) {
			return err // the loop is closed: nobody can wait
		}
	}
	return err
}

func usage(call, text string) error {
	return fmt.Errorf("aiosql: %s: %s: %w", call, text, aio.ErrUsage)
}
