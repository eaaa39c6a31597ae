package aiojobs

import (
	"context"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// SettleCancelled stores the cancellation of a job, and tells no worker.
func SettleCancelled(ctx context.Context, c *Client, id string) (bool, error) {
	return c.settle(ctx, id, &outcome{status: statusCancelled})
}

// Embedded returns the server itself.
func Embedded(s *Server) *server.Server { return s.s }

// StreamConfigs returns the streams of a namespace with one server.
func StreamConfigs() []jetstream.StreamConfig {
	return streamConfigs(&Options{
		Namespace: "jobs", MaxPending: 1_000_000, ResultTTL: time.Hour, DeadTTL: time.Hour, DedupWindow: 10 * time.Minute,
	}, 1)
}

// MissNews makes a queue not hear of a Shutdown elsewhere.
func MissNews[T any](q *Queue[T]) error { return q.news.Unsubscribe() }
