package aio

import "fmt"

// outBuffer holds what is to be written.
type outBuffer struct {
	buf []byte
	off int // that far it has been written
}

func (b *outBuffer) len() int      { return len(b.buf) - b.off }
func (b *outBuffer) bytes() []byte { return b.buf[b.off:] }

// add appends a copy of p.
func (b *outBuffer) add(p []byte) {
	if b.off > 0 && len(b.buf)+len(p) > cap(b.buf) && b.off >= len(b.buf)/2 {
		b.buf = b.buf[:copy(b.buf, b.buf[b.off:])]
		b.off = 0
	}
	b.buf = append(b.buf, p...)
}

// skip takes away the first n bytes. An empty buffer holds no memory: most connections are idle
// most of the time.
func (b *outBuffer) skip(n int) {
	b.off += n
	if b.off == len(b.buf) {
		*b = outBuffer{}
	}
}

// about tells an exception handler whose callback panicked.
func (e *endpoint) about(ec *ExceptionContext) {
	ec.Message = fmt.Sprintf("exception in a callback of protocol %T", e.protocol)
	ec.Transport, ec.Protocol = e.self, e.protocol
}

// recovered turns a panic of the function that defers it into its error.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = panicError(v)
	}
}

// eofReceived calls the protocol's EOFReceived, if it has one.
func (e *endpoint) eofReceived() (keepOpen bool, err error) {
	defer recovered(&err)
	if p, ok := e.protocol.(eofReceiver); ok {
		keepOpen = p.EOFReceived()
	}
	return keepOpen, nil
}
