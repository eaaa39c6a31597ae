package aiojobs

import "context"

// SettleCancelled stores the cancellation of a job, and tells no worker.
func SettleCancelled(ctx context.Context, c *Client, id string) (bool, error) {
	return c.settle(ctx, id, &outcome{status: statusCancelled})
}
