package aio

// All stores of buffers. The token of the loop owns them, except for the two pools that
// all loops share. An idle connection has none of this memory.
//
//	store            lends           to                until
//	Loop.readBuf     256 KiB         a transport       the callback has returned
//	streamPool.read  64, 256 KiB     a StreamReader    its bytes are copied, or kept
//	                                                   if they are many
//	streamPool.free  4 to 256 KiB    a StreamReader    nothing is buffered
//	                                 a childPipe       PipeDataReceived returned,
//	                                                   or a StreamReader has it
//	streamPool.out   to 256 KiB      a writeHalf       all is written
//	connPages        16 KiB          a netConn         all is read
//	tlsBuffers       256 KiB         TLS               the call has returned
//
// Two kinds grow as they need, and belong to a transport: outBuffer, where TLS keeps
// ciphertext and plaintext that wait, and datagramQueue. The goroutines of
// net_goroutine_stream.go have their own buffers, which correspond to the kernel's
// buffers of a socket.

import (
	"net"
	"sync"
)

const (
	// smallBuffer is the size of the smallest buffer, and the least free memory in a
	// buffer into which a stream reads more bytes.
	smallBuffer = 4 << 10
	// largeBuffer is the buffer size for a read of a stream whose previous read did
	// not fill its buffer. If it does fill largeBuffer, the transport reads the rest
	// into a buffer of maxRead.
	largeBuffer = 64 << 10
	// maxCopy is the largest amount of data that is copied from the scratch buffer of
	// 64 KiB to a buffer of its size. A stream keeps the scratch buffer itself only
	// for more than a quarter of it, because in one pass many connections may get a
	// few bytes each.
	maxCopy = largeBuffer / 4
	// maxOut is the largest write buffer that is kept, and maxOuts how many are.
	maxOut, maxOuts = 256 << 10, 8
)

// streamPool has the buffers of a loop's streams that are not in use.
type streamPool struct {
	read [2][]byte // the scratch buffers, nil until they are needed
	free [4][][]byte
	out  [][]byte // the write buffers that were emptied last
}

// bufferSizes are the sizes of the buffers that are kept for reuse, and how many of
// each.
var bufferSizes = [4]struct{ size, keep int }{{smallBuffer, maxIdle}, {maxCopy, 64}, {largeBuffer, 16}, {maxRead, 4}}

// get returns an empty buffer for n bytes or more.
func (s *streamPool) get(n int) []byte {
	for i, b := range bufferSizes {
		if n > b.size || largeBuffer < n && n <= maxRead/2 {
			// a buffer of maxRead would be mostly empty
			continue
		}
		free := s.free[i]
		if len(free) == 0 {
			return make([]byte, 0, b.size)
		}
		p := free[len(free)-1]
		s.free[i] = free[:len(free)-1]
		return p
	}
	return make([]byte, 0, n)
}

// put takes back a buffer.
func (s *streamPool) put(p []byte) {
	for i, b := range bufferSizes {
		if cap(p) == b.size && len(s.free[i]) < b.keep {
			s.free[i] = append(s.free[i], p[:0])
		}
	}
}

// getOut returns a write buffer, or nil. A transport that writes much fills and empties
// its buffer again and again: allocating new memory each time would be most of the
// work.
func (s *streamPool) getOut() (p []byte) {
	if n := len(s.out); n > 0 {
		p, s.out = s.out[n-1], s.out[:n-1]
	}
	return p
}

// putOut takes a write buffer back.
func (s *streamPool) putOut(p []byte) {
	if cap(p) <= maxOut && len(s.out) < maxOuts {
		s.out = append(s.out, p[:0])
	}
}

// scratch returns a buffer that any StreamReader may read into for the duration of a
// callback; large means the one of 256 KiB.
func (s *streamPool) scratch(large bool) []byte {
	i, size := 0, largeBuffer
	if large {
		i, size = 1, maxRead
	}
	if s.read[i] == nil {
		s.read[i] = s.get(size)[:size]
	}
	return s.read[i]
}

// takeScratch gives p, one of the scratch buffers, away.
func (s *streamPool) takeScratch(p []byte) []byte {
	for i := range s.read {
		if sameMemory(s.read[i], p) {
			s.read[i] = nil
		}
	}
	return p
}

// connPage is the memory for bytes that were received and not yet read.
type connPage [16 << 10]byte

var connPages = sync.Pool{New: func() any { return new(connPage) }}

// tlsBuffer is memory for decrypted plaintext, and for records to be written.
type tlsBuffer [256 << 10]byte

var tlsBuffers = sync.Pool{New: func() any { return new(tlsBuffer) }}

// datagramQueue holds copies of datagrams.
type datagramQueue struct {
	data outBuffer // the bytes of all datagrams, one after the other
	list ring[datagram]
}

type datagram struct {
	size int
	addr net.Addr
}

// datagramHeader is counted for each queued datagram in addition to its length, as in
// asyncio.
const datagramHeader = 8

func (q *datagramQueue) len() int { return q.list.n }

func (q *datagramQueue) size() int { return q.data.len() + datagramHeader*q.list.n }

func (q *datagramQueue) push(p []byte, addr net.Addr) {
	q.data.add(p)
	q.list.push(datagram{len(p), addr})
}

// front returns the oldest datagram. The queue owns the memory.
func (q *datagramQueue) front() ([]byte, net.Addr) {
	d := q.list.front()
	return q.data.bytes()[:d.size], d.addr
}

func (q *datagramQueue) pop() { q.data.skip(q.list.pop().size) }

// maxRead is the most that one read returns, as in asyncio.
const maxRead = 256 << 10

// readBuffer returns the memory into which the transports of l read, each for the
// duration of one callback.
func (l *Loop) readBuffer() []byte {
	if l.readBuf == nil {
		l.readBuf = make([]byte, maxRead)
	}
	return l.readBuf
}

// outBuffer holds bytes to be written.
type outBuffer struct {
	buf []byte
	off int // the number of bytes of data that have been written
}

func (b *outBuffer) len() int { return len(b.buf) - b.off }

func (b *outBuffer) bytes() []byte { return b.buf[b.off:] }

// add appends a copy of p.
func (b *outBuffer) add(p []byte) {
	if b.off > 0 && len(b.buf)+len(p) > cap(b.buf) && b.off >= len(b.buf)/2 {
		b.buf = b.buf[:copy(b.buf, b.buf[b.off:])]
		b.off = 0
	}
	b.buf = append(b.buf, p...)
}

// skip removes the first n bytes. An empty buffer holds no memory, because most
// connections are idle most of the time.
func (b *outBuffer) skip(n int) {
	b.off += n
	if b.off == len(b.buf) {
		*b = outBuffer{}
	}
}

// sameMemory reports whether two slices begin at the same byte.
func sameMemory(p, q []byte) bool { return len(p) > 0 && len(q) > 0 && &p[0] == &q[0] }
