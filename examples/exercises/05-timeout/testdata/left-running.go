// Fails: TestAnswers, while the call of the near one still runs.

package exercise

import (
	"context"
	"time"

	"github.com/goaio/aio"
)

func Ask(ctx context.Context, patience time.Duration, near, far func(ctx context.Context) (string, error)) (string, error) {
	task := aio.CreateTask(ctx, aio.AsCoro(near))
	if _, _, err := aio.Wait(ctx, []aio.AnyFuture{task}, patience, aio.AllCompleted); err != nil {
		task.Cancel()
		return "", err
	}
	if !task.Done() {
		return far(ctx)
	}
	return task.Result()
}
