//go:build unix

package supervisor

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/goaio/aio"
)

// logFile is a log that is rotated. The loop writes to it: a disk that does not respond
// blocks the supervisor.
type logFile struct {
	config    LogConfig
	file      *os.File
	size      int64
	followers map[*aio.Queue[[]byte]]struct{}
}

// maxFollow is how many pieces of output may wait for a follower.
const maxFollow = 1000

func openLog(c LogConfig) (*logFile, error) {
	l := &logFile{config: c, followers: map[*aio.Queue[[]byte]]struct{}{}}
	return l, l.open()
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.config.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Write implements io.Writer. A piece of output is never divided among two files. If the
// file cannot be rotated, it grows: output is worth more than the limit.
func (l *logFile) Write(p []byte) (int, error) {
	if l.config.Max > 0 && l.size > 0 && l.size+int64(len(p)) > l.config.Max {
		_ = l.rotate()
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	for f := range l.followers {
		if f.PutNowait(append([]byte(nil), p[:n]...)) != nil {
			// The follower is too slow. Its queue ends, so that it sees the
			// end and not a gap.
			delete(l.followers, f)
			f.Shutdown(false)
		}
	}
	return n, err
}

// rotate renames PATH.1 to PATH.2 and so on, then the file to PATH.1, and opens a new
// file. If rotate fails, the old file is still open.
func (l *logFile) rotate() error {
	name := func(i int) string {
		if i == 0 {
			return l.config.Path
		}
		return fmt.Sprintf("%s.%d", l.config.Path, i)
	}
	// If another program has removed the file, the backups remain as they are.
	switch _, err := os.Lstat(name(0)); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	case l.config.Backups == 0:
		if err := os.Remove(name(0)); err != nil {
			return err
		}
	default:
		for i := l.config.Backups; i > 0; i-- {
			if err := os.Rename(name(i-1), name(i)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	old := l.file
	if err := l.open(); err != nil {
		return err
	}
	return old.Close()
}

// tail returns the last n bytes.
func (l *logFile) tail(n int64) ([]byte, error) {
	f, err := os.Open(l.config.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat() // another program may have truncated the file
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(max(0, info.Size()-n), io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}

// follow returns a queue with all that is written from now on.
func (l *logFile) follow() (q *aio.Queue[[]byte], stop func()) {
	q = aio.NewQueue[[]byte](maxFollow)
	l.followers[q] = struct{}{}
	return q, func() { delete(l.followers, q) }
}

func (l *logFile) close() error {
	for f := range l.followers {
		delete(l.followers, f)
		f.Shutdown(false)
	}
	return l.file.Close()
}
