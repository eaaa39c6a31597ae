package aiosql

// A Tx or a Conn is one session, and most drivers execute one statement of a session at
// a time: as long as rows of a query are open, another statement fails. Whether they are
// still open would depend on how far the goroutine of the query has read ahead, and so
// on the number of rows. Therefore the calls of this package take turns in a session,
// and during a range loop over rows another call is refused, for any number of rows.

import (
	"context"
	"database/sql"
	"sync"
)

// session is a Tx or Conn that calls use. The fields other than turn belong to sessions.
type session struct {
	of    any           // the *sql.Tx or *sql.Conn
	turn  chan struct{} // has an element while a statement runs
	users int           // number of calls that use the session
	rows  bool          // one of the calls is a range loop over rows
}

// sessions has the sessions that calls use, and the Conn of each Tx that WithTx has
// begun.
var sessions = struct {
	sync.Mutex
	used  map[any]*session
	conns map[*sql.Tx]*sql.Conn
}{used: map[any]*session{}, conns: map[*sql.Tx]*sql.Conn{}}

// enter notes that a call uses db, in a range loop over rows if rows is set. It returns
// nil if db has no session of its own, such as a DB. A nil pointer is misuse like a nil
// interface: database/sql would panic.
func enter(call string, db any, rows bool) (*session, error) {
	switch db {
	case nil, (*sql.DB)(nil), (*sql.Conn)(nil), (*sql.Tx)(nil):
		return nil, usage(call, "the database is nil")
	}
	sessions.Lock()
	defer sessions.Unlock()
	switch of := db.(type) {
	case *sql.Tx:
		if conn := sessions.conns[of]; conn != nil {
			db = conn
		}
	case *sql.Conn:
	default:
		return nil, nil
	}
	s := sessions.used[db]
	switch {
	case s == nil:
		s = &session{of: db, turn: make(chan struct{}, 1)}
		sessions.used[db] = s
	case s.rows:
		return nil, usage(call, "a range loop over rows of the same Tx or Conn is not over: read the rows into a slice first, or use another connection")
	}
	s.users++
	s.rows = rows
	return s, nil
}

// leave undoes enter.
func (s *session) leave(rows bool) {
	if s == nil {
		return
	}
	sessions.Lock()
	defer sessions.Unlock()
	if rows {
		s.rows = false
	}
	if s.users--; s.users == 0 {
		delete(sessions.used, s.of)
	}
}

// statement calls f when the earlier statements of the session have ended.
func (s *session) statement(ctx context.Context, f func() error) error {
	if s == nil {
		return f()
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.turn }()
	return f()
}

// within notes that tx is a transaction of db until the returned function is called.
func within(tx *sql.Tx, db Beginner) (end func()) {
	conn, ok := db.(*sql.Conn)
	if !ok {
		return func() {}
	}
	sessions.Lock()
	defer sessions.Unlock()
	sessions.conns[tx] = conn
	return func() {
		sessions.Lock()
		defer sessions.Unlock()
		delete(sessions.conns, tx)
	}
}
