package main

// The Redis serialization protocol, version 2: it parses commands and formats replies.

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Limits of a command, the same as in Redis.
const (
	maxArgs = 1 << 20
	maxBulk = 512 << 20
	maxLine = 64 << 10
)

// errProtocol is the error for invalid input. The connection is closed after it.
type errProtocol struct{ what string }

func (e errProtocol) Error() string { return "Protocol error: " + e.what }

// commandReader reads commands. The arguments that it returns are valid until the next
// call.
type commandReader struct {
	in    *bufio.Reader
	bytes []byte // all arguments of a command
	ends  []int  // end of each argument in bytes
	args  [][]byte
}

// read returns the next command, which is empty for an empty line. It returns io.EOF
// only between commands.
func (r *commandReader) read() ([][]byte, error) {
	r.bytes, r.ends, r.args = r.bytes[:0], r.ends[:0], r.args[:0]
	if cap(r.bytes) > maxLine {
		r.bytes = nil // release the memory of a large command
	}
	line, err := r.line()
	if err != nil {
		return nil, err
	}
	if len(line) == 0 || line[0] != '*' {
		// an inline command, as typed into nc
		for _, word := range bytes.Fields(line) {
			r.bytes = append(r.bytes, word...)
			r.ends = append(r.ends, len(r.bytes))
		}
		return r.split(), nil
	}
	n, ok := number(line[1:])
	if !ok || n > maxArgs {
		return nil, errProtocol{"invalid multibulk length"}
	}
	for range n {
		if err := r.bulk(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return r.split(), nil
}

// line reads a line and returns it without the line break.
func (r *commandReader) line() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, errProtocol{"too big inline request"}
	case err == io.EOF && len(line) > 0:
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// bulk reads one argument. Its memory grows with the data that has arrived, not with
// the announced length.
func (r *commandReader) bulk() error {
	line, err := r.line()
	if err != nil {
		return err
	}
	if len(line) == 0 || line[0] != '$' {
		return errProtocol{fmt.Sprintf("expected '$', got '%.1s'", line)}
	}
	n, ok := number(line[1:])
	if !ok || n > maxBulk {
		return errProtocol{"invalid bulk length"}
	}
	for left := n + 2; left > 0; {
		step := min(left, r.in.Size())
		p, err := r.in.Peek(step)
		if err != nil {
			return err
		}
		r.bytes = append(r.bytes, p...)
		left -= step
		r.in.Discard(step)
	}
	end := len(r.bytes) - 2
	if string(r.bytes[end:]) != "\r\n" {
		return errProtocol{"expected the end of a bulk string"}
	}
	r.bytes = r.bytes[:end]
	r.ends = append(r.ends, end)
	return nil
}

// split returns the arguments. It must run after the last argument was read: until then
// r.bytes may be reallocated.
func (r *commandReader) split() [][]byte {
	from := 0
	for _, end := range r.ends {
		r.args = append(r.args, r.bytes[from:end:end])
		from = end
	}
	return r.args
}

// number parses a decimal number that is not negative. Each line of each command
// contains one, so number does not allocate.
func number(p []byte) (n int, ok bool) {
	if len(p) == 0 || len(p) > 10 {
		return 0, false
	}
	for _, c := range p {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// Replies are appended to a buffer, which is sent when no further command is waiting.

func appendSimple(b []byte, s string) []byte { return append(append(append(b, '+'), s...), "\r\n"...) }

func appendError(b []byte, s string) []byte { return append(append(append(b, '-'), s...), "\r\n"...) }

func appendInt(b []byte, n int64) []byte {
	return append(strconv.AppendInt(append(b, ':'), n, 10), "\r\n"...)
}

func appendBulk[T string | []byte](b []byte, s T) []byte {
	b = append(strconv.AppendInt(append(b, '$'), int64(len(s)), 10), "\r\n"...)
	return append(append(b, s...), "\r\n"...)
}

func appendNil(b []byte) []byte { return append(b, "$-1\r\n"...) }

func appendNilArray(b []byte) []byte { return append(b, "*-1\r\n"...) }

func appendArray(b []byte, n int) []byte {
	return append(strconv.AppendInt(append(b, '*'), int64(n), 10), "\r\n"...)
}
