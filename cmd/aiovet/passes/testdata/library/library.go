// Package library has functions for packages that import it.
package library

import (
	"context"

	"github.com/goaio/aio"
)

type Store[T any] struct{ q *aio.Queue[T] }

func (s *Store[T]) Save(ctx context.Context, v T) error { return s.q.Put(ctx, v) }

func Wait(ctx context.Context) error { return aio.Sleep(ctx, 1) }

func Plain(ctx context.Context) error { return ctx.Err() }
