package main

// Step 3: members have names, and no two have the same.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/goaio/aio"
)

// names are the names that are taken.
type names map[string]bool

// ask asks a client for a name until it gives one that is free, and takes it.
func (n names) ask(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) (string, error) {
	fmt.Fprintln(w, "* your name?")
	for {
		line, err := r.ReadLine(ctx)
		if err != nil {
			return "", err
		}
		if !bytes.HasSuffix(line, []byte("\n")) {
			return "", io.EOF // the client has left
		}
		name := string(bytes.TrimSpace(line))
		// No other task runs between the check and the assignment.
		if name != "" && !n[name] {
			n[name] = true
			return name, nil
		}
		fmt.Fprintln(w, "* that name is taken, another one?")
	}
}

// isGone reports whether err only says that a client has left.
func isGone(err error) bool {
	var network net.Error
	return errors.Is(err, io.EOF) || errors.As(err, &network) && !errors.Is(err, aio.ErrTimeout)
}
