package aiosql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// server is a database with these statements:
//
//	count N    returns rows with the numbers 1 to N, one column
//	hang       waits until its context is done; hang N does so after N rows
//	stuck      waits for release and ignores its context
//	late       waits until its context is done, and then for release
//	late N     returns N rows, and does so when they are closed
//	panic      panics
//	log WORD   appends the word to the log; so do begin, commit and rollback
type server struct {
	release chan struct{} // closing this channel ends the stuck statements
	commit  chan struct{} // if not nil, a commit receives from it first
	// receives each hanging statement when the statement starts to wait
	running chan string

	mu    sync.Mutex
	log   []string
	count int // running statements and open rows
}

func newServer() *server {
	return &server{release: make(chan struct{}), running: make(chan string, 100)}
}

// open returns a pool with at most n connections.
func (s *server) open(t testing.TB, n int) *sql.DB {
	db := sql.OpenDB(s)
	db.SetMaxOpenConns(n)
	t.Cleanup(func() { db.Close() })
	return db
}

func (s *server) add(word string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, word)
}

// did returns the log and clears it.
func (s *server) did() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := strings.Join(s.log, " ")
	s.log = nil
	return log
}

// busy adds n to the number of running statements, and returns it.
func (s *server) busy(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count += n
	return s.count
}

func (s *server) Connect(context.Context) (driver.Conn, error) { return &conn{server: s}, nil }
func (s *server) Driver() driver.Driver                        { return nil }

// conn refuses statements while it has open rows, as most drivers do.
type conn struct {
	*server
	open atomic.Int32
}

var errBusy = errors.New("the connection has open rows")

func (c *conn) free() error {
	if c.open.Load() > 0 {
		return errBusy
	}
	return nil
}

func (c *conn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (c *conn) Close() error                        { return nil }
func (c *conn) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if opts.ReadOnly { // simulates a server that does not respond
		return nil, c.hang(ctx, "begin")
	}
	if err := c.free(); err != nil {
		return nil, err
	}
	c.add("begin")
	return c, nil
}

func (c *conn) Commit() error {
	if c.commit != nil {
		c.running <- "commit"
		<-c.commit
	}
	c.add("commit")
	return nil
}

func (c *conn) Rollback() error { c.add("rollback"); return nil }

func (c *conn) hang(ctx context.Context, what string) error {
	c.running <- what
	<-ctx.Done()
	return ctx.Err()
}

// late sends what twice: when it starts to wait, and when ctx is done.
func (c *conn) late(ctx context.Context, what string) error {
	err := c.hang(ctx, what)
	c.running <- what
	<-c.release
	return err
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.free(); err != nil {
		return nil, err
	}
	c.busy(1)
	defer c.busy(-1)
	word, rest, _ := strings.Cut(query, " ")
	switch word {
	case "hang":
		return nil, c.hang(ctx, query)
	case "stuck":
		c.running <- query
		<-c.release
	case "late":
		return nil, c.late(ctx, query)
	case "panic":
		panic("the driver's")
	case "log":
		c.add(rest)
	default:
		return nil, fmt.Errorf("what is %q?", query)
	}
	return driver.RowsAffected(len(args)), nil
}

func (c *conn) QueryContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	word, rest, _ := strings.Cut(query, " ")
	n, _ := strconv.Atoi(rest)
	switch {
	case word != "count" && word != "hang" && word != "late":
		return nil, fmt.Errorf("what is %q?", query)
	case word == "hang" && n == 0:
		return nil, c.hang(ctx, query)
	case word == "late" && n == 0:
		return nil, c.late(ctx, query)
	}
	if err := c.free(); err != nil {
		return nil, err
	}
	c.busy(1)
	c.open.Add(1)
	return &rows{conn: c, ctx: ctx, n: n, word: word}, nil
}

// rows are the rows of count, hang and late.
type rows struct {
	*conn
	ctx  context.Context
	i, n int
	word string
}

func (r *rows) Columns() []string { return []string{"n"} }
func (r *rows) Close() error {
	if r.word == "late" {
		_ = r.late(r.ctx, "close")
	}
	r.open.Add(-1)
	r.busy(-1)
	return nil
}

func (r *rows) Next(to []driver.Value) error {
	switch {
	case r.i < r.n:
		r.i++
		to[0] = int64(r.i)
		return nil
	case r.word == "hang":
		return r.hang(r.ctx, "rows")
	default:
		return io.EOF
	}
}
