package aio

// A StreamReader is a buffer between a transport, which adds the bytes that arrive, and
// one task, which removes bytes and waits until there are enough. A StreamWriter is a
// transport with a wait for its write buffer to drain.
//
// The token of the loop owns all state. Invariants between any two steps:
//   - buf is nil if and only if nothing is buffered, so an idle connection has no read
//     buffer. It gets one from its loop when bytes arrive, and returns it with the last
//     byte.
//   - directBuf is the memory that the waiting task has provided, if any: then nothing
//     is buffered and the next bytes go there. direct is the part that has been filled,
//     until the task runs. These bytes count as buffered: a task that was cancelled in
//     the meantime puts them back, and another task that comes first takes them.
//   - lent is output of a process that was read into the memory of the waiting task, and
//     is buffered one pass later. The task gets it only if nothing has happened to the
//     stream or the task in the meantime; otherwise it moves to memory of its own.
//   - A slice that was returned to the user belongs to the user: no later read touches
//     it.
//
// A transport fills the memory that GetBuffer returns before anything else of the loop
// runs. So all streams of a loop without memory of their own read into the same scratch
// buffer.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
)

// defaultStreamLimit is the limit of a reader for which none was given.
const defaultStreamLimit = 64 << 10

// ErrLineTooLong is the error of ReadLine and Lines for a line that is longer than the
// limit of the reader. The line was dropped. (asyncio: the ValueError of readline)
var ErrLineTooLong = errors.New("aio: line is longer than the limit of the stream")

// An IncompleteReadError says that the stream ended before ReadExactly or ReadUntil was
// complete. It matches [io.ErrUnexpectedEOF], and also [io.EOF] if the stream had no
// further byte. (asyncio: IncompleteReadError)
type IncompleteReadError struct {
	// Partial has the remaining bytes. They are no longer in the stream.
	Partial []byte
	// Expected is the number of bytes that ReadExactly was to return, -1 for
	// ReadUntil.
	Expected int
}

func (e *IncompleteReadError) Error() string {
	if e.Expected < 0 {
		return fmt.Sprintf("aio: stream ended after %d bytes without a separator", len(e.Partial))
	}
	return fmt.Sprintf("aio: stream ended after %d of %d expected bytes", len(e.Partial), e.Expected)
}

// Is reports whether target is [io.ErrUnexpectedEOF], or [io.EOF] and Partial is empty.
func (e *IncompleteReadError) Is(target error) bool {
	return target == io.ErrUnexpectedEOF || target == io.EOF && len(e.Partial) == 0
}

// A LimitOverrunError says that ReadUntil found more bytes before a separator than the
// limit of the reader. They are all still in the stream, for Read or ReadExactly.
// (asyncio: LimitOverrunError)
type LimitOverrunError struct {
	// Consumed is the number of bytes that can be read without losing a separator:
	// none begins in them.
	Consumed int
	// Found reports whether a separator follows them. Otherwise none has arrived
	// yet.
	Found bool
}

func (e *LimitOverrunError) Error() string {
	if e.Found {
		return fmt.Sprintf("aio: separator found, but after %d bytes, which is more than the limit of the stream", e.Consumed)
	}
	return fmt.Sprintf("aio: no separator in %d bytes, which is more than the limit of the stream", e.Consumed)
}

// StreamReader is the reading side of a connection. [OpenConnection], [StartServer]
// and, for other protocols, [NewStreamReader] make one.
//
// Its methods that take a ctx suspend the calling task only until enough bytes have
// arrived. Only one task can wait at a time; for a second one they fail with
// [ErrUsage]. A method that is cancelled has read nothing, except for a Read to the
// end. If the connection failed, they return its error even if there are bytes left.
// The slices that they return belong to the caller. [StreamReader.Reader] makes an
// [io.Reader] of a StreamReader.
//
// All other methods never await, and panic with [ErrWrongGoroutine] (Exception returns
// it) if the caller does not hold the token.
//
// (asyncio: StreamReader)
type StreamReader struct {
	bound
	limit   int
	readers waitList // the task that waits

	// The transport and its state. The transport is paused when the buffer is full.
	transport ReadTransport // nil if the transport cannot be paused
	attached  bool          // SetTransport was called
	paused    bool          // the transport is paused
	full      bool          // the last read filled all of its memory
	bulk      bool          // the last pass has brought more than largeBuffer bytes
	eof       bool
	err       error

	// The buffered bytes.
	buf        []byte
	start      int  // where in buf the buffered bytes begin
	generation uint // counts the changes at the front of the buffered bytes
	directBuf  []byte
	direct     []byte
	lent       *pipeData
}

// NewStreamReader returns a reader for the loop of ctx, without a transport: bytes come
// from FeedData, or through a [StreamReaderProtocol]. ReadLine and ReadUntil read up to
// limit bytes, and reading is paused while more than twice the limit is buffered; 0
// means 64 KiB. It never awaits. It panics if limit is negative or ctx belongs to no
// loop.
func NewStreamReader(ctx context.Context, limit int) *StreamReader {
	l := loopOf(ctx, "NewStreamReader")
	if err := checkLimit("NewStreamReader", limit); err != nil {
		panic(err)
	}
	return l.newStreamReader(limit)
}

// checkLimit returns an error for an invalid limit.
func checkLimit(call string, limit int) error {
	if limit < 0 {
		return usagef(call, "the limit is negative")
	}
	return nil
}

func (l *Loop) newStreamReader(limit int) *StreamReader {
	if limit == 0 {
		limit = defaultStreamLimit
	}
	return &StreamReader{bound: bound{loop: l, fixed: true}, limit: limit}
}

// SetTransport sets the transport that is paused while too much is buffered. Only a
// [ReadTransport] can be paused. A reader has only one transport: a second SetTransport
// panics with [ErrUsage]. (asyncio: StreamReader.set_transport)
func (r *StreamReader) SetTransport(t BaseTransport) {
	r.check("StreamReader.SetTransport")
	if t == nil {
		misuse("StreamReader.SetTransport", "the transport is nil")
	}
	if r.attached {
		misuse("StreamReader.SetTransport", "the reader has a transport already")
	}
	r.attached = true
	r.replaceTransport(t)
}

// replaceTransport makes t the transport. The former one is not paused.
func (r *StreamReader) replaceTransport(t BaseTransport) { r.transport, _ = t.(ReadTransport) }

// FeedData adds p to the buffered bytes, as if it had arrived; an empty p changes
// nothing. It panics with [ErrUsage] after FeedEOF. (asyncio: StreamReader.feed_data)
func (r *StreamReader) FeedData(p []byte) {
	r.check("StreamReader.FeedData")
	r.mustBeOpen()
	if len(p) > 0 {
		r.add(p)
		r.arrived()
	}
}

// mustBeOpen panics after FeedEOF.
func (r *StreamReader) mustBeOpen() {
	if r.loop == nil {
		misuse("StreamReader.FeedData", "a zero StreamReader: use NewStreamReader")
	}
	if r.eof {
		misuse("StreamReader.FeedData", "called after FeedEOF")
	}
}

// FeedEOF marks the end of the stream. Calling it again does nothing. (asyncio:
// StreamReader.feed_eof)
func (r *StreamReader) FeedEOF() {
	r.check("StreamReader.FeedEOF")
	r.feedEOF()
}

func (r *StreamReader) feedEOF() {
	r.eof = true
	r.wake()
}

// SetException makes the waiting task, and every later read, fail with err, which must
// not be nil. (asyncio: StreamReader.set_exception)
func (r *StreamReader) SetException(err error) {
	r.check("StreamReader.SetException")
	if err == nil {
		misuse("StreamReader.SetException", "the error is nil")
	}
	r.fail(err)
}

func (r *StreamReader) fail(err error) {
	r.err = err
	r.readers.failAll(err)
}

// Exception returns the error of SetException, nil before. (asyncio:
// StreamReader.exception)
func (r *StreamReader) Exception() error {
	if err := r.checked("StreamReader.Exception"); err != nil {
		return err
	}
	return r.err
}

// AtEOF reports whether all bytes were read and FeedEOF was called. A reader that has
// failed is not necessarily at EOF. (asyncio: StreamReader.at_eof)
func (r *StreamReader) AtEOF() bool {
	r.check("StreamReader.AtEOF")
	return r.eof && r.size() == 0 && r.direct == nil
}

// Read returns up to n bytes: those that are buffered or, if there are none, the first
// that arrive. At EOF it returns no bytes and no error. A negative n reads everything
// to the end; if that fails or is cancelled, the bytes read so far are lost. The limit
// of the reader does not apply.
//
// The error is that of the connection, a [*CancelledError], or one of those of
// [Future.Await].
//
// (asyncio: StreamReader.read)
func (r *StreamReader) Read(ctx context.Context, n int) ([]byte, error) {
	const call = "StreamReader.Read"
	e, err := r.begin(ctx, call)
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, nil
	case n < 0:
		return r.readAll(e, call)
	}
	// the code of waitBuffered, inlined by hand: a parked task keeps its stack, so
	// a deeper call would take more memory
	for r.size() == 0 && !r.eof {
		if err := r.wait(e, call, nil); err != nil {
			return nil, err
		}
	}
	return r.take(min(n, r.size())), nil
}

// readAll implements Read with a negative size: it reads until EOF.
func (r *StreamReader) readAll(c caller, call string) ([]byte, error) {
	var all []byte
	for r.err == nil {
		p, err := r.waitBuffered(c, call)
		if err != nil {
			return nil, err
		}
		if len(p) == 0 {
			return all, nil
		}
		all = append(all, p...)
		r.drop(len(p))
	}
	return nil, r.err
}

// waitBuffered returns the buffered bytes, and waits for some if there are none. At EOF
// it returns nil.
func (r *StreamReader) waitBuffered(c caller, call string) ([]byte, error) {
	for r.size() == 0 && !r.eof {
		if err := r.wait(c, call, nil); err != nil {
			return nil, err
		}
	}
	return r.buffered(), nil
}

// ReadExactly returns n bytes. If the stream ends before, the error is an
// [*IncompleteReadError] that has the remaining bytes; the other errors are those of
// [StreamReader.Read]. With a negative n the error matches [ErrUsage]. The limit of the
// reader does not apply.
//
// (asyncio: StreamReader.readexactly)
func (r *StreamReader) ReadExactly(ctx context.Context, n int) ([]byte, error) {
	const call = "StreamReader.ReadExactly"
	if n < 0 {
		return nil, usagef(call, "the number of bytes is negative")
	}
	e, err := r.begin(ctx, call)
	if err != nil {
		return nil, err
	}
	for r.size() < n {
		if r.eof {
			return nil, &IncompleteReadError{Partial: r.take(r.size()), Expected: n}
		}
		if err := r.wait(e, call, nil); err != nil {
			return nil, err
		}
	}
	return r.take(n), nil
}

// newline is the separator of lines.
var newline = [][]byte{{'\n'}}

// ReadLine returns the bytes up to and including the next newline. At the end of the
// stream it returns the remaining bytes without a newline, and then nothing, with no
// error.
//
// A line that is longer than the limit, its newline not counted, gives an error that
// matches [ErrLineTooLong], and is dropped; the part of it that has not arrived yet
// will be read as the next line. The other errors are those of [StreamReader.Read].
//
// (asyncio: StreamReader.readline)
func (r *StreamReader) ReadLine(ctx context.Context) ([]byte, error) {
	const call = "StreamReader.ReadLine"
	e, err := r.begin(ctx, call)
	if err != nil {
		return nil, err
	}
	line, err := r.readUntil(e, call, newline)
	switch over := err.(type) {
	case *IncompleteReadError:
		return over.Partial, nil
	case *LimitOverrunError:
		if over.Found {
			r.drop(over.Consumed + 1)
			return nil, fmt.Errorf("%w: dropped its %d bytes", ErrLineTooLong, over.Consumed)
		}
		r.drop(r.size())
		return nil, fmt.Errorf("%w: dropped the first %d bytes, the rest has not arrived yet", ErrLineTooLong, over.Consumed)
	}
	return line, err
}

// Lines iterates over the lines of the stream, as [StreamReader.ReadLine] returns them,
// until the stream ends. If ReadLine fails, Lines yields that error and ends; after
// [ErrLineTooLong] a new iteration continues with the following bytes. It suspends as
// ReadLine does.
//
// (asyncio: async for line in reader)
func (r *StreamReader) Lines(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for {
			line, err := r.ReadLine(ctx)
			if err == nil && len(line) == 0 || !yield(line, err) || err != nil {
				return
			}
		}
	}
}

// ReadUntil returns the bytes up to and including the first separator. Of several
// separators the one that ends first is used, and the shorter one if two end at the same
// place.
//
// If the stream ends before a separator, the error is an [*IncompleteReadError] with the
// remaining bytes. If there are more bytes than the limit before a separator, it is a
// [*LimitOverrunError], and they stay in the stream. With no separator, or an empty one,
// the error matches [ErrUsage]. The other errors are those of [StreamReader.Read].
//
// (asyncio: StreamReader.readuntil, where the separator may be left out: see ReadLine)
func (r *StreamReader) ReadUntil(ctx context.Context, separators ...[]byte) ([]byte, error) {
	const call = "StreamReader.ReadUntil"
	if len(separators) == 0 {
		return nil, usagef(call, "there must be at least one separator")
	}
	for _, sep := range separators {
		if len(sep) == 0 {
			return nil, usagef(call, "a separator must have at least one byte")
		}
	}
	e, err := r.begin(ctx, call)
	if err != nil {
		return nil, err
	}
	return r.readUntil(e, call, separators)
}

func (r *StreamReader) readUntil(c caller, call string, separators [][]byte) ([]byte, error) {
	s := newSearch(separators)
	generation := r.generation
	for {
		if generation != r.generation { // another task has read in the meantime
			s.from, generation = 0, r.generation
		}
		p := r.buffered()
		at, end := s.next(p)
		switch {
		case at > r.limit:
			return nil, &LimitOverrunError{Consumed: at, Found: end > 0}
		case end > 0:
			return r.take(end), nil
		case r.eof:
			return nil, &IncompleteReadError{Partial: r.take(len(p)), Expected: -1}
		}
		if err := r.wait(c, call, nil); err != nil {
			return nil, err
		}
	}
}

// search looks for separators in a buffer that grows between two searches.
type search struct {
	separators        [][]byte
	shortest, longest int // of them
	from              int // no separator begins before this offset
}

func newSearch(separators [][]byte) search {
	s := search{separators: separators, shortest: len(separators[0])}
	for _, sep := range separators {
		s.shortest, s.longest = min(s.shortest, len(sep)), max(s.longest, len(sep))
	}
	return s
}

// next finds the separator that ends first in p, and returns where it begins and ends.
// If there is none, end is 0, and a separator that further bytes complete begins at or
// after at.
func (s *search) next(p []byte) (at, end int) {
	if len(p)-s.from < s.shortest {
		return s.from, 0
	}
	if at, end = s.find(p); end > 0 {
		return at, end
	}
	s.from = max(0, len(p)+1-s.longest) // the last bytes may be the beginning of one
	return s.from, 0
}

// find searches p from s.from on; next records how far p has been searched.
//
// With several separators it searches windows of growing size. One search through all
// of p for each separator would take quadratic time for a buffer in which one of them
// is frequent and another one absent.
func (s *search) find(p []byte) (at, end int) {
	from := s.from
	if len(s.separators) == 1 {
		if i := bytes.Index(p[from:], s.separators[0]); i >= 0 {
			return from + i, from + i + s.longest
		}
		return 0, 0
	}
	for size := 256; ; size *= 2 {
		window := p[from:min(from+size, len(p))]
		for _, sep := range s.separators {
			i := bytes.Index(window, sep)
			if i < 0 {
				continue
			}
			if j := i + len(sep); end == 0 || from+j < end || from+i > at {
				at, end = from+i, from+j
				window = window[:j]
			}
		}
		if end > 0 || from+len(window) == len(p) {
			return at, end
		}
		from += max(0, len(window)+1-s.longest)
	}
}

// begin begins every method that reads.
func (r *StreamReader) begin(ctx context.Context, call string) (caller, error) {
	e, err := r.enter(ctx, call)
	if err != nil {
		return e, err
	}
	r.reclaim()
	return e, r.err
}

// wait suspends the calling task until something has changed. If nothing is buffered,
// the next bytes may go to directBuf; if they have, r.direct is not nil afterwards.
func (r *StreamReader) wait(c caller, call string, directBuf []byte) error {
	if r.err != nil {
		// SetException was called after the task had been woken for another
		// reason. CPython would wait for ever here.
		return r.err
	}
	if r.readers.n > 0 {
		return usagef(call, "another task waits for data of the stream already")
	}
	r.directBuf = directBuf
	if r.paused { // otherwise the awaited bytes would never arrive
		r.resume()
	}
	_, err := c.waitIn(&r.readers, call)
	r.returnLent()
	if sameMemory(r.directBuf, directBuf) {
		r.directBuf = nil // cancelled
	}
	if err != nil || !sameMemory(r.direct, directBuf) {
		r.reclaim()
	}
	return err
}

// wake wakes the waiting task, which checks again.
func (r *StreamReader) wake() {
	r.returnLent()
	r.directBuf = nil
	r.readers.wakeNext()
}

// arrived handles further bytes.
func (r *StreamReader) arrived() {
	r.wake()
	r.maybePause()
}

// maybePause pauses the transport if too much is buffered. It does not compute twice
// the limit, which may overflow an int.
func (r *StreamReader) maybePause() {
	if r.transport != nil && !r.paused && r.size()-r.limit > r.limit {
		r.paused = true
		r.transport.PauseReading()
	}
}

func (r *StreamReader) resume() {
	r.paused = false
	r.transport.ResumeReading()
}

// size is the number of buffered bytes.
func (r *StreamReader) size() int { return len(r.buf) - r.start }

// buffered returns the buffered bytes, valid until the next use of r.
func (r *StreamReader) buffered() []byte { return r.buf[r.start:] }

// take removes n bytes, which must be buffered, and returns a copy.
func (r *StreamReader) take(n int) []byte {
	p := make([]byte, n)
	copy(p, r.buffered())
	r.drop(n)
	return p
}

// drop removes n bytes, which must be buffered.
func (r *StreamReader) drop(n int) {
	r.generation++
	if r.start += n; r.start == len(r.buf) {
		r.loop.streams.put(r.detach())
	}
	r.maybeResume()
}

// detach removes all bytes, together with their buffer.
func (r *StreamReader) detach() (buf []byte) {
	buf, r.buf, r.start = r.buf, nil, 0
	r.generation++
	return buf
}

// maybeResume resumes the transport if few enough bytes are buffered.
func (r *StreamReader) maybeResume() {
	if r.paused && r.size() <= r.limit {
		r.resume()
	}
}

// add appends a copy of p to the buffered bytes.
func (r *StreamReader) add(p []byte) {
	if len(p) > cap(r.buf)-len(r.buf) {
		r.grow(len(p))
	}
	r.buf = append(r.buf, p...)
}

// grow makes room for n more bytes. It moves at most as many bytes as were removed, or
// can be added before the next call, so each byte is moved a few times on average.
func (r *StreamReader) grow(n int) {
	old, p := r.buf, r.buffered()
	if need := len(p) + n; need <= cap(old) && len(p) <= cap(old)/2 {
		r.buf = old[:copy(old, p)]
	} else {
		r.buf = append(r.loop.streams.get(max(need, 2*len(p))), p...)
		r.loop.streams.put(old)
	}
	r.start = 0
}

// unread puts p back in front of the buffered bytes.
func (r *StreamReader) unread(p []byte) {
	old, rest := r.buf, r.buffered()
	r.buf = append(append(r.loop.streams.get(len(p)+len(rest)), p...), rest...)
	r.start = 0
	r.loop.streams.put(old)
	r.generation++
	r.arrived()
}

// reclaim takes back bytes that went to the memory of a task, if it has not run since.
func (r *StreamReader) reclaim() {
	if p := r.direct; p != nil {
		r.direct = nil
		r.unread(p)
	}
}

// readTarget returns the memory for the next read of the transport.
func (r *StreamReader) readTarget() []byte {
	switch {
	case r.directBuf != nil:
		return r.directBuf
	case r.tailUsable():
		return r.buf[len(r.buf):cap(r.buf)]
	}
	return r.loop.streams.scratch(r.bulk)
}

// tailUsable reports whether the unused part of buf is worth a read of its own.
func (r *StreamReader) tailUsable() bool { return cap(r.buf)-len(r.buf) >= smallBuffer }

// commit records that the first n bytes of the memory of readTarget were filled.
func (r *StreamReader) commit(n int) {
	r.mustBeOpen()
	p := r.readTarget()
	r.full = n == len(p)
	r.bulk = n > largeBuffer
	switch {
	case r.directBuf != nil:
		r.direct = p[:n]
	case r.tailUsable():
		r.buf = r.buf[:len(r.buf)+n]
	case r.buf == nil && n > len(p)/4:
		r.buf = r.loop.streams.takeScratch(p)[:n]
	default:
		r.add(p[:n])
	}
	r.arrived()
}

// lend records that d has bytes in directBuf.
func (r *StreamReader) lend(d *pipeData) { r.directBuf, r.lent = nil, d }

// returnLent moves the bytes that were read into the memory of a task to other memory.
func (r *StreamReader) returnLent() {
	if d := r.lent; d != nil {
		r.lent = nil
		d.buf, d.to = append(r.loop.streams.get(len(d.buf)), d.buf...), nil
	}
}

// commitLent is like adopt, for p, which the waiting task has lent.
func (r *StreamReader) commitLent(p []byte) {
	r.lent = nil
	r.mustBeOpen()
	r.full = len(p) == largeBuffer
	r.direct = p
	r.arrived()
}

// adopt is like FeedData for p, which came from the pool of the loop. From now on p
// belongs to r.
func (r *StreamReader) adopt(p []byte) {
	r.mustBeOpen()
	r.full = len(p) == cap(p)
	if r.buf == nil && len(p) > maxCopy {
		r.buf = p
	} else {
		r.add(p)
		r.loop.streams.put(p)
	}
	r.arrived()
}

// StreamReaderProtocol is the protocol that passes bytes from a transport to a
// [StreamReader], and makes Drain and WaitClosed of a [StreamWriter] wait for the
// transport. [OpenConnection] and [StartServer] make one for each connection;
// [NewStreamReaderProtocol] is for other transports, such as that of [ConnectReadPipe].
// Only transports call its methods.
//
// (asyncio: StreamReaderProtocol)
type StreamReaderProtocol struct {
	gate      writeGate
	reader    *StreamReader
	connected func(r *StreamReader, w *StreamWriter)
	overTLS   bool
}

// NewStreamReaderProtocol returns a protocol that passes bytes to r. If connected is
// not nil the connection is one that a server accepted, and ConnectionMade calls
// connected; a panic of it is reported to the exception handler and closes the
// connection. It panics with [ErrUsage] if r is nil.
func NewStreamReaderProtocol(r *StreamReader, connected func(r *StreamReader, w *StreamWriter)) *StreamReaderProtocol {
	if r == nil {
		misuse("NewStreamReaderProtocol", "the reader is nil")
	}
	return &StreamReaderProtocol{gate: writeGate{bound: r.bound}, reader: r, connected: connected}
}

// ConnectionMade implements [Protocol], for every kind of transport except datagram
// transports.
func (p *StreamReaderProtocol) ConnectionMade(t BaseTransport) {
	p.mustBeMade("StreamReaderProtocol.ConnectionMade")
	if t == nil {
		misuse("StreamReaderProtocol.ConnectionMade", "the transport is nil")
	}
	p.reader.SetTransport(t)
	p.overTLS = t.GetExtraInfo("sslcontext") != nil
	if p.connected == nil {
		return
	}
	wt, ok := t.(WriteTransport)
	if !ok {
		misuse("StreamReaderProtocol.ConnectionMade", "a callback needs a transport that can be written to, not a %T", t)
	}
	w := NewStreamWriter(wt, p)
	defer func() {
		if v := recover(); v != nil {
			w.clientFailed(nil, panicError(v), p.connected)
		}
	}()
	p.connected(p.reader, w)
}

// GetBuffer implements [BufferedProtocol]: it returns the memory of the waiting task,
// if the task has provided some and nothing is buffered.
func (p *StreamReaderProtocol) GetBuffer(int) []byte {
	p.mustBeMade("StreamReaderProtocol.GetBuffer")
	return p.reader.readTarget()
}

// mustBeMade panics for a zero StreamReaderProtocol.
func (p *StreamReaderProtocol) mustBeMade(call string) {
	if p.reader == nil {
		misuse(call, "a zero StreamReaderProtocol: use NewStreamReaderProtocol")
	}
}

// BufferUpdated implements [BufferedProtocol].
func (p *StreamReaderProtocol) BufferUpdated(n int) {
	p.mustBeMade("StreamReaderProtocol.BufferUpdated")
	if n < 0 {
		misuse("StreamReaderProtocol.BufferUpdated", "%d bytes", n)
	}
	p.reader.commit(n)
}

// wantsRest implements restReader.
func (p *StreamReaderProtocol) wantsRest() bool { return p.reader.full && p.reader.direct == nil }

// brought implements restReader.
func (p *StreamReaderProtocol) brought(n int) { p.reader.bulk = n > largeBuffer }

// EOFReceived implements [Protocol]. The connection stays open for writing if its
// transport supports that: TLS does not.
func (p *StreamReaderProtocol) EOFReceived() bool {
	p.mustBeMade("StreamReaderProtocol.EOFReceived")
	p.reader.feedEOF()
	return !p.overTLS
}

// ConnectionLost implements [Protocol].
func (p *StreamReaderProtocol) ConnectionLost(err error) {
	p.mustBeMade("StreamReaderProtocol.ConnectionLost")
	if err == nil {
		p.reader.feedEOF()
	} else {
		p.reader.fail(err)
	}
	p.gate.lose(err)
}

// PauseWriting implements [Protocol].
func (p *StreamReaderProtocol) PauseWriting() { p.gate.paused = true }

// ResumeWriting implements [Protocol].
func (p *StreamReaderProtocol) ResumeWriting() { p.gate.resume() }
