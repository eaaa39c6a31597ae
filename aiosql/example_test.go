package aiosql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiosql"
)

func Example() {
	db := sql.OpenDB(newServer()) // or sql.Open
	defer db.Close()
	err := aio.Run(func(ctx context.Context) error {
		for n, err := range aiosql.Query(ctx, db, aiosql.Column[int], "count 3") {
			if err != nil {
				return err
			}
			fmt.Println("row", n)
		}
		_, err := aiosql.Exec(ctx, db, "log tea", 1, 2)
		fmt.Println("exec:", err)
		// The timeout cancels the statement in the server too.
		err = aio.Timeout(ctx, time.Millisecond, func(ctx context.Context) error {
			_, err := aiosql.Exec(ctx, db, "hang")
			return err
		})
		fmt.Println("hang:", err)
		return nil
	})
	fmt.Println(err)
	// Output:
	// row 1
	// row 2
	// row 3
	// exec: <nil>
	// hang: aio: timed out
	// <nil>
}

func ExampleQuery() {
	db := sql.OpenDB(newServer())
	defer db.Close()
	type item struct{ number, square int }
	scan := func(rows *sql.Rows) (i item, err error) {
		err = rows.Scan(&i.number)
		i.square = i.number * i.number
		return i, err
	}
	err := aio.Run(func(ctx context.Context) error {
		for i, err := range aiosql.Query(ctx, db, scan, "count 100") {
			if err != nil {
				return err
			}
			fmt.Println(i)
			if i.number == 2 {
				break // closes the rows
			}
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// {1 1}
	// {2 4}
	// <nil>
}

func ExampleQueryRow() {
	db := sql.OpenDB(newServer())
	defer db.Close()
	err := aio.Run(func(ctx context.Context) error {
		fmt.Println(aiosql.QueryRow(ctx, db, aiosql.Column[int], "count 1"))
		_, err := aiosql.QueryRow(ctx, db, aiosql.Column[int], "count 0")
		fmt.Println(errors.Is(err, sql.ErrNoRows))
		return nil
	})
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// true
	// <nil>
}

func ExampleWithTx() {
	s := newServer()
	db := sql.OpenDB(s)
	defer db.Close()
	move := func(ctx context.Context, fail error) error {
		return aiosql.WithTx(ctx, db, nil, func(ctx context.Context, tx *sql.Tx) error {
			if _, err := aiosql.Exec(ctx, tx, "log take"); err != nil {
				return err
			}
			if _, err := aiosql.Exec(ctx, tx, "log put"); err != nil {
				return err
			}
			return fail
		})
	}
	err := aio.Run(func(ctx context.Context) error {
		fmt.Println(move(ctx, nil), s.did())
		fmt.Println(move(ctx, errors.New("not enough")), s.did())
		return nil
	})
	fmt.Println(err)
	// Output:
	// <nil> begin take put commit
	// not enough begin take put rollback
	// <nil>
}

func ExampleWithConn() {
	db := sql.OpenDB(newServer())
	defer db.Close()
	err := aio.Run(func(ctx context.Context) error {
		return aiosql.WithConn(ctx, db, func(ctx context.Context, conn *sql.Conn) error {
			// All statements in this function use the same session.
			if _, err := aiosql.Exec(ctx, conn, "log settings"); err != nil {
				return err
			}
			fmt.Println(aiosql.QueryRow(ctx, conn, aiosql.Column[int], "count 1"))
			return nil
		})
	})
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// <nil>
}

func ExampleDo() {
	db := sql.OpenDB(newServer())
	defer db.Close()
	err := aio.Run(func(ctx context.Context) error {
		_, err := aiosql.Do(ctx, aio.NoResult(db.PingContext))
		fmt.Println("ping:", err)
		return nil
	})
	fmt.Println(err)
	// Output:
	// ping: <nil>
	// <nil>
}
