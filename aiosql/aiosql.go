// Package aiosql makes the calls of [database/sql] awaits: instead of blocking, they
// suspend the calling task, and other tasks of its loop run.
//
// Its functions take an ordinary [sql.DB], [sql.Tx] or [sql.Conn]; database/sql handles
// pooling, drivers, conversions and errors. Do not call the methods of these types in a
// task: they block its loop.
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
// statement is cancelled too, as far as the driver can do that. The call returns when
// the driver call has returned: then the statement no longer runs, the caller may reuse
// its arguments, and its connection is back in the pool, or closed. The error is that
// of the await, a *aio.CancelledError. A driver that ignores its context delays the
// cancellation until the statement is done; most drivers watch it.
//
// If the task continues after a cancellation, the functions work as before, although
// the ctx of the task is done: the context that they pass to database/sql ends only
// when the await is cancelled, or when a context that the caller has derived is done.
//
// # Transactions and connections
//
// A Tx or a Conn executes one statement at a time. Calls of several tasks with the same
// one take turns. During a range loop over its rows, a call with the same Tx or Conn
// fails with an error that matches [aio.ErrUsage], however many rows there are: read the
// rows into a slice first, or use another connection.
//
// # Errors
//
// Each call that awaits may return the errors of an await, which the documentation of
// [aio.Future.Await] lists; the others are those of database/sql and the driver. A
// panic of the driver or of the caller's function becomes a *aio.PanicError.
//
// (Python: aiosqlite, asyncpg and similar packages have the same calls as methods)
package aiosql

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"github.com/goaio/aio"
)

// Execer is the database argument of [Exec] and [Query]: a *[sql.DB], *[sql.Tx] or
// *[sql.Conn].
type Execer interface {
	// ExecContext executes a statement that returns no rows.
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	// QueryContext executes a query.
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Beginner is the database argument of [WithTx]: a *[sql.DB] or *[sql.Conn].
type Beginner interface {
	// BeginTx begins a transaction, which is rolled back when ctx ends.
	BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error)
}

// goroutines runs the calls. It has no limit, because the pool of a sql.DB has one.
var goroutines = aio.NewThreadPoolExecutor(math.MaxInt)

// Exec executes a statement that returns no rows, and suspends the calling task until
// it is done. Outside of a transaction it is unknown whether a cancelled statement has
// taken effect.
func Exec(ctx context.Context, db Execer, query string, args ...any) (sql.Result, error) {
	s, err := enter("Exec", db, false)
	if err != nil {
		return nil, err
	}
	defer s.leave(false)
	return do(ctx, "Exec", func(ctx context.Context) (result sql.Result, err error) {
		err = s.statement(ctx, func() (err error) {
			result, err = db.ExecContext(ctx, query, args...)
			return err
		})
		return result, err
	})
}

// Do calls fn, which may block, in another goroutine, and suspends the calling task
// until fn returns. Use it for calls of database/sql for which this package has no
// function. Unlike [aio.ToThread] it returns only after fn has returned, even if the
// task is cancelled, so fn may use values that belong to the task. The ctx of fn is
// done when the await is cancelled. The result of fn is then dropped, so use [WithTx]
// and [WithConn] for resources that must be closed.
func Do[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	if fn == nil {
		var zero T
		return zero, usage("Do", "the function is nil")
	}
	return do(ctx, "Do", fn)
}

// do is [Do] for another function of this package, which call names.
func do[T any](ctx context.Context, call string, fn func(ctx context.Context) (T, error)) (T, error) {
	var zero T
	run, cancel := context.WithCancelCause(inner(ctx))
	defer cancel(nil)
	f, err := start(ctx, call, func() (T, error) { return fn(run) })
	if err == nil {
		err = join(ctx, f, cancel)
	}
	if err != nil {
		return zero, err
	}
	return f.Result()
}

// inner returns the context for database/sql: with the values of ctx, but not its
// cancellation. The await provides the cancellation, because it knows whether the task
// continues.
func inner(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background() // the await reports the nil ctx
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
	if aio.CurrentTask(ctx) == nil { // a callback, or another goroutine
		return nil, fmt.Errorf("aiosql: %s: %w", call, aio.ErrNoTask)
	}
	return aio.RunInExecutor(ctx, goroutines, fn), nil
}

// join waits for f. If the task is cancelled, or a context that was derived from its
// context is done, join calls cancel, still waits for f, and returns the error of the
// await. A cancellation that arrives while it still waits takes the place of that error.
func join[T any](ctx context.Context, f *aio.Future[T], cancel context.CancelCauseFunc) error {
	fs := []*aio.Future[T]{f}
	defer func() { _ = f.Exception() }() // marks the error as retrieved in every case
	_, _, err := aio.Wait(ctx, fs, aio.NoTimeout, aio.AllCompleted)
	if err == nil {
		return nil
	}
	cancel(err)
	for !f.Done() {
		_, _, again := aio.Wait(context.WithoutCancel(ctx), fs, aio.NoTimeout, aio.AllCompleted)
		switch {
		case again == nil:
		case aio.IsCancellation(again):
			err = again
		default:
			return err // the loop is closed: waiting is impossible
		}
	}
	return err
}

func usage(call, text string) error {
	return fmt.Errorf("aiosql: %s: %s: %w", call, text, aio.ErrUsage)
}
