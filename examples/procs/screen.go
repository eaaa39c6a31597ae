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

// tick is the interval between updates of the status lines.
const tick = 250 * time.Millisecond

// screen is standard output and standard error. If standard output is a terminal, its
// last lines show the progress: they are erased before other output is written, and
// drawn again below it.
//
// A goroutine writes; otherwise a stopped terminal would block the loop, and signals
// would not be handled. It is the single worker of a separate executor, which makes the
// writes one after another, in order. When procs ends it does not wait for a write that
// blocks.
type screen struct {
	stdout, stderr *os.File
	// status returns at most n status lines; it is nil after close.
	status func(n int) []string
	fail   func(error) // called when a write has failed
	writer aio.Executor
	shown  int // number of status lines on the screen; used only by the writer
}

// print writes text after all earlier output, and returns when it is written. It fails
// only if it is cancelled; the text is written nevertheless.
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

// write runs in the writer.
func (s *screen) write(to *os.File, text []byte, status []string) error {
	var erase, draw []byte
	if s.shown > 0 {
		erase = fmt.Appendf(nil, "\r\x1b[%dA\x1b[J", s.shown)
	}
	if s.shown = len(status); s.shown > 0 {
		// the sequences around the lines turn wrapping off and on
		draw = fmt.Appendf(nil, "\x1b[?7l%s\n\x1b[?7h", strings.Join(status, "\n"))
	}
	if to == s.stdout { // a single write, so that the screen does not flicker
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

// refresh redraws the status lines periodically.
func (s *screen) refresh(ctx context.Context) (err error) {
	for height(s.stdout) > 0 && err == nil {
		if err = aio.Sleep(ctx, tick); err == nil {
			err = s.print(ctx, s.stdout, nil)
		}
	}
	return err
}

// close removes the status lines and prints the last line.
func (s *screen) close(ctx context.Context, text string) error {
	s.status = nil
	return s.print(ctx, s.stdout, []byte(text+"\n"))
}

// height returns the number of lines of the terminal f, 0 if f is not a terminal that
// can move its cursor.
func height(f *os.File) int {
	if os.Getenv("TERM") == "dumb" {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	switch {
	case err != nil:
		return 0
	case size.Row < 2: // the size is unknown
		return 24
	}
	return int(size.Row)
}

// oneLine replaces control characters, so that a command prints as one line.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
