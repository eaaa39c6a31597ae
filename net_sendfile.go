package aio

// The part of a file that is being sent, and the system call that sends it.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/goaio/aio/internal/sysio"
)

// copyChunk is how much is read at a time.
const copyChunk = 256 << 10

// fileSend is a part of a file that is being sent.
type fileSend struct {
	file      io.ReadSeeker
	reader    io.ReaderAt
	start     int64 // the position of file before the call
	next      int64 // the offset of the next byte
	remaining int64
	sent      int64
	fallback  bool
}

// finish sets the position of the file.
func (f *fileSend) finish(err *error) {
	at := f.start
	if f.sent > 0 {
		at = f.next
	}
	var seeker io.Seeker = f.file
	if s, ok := f.reader.(*seekReader); ok {
		seeker = s
	}
	if _, serr := seeker.Seek(at, io.SeekStart); *err == nil {
		*err = serr
	}
}

// mayCopy reports whether err says that the system call cannot be used, and the file
// must be read.
func (f *fileSend) mayCopy(err error) bool {
	return f.fallback && errors.Is(err, ErrSendfileNotAvailable)
}

// advance counts n bytes as sent.
func (f *fileSend) advance(n int64) {
	f.next += n
	f.sent += n
	f.remaining -= n
}

// systemFile returns the file if the system call can send it, nil otherwise.
func (f *fileSend) systemFile() *os.File {
	if !sysio.CanSendfile {
		return nil
	}
	file, _ := f.file.(*os.File)
	return file
}

// system makes the kernel send as much of the file as possible to the socket fd, and
// reports whether nothing is left to send. The error may be netio.ErrWouldBlock.
func (f *fileSend) system(fd int) (done bool, err error) {
	if f.remaining == 0 {
		return true, nil
	}
	file := f.systemFile()
	if file == nil {
		return false, ErrSendfileNotAvailable
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return false, err
	}
	n, err := sysio.Sendfile(fd, raw, f.next, f.remaining)
	switch {
	case err != nil:
		return false, err
	case n == 0:
		f.remaining = 0 // the file has become shorter
		return true, nil
	}
	f.advance(n)
	return false, nil
}

// asNotAvailable returns err, or ErrSendfileNotAvailable for a system error before the
// first byte: most likely the system call does not support this kind of file or socket.
func (f *fileSend) asNotAvailable(err error) error {
	var no *os.SyscallError
	if f.sent == 0 && errors.As(err, &no) {
		return fmt.Errorf("%w: %w", ErrSendfileNotAvailable, err)
	}
	return err
}

// copy sends by reading and writing.
func (f *fileSend) copy(ctx context.Context, send func(p []byte) error) error {
	buf := make([]byte, min(f.remaining, copyChunk))
	for f.remaining > 0 {
		p := buf[:min(f.remaining, copyChunk)]
		n, err := f.read(ctx, p)
		if err != nil {
			return err
		}
		if n == 0 {
			return nil // the file has become shorter
		}
		if err := send(p[:n]); err != nil {
			return err
		}
		f.advance(int64(n))
	}
	return nil
}

// read reads the next bytes, in a worker goroutine, because a disk may be slow. It
// returns 0 at EOF.
func (f *fileSend) read(ctx context.Context, p []byte) (int, error) {
	at := f.next
	return ToThread(ctx, func(context.Context) (int, error) {
		n, err := f.reader.ReadAt(p, at)
		if n > 0 || err == io.EOF {
			err = nil
		}
		return n, err
	})
}

// seekReader reads a file that has no ReadAt. An abandoned read may still be in
// progress when the position is set at the end, so there is a lock.
type seekReader struct {
	mu   sync.Mutex
	file io.ReadSeeker
}

func (s *seekReader) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.file.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	return s.file.Read(p)
}

func (s *seekReader) Seek(offset int64, whence int) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Seek(offset, whence)
}

// fileSender is a stream over which the kernel can send a file.
type fileSender interface {
	// sendFile sends some of f, and reports whether nothing is left to send. The
	// error may be netio.ErrWouldBlock.
	sendFile(f *fileSend) (done bool, err error)
}

// ErrSendfileNotAvailable says that the kernel cannot send this file over this
// transport. (asyncio: SendfileNotAvailableError)
var ErrSendfileNotAvailable = errors.New("aio: the system's sendfile is not available here")
