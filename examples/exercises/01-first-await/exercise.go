//go:build !solution

package exercise

import "context"

// Boil waits for minutes of the loop's time, and returns drink.
func Boil(ctx context.Context, drink string, minutes int) (string, error) {
	// TODO: wait.
	return drink, nil
}
