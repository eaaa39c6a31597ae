package services_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

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
	dirs := []string{"/usr/lib/postgresql/*/bin", "/opt/homebrew/bin", "/usr/local/bin"}
	dir := dirOf(t, cleanup, as)
	data := filepath.Join(dir, "data")
	initdb := exec.Command(program(t, "initdb", dirs...), "-D", data, "-U", "aio", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	initdb.SysProcAttr, initdb.Dir = credential(t, as), dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	port := freePort(t)
	s := postgres{url: fmt.Sprintf("postgres://aio@127.0.0.1:%d/postgres?sslmode=disable", port)}
	s.process = start(t, cleanup, as, program(t, "postgres", dirs...), "-D", data, "-p", strconv.Itoa(port),
		"-h", "127.0.0.1", "-k", dir, "-c", "fsync=off", "-c", "max_connections=100")
	s.ready(t, func() error {
		conn, err := pgx.Connect(t.Context(), s.url)
		if err == nil {
			err = conn.Close(t.Context())
		}
		return err
	})
	return s
}

var sharedPostgres = once(startPostgres)

// watch returns a separate connection that inspects what the server does.
func (s postgres) watch(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// hanging is a statement that does not return during a test. Its number distinguishes
// the tests.
const hanging = "SELECT pg_sleep(3600)"

// sleeping counts the hanging statements in pg_stat_activity.
func sleeping(conn *pgx.Conn) func(ctx context.Context) (int, error) {
	return func(ctx context.Context) (n int, err error) {
		err = conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1", hanging+"%").Scan(&n)
		return n, err
	}
}

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

// pool makes a connection pool. If l is not nil, it uses connections of the loop.
func (s postgres) pool(ctx context.Context, l *aio.Loop) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(s.url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 20
	if l != nil {
		config.ConnConfig.DialFunc = (&aio.Dialer{Loop: l}).DialContext
	}
	// The pool's goroutines run until this context is done.
	return pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
}

// A pgx pool with ToThread, over its own connections or those of the loop.
func TestPgxPool(t *testing.T) {
	for _, over := range []string{"its own connections", "the loop's connections"} {
		t.Run(over, func(t *testing.T) {
			s := startPostgres(t, t.Cleanup)
			watcher := s.watch(t)
			inLoop(t, func(ctx context.Context, l *aio.Loop) error {
				if over == "its own connections" {
					l = nil
				}
				pool, err := s.pool(ctx, l)
				if err != nil {
					return err
				}
				err = exercise(ctx, calls{
					quick: func(ctx context.Context, i int) error {
						return inThread(ctx, func(ctx context.Context) error { return pgQuick(ctx, pool, i) })
					},
					hang: func(ctx context.Context) error {
						return inThread(ctx, func(ctx context.Context) error { return pgHang(ctx, pool) })
					},
					running: sleeping(watcher),
					kill:    s.kill,
				})
				return errors.Join(err, inThread(ctx, func(context.Context) error { pool.Close(); return nil }))
			})
		})
	}
}

// A pool call from a task is refused, with an error that says what to do.
func TestPgxPoolInTask(t *testing.T) {
	s := sharedPostgres(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		pool, err := s.pool(ctx, l)
		if err != nil {
			return err
		}
		err = refused(pgQuick(ctx, pool, 1))
		return errors.Join(err, inThread(ctx, func(context.Context) error { pool.Close(); return nil }))
	})
}

// refused checks that err refuses a call that would have made a task wait for its own
// loop.
func refused(err error) error {
	if err == nil || !strings.Contains(err.Error(), "aio.ToThread") {
		return fmt.Errorf("the call was not refused: %v", err)
	}
	return nil
}

// taskConn is a connection for a pgx.Conn in a task. When a write takes longer than 15
// ms, pgx starts a goroutine that reads ahead, and waits for it; that goroutine cannot
// read while the task blocks the loop. A timeout ends its read, and then the task
// reads.
type taskConn struct {
	net.Conn
	loop *aio.Loop
}

func (c taskConn) Read(p []byte) (int, error) {
	if aio.CurrentTask(c.loop.Context()) == nil { // called from another goroutine
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Read(p)
}

// withConn connects over a connection of the loop, calls f in the task, and closes the
// connection.
func (s postgres) withConn(ctx context.Context, l *aio.Loop, f func(ctx context.Context, conn *pgx.Conn) error) error {
	d := &aio.Dialer{Loop: l}
	return s.withDial(ctx, func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, addr)
		return taskConn{c, l}, err
	}, f)
}

// withDial is withConn with another dial function.
func (s postgres) withDial(ctx context.Context, dial pgconn.DialFunc, f func(ctx context.Context, conn *pgx.Conn) error) error {
	config, err := pgx.ParseConfig(s.url)
	if err != nil {
		return err
	}
	config.DialFunc = dial
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return orCause(ctx, err)
	}
	// After a cancellation ctx is done; Close needs a context that is not.
	defer conn.Close(context.WithoutCancel(ctx))
	return orCause(ctx, f(ctx, conn))
}

// A pgx.Conn in a task, over a connection of the loop: calls that would block suspend
// the task.
func TestPgxConnInTask(t *testing.T) {
	s := startPostgres(t, t.Cleanup)
	watcher := s.watch(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		slots := aio.NewSemaphore(20)
		return exercise(ctx, calls{
			quick: func(ctx context.Context, i int) error {
				return slots.With(ctx, func(ctx context.Context) error {
					return s.withConn(ctx, l, func(ctx context.Context, conn *pgx.Conn) error { return pgQuick(ctx, conn, i) })
				})
			},
			hang: func(ctx context.Context) error {
				return s.withConn(ctx, l, func(ctx context.Context, conn *pgx.Conn) error { return pgHang(ctx, conn) })
			},
			running: sleeping(watcher),
			kill:    s.kill,
		})
	})
}

// A transaction over several awaits of a task. A cancellation rolls it back.
func TestPgxTransactionInTask(t *testing.T) {
	s := sharedPostgres(t)
	watcher := s.watch(t)
	if _, err := watcher.Exec(t.Context(), "DROP TABLE IF EXISTS stock_pgx; CREATE TABLE stock_pgx (n int)"); err != nil {
		t.Fatal(err)
	}
	count := func(ctx context.Context) (n int, err error) {
		err = watcher.QueryRow(ctx, "SELECT count(*) FROM stock_pgx").Scan(&n)
		return n, err
	}
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		inserted := aio.CreateFuture[struct{}](ctx)
		insert := func(ctx context.Context, between func(ctx context.Context) error) error {
			return s.withConn(ctx, l, func(ctx context.Context, conn *pgx.Conn) error {
				return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
					for i := range 3 {
						if _, err := tx.Exec(ctx, "INSERT INTO stock_pgx VALUES ($1)", i); err != nil {
							return err
						}
						if err := between(ctx); err != nil {
							return err
						}
					}
					return nil
				})
			})
		}
		if err := insert(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Millisecond) }); err != nil {
			return err
		}
		if err := eventually(ctx, "rows of a transaction", 3, count); err != nil {
			return err
		}
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return insert(ctx, func(ctx context.Context) error {
				inserted.SetResult(struct{}{})
				return aio.Sleep(ctx, time.Hour)
			})
		}))
		if _, err := inserted.Await(ctx); err != nil {
			return err
		}
		task.Cancel()
		_, err := task.Await(ctx)
		if err := wants(err, aio.ErrCancelled); err != nil {
			return err
		}
		idle := func(ctx context.Context) (n int, err error) {
			err = watcher.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO stock_pgx%'").Scan(&n)
			return n, err
		}
		return errors.Join(eventually(ctx, "open transactions", 0, idle), eventually(ctx, "rows after a rollback", 3, count))
	})
}

// LISTEN in one task, NOTIFY from another one.
func TestPgxListenInTask(t *testing.T) {
	s := sharedPostgres(t)
	watcher := s.watch(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		const n = 20
		var got []string
		err := s.withConn(ctx, l, func(ctx context.Context, conn *pgx.Conn) error {
			if _, err := conn.Exec(ctx, "LISTEN news"); err != nil {
				return err
			}
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(func(ctx context.Context) error {
					return s.withConn(ctx, l, func(ctx context.Context, other *pgx.Conn) error {
						for i := range n {
							if _, err := other.Exec(ctx, "SELECT pg_notify('news', $1)", strconv.Itoa(i)); err != nil {
								return err
							}
						}
						return nil
					})
				})
				for range n {
					note, err := conn.WaitForNotification(ctx)
					if err != nil {
						return err
					}
					got = append(got, note.Payload)
				}
				return nil
			})
		})
		if want := "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19"; err == nil && strings.Join(got, " ") != want {
			err = fmt.Errorf("notifications: %v", got)
		}
		if err != nil {
			return err
		}
		// A cancelled task ends its LISTEN and its session.
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return s.withConn(ctx, l, func(ctx context.Context, conn *pgx.Conn) error {
				if _, err := conn.Exec(ctx, "LISTEN nothing"); err != nil {
					return err
				}
				_, err := conn.WaitForNotification(ctx)
				return err
			})
		}))
		listening := func(ctx context.Context) (n int, err error) {
			err = watcher.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN nothing'").Scan(&n)
			return n, err
		}
		if err := eventually(ctx, "sessions that listen", 1, listening); err != nil {
			return err
		}
		task.Cancel()
		_, err = task.Await(ctx)
		return errors.Join(wants(err, aio.ErrCancelled), eventually(ctx, "sessions that listen", 0, listening))
	})
}

// COPY to the server starts a goroutine that writes, so it needs ToThread. COPY from
// the server works in a task.
func TestPgxCopy(t *testing.T) {
	s := sharedPostgres(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		const n = 50_000
		copyFrom := func(ctx context.Context, conn *pgx.Conn) error {
			rows := pgx.CopyFromSlice(n, func(i int) ([]any, error) { return []any{i, "row " + strconv.Itoa(i)}, nil })
			copied, err := conn.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"i", "s"}, rows)
			if err == nil && copied != n {
				err = fmt.Errorf("%d rows were copied", copied)
			}
			return err
		}
		dial := (&aio.Dialer{Loop: l}).DialContext
		err := inThread(ctx, func(ctx context.Context) error {
			return s.withDial(ctx, dial, func(ctx context.Context, conn *pgx.Conn) error {
				if _, err := conn.Exec(ctx, "DROP TABLE IF EXISTS copied; CREATE TABLE copied (i int, s text)"); err != nil {
					return err
				}
				return copyFrom(ctx, conn)
			})
		})
		if err != nil {
			return err
		}
		err = s.withConn(ctx, l, func(ctx context.Context, conn *pgx.Conn) error {
			ticks, over := 0, false
			ticker := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				for !over {
					ticks++
					if err := aio.Sleep(ctx, 0); err != nil {
						return err
					}
				}
				return nil
			}))
			var out strings.Builder
			tag, err := conn.PgConn().CopyTo(ctx, &out, "COPY copied TO STDOUT")
			if lines := strings.Count(out.String(), "\n"); err == nil && (tag.RowsAffected() != n || lines != n || ticks < 2) {
				err = fmt.Errorf("CopyTo: %v, %d lines, and another task ran %d times", tag, lines, ticks)
			}
			over = true
			_, terr := ticker.Await(ctx)
			return errors.Join(err, terr)
		})
		if err != nil {
			return err
		}
		return refused(s.withDial(ctx, dial, copyFrom))
	})
}

// database/sql with aiosql.
func TestSQLPostgres(t *testing.T) {
	s := startPostgres(t, t.Cleanup)
	watcher := s.watch(t)
	db, err := sql.Open("pgx", s.url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(20)
	if _, err := db.Exec("CREATE TABLE stock_sql (n int)"); err != nil {
		t.Fatal(err)
	}
	inLoop(t, func(ctx context.Context, _ *aio.Loop) error {
		if err := sqlWorks(ctx, db, "generate_series(1, 3000)", "stock_sql", "$1"); err != nil {
			return err
		}
		return exercise(ctx, calls{
			quick: func(ctx context.Context, i int) error {
				got, err := aiosql.QueryRow(ctx, db, aiosql.Column[int], "SELECT $1::int + 1", i)
				if err == nil && got != i+1 {
					err = fmt.Errorf("the server answered %d to %d", got, i)
				}
				return err
			},
			hang: func(ctx context.Context) error {
				err := aiosql.WithTx(ctx, db, nil, func(ctx context.Context, tx *sql.Tx) error {
					_, err := aiosql.Exec(ctx, tx, hanging)
					return err
				})
				return errors.Join(err, nil)
			},
			running: sleeping(watcher),
			kill:    s.kill,
		})
	})
	if n := db.Stats().InUse; n != 0 {
		t.Errorf("%d connections are in use", n)
	}
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
