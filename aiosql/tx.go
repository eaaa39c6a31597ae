package aiosql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/goaio/aio"
)

// WithTx runs body in a transaction. The transaction is committed when body returns
// nil, and rolled back when body returns an error, panics, or calls [runtime.Goexit].
// body passes tx to [Exec], [Query] and [QueryRow] with the ctx that it gets. Tasks
// that body starts must end before body returns: later the transaction is done. opts
// may be nil.
//
// It suspends the calling task to begin, to commit and to roll back. If body returns a
// cancellation, the transaction is rolled back; the rollback itself cannot be
// cancelled.
//
// The error is that of body. If body has failed for another reason than a cancellation,
// the error of the rollback is joined to it: when the connection is lost, both usually
// fail.
//
// If the task is cancelled during the commit, WithTx waits for the commit and then
// returns a *aio.CancelledError: it is unknown whether the commit succeeded.
func WithTx(ctx context.Context, db Beginner, opts *sql.TxOptions, body func(ctx context.Context, tx *sql.Tx) error) error {
	if body == nil {
		return usage("WithTx", "the body is nil")
	}
	s, err := enter("WithTx", db, false)
	if err != nil {
		return err
	}
	defer s.leave(false)
	// A transaction ends when the context of its BeginTx ends.
	return with(ctx, "WithTx", func(life context.Context) (tx *sql.Tx, err error) {
		err = s.statement(life, func() (err error) {
			tx, err = db.BeginTx(life, opts)
			return err
		})
		return tx, err
	},
		func(ctx context.Context, tx *sql.Tx) error {
			defer within(tx, db)()
			return body(ctx, tx)
		}, (*sql.Tx).Commit, func(tx *sql.Tx) error {
			if err := tx.Rollback(); !errors.Is(err, sql.ErrTxDone) {
				return err
			}
			return nil
		})
}

// WithConn runs body with a connection reserved for it, for statements that depend on a
// session, such as LISTEN or SET. body passes conn to [Exec], [Query], [QueryRow] and
// [WithTx]. The connection returns to the pool when body returns, panics, or calls
// [runtime.Goexit]. It suspends the calling task to get the connection and to return
// it.
func WithConn(ctx context.Context, db *sql.DB, body func(ctx context.Context, conn *sql.Conn) error) error {
	switch {
	case db == nil:
		return usage("WithConn", "the database is nil")
	case body == nil:
		return usage("WithConn", "the body is nil")
	}
	closed := func(conn *sql.Conn) error {
		if err := conn.Close(); !errors.Is(err, sql.ErrConnDone) {
			return err
		}
		return nil
	}
	return with(ctx, "WithConn", db.Conn, body, closed, closed)
}

// with runs body with the result of open. A cancellation ends the context of open only
// until open has succeeded: later that would close the result at an arbitrary moment.
func with[R any](ctx context.Context, call string, open func(context.Context) (*R, error),
	body func(context.Context, *R) error, succeed, fail func(*R) error) error {
	life, end := context.WithCancelCause(inner(ctx))
	defer end(nil)
	var opened atomic.Bool
	f, err := start(ctx, call, func() (*R, error) {
		r, err := open(life)
		if err == nil && !opened.CompareAndSwap(false, true) {
			return nil, errors.Join(context.Cause(life), fail(r))
		}
		return r, err
	})
	if err != nil {
		return err
	}
	err = join(ctx, f, func(cause error) {
		if opened.CompareAndSwap(false, true) {
			end(cause)
		}
	})
	r, failed := f.Result()
	switch {
	case failed != nil && err == nil:
		return failed
	case failed != nil:
		return err
	}
	returned := false
	defer func() {
		if !returned {
			_ = finish(ctx, r, fail) //aiovet:ok the panic of body continues
		}
	}()
	if err == nil {
		err = body(ctx, r)
	}
	returned = true
	if err == nil {
		return finish(ctx, r, succeed)
	}
	ferr := finish(ctx, r, fail)
	switch {
	case aio.IsCancellation(ferr) && !aio.IsCancellation(err):
		return ferr // the task was cancelled in the meantime
	case ferr == nil, aio.IsCancellation(err):
		return err
	default:
		return errors.Join(err, fmt.Errorf("aiosql: %s: %w", call, ferr))
	}
}

// finish calls end for r. It cannot be cancelled.
func finish[R any](ctx context.Context, r *R, end func(*R) error) error {
	// ctx may be done already, which would end the await
	ctx = context.WithoutCancel(ctx)
	f, err := start(ctx, "", func() (struct{}, error) { return struct{}{}, end(r) })
	if err != nil { // the loop is closed: nothing waits
		go func() {
			// a driver may panic, and no caller is left to report it to
			defer func() { _ = recover() }()
			_ = end(r)
		}()
		return err
	}
	if err := join(ctx, f, func(error) {}); err != nil {
		return err
	}
	_, err = f.Result()
	return err
}
