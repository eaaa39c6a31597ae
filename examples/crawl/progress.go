package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/goaio/aio"
)

// progressLine is a line of a terminal that is overwritten repeatedly.
type progressLine struct {
	w    io.Writer
	live bool // w is a terminal
}

const (
	progressInterval = 100 * time.Millisecond
	// eraseLine moves the cursor to the first column and erases the line.
	eraseLine = "\r\x1b[K"
)

// showProgress shows the number of addresses until it is cancelled.
func (c *crawler) showProgress(ctx context.Context) error {
	if !c.progress.live {
		return nil
	}
	defer fmt.Fprint(c.progress.w, eraseLine)
	for {
		if err := aio.Sleep(ctx, progressInterval); err != nil {
			return err
		}
		fmt.Fprintf(c.progress.w, "%s%d of %d addresses", eraseLine, c.visits, len(c.pages))
	}
}

// isTerminal also reports true for some other devices, such as /dev/null, where the
// progress does no harm.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
