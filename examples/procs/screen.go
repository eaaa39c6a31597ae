//go:build unix

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// tick is the time from one look at the clock to the next.
const tick = 250 * time.Millisecond

// screen is standard output and standard error. If the former is a terminal, its last
// lines are about what is going on: they are erased before something is written, and
// drawn again below.
//
// A goroutine writes, or a terminal that was stopped would keep the loop from hearing of
// a signal. It has an executor of its own, with one worker: that makes one write after
// the other, in order, and nobody waits for one that blocks when procs ends.
type screen struct {
	stdout, stderr *os.File
	// what there is to show in n lines; nil in the end
	status func(n int) []string
	fail   func(error) // told when a write has failed
	writer aio.Executor
	shown  int // how many lines are there to be erased; the writer's
}

// print writes text when what was printed before is written, and returns when that is
// done. It fails only if it is cancelled; the text is written all the same.
func (s *screen) print(ctx context.Context, to *os.File, text []byte) error {
	written := s.post(ctx, to, text)
	if _, _, err := aio.Wait(ctx, []aio.AnyFuture{written}, aio.NoTimeout, aio.AllCompleted); err != nil {
		return err
	}
	if err, _ := written.Result(); err != nil {
		s.fail(err)
	}
	return nil
}

// post is print without waiting.
func (s *screen) post(ctx context.Context, to *os.File, text []byte) *aio.Future[error] {
	var status []string
	if rows := height(s.stdout); s.status != nil && rows > 0 {
		status = s.status(rows - 1)
	}
	return aio.RunInExecutor(ctx, s.writer, func() (error, error) { return s.write(to, text, status), nil })
}

// write is for the writer.
func (s *screen) write(to *os.File, text []byte, status []string) error {
	var erase, draw []byte
	if s.shown > 0 {
		erase = fmt.Appendf(nil, "\r\x1b[%dA\x1b[J", s.shown)
	}
	if s.shown = len(status); s.shown > 0 {
		// a line that is too long is cut off at the margin
		draw = fmt.Appendf(nil, "\x1b[?7l%s\n\x1b[?7h", strings.Join(status, "\n"))
	}
	if to == s.stdout { // all at once, so that it does not flicker
		erase, text, draw = nil, slices.Concat(erase, text, draw), nil
	}
	return cmp.Or(write(s.stdout, erase), write(to, text), write(s.stdout, draw))
}

func write(f *os.File, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := f.Write(b)
	return err
}

// refresh draws the last lines again and again.
func (s *screen) refresh(ctx context.Context) (err error) {
	for height(s.stdout) > 0 && err == nil {
		if err = aio.Sleep(ctx, tick); err == nil {
			err = s.print(ctx, s.stdout, nil)
		}
	}
	return err
}

// close prints the very last line.
func (s *screen) close(ctx context.Context, text string) error {
	s.status = nil
	return s.print(ctx, s.stdout, []byte(text+"\n"))
}

// height is how many lines f shows, 0 if it is no terminal that can move its cursor.
func height(f *os.File) int {
	if os.Getenv("TERM") == "dumb" {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	switch {
	case err != nil:
		return 0
	case size.Row < 2: // nobody has told it
		return 24
	}
	return int(size.Row)
}

// oneLine makes a command something to print.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
