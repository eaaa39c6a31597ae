package aiosql

// Each query has its own goroutine, which reads rows ahead and passes them in batches:
// of one row to a task that waits, of many rows to a slower task.

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"iter"

	"github.com/goaio/aio"
)

// maxBatch is the number of rows that are read ahead, in addition to the batch that the
// task has taken.
const maxBatch = 256

// Query returns an iterator over the rows of a query. Each range loop over it executes
// the query again. scan makes a value from the current row with [sql.Rows.Scan]; it
// runs in another goroutine, must not use values that belong to the task, and must not
// call Next or Close. [Column] is the scan function for a single column. Up to 512 rows
// are read ahead.
//
// Each step suspends the calling task until there is a row. The loop body may await and
// run other statements, but not on the same Tx or Conn: such a call fails with an error
// that matches [aio.ErrUsage].
//
// An error ends the iteration; it is yielded as the last element with the zero value.
// It is the error of the query, of a row, of scan, or of an await. Leaving the loop
// early closes the rows, which may read the remaining rows; if the loop is left because
// of a cancellation, the statement is cancelled as well.
//
// Do not await in an iterator that iter.Pull runs: iter.Pull runs it in another
// goroutine.
func Query[T any](ctx context.Context, db Execer, scan func(*sql.Rows) (T, error), query string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if err := each(ctx, db, scan, query, args, yield); err != nil {
			var zero T
			yield(zero, err)
		}
	}
}

// errLeft ends the goroutine of a query whose range loop was left.
var errLeft = errors.New("aiosql: the loop was left")

// each calls yield for each row. It returns nil if the loop was left.
func each[T any](ctx context.Context, db Execer, scan func(*sql.Rows) (T, error), query string, args []any, yield func(T, error) bool) error {
	if scan == nil {
		return usage("Query", "the function that scans is nil")
	}
	s, err := enter("Query", db, true)
	if err != nil {
		return err
	}
	defer s.leave(true)
	run, cancel := context.WithCancelCause(inner(ctx))
	defer cancel(nil)
	batches, left := make(chan []T, 1), make(chan struct{})
	f, err := start(ctx, "Query", func() (struct{}, error) {
		defer close(batches)
		return struct{}{}, s.statement(run, func() error { return read(run, db, scan, query, args, batches, left) })
	})
	if err != nil {
		return err
	}
	over := false
	defer func() { // also after a panic
		if over {
			return
		}
		close(left)
		if err := join(ctx, f, cancel); aio.IsCancellation(err) {
			again(ctx, err)
		}
	}()
	for {
		batch, ok, err := aio.Receive(ctx, batches)
		switch {
		case err != nil:
			over = true
			cancel(err)
			close(left)
			if late := join(ctx, f, cancel); aio.IsCancellation(late) {
				return late // the task was cancelled in the meantime
			}
			return err
		case !ok:
			over = true
			if err := join(ctx, f, cancel); err != nil {
				return err
			}
			_, err := f.Result()
			return err
		}
		for _, v := range batch {
			if !yield(v, nil) {
				return nil
			}
		}
	}
}

// again makes the next await of the task return err, a cancellation that arrived where
// no error could be returned. The number of cancellations, which Timeout and TaskGroup
// count, does not change.
func again(ctx context.Context, err error) {
	var c *aio.CancelledError
	if t := aio.CurrentTask(ctx); t != nil && errors.As(err, &c) {
		t.Uncancel()
		if c.Message == nil {
			t.Cancel()
		} else {
			t.Cancel(c.Message)
		}
	}
}

// read is the goroutine of a query.
func read[T any](ctx context.Context, db Execer, scan func(*sql.Rows) (T, error), query string, args []any, batches chan<- []T, left <-chan struct{}) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var batch []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return errors.Join(flush(batches, batch, left), err)
		}
		if batch = append(batch, v); len(batch) == maxBatch {
			if err := flush(batches, batch, left); err != nil {
				return err
			}
			batch = nil
			continue
		}
		select {
		case batches <- batch:
			batch = nil
		case <-left:
			return errLeft
		default:
		}
	}
	if err := flush(batches, batch, left); err != nil {
		return err
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return rows.Close()
}

// flush passes on the current batch.
func flush[T any](batches chan<- []T, batch []T, left <-chan struct{}) error {
	if len(batch) == 0 {
		return nil
	}
	select {
	case batches <- batch:
		return nil
	case <-left:
		return errLeft
	}
}

// QueryRow executes a query and returns the result of scan for the first row, as in
// [Query]; further rows are dropped. If there is no row the error is [sql.ErrNoRows].
// It suspends the calling task until the rows are closed.
func QueryRow[T any](ctx context.Context, db Execer, scan func(*sql.Rows) (T, error), query string, args ...any) (T, error) {
	var zero T
	if scan == nil {
		return zero, usage("QueryRow", "the function that scans is nil")
	}
	s, err := enter("QueryRow", db, false)
	if err != nil {
		return zero, err
	}
	defer s.leave(false)
	return do(ctx, "QueryRow", func(ctx context.Context) (v T, err error) {
		err = s.statement(ctx, func() error {
			rows, err := db.QueryContext(ctx, query, args...)
			if err != nil {
				return err
			}
			defer rows.Close()
			if !rows.Next() {
				return cmp.Or(rows.Err(), sql.ErrNoRows)
			}
			if v, err = scan(rows); err != nil {
				return err
			}
			return rows.Close()
		})
		if err != nil {
			return zero, err
		}
		return v, nil
	})
}

// Column scans the only column of a row: Column[string] is a function for [Query] and
// [QueryRow].
func Column[T any](rows *sql.Rows) (v T, err error) {
	if rows == nil {
		return v, usage("Column", "the rows are nil")
	}
	err = rows.Scan(&v)
	return v, err
}
