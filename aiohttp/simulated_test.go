package aiohttp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/goaio/aio/aiohttp"
	"github.com/goaio/aio/aiotest"
)

// A loop with a simulated network does not let a test use the real one by mistake.
func TestSimulatedNetworkRefuses(t *testing.T) {
	x := aiotest.Exploration{Network: true, Runs: 1, AllowDifferences: true}
	aiotest.Explore(t, x, func(ctx context.Context) error {
		if _, err := aiohttp.Serve(ctx, http.NotFoundHandler(), "127.0.0.1:0", nil); !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("Serve: %w", err)
		}
		if _, err := new(aiohttp.Client).Get(ctx, "http://127.0.0.1:1/"); !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("Get: %w", err)
		}
		return nil
	})
}
