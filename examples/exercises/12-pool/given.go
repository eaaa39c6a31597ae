// Package exercise is about resources that are lost by a cancellation.
package exercise

import (
	"context"
	"errors"
	"fmt"

	"github.com/goaio/aio"
)

// Server counts its connections.
type Server struct {
	Open    int // connections that are open
	Dialing int
	Dialed  int   // in all
	Wrong   error // the first broken rule
	limit   int
}

// Dial opens a connection, which takes two passes of the loop.
func (s *Server) Dial(ctx context.Context) (*Conn, error) {
	s.Dialing++
	defer func() { s.Dialing-- }()
	if n := s.Open + s.Dialing; n > s.limit && s.Wrong == nil {
		s.Wrong = fmt.Errorf("%d connections are open or dialled, and the pool has a size of %d", n, s.limit)
	}
	for range 2 {
		if err := aio.Sleep(ctx, 0); err != nil {
			return nil, err
		}
	}
	s.Open++
	s.Dialed++
	return &Conn{server: s}, nil
}

// Conn is a connection to a server that answers questions.
type Conn struct {
	server *Server
	unread string // the answer that was not read yet
	closed bool
}

// Ask sends a question, and waits for the answer.
func (c *Conn) Ask(ctx context.Context, question string) (string, error) {
	if c.closed {
		return "", errors.New("the connection is closed")
	}
	if c.unread != "" {
		return "", fmt.Errorf("a user gets %q, which is for another user", c.unread)
	}
	c.unread = "answer to " + question
	if err := aio.Sleep(ctx, 0); err != nil {
		return "", err
	}
	answer := c.unread
	c.unread = ""
	return answer, nil
}

// Close closes the connection.
func (c *Conn) Close() {
	if !c.closed {
		c.closed = true
		c.server.Open--
	}
}
