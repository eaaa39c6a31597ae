package services_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiosql"
)

// endless is a query that never ends.
const endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c"

// SQLite in the test process, with ToThread and with aiosql. The pool shows when a
// statement has stopped: the driver returns the connection once SQLite has returned.
func TestSQLite(t *testing.T) {
	for _, by := range []string{"ToThread", "aiosql"} {
		t.Run(by, func(t *testing.T) {
			db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "db")+"?_pragma=journal_mode(wal)&_pragma=busy_timeout(60000)&_txlock=immediate")
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			db.SetMaxOpenConns(4)
			if _, err := db.Exec("CREATE TABLE stock (n int)"); err != nil {
				t.Fatal(err)
			}
			query := func(ctx context.Context, text string, args ...any) (int, error) {
				return aiosql.QueryRow(ctx, db, aiosql.Column[int], text, args...)
			}
			if by == "ToThread" {
				query = func(ctx context.Context, text string, args ...any) (int, error) {
					return aio.ToThread(ctx, func(ctx context.Context) (n int, err error) {
						err = db.QueryRowContext(ctx, text, args...).Scan(&n)
						return n, err
					})
				}
			}
			inLoop(t, func(ctx context.Context, _ *aio.Loop) error {
				const series = "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 3000) SELECT x FROM c)"
				if by == "aiosql" {
					if err := sqlWorks(ctx, db, series, "stock", "?"); err != nil {
						return err
					}
				}
				return exercise(ctx, t, calls{
					quick: func(ctx context.Context, i int) error {
						got, err := query(ctx, "SELECT ? + 1", i)
						if err == nil && got != i+1 {
							err = fmt.Errorf("SQLite answered %d to %d", got, i)
						}
						return err
					},
					hang: func(ctx context.Context) error {
						_, err := query(ctx, endless)
						return err
					},
					running:  func(context.Context) (int, error) { return db.Stats().InUse, nil },
					together: 4,
				})
			})
		})
	}
}
