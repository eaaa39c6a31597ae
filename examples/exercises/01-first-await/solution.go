//go:build solution

package exercise

import (
	"context"
	"time"

	"github.com/goaio/aio"
)

// Boil waits for minutes of the loop's time, and returns drink.
func Boil(ctx context.Context, drink string, minutes int) (string, error) {
	if err := aio.Sleep(ctx, time.Duration(minutes)*time.Minute); err != nil {
		return "", err
	}
	return drink, nil
}
