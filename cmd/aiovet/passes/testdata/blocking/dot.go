package blocking

import (
	"context"
	"time"

	. "github.com/goaio/aio"
)

// There is no name with which a fix could call Sleep.
func wrongDot(ctx context.Context) error {
	time.Sleep(time.Second) // want `time.Sleep blocks the loop`
	return Sleep(ctx, time.Second)
}
