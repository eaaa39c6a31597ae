package aiosql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiosql"
	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

// run runs a test in a loop with a pool of two connections, and checks that none is in
// use at its end.
func run(t *testing.T, f func(t *testing.T, ctx context.Context, s *server, db *sql.DB) error) {
	t.Helper()
	s := newServer()
	db := s.open(t, 2)
	if err := aio.Run(func(ctx context.Context) error { return f(t, ctx, s, db) }); err != nil {
		t.Error(err)
	}
	idle(t, s, db, "at the end")
}

// idle checks that no statement runs and that no connection is in use.
func idle(t *testing.T, s *server, db *sql.DB, when string) {
	t.Helper()
	if n, in := s.busy(0), db.Stats().InUse; n != 0 || in != 0 {
		t.Errorf("%s: %d statements are running, %d connections are in use", when, n, in)
	}
}

func matches(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// Other tasks run while a call waits.
func TestCallsAwait(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context, s *server, db *sql.DB) error {
		stuck := aio.CreateTask(ctx, func(ctx context.Context) (int64, error) {
			r, err := aiosql.Exec(ctx, db, "stuck", 1, 2, 3)
			if err != nil {
				return 0, err
			}
			return r.RowsAffected()
		})
		if _, _, err := aio.Receive(ctx, s.running); err != nil {
			return err
		}
		if n, err := aiosql.QueryRow(ctx, db, aiosql.Column[int], "count 7"); n != 1 || err != nil {
			t.Errorf("QueryRow: %d, %v", n, err)
		}
		var all []int
		for n, err := range aiosql.Query(ctx, db, aiosql.Column[int], "count 1000") {
			if err != nil {
				return err
			}
			all = append(all, n)
		}
		if len(all) != 1000 || !slices.IsSorted(all) || all[999] != 1000 {
			t.Errorf("%d rows", len(all))
		}
		if stuck.Done() {
			t.Error("the statement is done")
		}
		close(s.release)
		n, err := stuck.Await(ctx)
		if n != 3 {
			t.Errorf("%d rows affected", n)
		}
		return err
	})
}

// waits are the calls that can block.
var waits = map[string]func(ctx context.Context, db *sql.DB) error{
	"Exec": func(ctx context.Context, db *sql.DB) error {
		_, err := aiosql.Exec(ctx, db, "hang")
		return err
	},
	"QueryRow": func(ctx context.Context, db *sql.DB) error {
		_, err := aiosql.QueryRow(ctx, db, aiosql.Column[int], "hang")
		return err
	},
	"Query": func(ctx context.Context, db *sql.DB) error {
		for _, err := range aiosql.Query(ctx, db, aiosql.Column[int], "hang") {
			return err
		}
		return nil
	},
	"rows": func(ctx context.Context, db *sql.DB) error {
		n := 0
		for _, err := range aiosql.Query(ctx, db, aiosql.Column[int], "hang 700") {
			if err != nil {
				if n != 700 {
					return fmt.Errorf("%d rows, then %w", n, err)
				}
				return err
			}
			n++
		}
		return nil
	},
	"begin": func(ctx context.Context, db *sql.DB) error {
		return aiosql.WithTx(ctx, db, &sql.TxOptions{ReadOnly: true}, func(context.Context, *sql.Tx) error { return nil })
	},
	"transaction": func(ctx context.Context, db *sql.DB) error {
		return aiosql.WithTx(ctx, db, nil, func(ctx context.Context, tx *sql.Tx) error {
			_, err := aiosql.Exec(ctx, tx, "hang")
			return err
		})
	},
	"connection": func(ctx context.Context, db *sql.DB) error {
		return aiosql.WithConn(ctx, db, func(ctx context.Context, conn *sql.Conn) error {
			_, err := aiosql.Exec(ctx, conn, "hang")
			return err
		})
	},
}

// However a call is ended, no connection is in use when it returns.
func TestCallsEnd(t *testing.T) {
	for name, wait := range waits {
		for by, end := range map[string]func(ctx context.Context, s *server, call func(ctx context.Context) error) error{
			"Cancel": func(ctx context.Context, s *server, call func(ctx context.Context) error) error {
				task := aio.CreateTask(ctx, aio.NoResult(call))
				if _, _, err := aio.Receive(ctx, s.running); err != nil {
					return err
				}
				task.Cancel()
				_, err := task.Await(ctx)
				return want(err, aio.ErrCancelled)
			},
			"Timeout": func(ctx context.Context, _ *server, call func(ctx context.Context) error) error {
				return want(aio.Timeout(ctx, 20*time.Millisecond, call), aio.ErrTimeout)
			},
			"WithTimeout": func(ctx context.Context, _ *server, call func(ctx context.Context) error) error {
				ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
				defer cancel()
				return want(call(ctx), context.DeadlineExceeded)
			},
			"TaskGroup": func(ctx context.Context, s *server, call func(ctx context.Context) error) error {
				broken := errors.New("broken")
				err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
					tg.Go(call)
					if _, _, err := aio.Receive(ctx, s.running); err != nil {
						return err
					}
					return broken
				})
				return want(err, broken)
			},
			"twice": func(ctx context.Context, s *server, call func(ctx context.Context) error) error {
				task := aio.CreateTask(ctx, aio.NoResult(call))
				if _, _, err := aio.Receive(ctx, s.running); err != nil {
					return err
				}
				task.Cancel("once")
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
				task.Cancel("twice")
				_, err := task.Await(ctx)
				return want(err, aio.ErrCancelled)
			},
		} {
			t.Run(name+" by "+by, func(t *testing.T) {
				run(t, func(t *testing.T, ctx context.Context, s *server, db *sql.DB) error {
					err := end(ctx, s, func(ctx context.Context) error {
						err := wait(ctx, db)
						idle(t, s, db, "after the call")
						return err
					})
					if got := s.did(); name == "transaction" && got != "begin rollback" {
						t.Errorf("the server's log is %q", got)
					}
					return err
				})
			})
		}
	}
}

func want(err, target error) error {
	if !errors.Is(err, target) {
		return fmt.Errorf("%w, want %v", err, target)
	}
	return nil
}

// A call waits for a driver that ignores its context, and for a commit.
func TestCallsWaitForTheDriver(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context, s *server, db *sql.DB) error {
		s.commit = s.release
		for name, call := range map[string]func(ctx context.Context) error{
			"statement": func(ctx context.Context) error { _, err := aiosql.Exec(ctx, db, "stuck"); return err },
			"commit": func(ctx context.Context) error {
				return aiosql.WithTx(ctx, db, nil, func(context.Context, *sql.Tx) error { return nil })
			},
		} {
			task := aio.CreateTask(ctx, aio.NoResult(call))
			if _, _, err := aio.Receive(ctx, s.running); err != nil {
				return err
			}
			task.Cancel()
			for range 5 {
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			if task.Done() {
				t.Errorf("%s: the call did not wait", name)
			}
			s.release <- struct{}{}
			_, err := task.Await(ctx)
			matches(t, name, err, aio.ErrCancelled)
			idle(t, s, db, "after the "+name)
		}
		if got := s.did(); got != "begin commit" {
			t.Errorf("the server's log is %q", got)
		}
		return nil
	})
}

// A transaction is committed or rolled back depending on the result of its body.
func TestWithTx(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		body func() error
		want error
		log  string
	}{
		{"success", func() error { return nil }, nil, "begin x commit"},
		{"error", func() error { return broken }, broken, "begin x rollback"},
		{"panic", func() error { panic(broken) }, broken, "begin x rollback"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, func(t *testing.T, ctx context.Context, s *server, db *sql.DB) error {
				task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					return aiosql.WithTx(ctx, db, nil, func(ctx context.Context, tx *sql.Tx) error {
						if _, err := aiosql.Exec(ctx, tx, "log x"); err != nil {
							return err
						}
						return c.body()
					})
				}))
				_, err := task.Await(ctx)
				matches(t, c.name, err, c.want)
				if got := s.did(); got != c.log {
					t.Errorf("the server's log is %q, want %q", got, c.log)
				}
				return nil
			})
		})
	}
	t.Run("Goexit", func(t *testing.T) {
		s := newServer()
		db := s.open(t, 2)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = aio.Run(func(ctx context.Context) error {
				return aiosql.WithTx(ctx, db, nil, func(context.Context, *sql.Tx) error { runtime.Goexit(); return nil })
			})
		}()
		<-done
		if got := s.did(); got != "begin rollback" {
			t.Errorf("the server's log is %q", got)
		}
		idle(t, s, db, "after Goexit")
	})
}

// Leaving a range loop over rows, also by a panic, closes the rows first. A
// cancellation that arrives during that is not lost.
func TestQueryLeft(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context, s *server, db *sql.DB) error {
		for n, err := range aiosql.Query(ctx, db, aiosql.Column[int], "count 100000") {
			if n == 3 || err != nil {
				break
			}
		}
		idle(t, s, db, "after break")
		err := func() (err error) {
			defer func() { err, _ = recover().(error) }()
			for range aiosql.Query(ctx, db, aiosql.Column[int], "count 100000") {
				panic(errors.ErrUnsupported)
			}
			return nil
		}()
		matches(t, "a panic", err, errors.ErrUnsupported)
		idle(t, s, db, "after a panic")

		broken := aio.CreateFuture[struct{}](ctx)
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for _, err := range aiosql.Query(ctx, db, aiosql.Column[int], "hang 1") {
				if err != nil {
					return err
				}
				if err := broken.SetResult(struct{}{}); err != nil {
					return err
				}
				// closes the rows, which waits for a row that never comes
				break
			}
			idle(t, s, db, "after break")
			return aio.Sleep(ctx, time.Hour)
		}))
		if _, err := broken.Await(ctx); err != nil {
			return err
		}
		if _, _, err := aio.Receive(ctx, s.running); err != nil {
			return err
		}
		task.Cancel("enough")
		_, err = task.Await(ctx)
		var c *aio.CancelledError
		if !errors.As(err, &c) || c.Message != "enough" {
			t.Errorf("the task's error is %v", err)
		}
		if n := task.Cancelling(); n != 1 {
			t.Errorf("Cancelling is %d", n)
		}
		return nil
	})
}

// After a cancellation the task can still use the database.
func TestAfterCancellation(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context, s *server, db *sql.DB) error {
		task := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			_, err := aiosql.Exec(ctx, db, "hang")
			matches(t, "Exec", err, aio.ErrCancelled)
			if _, err := aiosql.Exec(ctx, db, "log cleaned"); err != nil {
				return 0, err
			}
			return aiosql.QueryRow(ctx, db, aiosql.Column[int], "count 1")
		})
		if _, _, err := aio.Receive(ctx, s.running); err != nil {
			return err
		}
		task.Cancel()
		if n, err := task.Await(ctx); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if got := s.did(); got != "cleaned" {
			t.Errorf("the server's log is %q", got)
		}
		return nil
	})
}

// Within a range loop over rows another call with the same Tx or Conn is refused, however
// many rows there are. With another connection it works.
func TestOpenRows(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context, s *server, db *sql.DB) error {
		calls := func(ctx context.Context, with aiosql.Execer) map[string]error {
			_, exec := aiosql.Exec(ctx, with, "log x")
			_, row := aiosql.QueryRow(ctx, with, aiosql.Column[int], "count 1")
			errs := map[string]error{"Exec": exec, "QueryRow": row}
			for _, err := range aiosql.Query(ctx, with, aiosql.Column[int], "count 1") {
				errs["Query"] = err
			}
			if b, ok := with.(aiosql.Beginner); ok {
				errs["WithTx"] = aiosql.WithTx(ctx, b, nil, func(context.Context, *sql.Tx) error { return nil })
			}
			return errs
		}
		test := func(what string, with, same aiosql.Execer) error {
			for _, rows := range []int{1, 600, 3000} {
				n := 0
				for _, err := range aiosql.Query(ctx, with, aiosql.Column[int], fmt.Sprint("count ", rows)) {
					if err != nil {
						return err
					}
					if n++; n == 1 || n == rows {
						for call, err := range calls(ctx, same) {
							matches(t, fmt.Sprintf("%s: %s in row %d of %d", what, call, n, rows), err, aio.ErrUsage)
						}
						other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
							for call, err := range calls(ctx, same) {
								matches(t, what+": "+call+" in another task", err, aio.ErrUsage)
							}
							return nil
						}))
						if _, err := other.Await(ctx); err != nil {
							return err
						}
						for call, err := range calls(ctx, db) {
							if err != nil {
								t.Errorf("%s: %s with another connection: %v", what, call, err)
							}
						}
					}
				}
				if n != rows {
					t.Errorf("%s: %d rows, want %d", what, n, rows)
				}
				for range aiosql.Query(ctx, with, aiosql.Column[int], "count 3000") {
					break
				}
				for call, err := range calls(ctx, same) {
					if err != nil {
						t.Errorf("%s: %s after the rows: %v", what, call, err)
					}
				}
			}
			return nil
		}
		err := aiosql.WithTx(ctx, db, nil, func(_ context.Context, tx *sql.Tx) error { return test("Tx", tx, tx) })
		if err != nil {
			return err
		}
		return aiosql.WithConn(ctx, db, func(ctx context.Context, conn *sql.Conn) error {
			if err := test("Conn", conn, conn); err != nil {
				return err
			}
			return aiosql.WithTx(ctx, conn, nil, func(_ context.Context, tx *sql.Tx) error { return test("Tx of a Conn", tx, tx) })
		})
	})
}

// The calls of several tasks with one Tx take turns. A task that waits for its turn can
// be cancelled.
func TestTurns(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context, s *server, db *sql.DB) error {
		return aiosql.WithTx(ctx, db, nil, func(ctx context.Context, tx *sql.Tx) error {
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for range 100 {
					tg.Go(func(ctx context.Context) error {
						_, err := aiosql.QueryRow(ctx, tx, aiosql.Column[int], "count 10")
						return err
					})
					tg.Go(func(ctx context.Context) error {
						_, err := aiosql.Exec(ctx, tx, "log x")
						return err
					})
				}
				return nil
			})
			if err != nil {
				return err
			}
			stuck := aio.CreateTask(ctx, func(ctx context.Context) (sql.Result, error) { return aiosql.Exec(ctx, tx, "stuck") })
			if _, _, err := aio.Receive(ctx, s.running); err != nil {
				return err
			}
			waits := aio.CreateTask(ctx, func(ctx context.Context) (sql.Result, error) { return aiosql.Exec(ctx, tx, "log x") })
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			waits.Cancel()
			_, err = waits.Await(ctx)
			matches(t, "the call that waits", err, aio.ErrCancelled)
			if stuck.Done() {
				t.Error("the statement is done")
			}
			close(s.release)
			_, err = stuck.Await(ctx)
			return err
		})
	})
}

// Many tasks share two connections.
func TestManyTasks(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context, s *server, db *sql.DB) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for i := range 1000 {
				tg.Go(func(ctx context.Context) error {
					n := 0
					for _, err := range aiosql.Query(ctx, db, aiosql.Column[int], fmt.Sprint("count ", i%10+1)) {
						if err != nil {
							return err
						}
						n++
					}
					if n != i%10+1 {
						t.Errorf("%d rows, want %d", n, i%10+1)
					}
					return nil
				})
			}
			return nil
		})
	})
}

func TestErrors(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context, s *server, db *sql.DB) error {
		exec := func(ctx context.Context) error { _, err := aiosql.Exec(ctx, db, "log x"); return err }
		if _, err := aiosql.Exec(ctx, db, "nonsense"); err == nil || errors.Is(err, aio.ErrUsage) {
			t.Errorf("a statement that fails: %v", err)
		}
		_, err := aiosql.QueryRow(ctx, db, aiosql.Column[int], "count 0")
		matches(t, "no rows", err, sql.ErrNoRows)
		_, err = aiosql.QueryRow(ctx, db, aiosql.Column[time.Time], "count 1")
		if err == nil {
			t.Error("scanned a number into a time without an error")
		}
		got := 0
		failing := func(rows *sql.Rows) (n int, err error) {
			if n, err = aiosql.Column[int](rows); n == 300 {
				err = errors.ErrUnsupported
			}
			return n, err
		}
		for _, err = range aiosql.Query(ctx, db, failing, "count 1000") {
			if err == nil {
				got++
			}
		}
		matches(t, "scan", err, errors.ErrUnsupported)
		if got != 299 {
			t.Errorf("%d rows before the error", got)
		}
		var p *aio.PanicError
		if _, err = aiosql.Exec(ctx, db, "panic"); !errors.As(err, &p) {
			t.Errorf("a driver that panics: %v", err)
		}
		matches(t, "no loop", exec(context.Background()), aio.ErrNoRunningLoop)
		_, err = aio.ToThread(ctx, func(context.Context) (struct{}, error) {
			err := exec(ctx)
			matches(t, "another goroutine", err, aio.ErrNoTask)
			if !strings.HasPrefix(err.Error(), "aiosql: Exec: ") {
				t.Errorf("the error does not name the call: %v", err)
			}
			return struct{}{}, nil
		})
		for _, none := range []aiosql.Execer{nil, (*sql.DB)(nil), (*sql.Tx)(nil), (*sql.Conn)(nil)} {
			_, err := aiosql.Exec(ctx, none, "x")
			matches(t, fmt.Sprintf("Exec, %T", none), err, aio.ErrUsage)
			_, err = aiosql.QueryRow(ctx, none, aiosql.Column[int], "x")
			matches(t, fmt.Sprintf("QueryRow, %T", none), err, aio.ErrUsage)
			for _, err = range aiosql.Query(ctx, none, aiosql.Column[int], "x") {
			}
			matches(t, fmt.Sprintf("Query, %T", none), err, aio.ErrUsage)
		}
		for _, none := range []aiosql.Beginner{nil, (*sql.DB)(nil), (*sql.Conn)(nil)} {
			err := aiosql.WithTx(ctx, none, nil, func(context.Context, *sql.Tx) error { return nil })
			matches(t, fmt.Sprintf("WithTx, %T", none), err, aio.ErrUsage)
		}
		matches(t, "no body", aiosql.WithTx(ctx, db, nil, nil), aio.ErrUsage)
		matches(t, "no body", aiosql.WithConn(ctx, db, nil), aio.ErrUsage)
		return err
	})
}

// A loop that is closed leaves no connection in use.
func TestLoopClosed(t *testing.T) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			db := s.open(t, 2)
			l := aio.NewEventLoop(nil)
			ended := make(chan error, 1)
			aio.CreateTask(l.Context(), aio.NoResult(func(ctx context.Context) error {
				err := wait(ctx, db)
				ended <- err
				return nil
			}))
			_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
				_, _, err := aio.Receive(ctx, s.running)
				return err
			}))
			if err = errors.Join(err, l.Close()); err != nil {
				t.Error(err)
			}
			matches(t, "the call", <-ended, aio.ErrLoopClosed)
			_, err = aiosql.Exec(l.Context(), db, "log x")
			matches(t, "a call with the context of the closed loop", err, aio.ErrLoopClosed)
			for end := time.Now().Add(time.Minute); s.busy(0) != 0 || db.Stats().InUse != 0; {
				if time.Now().After(end) {
					idle(t, s, db, "after a minute")
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
}

// A task of a group consists of one call with a context that the task has derived. If
// that context is cancelled with a cause, before or during the call, the task fails
// with the cause and does not count as cancelled.
func TestDerivedContextInEachCall(t *testing.T) {
	calls := maps.Clone(waits)
	calls["Do"] = func(ctx context.Context, db *sql.DB) error {
		_, err := aiosql.Do(ctx, func(ctx context.Context) (sql.Result, error) { return db.ExecContext(ctx, "hang") })
		return err
	}
	enough := errors.New("enough")
	for kind, cause := range map[string]error{"": enough, "/joined": errors.Join(&aio.CancelledError{}, enough)} {
		endEachCall(t, kind, cause, calls)
	}
}

func endEachCall(t *testing.T, kind string, cause error, calls map[string]func(ctx context.Context, db *sql.DB) error) {
	for name, call := range calls {
		for _, moment := range []string{"before", "meanwhile"} {
			t.Run(name+"/"+moment+kind, func(t *testing.T) {
				run(t, func(t *testing.T, ctx context.Context, s *server, db *sql.DB) error {
					var task *aio.Task[struct{}]
					err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
						var derived context.Context
						var end context.CancelCauseFunc
						task = tg.Go(func(ctx context.Context) error {
							derived, end = context.WithCancelCause(ctx)
							if moment == "before" {
								end(cause)
							}
							return call(derived, db)
						})
						if moment == "meanwhile" {
							if _, _, err := aio.Receive(ctx, s.running); err != nil {
								return err
							}
							end(cause)
						}
						return nil
					})
					if !errors.As(err, new(*aio.GroupError)) {
						t.Errorf("the group returned %v", err)
					}
					matches(t, "it", err, cause)
					matches(t, "it", err, context.Canceled)
					if aio.IsCancellation(task.Exception()) || task.Cancelled() || task.Cancelling() > 0 {
						t.Errorf("the task counts as cancelled: %v", err)
					}
					idle(t, s, db, "after the call")
					return nil
				})
			})
		}
	}
}

// A context that the caller derived ends during a call, and the task is cancelled while
// the call still waits for the driver: the task ends as cancelled, in the next await if
// the call has no error to return.
func TestCancelledAfterTheEndOfADerivedContext(t *testing.T) {
	for name, call := range map[string]func(ctx, derived context.Context, db *sql.DB) error{
		"Exec": func(_, derived context.Context, db *sql.DB) error {
			_, err := aiosql.Exec(derived, db, "late")
			return err
		},
		"Do": func(_, derived context.Context, db *sql.DB) error {
			_, err := aiosql.Do(derived, func(ctx context.Context) (sql.Result, error) { return db.ExecContext(ctx, "late") })
			return err
		},
		"QueryRow": func(_, derived context.Context, db *sql.DB) error {
			_, err := aiosql.QueryRow(derived, db, aiosql.Column[int], "late")
			return err
		},
		"Query": func(_, derived context.Context, db *sql.DB) error {
			for _, err := range aiosql.Query(derived, db, aiosql.Column[int], "late") {
				return err
			}
			return nil
		},
		"Query, left": func(ctx, derived context.Context, db *sql.DB) error {
			for range aiosql.Query(derived, db, aiosql.Column[int], "late 2") {
				break
			}
			return aio.Sleep(ctx, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, ctx context.Context, s *server, db *sql.DB) error {
				var end context.CancelFunc
				task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					var derived context.Context
					derived, end = context.WithCancel(ctx)
					return call(ctx, derived, db)
				}))
				for _, then := range []func(){func() { end() }, func() { task.Cancel() }} {
					if _, _, err := aio.Receive(ctx, s.running); err != nil {
						return err
					}
					then()
				}
				// the call gets the cancellation
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
				close(s.release)
				_, _, err := aio.Wait(ctx, []aio.AnyFuture{task}, time.Minute, aio.AllCompleted)
				if !task.Cancelled() {
					t.Errorf("%v: %v", task, task.Exception())
				}
				idle(t, s, db, "after the call")
				return err
			})
		})
	}
}

// The error of the body contains a cancellation. An error that is a cancellation is
// returned unchanged. An error that joins a failure with a cancellation is returned
// with all its parts, and joined with the error of the rollback.
func TestWithTxOfJoinedErrors(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		of        func(c error) error
		cancelled bool
	}{
		"itself":       {func(c error) error { return c }, true},
		"wrapped":      {func(c error) error { return fmt.Errorf("load: %w", c) }, true},
		"joined":       {func(c error) error { return errors.Join(c, nil) }, true},
		"with another": {func(c error) error { return errors.Join(c, broken) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, ctx context.Context, s *server, db *sql.DB) error {
				entered := make(chan struct{}, 1)
				task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					return aiosql.WithTx(ctx, db, nil, func(ctx context.Context, _ *sql.Tx) error {
						entered <- struct{}{}
						return c.of(aio.Sleep(ctx, time.Hour))
					})
				}))
				if _, _, err := aio.Receive(ctx, entered); err != nil {
					return err
				}
				task.Cancel()
				_, err := task.Await(ctx)
				if task.Cancelled() != c.cancelled || errors.Is(err, broken) == c.cancelled {
					t.Errorf("cancelled %v, %v", task.Cancelled(), err)
				}
				if got := s.did(); got != "begin rollback" {
					t.Errorf("the server's log is %q", got)
				}
				return nil
			})
		})
	}
}
