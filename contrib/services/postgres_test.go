package services_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiosql"
)

// postgres is a PostgreSQL server.
type postgres struct {
	*process
	url string
}

// startPostgres starts a server with an empty database.
func startPostgres(t testing.TB, cleanup func(func())) postgres {
	t.Helper()
	const as = "postgres"
	dirs := []string{"/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin"}
	dir := dirOf(t, cleanup, as)
	data := filepath.Join(dir, "data")
	initdb := exec.Command(program(t, "initdb", dirs...), "-D", data, "-U", "aio", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	initdb.SysProcAttr, initdb.Dir = credential(t, as), dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	addr, port := freeAddr(t)
	s := postgres{url: fmt.Sprintf("postgres://aio@%s/postgres?sslmode=disable", addr)}
	s.process = start(t, cleanup, func() error { _, err := s.count(context.Background(), "SELECT 1"); return err }, as,
		program(t, "postgres", dirs...), "-D", data, "-p", port, "-h", "127.0.0.1", "-k", dir, "-c", "fsync=off", "-c", "max_connections=100")
	return s
}

var runningPostgres = once(startPostgres)

// sharedPostgres returns the server of all tests. It restarts the server if a test that
// killed it has failed.
func sharedPostgres(t testing.TB) postgres {
	t.Helper()
	s := runningPostgres(t)
	if s.cmd == nil {
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// count asks for a number, over a separate connection.
func (s postgres) count(ctx context.Context, query string, args ...any) (n int, err error) {
	// After a cancellation pgx would close the connection in a goroutine.
	ctx = context.WithoutCancel(ctx)
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return 0, err
	}
	err = conn.QueryRow(ctx, query, args...).Scan(&n)
	return n, errors.Join(err, conn.Close(ctx))
}

// counting returns a function that calls count.
func (s postgres) counting(query string, args ...any) func(ctx context.Context) (int, error) {
	return func(ctx context.Context) (int, error) { return s.count(ctx, query, args...) }
}

// exec executes statements over a separate connection.
func (s postgres) exec(t testing.TB, statements string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.url)
	if err == nil {
		_, err = conn.Exec(t.Context(), statements)
		err = errors.Join(err, conn.Close(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// active counts the sessions that execute a statement with the given beginning.
func (s postgres) active(statement string) func(ctx context.Context) (int, error) {
	return s.counting("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1", statement+"%")
}

// hanging is a statement that never ends.
const hanging = "SELECT pg_sleep(3600)"

// pgQuerier is the part of pgx.Conn, pgxpool.Pool and pgx.Tx that the tests use.
type pgQuerier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// pgQuick makes a short call. It blocks the calling goroutine.
func pgQuick(ctx context.Context, q pgQuerier, i int) error {
	var got int
	if err := q.QueryRow(ctx, "SELECT $1::int + 1", i).Scan(&got); err != nil {
		return err
	}
	if got != i+1 {
		return fmt.Errorf("the server answered %d to %d", got, i)
	}
	return nil
}

func pgHang(ctx context.Context, q pgQuerier) error {
	_, err := q.Exec(ctx, hanging)
	return err
}

// pgConns is the maximum number of connections of a test, pgTogether the number of calls
// of hang. The rest are for quick calls and for cancel requests.
const (
	pgConns    = 20
	pgTogether = 15
)

// pgLost reports whether err is an error of a call whose server was killed.
func pgLost(err error) bool {
	return brokenConn(err) || errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, net.ErrClosed)
}

// pool makes a connection pool. If dialer is not nil, it makes the connections.
func (s postgres) pool(ctx context.Context, dialer *aio.Dialer) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(s.url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = pgConns
	if dialer != nil {
		config.ConnConfig.DialFunc = dialer.DialContext
	}
	// The pool's goroutines run until this context is done.
	return pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
}

// closePool closes a pool, which blocks.
func closePool(ctx context.Context, err error, pool *pgxpool.Pool) error {
	return errors.Join(err, inThread(ctx, func(context.Context) error { pool.Close(); return nil }))
}

// A pgx pool with ToThread, over its own connections or those of the loop.
func TestPgxPool(t *testing.T) {
	overBoth(t, func(t *testing.T, over string) {
		s := sharedPostgres(t)
		inLoop(t, func(ctx context.Context, l *aio.Loop) error {
			pool, err := s.pool(ctx, dialerOf(l, over))
			if err != nil {
				return err
			}
			err = exercise(ctx, t, calls{
				quick: func(ctx context.Context, i int) error {
					return inThread(ctx, func(ctx context.Context) error { return pgQuick(ctx, pool, i) })
				},
				hang: func(ctx context.Context) error {
					return inThread(ctx, func(ctx context.Context) error { return pgHang(ctx, pool) })
				},
				running:  s.active(hanging),
				together: pgTogether,
				server:   s.process,
				lost:     pgLost,
			})
			return closePool(ctx, err, pool)
		})
	})
}

// A pool call from a task is refused, with an error that says what to do.
func TestPgxPoolInTask(t *testing.T) {
	s := sharedPostgres(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		pool, err := s.pool(ctx, &aio.Dialer{Loop: l})
		if err != nil {
			return err
		}
		return closePool(ctx, refused(pgQuick(ctx, pool, 1)), pool)
	})
}

// connect connects over a connection of the loop. It suspends the calling task.
func (s postgres) connect(ctx context.Context, d *aio.Dialer) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(s.url)
	if err != nil {
		return nil, err
	}
	config.DialFunc = d.DialContext
	conn, err := pgx.ConnectConfig(ctx, config)
	return conn, orCause(ctx, err)
}

// forTasks is for the calls of a pgx.Conn in a task: when a write takes longer than 15
// ms, pgx starts a goroutine that reads ahead, and waits for it.
var forTasks = &aio.Dialer{ForTasks: true}

// withConn connects over a connection of the loop, calls f in the task, and closes the
// connection. When f was cancelled, pgx sends a request to cancel the statement, and
// closes the connection, in a goroutine of its own, which needs the loop. withConn
// waits for that goroutine: otherwise the loop could end first, and the statement would
// still run.
func (s postgres) withConn(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	conn, err := s.connect(ctx, forTasks)
	if err != nil {
		return err
	}
	err = orCause(ctx, f(ctx, conn))
	return errors.Join(err, closeConn(ctx, conn))
}

// closeConn closes a connection and waits until that is done. After a cancellation ctx
// is done; Close needs a context that is not.
func closeConn(ctx context.Context, conn *pgx.Conn) error {
	ctx = context.WithoutCancel(ctx)
	// nil if the connection is closed already; the cause is known if it is broken
	_ = conn.Close(ctx)
	_, _, err := aio.Receive(ctx, conn.PgConn().CleanupDone())
	return err
}

// exerciseConn exercises calls of a pgx.Conn in a task. Each quick call leaves its
// connection to the next one.
func (s postgres) exerciseConn(ctx context.Context, t *testing.T, running func(ctx context.Context) (int, error),
	quick func(ctx context.Context, conn *pgx.Conn, i int) error, hang func(ctx context.Context, conn *pgx.Conn) error) error {
	var idle []*pgx.Conn
	defer func() {
		for _, conn := range idle {
			_ = closeConn(ctx, conn) // the test reports only its first error
		}
	}()
	slots := aio.NewSemaphore(pgConns)
	return exercise(ctx, t, calls{
		quick: func(ctx context.Context, i int) error {
			return slots.With(ctx, func(ctx context.Context) (err error) {
				var conn *pgx.Conn
				if last := len(idle) - 1; last >= 0 {
					conn, idle = idle[last], idle[:last]
				} else if conn, err = s.connect(ctx, forTasks); err != nil {
					return err
				}
				if err := quick(ctx, conn, i); err != nil {
					return errors.Join(orCause(ctx, err), closeConn(ctx, conn))
				}
				idle = append(idle, conn)
				return nil
			})
		},
		hang:     func(ctx context.Context) error { return s.withConn(ctx, hang) },
		running:  running,
		together: pgTogether,
		server:   s.process,
		lost:     pgLost,
		byCaller: true,
		over:     theLoops,
	})
}

// A pgx.Conn in a task, over a connection of the loop: calls that would block suspend
// the task. Its Dialer has no Loop.
func TestPgxConnInTask(t *testing.T) {
	s := sharedPostgres(t)
	inLoop(t, func(ctx context.Context, _ *aio.Loop) error {
		return s.exerciseConn(ctx, t, s.active(hanging),
			func(ctx context.Context, conn *pgx.Conn, i int) error { return pgQuick(ctx, conn, i) },
			func(ctx context.Context, conn *pgx.Conn) error { return pgHang(ctx, conn) })
	})
	// A statement that is cancelled when the program ends does not run any longer,
	// because withConn waits for pgx.
	err := aio.Run(func(ctx context.Context) error {
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return s.withConn(ctx, func(ctx context.Context, conn *pgx.Conn) error { return pgHang(ctx, conn) })
		}))
		// then Run cancels the task
		return eventually(ctx, "running calls", 1, s.active(hanging))
	})
	if err == nil {
		err = aio.Run(func(ctx context.Context) error {
			return eventually(ctx, "calls that run after the end of Run", 0, s.active(hanging))
		})
	}
	if err != nil {
		t.Error(err)
	}
}

// big is larger than the buffers of a connection.
const big = 50 << 20

// Large parameters and results in a task: pgx writes for longer than 15 ms, and then
// starts a goroutine that reads ahead.
func TestPgxLargeInTask(t *testing.T) {
	s := sharedPostgres(t)
	inLoop(t, func(ctx context.Context, _ *aio.Loop) error {
		const sleeping = "SELECT length($1) FROM pg_sleep(3600)"
		return s.exerciseConn(ctx, t, s.active(sleeping),
			func(ctx context.Context, conn *pgx.Conn, i int) error {
				n := 1000 + i
				if i == 1 || i == 7 {
					n = big + i
				}
				want := strings.Repeat("x", n)
				var got string
				err := conn.QueryRow(ctx, "SELECT $1::text", want).Scan(&got)
				if err == nil && got != want {
					err = fmt.Errorf("got %d bytes, want %d", len(got), n)
				}
				if err != nil || i != 7 {
					return err
				}
				// The server sends results while pgx still sends
				// statements.
				batch := &pgx.Batch{}
				text := strings.Repeat("y", 1<<20)
				for range 20 {
					batch.Queue("SELECT $1::text", text)
				}
				results := conn.SendBatch(ctx, batch)
				for range 20 {
					if err := results.QueryRow().Scan(&got); err != nil || got != text {
						return errors.Join(fmt.Errorf("a batch: %d bytes, %w", len(got), err), results.Close())
					}
				}
				return results.Close()
			},
			func(ctx context.Context, conn *pgx.Conn) error {
				_, err := conn.Exec(ctx, sleeping, strings.Repeat("x", 1<<20))
				return err
			})
	})
}

// Without ForTasks a large parameter is refused: pgx waits for its goroutine, and the
// Read of that goroutine needs the loop.
func TestPgxLargeInTaskWithoutForTasks(t *testing.T) {
	s := sharedPostgres(t)
	inLoop(t, func(ctx context.Context, _ *aio.Loop) error {
		conn, err := s.connect(ctx, &aio.Dialer{})
		if err != nil {
			return err
		}
		// A write of less than 15 ms starts no goroutine, so try again.
		for err == nil {
			var n int
			err = conn.QueryRow(ctx, "SELECT length($1)", strings.Repeat("x", big)).Scan(&n)
		}
		return errors.Join(refused(err), closeConn(ctx, conn))
	})
}

// Transactions over several awaits of a task. A cancellation rolls one back.
func TestPgxTransactionInTask(t *testing.T) {
	s := sharedPostgres(t)
	s.exec(t, "DROP TABLE IF EXISTS stock; CREATE TABLE stock (n int)")
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		const slow = "INSERT INTO stock SELECT -1 FROM pg_sleep(3600)"
		committed := 0
		insert := func(ctx context.Context, conn *pgx.Conn, n int, then func(ctx context.Context, tx pgx.Tx) error) error {
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				for range 3 {
					if _, err := tx.Exec(ctx, "INSERT INTO stock VALUES ($1)", n); err != nil {
						return err
					}
					if err := aio.Sleep(ctx, 0); err != nil {
						return err
					}
				}
				return then(ctx, tx)
			})
		}
		err := s.exerciseConn(ctx, t, s.active(slow),
			func(ctx context.Context, conn *pgx.Conn, i int) error {
				err := insert(ctx, conn, i, func(ctx context.Context, tx pgx.Tx) error { return pgQuick(ctx, tx, i) })
				if err == nil {
					committed++
				}
				return err
			},
			func(ctx context.Context, conn *pgx.Conn) error {
				return insert(ctx, conn, -1, func(ctx context.Context, tx pgx.Tx) error {
					_, err := tx.Exec(ctx, slow)
					return err
				})
			})
		if err != nil {
			return err
		}
		// The same for an await that does not wait for the server.
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return s.withConn(ctx, func(ctx context.Context, conn *pgx.Conn) error {
				return insert(ctx, conn, -1, func(ctx context.Context, _ pgx.Tx) error { return aio.Sleep(ctx, time.Hour) })
			})
		}))
		open := s.counting("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE 'INSERT%'")
		if err := eventually(ctx, "open transactions", 1, open); err != nil {
			return err
		}
		task.Cancel()
		_, err = task.Await(ctx)
		if err := wants(err, aio.ErrCancelled); err != nil {
			return err
		}
		return errors.Join(eventually(ctx, "open transactions after a cancellation", 0, open),
			eventually(ctx, "rows", 3*committed, s.counting("SELECT count(*) FROM stock")),
			eventually(ctx, "rows of transactions that were rolled back", 0, s.counting("SELECT count(*) FROM stock WHERE n < 0")))
	})
}

// LISTEN in one task, NOTIFY from another one.
func TestPgxListenInTask(t *testing.T) {
	s := sharedPostgres(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		wait := func(ctx context.Context, conn *pgx.Conn, want string) error {
			note, err := conn.WaitForNotification(ctx)
			if err == nil && note.Payload != want {
				err = fmt.Errorf("notification %q, want %q", note.Payload, want)
			}
			return err
		}
		listen := func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "LISTEN news")
			return err
		}
		const n = 20
		err := s.withConn(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			if err := listen(ctx, conn); err != nil {
				return err
			}
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(func(ctx context.Context) error {
					return s.withConn(ctx, func(ctx context.Context, other *pgx.Conn) error {
						for i := range n {
							if _, err := other.Exec(ctx, "SELECT pg_notify('news', $1)", strconv.Itoa(i)); err != nil {
								return err
							}
						}
						return nil
					})
				})
				for i := range n {
					if err := wait(ctx, conn, strconv.Itoa(i)); err != nil {
						return err
					}
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		// A cancelled task ends its LISTEN and its session.
		return s.exerciseConn(ctx, t, s.counting("SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN nothing'"),
			func(ctx context.Context, conn *pgx.Conn, i int) error {
				if _, err := conn.Exec(ctx, "LISTEN news"+strconv.Itoa(i)); err != nil {
					return err
				}
				if _, err := conn.Exec(ctx, "SELECT pg_notify('news' || $1, $1)", strconv.Itoa(i)); err != nil {
					return err
				}
				if err := wait(ctx, conn, strconv.Itoa(i)); err != nil {
					return err
				}
				_, err := conn.Exec(ctx, "UNLISTEN *")
				return err
			},
			func(ctx context.Context, conn *pgx.Conn) error {
				if _, err := conn.Exec(ctx, "LISTEN nothing"); err != nil {
					return err
				}
				return wait(ctx, conn, "")
			})
	})
}

// slowly is a pgx.CopyFromSource that never ends and takes a millisecond for each row.
// The rows are long because CopyFrom notices a lost connection only when it sends, which
// it does each 64 KiB.
type slowly struct {
	ctx context.Context
	n   int
}

func (s *slowly) Next() bool {
	s.n++
	select {
	case <-s.ctx.Done():
		return false
	case <-time.After(time.Millisecond):
		return true
	}
}

var longRow = strings.Repeat("row ", 1000)

func (s *slowly) Values() ([]any, error) { return []any{-s.n, longRow}, nil }

func (s *slowly) Err() error { return s.ctx.Err() }

// COPY to the server starts a goroutine that writes, so it needs ToThread.
func TestPgxCopyTo(t *testing.T) {
	overBoth(t, func(t *testing.T, over string) {
		s := sharedPostgres(t)
		s.exec(t, "DROP TABLE IF EXISTS copied; CREATE TABLE copied (i int, s text)")
		inLoop(t, func(ctx context.Context, l *aio.Loop) error {
			pool, err := s.pool(ctx, dialerOf(l, over))
			if err != nil {
				return err
			}
			copyRows := func(ctx context.Context, source pgx.CopyFromSource, want int64) error {
				return inThread(ctx, func(ctx context.Context) error {
					n, err := pool.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"i", "s"}, source)
					if err == nil && n != want {
						err = fmt.Errorf("%d rows were copied, want %d", n, want)
					}
					return err
				})
			}
			rows := func(n, i int) pgx.CopyFromSource {
				return pgx.CopyFromSlice(n, func(j int) ([]any, error) { return []any{i, "row " + strconv.Itoa(j)}, nil })
			}
			const n = 50_000
			if err := copyRows(ctx, rows(n, 7), n); err != nil {
				return err
			}
			err = exercise(ctx, t, calls{
				quick:    func(ctx context.Context, i int) error { return copyRows(ctx, rows(10, i), 10) },
				hang:     func(ctx context.Context) error { return copyRows(ctx, &slowly{ctx: ctx}, 0) },
				running:  s.active("copy "),
				together: pgTogether,
				server:   s.process,
				lost:     pgLost,
			})
			if err == nil {
				err = eventually(ctx, "rows of unfinished copies", 0, s.counting("SELECT count(*) FROM copied WHERE i < 0"))
			}
			return closePool(ctx, err, pool)
		})
	})
}

// COPY from the server works in a task.
func TestPgxCopyFromInTask(t *testing.T) {
	s := sharedPostgres(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		copyRows := func(ctx context.Context, conn *pgx.Conn, n int) error {
			var out strings.Builder
			tag, err := conn.PgConn().CopyTo(ctx, &out, fmt.Sprintf("COPY (SELECT generate_series(1, %d)) TO STDOUT", n))
			if lines := strings.Count(out.String(), "\n"); err == nil && (tag.RowsAffected() != int64(n) || lines != n) {
				err = fmt.Errorf("CopyTo: %v, %d lines, want %d", tag, lines, n)
			}
			return err
		}
		// Other tasks must run during the COPY.
		ticks := 0
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			ticker := tg.Go(func(ctx context.Context) error {
				for {
					ticks++
					if err := aio.Sleep(ctx, 0); err != nil {
						return err
					}
				}
			})
			err := s.withConn(ctx, func(ctx context.Context, conn *pgx.Conn) error { return copyRows(ctx, conn, 50_000) })
			ticker.Cancel()
			return err
		})
		if err == nil && ticks < 2 {
			err = fmt.Errorf("another task ran %d times", ticks)
		}
		if err != nil {
			return err
		}
		const endless = "COPY (SELECT generate_series(1, 1000000000), pg_sleep(0.001)) TO STDOUT"
		return s.exerciseConn(ctx, t, s.active(endless),
			func(ctx context.Context, conn *pgx.Conn, i int) error { return copyRows(ctx, conn, i) },
			func(ctx context.Context, conn *pgx.Conn) error {
				_, err := conn.PgConn().CopyTo(ctx, io.Discard, endless)
				return err
			})
	})
}

// COPY to the server in a task is refused.
func TestPgxCopyToInTask(t *testing.T) {
	s := sharedPostgres(t)
	s.exec(t, "DROP TABLE IF EXISTS copied; CREATE TABLE copied (i int, s text)")
	inLoop(t, func(ctx context.Context, _ *aio.Loop) error {
		for what, d := range map[string]*aio.Dialer{"a Dialer": {}, "a Dialer with ForTasks": {ForTasks: true}} {
			conn, err := s.connect(ctx, d)
			if err != nil {
				return err
			}
			rows := pgx.CopyFromSlice(50_000, func(i int) ([]any, error) { return []any{i, "row"}, nil })
			_, err = conn.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"i", "s"}, rows)
			if err := errors.Join(refused(err), closeConn(ctx, conn)); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
		}
		return nil
	})
}

// database/sql with aiosql, over its own connections or those of the loop.
func TestSQLPostgres(t *testing.T) {
	overBoth(t, func(t *testing.T, over string) {
		s := sharedPostgres(t)
		s.exec(t, "DROP TABLE IF EXISTS stock; CREATE TABLE stock (n int)")
		inLoop(t, func(ctx context.Context, l *aio.Loop) error {
			config, err := pgx.ParseConfig(s.url)
			if err != nil {
				return err
			}
			if dialer := dialerOf(l, over); dialer != nil {
				config.DialFunc = dialer.DialContext
			}
			db := stdlib.OpenDB(*config)
			db.SetMaxOpenConns(pgConns)
			err = sqlWorks(ctx, db, "generate_series(1, 3000)", "stock", "$1")
			if err == nil {
				err = exercise(ctx, t, calls{
					quick: func(ctx context.Context, i int) error {
						got, err := aiosql.QueryRow(ctx, db, aiosql.Column[int], "SELECT $1::int + 1", i)
						if err == nil && got != i+1 {
							err = fmt.Errorf("the server answered %d to %d", got, i)
						}
						return err
					},
					hang: func(ctx context.Context) error {
						return aiosql.WithTx(ctx, db, nil, func(ctx context.Context, tx *sql.Tx) error {
							_, err := aiosql.Exec(ctx, tx, hanging)
							return err
						})
					},
					running:  s.active(hanging),
					together: pgTogether,
					server:   s.process,
					lost:     pgLost,
				})
			}
			if n := db.Stats().InUse; err == nil && n != 0 {
				err = fmt.Errorf("%d connections are in use", n)
			}
			return closing(ctx, err, db)
		})
	})
}

// sqlWorks reads rows and runs transactions that are committed, rolled back and
// cancelled. It checks that no call leaves a connection in use.
func sqlWorks(ctx context.Context, db *sql.DB, series, table, arg string) error {
	sum := 0
	for n, err := range aiosql.Query(ctx, db, aiosql.Column[int], "SELECT * FROM "+series) {
		if err != nil {
			return err
		}
		sum += n
	}
	if sum != 3000*3001/2 {
		return fmt.Errorf("the sum of the rows is %d", sum)
	}
	broken := errors.New("broken")
	began := aio.CreateFuture[struct{}](ctx)
	insert := func(ctx context.Context, then func(ctx context.Context) error) error {
		return aiosql.WithTx(ctx, db, nil, func(ctx context.Context, tx *sql.Tx) error {
			for i := range 3 {
				if _, err := aiosql.Exec(ctx, tx, "INSERT INTO "+table+" VALUES ("+arg+")", i); err != nil {
					return err
				}
			}
			return then(ctx)
		})
	}
	check := func(err, want error) error {
		if !errors.Is(err, want) {
			return fmt.Errorf("a transaction ended with %w, want %w", err, want)
		}
		if in := db.Stats().InUse; in != 0 {
			return fmt.Errorf("%d connections are in use", in)
		}
		n, err := aiosql.QueryRow(ctx, db, aiosql.Column[int], "SELECT count(*) FROM "+table)
		if err == nil && n != 3 {
			err = fmt.Errorf("there are %d rows", n)
		}
		return err
	}
	if err := check(insert(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Millisecond) }), nil); err != nil {
		return err
	}
	if err := check(insert(ctx, func(context.Context) error { return broken }), broken); err != nil {
		return err
	}
	task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		return insert(ctx, func(ctx context.Context) error {
			began.SetResult(struct{}{})
			return aio.Sleep(ctx, time.Hour)
		})
	}))
	if _, err := began.Await(ctx); err != nil {
		return err
	}
	task.Cancel()
	_, err := task.Await(ctx)
	return check(err, aio.ErrCancelled)
}
