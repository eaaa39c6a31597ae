package main

// Step 1: the first line.

import (
	"context"

	"github.com/goaio/aio"
)

// echo answers each line with the same line.
func echo(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
	for line, err := range r.Lines(ctx) {
		if err != nil {
			return err
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		// Drain suspends while the client reads too slowly.
		if err := w.Drain(ctx); err != nil {
			return err
		}
	}
	return nil
}
