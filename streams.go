package aio

// A StreamReader is a buffer between a transport, which puts in what arrives, and one
// task, which takes out what it wants and waits where that is not there yet. A
// StreamWriter is a transport with a wait for its write buffer to drain.
//
// All state is owned by the token of the loop. What holds between any two steps:
//   - buf is nil if and only if nothing is buffered, so that an idle connection has no
//     memory to read into. It gets some from its loop when bytes come, and gives it back
//     with the last one.
//   - directBuf is the memory of the task that waits, if it brought some: then nothing is
//     buffered and the next bytes go there. direct is the part that has been filled,
//     until the task runs. These bytes count as buffered: a task that was cancelled
//     meanwhile puts them back, and another task that comes first takes them.
//   - A slice that was returned to the user is the user's: no later read touches it.
//
// A transport fills the memory that GetBuffer returns before anything else of the loop
// runs. So all streams of a loop that have no memory of their own read into the same
// scratch buffer.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
)

// defaultStreamLimit is the limit of a reader that is made without one.
const defaultStreamLimit = 64 << 10

// ErrLineTooLong is what ReadLine and Lines return for a line that is longer than the
// limit of the reader. It was dropped. (asyncio: the ValueError of readline)
var ErrLineTooLong = errors.New("aio: line is longer than the limit of the stream")

// An IncompleteReadError says that a stream ended before all was read that ReadExactly or
// ReadUntil were to read. It matches io.ErrUnexpectedEOF, and io.EOF as well if there was
// nothing left at all. (asyncio: IncompleteReadError)
type IncompleteReadError struct {
	// Partial is what was left. It is not in the stream any more.
	Partial []byte
	// Expected is the number of bytes that ReadExactly was to read, -1 for ReadUntil.
	Expected int
}

func (e *IncompleteReadError) Error() string {
	if e.Expected < 0 {
		return fmt.Sprintf("aio: stream ended after %d bytes without a separator", len(e.Partial))
	}
	return fmt.Sprintf("aio: stream ended after %d of %d expected bytes", len(e.Partial), e.Expected)
}

// Is reports whether target is io.ErrUnexpectedEOF, or io.EOF and Partial is empty.
func (e *IncompleteReadError) Is(target error) bool {
	return target == io.ErrUnexpectedEOF || target == io.EOF && len(e.Partial) == 0
}

// A LimitOverrunError says that what ReadUntil was to read is longer than the limit of
// the reader. It is all still in the stream: Read or ReadExactly get it, or a part.
// (asyncio: LimitOverrunError)
type LimitOverrunError struct {
	// Consumed is how many bytes can be read off: no separator begins in them.
	Consumed int
	// Found reports whether a separator follows on them. Else it has not come yet.
	Found bool
}

func (e *LimitOverrunError) Error() string {
	if e.Found {
		return fmt.Sprintf("aio: separator found, but after %d bytes, which is more than the limit of the stream", e.Consumed)
	}
	return fmt.Sprintf("aio: no separator in %d bytes, which is more than the limit of the stream", e.Consumed)
}

// StreamReader is the reading side of a connection. Make one with OpenConnection,
// StartServer or, for a protocol of your own, NewStreamReader.
//
// Its methods that take a ctx suspend the calling task only while what they are to read
// has not come in. Only one task can wait at a time; for a second one they fail with
// ErrUsage. A method that is cancelled has read nothing, except for Read until the end.
// If the connection failed, they return the error of it even if there are bytes left. The
// slices that they return are the caller's. Reader makes an io.Reader of a StreamReader.
//
// All other methods never await, and panic with ErrWrongGoroutine if the caller does not
// hold the token. (asyncio: StreamReader)
type StreamReader struct {
	bound
	limit   int
	readers waitList // the task that waits

	// The transport, and what it has said.
	transport ReadTransport // to pause; nil if there is none that can be paused
	attached  bool          // SetTransport was called
	paused    bool          // the transport is
	full      bool          // its last read filled all the memory that it was given
	eof       bool
	err       error

	// What is buffered.
	buf        []byte
	start      int  // of what is buffered, in buf
	generation uint // counts the changes at the front of what is buffered
	directBuf  []byte
	direct     []byte
}

// NewStreamReader returns a reader for the loop of ctx, without a transport: bytes come
// from FeedData, or by a StreamReaderProtocol. ReadLine and ReadUntil read up to limit
// bytes, and reading is paused while more than twice as many wait to be read; 0 stands
// for 64 KiB. It never awaits. It panics if limit is negative or ctx belongs to no loop.
func NewStreamReader(ctx context.Context, limit int) *StreamReader {
	l := loopOf(ctx, "NewStreamReader")
	if err := checkLimit("NewStreamReader", limit); err != nil {
		panic(err)
	}
	return l.newStreamReader(limit)
}

// checkLimit says what is wrong with the limit given to a call.
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
	return &StreamReader{bound: bound{loop: l}, limit: limit}
}

// SetTransport names the transport that is paused while too much waits to be read. One
// that is no ReadTransport cannot be. A reader that has a transport gets no other;
// SetTransport panics with ErrUsage then. (asyncio: StreamReader.set_transport)
func (r *StreamReader) SetTransport(t BaseTransport) {
	r.check("StreamReader.SetTransport")
	if r.attached {
		misuse("StreamReader.SetTransport", "the reader has a transport already")
	}
	r.attached = true
	r.replaceTransport(t)
}

// replaceTransport makes t the transport. The one before is not paused.
func (r *StreamReader) replaceTransport(t BaseTransport) { r.transport, _ = t.(ReadTransport) }

// FeedData adds p to what can be read, as if it had arrived; an empty p changes nothing.
// It panics with ErrUsage after FeedEOF. (asyncio: StreamReader.feed_data)
func (r *StreamReader) FeedData(p []byte) {
	r.check("StreamReader.FeedData")
	r.mustBeOpen()
	if len(p) > 0 {
		r.add(p)
		r.arrived()
	}
}

// mustBeOpen panics if nothing can be fed any more.
func (r *StreamReader) mustBeOpen() {
	if r.eof {
		misuse("StreamReader.FeedData", "called after FeedEOF")
	}
}

// FeedEOF says that no more will arrive. Doing it again does nothing.
// (asyncio: StreamReader.feed_eof)
func (r *StreamReader) FeedEOF() {
	r.check("StreamReader.FeedEOF")
	r.feedEOF()
}

func (r *StreamReader) feedEOF() {
	r.eof = true
	r.wake()
}

// SetException has the task that waits for data fail with err, and every later read. err
// must not be nil. (asyncio: StreamReader.set_exception)
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

// Exception returns what SetException was called with, nil before. (asyncio:
// StreamReader.exception)
func (r *StreamReader) Exception() error {
	r.check("StreamReader.Exception")
	return r.err
}

// AtEOF reports whether all was read and no more will arrive. That the reader has failed
// does not mean it. (asyncio: StreamReader.at_eof)
func (r *StreamReader) AtEOF() bool {
	r.check("StreamReader.AtEOF")
	return r.eof && r.size() == 0 && r.direct == nil
}

// Read returns up to n bytes: those that are there already or, if there are none, the
// first that arrive. At the end of the stream it returns no bytes and no error. A
// negative n reads all there is until the end; if that fails or is cancelled, what was
// read before is lost. The limit of the reader does not matter. The error is that of the
// connection, a *CancelledError, or one of those of Future.Await. (asyncio:
// StreamReader.read)
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
	if _, err := r.waitBuffered(e, call); err != nil {
		return nil, err
	}
	return r.take(min(n, r.size())), nil
}

// readAll is Read until the end.
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

// waitBuffered returns what is buffered, and waits for it if there is nothing. At the end
// of the stream it returns nothing.
func (r *StreamReader) waitBuffered(c caller, call string) ([]byte, error) {
	for r.size() == 0 && !r.eof {
		if err := r.wait(c, call, nil); err != nil {
			return nil, err
		}
	}
	return r.buffered(), nil
}

// ReadExactly returns n bytes. If the stream ends before that many have arrived, the
// error is an *IncompleteReadError that has the rest; the others are those of Read. A
// negative n is ErrUsage. The limit of the reader does not matter. (asyncio:
// StreamReader.readexactly)
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
// stream it returns what is left without one, and then nothing, with no error. A line
// that is longer than the limit, its newline not counted, gives an error that matches
// ErrLineTooLong, and is dropped; as much of it as has not arrived yet will be taken for
// the next line. The other errors are those of Read. (asyncio: StreamReader.readline)
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
		return nil, fmt.Errorf("%w: dropped the first %d bytes, the end has not come yet", ErrLineTooLong, over.Consumed)
	}
	return line, err
}

// Lines ranges over the lines of the stream, as ReadLine returns them, until it ends. If
// ReadLine fails, it yields that error and ends; after ErrLineTooLong a new range goes on
// with what follows. It suspends as ReadLine does. (asyncio: async for line in reader)
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

// ReadUntil returns the bytes up to and including the first separator: the one that ends
// first, if there are several, and of two that end at the same place the shorter one. If
// the stream ends before, the error is an *IncompleteReadError that has the rest. If
// there are more bytes than the limit before a separator, it is a *LimitOverrunError, and
// they stay in the stream. No separator or an empty one is ErrUsage. The other errors are
// those of Read. (asyncio: StreamReader.readuntil, where the separator may be left out:
// see ReadLine)
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
		if generation != r.generation { // another task has read meanwhile
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

// search looks for separators in bytes to which more are appended between two looks.
type search struct {
	separators        [][]byte
	shortest, longest int // of them
	from              int // no separator begins before it
}

func newSearch(separators [][]byte) search {
	s := search{separators: separators, shortest: len(separators[0])}
	for _, sep := range separators {
		s.shortest, s.longest = min(s.shortest, len(sep)), max(s.longest, len(sep))
	}
	return s
}

// next finds the separator that ends first in p, and where it begins and ends. If there
// is none, end is 0, and a separator that more bytes complete begins at or after at.
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

// find is next without what it remembers.
//
// With several separators it looks at windows that grow. One search through all of p for
// each separator would take quadratic time to cut up a buffer in which one of them is
// everywhere and another one nowhere.
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

// begin is how every method that reads begins.
func (r *StreamReader) begin(ctx context.Context, call string) (caller, error) {
	e, err := r.enter(ctx, call)
	if err != nil {
		return e, err
	}
	r.reclaim()
	return e, r.err
}

// wait suspends the calling task until there is something new to look at. If nothing is
// buffered, the next bytes may go to directBuf; if they have, r.direct is not nil
// afterwards.
func (r *StreamReader) wait(c caller, call string, directBuf []byte) error {
	if r.err != nil {
		// set after the task was woken by something else: CPython would wait for
		// ever
		return r.err
	}
	if r.readers.n > 0 {
		return usagef(call, "another task waits for data of the stream already")
	}
	r.directBuf = directBuf
	if r.paused { // what the task waits for would never come
		r.resume()
	}
	_, err := c.waitIn(&r.readers, call)
	if sameMemory(r.directBuf, directBuf) {
		r.directBuf = nil // cancelled
	}
	if err != nil || !sameMemory(r.direct, directBuf) {
		r.reclaim()
	}
	return err
}

// sameMemory reports whether two slices begin at the same byte.
func sameMemory(p, q []byte) bool { return len(p) > 0 && len(q) > 0 && &p[0] == &q[0] }

// wake has the task that waits look again.
func (r *StreamReader) wake() {
	r.directBuf = nil
	r.readers.wakeNext()
}

// arrived says that there are more bytes.
func (r *StreamReader) arrived() {
	r.wake()
	r.maybePause()
}

// maybePause pauses the transport if too much is buffered. Written so that twice the
// limit may be more than an int holds.
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

// size is how much is buffered.
func (r *StreamReader) size() int { return len(r.buf) - r.start }

// buffered returns what is buffered, to be looked at before anything else is done with r.
func (r *StreamReader) buffered() []byte { return r.buf[r.start:] }

// take takes out n bytes, which must be there, and returns a copy.
func (r *StreamReader) take(n int) []byte {
	p := make([]byte, n)
	copy(p, r.buffered())
	r.drop(n)
	return p
}

// drop takes out n bytes, which must be there.
func (r *StreamReader) drop(n int) {
	r.generation++
	if r.start += n; r.start == len(r.buf) {
		r.loop.streams.put(r.detach())
	}
	r.maybeResume()
}

// detach takes everything out, with the buffer that holds it.
func (r *StreamReader) detach() (buf []byte) {
	buf, r.buf, r.start = r.buf, nil, 0
	r.generation++
	return buf
}

// maybeResume has the transport go on if little enough is buffered.
func (r *StreamReader) maybeResume() {
	if r.paused && r.size() <= r.limit {
		r.resume()
	}
}

// add appends a copy of p to what is buffered.
func (r *StreamReader) add(p []byte) {
	if len(p) > cap(r.buf)-len(r.buf) {
		r.grow(len(p))
	}
	r.buf = append(r.buf, p...)
}

// grow makes room for n bytes more. It moves at most as many bytes as were taken out or
// can be put in before it is called again, so that each is moved a few times on average.
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

// unread puts p back in front of what is buffered.
func (r *StreamReader) unread(p []byte) {
	old, rest := r.buf, r.buffered()
	r.buf = append(append(r.loop.streams.get(len(p)+len(rest)), p...), rest...)
	r.start = 0
	r.loop.streams.put(old)
	r.generation++
	r.arrived()
}

// reclaim takes back bytes that went to the memory of a task, if that has not run since.
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
	return r.loop.streams.scratch()
}

// tailUsable reports whether the unused part of buf is worth a read of its own.
func (r *StreamReader) tailUsable() bool { return cap(r.buf)-len(r.buf) >= smallBuffer }

// commit says that the first n bytes of what readTarget returned have come.
func (r *StreamReader) commit(n int) {
	r.mustBeOpen()
	p := r.readTarget()
	r.full = n == len(p)
	switch {
	case r.directBuf != nil:
		r.direct = p[:n]
	case r.tailUsable():
		r.buf = r.buf[:len(r.buf)+n]
	case r.buf == nil && n > maxCopy:
		r.buf = r.loop.streams.takeScratch()[:n]
	default:
		r.add(p[:n])
	}
	r.arrived()
}

// StreamReaderProtocol is the protocol that feeds a StreamReader from a transport, and
// has Drain and WaitClosed of a StreamWriter wait for it. OpenConnection and StartServer
// make one for each connection; NewStreamReaderProtocol is for the other transports, such
// as that of ConnectReadPipe. Its methods are for transports to call. (asyncio:
// StreamReaderProtocol)
type StreamReaderProtocol struct {
	gate      writeGate
	reader    *StreamReader
	connected func(r *StreamReader, w *StreamWriter)
	overTLS   bool
}

// NewStreamReaderProtocol returns a protocol that feeds r. If connected is not nil the
// connection is one that a server accepted, and ConnectionMade calls it; a panic of it is
// reported to the exception handler and closes the connection. It panics with ErrUsage if
// r is nil.
func NewStreamReaderProtocol(r *StreamReader, connected func(r *StreamReader, w *StreamWriter)) *StreamReaderProtocol {
	if r == nil {
		misuse("NewStreamReaderProtocol", "the reader is nil")
	}
	return &StreamReaderProtocol{gate: writeGate{bound: r.bound}, reader: r, connected: connected}
}

// ConnectionMade implements Protocol, for every kind of transport but those of datagrams.
func (p *StreamReaderProtocol) ConnectionMade(t BaseTransport) {
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

// GetBuffer implements BufferedProtocol: the memory is that of the task which waits to
// read, if that brought some and nothing else is to be read before.
func (p *StreamReaderProtocol) GetBuffer(int) []byte { return p.reader.readTarget() }

// BufferUpdated implements BufferedProtocol.
func (p *StreamReaderProtocol) BufferUpdated(n int) { p.reader.commit(n) }

// EOFReceived implements Protocol. The connection stays open for writing if it can: TLS
// cannot.
func (p *StreamReaderProtocol) EOFReceived() bool {
	p.reader.feedEOF()
	return !p.overTLS
}

// ConnectionLost implements Protocol.
func (p *StreamReaderProtocol) ConnectionLost(err error) {
	if err == nil {
		p.reader.feedEOF()
	} else {
		p.reader.fail(err)
	}
	p.gate.lose(err)
}

// PauseWriting implements Protocol.
func (p *StreamReaderProtocol) PauseWriting() { p.gate.paused = true }

// ResumeWriting implements Protocol.
func (p *StreamReaderProtocol) ResumeWriting() { p.gate.resume() }
