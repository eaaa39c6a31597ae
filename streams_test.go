package aio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/goaio/aio"
)

// streamOp is a read call; it returns its result as text without spaces.
type streamOp func(ctx context.Context, r *aio.StreamReader) string

func streamRead(n int) streamOp {
	return func(ctx context.Context, r *aio.StreamReader) string { return streamGot(r.Read(ctx, n)) }
}

func streamExactly(n int) streamOp {
	return func(ctx context.Context, r *aio.StreamReader) string { return streamGot(r.ReadExactly(ctx, n)) }
}

func streamLine(ctx context.Context, r *aio.StreamReader) string { return streamGot(r.ReadLine(ctx)) }

func streamUntil(seps ...string) streamOp {
	var list [][]byte
	for _, sep := range seps {
		list = append(list, []byte(sep))
	}
	return func(ctx context.Context, r *aio.StreamReader) string { return streamGot(r.ReadUntil(ctx, list...)) }
}

// streamInto reads through an io.Reader, with a buffer of n bytes.
func streamInto(n int) streamOp {
	return func(ctx context.Context, r *aio.StreamReader) string {
		p := make([]byte, n)
		n, err := r.Reader(ctx).Read(p)
		if err != nil && n > 0 {
			return "bytes-and-error"
		}
		return streamGot(p[:n], err)
	}
}

// errStreamBoom stands for a network error.
var errStreamBoom = errors.New("boom")

// streamGot formats the result of a read.
func streamGot(p []byte, err error) string {
	var part *aio.IncompleteReadError
	var over *aio.LimitOverrunError
	switch {
	case err == nil && len(p) > 40:
		return fmt.Sprint(len(p))
	case err == nil:
		return fmt.Sprintf("%q", p)
	case len(p) > 0:
		return fmt.Sprintf("%q-and-%v", p, err)
	case errors.As(err, &part):
		return fmt.Sprintf("incomplete(%q,%d)", part.Partial, part.Expected)
	case errors.As(err, &over) && over.Found:
		return fmt.Sprintf("found(%d)", over.Consumed)
	case errors.As(err, &over):
		return fmt.Sprintf("unfound(%d)", over.Consumed)
	case errors.Is(err, aio.ErrLineTooLong):
		return "too-long"
	case errors.Is(err, aio.ErrCancelled):
		return "cancelled"
	case errors.Is(err, aio.ErrUsage):
		return "misuse"
	}
	return strings.ReplaceAll(err.Error(), " ", "-")
}

// streamScene is a scene with a reader, the transport that feeds it and a writer.
type streamScene struct {
	*scene
	*fakeTransport
	r *aio.StreamReader
	p *aio.StreamReaderProtocol
	w *aio.StreamWriter
}

// streamPlay runs f with a reader that has the given limit, on a fake transport.
func streamPlay(t *testing.T, limit int, f func(s *streamScene)) {
	t.Helper()
	play(t, func(sc *scene) {
		s := newStreamScene(sc, limit)
		f(s)
		s.want("")
	})
}

func newStreamScene(sc *scene, limit int) *streamScene {
	r := aio.NewStreamReader(sc.ctx, limit)
	s := &streamScene{scene: sc, r: r, p: aio.NewStreamReaderProtocol(r, nil)}
	s.fakeTransport = newFakeTransport(sc, s.p)
	s.p.ConnectionMade(s.fakeTransport)
	s.w = aio.NewStreamWriter(s.fakeTransport, s.p)
	return s
}

// gets compares the result of a call that does not wait.
func (s *streamScene) gets(op streamOp, want string) {
	s.Helper()
	if got := op(s.ctx, s.r); got != want {
		s.Errorf("got %s, want %s", got, want)
	}
	s.want("")
}

// begin starts a task that makes the call and logs name=result.
func (s *streamScene) begin(name string, op streamOp) *aio.Task[struct{}] {
	return fetch(s.scene, name, func(ctx context.Context) (string, error) { return op(ctx, s.r), nil })
}

// feed passes data to the reader without a transport.
func (s *streamScene) feed(chunks ...string) {
	for _, c := range chunks {
		s.r.FeedData([]byte(c))
	}
}

// fakeTransport is a transport whose peer is the test. Its calls are logged.
type fakeTransport struct {
	log     *scene
	p       *aio.StreamReaderProtocol
	info    map[string]any
	wrote   bytes.Buffer
	paused  bool
	closing bool
	eof     bool
}

func newFakeTransport(s *scene, p *aio.StreamReaderProtocol) *fakeTransport {
	return &fakeTransport{log: s, p: p}
}

// arrive makes the protocol read data, and returns the sizes of the reads.
func (f *fakeTransport) arrive(data string) (reads []int) {
	f.log.Helper()
	for data != "" {
		n := copy(f.p.GetBuffer(-1), data)
		f.p.BufferUpdated(n)
		data = data[n:]
		reads = append(reads, n)
	}
	return reads
}

func (f *fakeTransport) Close() error {
	if !f.closing {
		f.closing = true
		f.log.add("close")
		loop, _ := aio.GetRunningLoop(f.log.ctx)
		loop.CallSoon(func() { f.p.ConnectionLost(nil) })
	}
	return nil
}
func (f *fakeTransport) IsClosing() bool               { return f.closing }
func (f *fakeTransport) GetExtraInfo(name string) any  { return f.info[name] }
func (f *fakeTransport) SetProtocol(p aio.Protocol)    { f.p = p.(*aio.StreamReaderProtocol) }
func (f *fakeTransport) GetProtocol() aio.Protocol     { return f.p }
func (f *fakeTransport) IsReading() bool               { return !f.closing && !f.paused }
func (f *fakeTransport) PauseReading()                 { f.paused = true; f.log.add("pause") }
func (f *fakeTransport) ResumeReading()                { f.paused = false; f.log.add("resume") }
func (f *fakeTransport) CanWriteEOF() bool             { return true }
func (f *fakeTransport) WriteEOF()                     { f.eof = true }
func (f *fakeTransport) Abort()                        { f.Close() }
func (f *fakeTransport) SetWriteBufferLimits(int, int) {}
func (f *fakeTransport) GetWriteBufferLimits() (int, int) {
	return 0, 0
}
func (f *fakeTransport) GetWriteBufferSize() int { return f.wrote.Len() }
func (f *fakeTransport) Write(p []byte) (int, error) {
	if f.closing {
		return 0, net.ErrClosed
	}
	return f.wrote.Write(p)
}
func (f *fakeTransport) Writelines(bufs [][]byte) error {
	for _, p := range bufs {
		f.wrote.Write(p)
	}
	return nil
}

var _ aio.Transport = &fakeTransport{}

// STREAM-001: the limit of OpenConnection is in TestOpenConnectionRefusesALimit.
func TestStreamReaderRefusesALimit(t *testing.T) {
	play(t, func(s *scene) {
		misused(t, "a negative limit", func() { aio.NewStreamReader(s.ctx, -1) })
	})
	// The default limit is 64 KiB: twice as much data does not pause the transport.
	streamPlay(t, 0, func(s *streamScene) {
		s.feed(strings.Repeat("x", 128<<10))
		s.want("")
		s.feed("x")
		s.want("pause")
	})
}

// STREAM-002
func TestStreamReaderNeedsALoop(t *testing.T) {
	misused(t, "NewStreamReader", func() { aio.NewStreamReader(context.Background(), 0) }, aio.ErrNoRunningLoop)
	misused(t, "NewStreamReaderProtocol", func() { aio.NewStreamReaderProtocol(nil, nil) })

	l, _ := newLoop(t)
	r := aio.NewStreamReader(l.Context(), 0)
	r.FeedData([]byte("ab"))
	got, err := aio.RunUntilComplete(l, aio.Coro[string](func(ctx context.Context) (string, error) {
		return streamRead(9)(ctx, r), nil
	}))
	if got != `"ab"` || err != nil {
		t.Errorf("Read gives %s, %v", got, err)
	}

	play(t, func(s *scene) {
		if _, err := r.Read(s.ctx, 1); !errors.Is(err, aio.ErrOtherLoop) {
			t.Errorf("Read in another loop: %v", err)
		}
	})
}

// STREAM-003, STREAM-005, STREAM-008
func TestStreamFeedingWakesTheReader(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		s.begin("A", streamRead(30))
		s.after(2, "")
		s.feed("")
		s.after(2, "")
		s.feed("one", "two")
		s.want("")
		s.after(1, `A="onetwo"`)

		s.begin("B", streamExactly(3))
		s.after(1, "")
		s.feed("ab")
		s.r.FeedEOF()
		s.after(1, `B=incomplete("ab",3)`)

		s.gets(streamRead(3), `""`)
	})
	streamPlay(t, 0, func(s *streamScene) {
		s.begin("A", streamRead(30))
		s.after(1, "")
		s.r.FeedEOF()
		s.r.FeedEOF()
		s.after(1, `A=""`)
	})
}

// STREAM-004
func TestStreamFeedingAfterTheEndIsMisuse(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		s.feed("ab")
		s.r.FeedEOF()
		misused(t, "FeedData", func() { s.feed("c") })
		misused(t, "FeedData of nothing", func() { s.feed("") })
		misused(t, "BufferUpdated", func() { s.arrive("c") })
		s.gets(streamRead(9), `"ab"`)
	})
}

// STREAM-006, STREAM-007, STREAM-009, STREAM-010, STREAM-011
func TestStreamRead(t *testing.T) {
	streamPlay(t, 3, func(s *streamScene) {
		s.feed("abcde")
		s.gets(streamRead(0), `""`)
		s.gets(streamRead(2), `"ab"`)
		s.feed("fg")
		s.gets(streamRead(5), `"cdefg"`)
		s.feed("h")
		s.r.FeedEOF()
		s.gets(streamRead(9), `"h"`)
		s.gets(streamRead(9), `""`)
		s.gets(streamRead(-1), `""`)
	})
	for _, n := range []int{-1, -7} {
		streamPlay(t, 0, func(s *streamScene) {
			s.begin("all", streamRead(n))
			for _, c := range []string{"a", "b", "c"} {
				s.feed(c)
				s.after(2, "")
			}
			s.r.FeedEOF()
			s.after(1, `all="abc"`)
			same(s, "AtEOF", s.r.AtEOF(), true)
		})
	}
}

// STREAM-012
func TestStreamReadToTheEndResumesTheTransport(t *testing.T) {
	streamPlay(t, 3, func(s *streamScene) {
		s.feed("1234567")
		s.want("pause")
		s.begin("all", streamRead(-1))
		s.after(1, "resume")
		s.feed("89abcdefg")
		s.want("pause")
		s.after(1, "resume")
		s.feed("h")
		s.r.FeedEOF()
		s.after(1, `all="123456789abcdefgh"`)
	})
}

// STREAM-013
func TestStreamReadToTheEndLosesWhatItHadIfItFails(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		all := s.begin("all", streamRead(-1))
		s.feed("abc")
		s.after(2, "")
		all.Cancel()
		s.after(1, "all=cancelled")
		s.feed("d")
		s.gets(streamRead(9), `"d"`)

		s.begin("all", streamRead(-1))
		s.feed("abc")
		s.after(2, "")
		s.r.SetException(errStreamBoom)
		s.after(1, "all=boom")

		// EOF and an error arrive before the task has taken the rest.
		s.gets(streamRead(-1), "boom")
	})
	streamPlay(t, 0, func(s *streamScene) {
		s.begin("all", streamRead(-1))
		s.after(1, "")
		s.feed("abc")
		s.r.SetException(errStreamBoom)
		s.after(1, "all=boom")
	})
}

// STREAM-014, STREAM-023, STREAM-040
func TestStreamErrorGoesBeforeData(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		s.feed("abc\n")
		s.r.SetException(errStreamBoom)
		for _, op := range []streamOp{
			streamRead(2), streamRead(0), streamRead(-1), streamLine, streamUntil("\n"), streamExactly(2), streamExactly(0),
			streamInto(2),
		} {
			s.gets(op, "boom")
		}
		for _, err := range s.r.Lines(s.ctx) {
			same(s, "error of Lines", err, errStreamBoom)
		}
		s.gets(streamExactly(-1), "misuse")
		s.gets(streamUntil(""), "misuse")
		same(s, "AtEOF", s.r.AtEOF(), false)
		misused(t, "SetException(nil)", func() { s.r.SetException(nil) })
	})
}

// STREAM-036, STREAM-037, STREAM-038, STREAM-039
func TestStreamReadExactly(t *testing.T) {
	streamPlay(t, 3, func(s *streamScene) {
		s.feed("ab")
		s.gets(streamExactly(0), `""`)
		s.gets(streamExactly(-1), "misuse")
		s.begin("A", streamExactly(6))
		s.after(1, "")
		s.feed("cd")
		s.after(2, "")
		s.feed("efg")
		s.want("pause")
		s.after(1, `resume A="abcdef"`)
		s.r.FeedEOF()

		_, err := s.r.ReadExactly(s.ctx, 9)
		same(s, "outcome", streamGot(nil, err), `incomplete("g",9)`)
		for _, number := range []string{"1", "9"} {
			if !strings.Contains(err.Error(), number) {
				t.Errorf("the text %q does not contain the number %s", err, number)
			}
		}
		s.gets(streamRead(9), `""`)
		s.gets(streamExactly(1), `incomplete("",1)`)
		s.gets(streamExactly(0), `""`)
	})
}

// STREAM-041, STREAM-042, STREAM-043
func TestStreamSetExceptionFailsTheReader(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		same(s, "Exception", s.r.Exception(), nil)
		a := s.begin("A", streamLine)
		s.feed("ab")
		s.after(2, "")
		a.Cancel()
		s.r.SetException(errors.New("other"))
		s.after(1, "A=cancelled")
	})
	for _, op := range []streamOp{streamRead(1), streamRead(-1), streamLine, streamUntil("x"), streamExactly(9), streamInto(1), streamInto(1 << 20)} {
		streamPlay(t, 0, func(s *streamScene) {
			s.begin("A", op)
			s.after(1, "")
			s.r.SetException(errStreamBoom)
			same(s, "Exception", s.r.Exception(), errStreamBoom)
			s.after(1, "A=boom")
		})
	}
}

// STREAM-044
func TestStreamCancelledReadLeavesTheBytes(t *testing.T) {
	for _, op := range []streamOp{streamLine, streamUntil("x"), streamExactly(9)} {
		streamPlay(t, 0, func(s *streamScene) {
			a := s.begin("A", op)
			s.feed("ab")
			s.after(2, "")
			a.Cancel()
			s.feed("cd")
			s.after(1, "A=cancelled")
			s.feed("ef")
			s.gets(streamRead(9), `"abcdef"`)
		})
	}
	// Bytes arrive after the last search, and a cancellation before the next one.
	for _, op := range []streamOp{streamRead(9), streamLine, streamUntil("\n"), streamExactly(3), streamInto(9), streamInto(4096)} {
		streamPlay(t, 0, func(s *streamScene) {
			a := s.begin("A", op)
			s.after(1, "")
			s.arrive("ab\n")
			a.Cancel()
			s.arrive("cd\n")
			s.after(1, "A=cancelled")
			s.gets(streamRead(9), `"ab\ncd\n"`)
		})
	}
}

// STREAM-045
func TestStreamOnlyOneTaskCanWait(t *testing.T) {
	for _, c := range []struct {
		name string
		op   streamOp
		read func(ctx context.Context, r *aio.StreamReader) error
	}{
		{"StreamReader.ReadLine", streamLine, func(ctx context.Context, r *aio.StreamReader) error { _, err := r.ReadLine(ctx); return err }},
		{"StreamReader.ReadUntil", streamUntil("x"), func(ctx context.Context, r *aio.StreamReader) error {
			_, err := r.ReadUntil(ctx, []byte("x"))
			return err
		}},
		{"StreamReader.ReadExactly", streamExactly(2), func(ctx context.Context, r *aio.StreamReader) error { _, err := r.ReadExactly(ctx, 2); return err }},
		{"StreamReader.Read", streamRead(2), func(ctx context.Context, r *aio.StreamReader) error { _, err := r.Read(ctx, 2); return err }},
		{"StreamReader.Reader.Read", streamInto(4096), func(ctx context.Context, r *aio.StreamReader) error {
			_, err := r.Reader(ctx).Read(make([]byte, 4096))
			return err
		}},
	} {
		streamPlay(t, 0, func(s *streamScene) {
			s.begin("A", c.op)
			s.after(1, "")
			err := c.read(s.ctx, s.r)
			if !errors.Is(err, aio.ErrUsage) || !strings.Contains(err.Error(), c.name+":") {
				t.Errorf("a second %s returned %v", c.name, err)
			}
			s.arrive("x\n")
			s.letPass(1)
			if got := fmt.Sprint(s.eventLog); got != `[A="x"]` && got != `[A="x\n"]` {
				t.Errorf("the first %s returned %s", c.name, got)
			}
			s.eventLog = nil
		})
	}
}

// STREAM-046
func TestStreamErrorAfterTheWakeUp(t *testing.T) {
	for _, c := range []struct {
		op   streamOp
		data string
		want string
	}{
		{streamRead(9), "ab", `"ab"`},
		{streamInto(9), "ab", `"ab"`},
		{streamInto(4096), "ab", `"ab"`},
		{streamLine, "ab\n", `"ab\n"`},
		{streamExactly(2), "ab", `"ab"`},
		{streamLine, "ab", "boom"},
		{streamUntil("x"), "ab", "boom"},
		{streamExactly(3), "ab", "boom"},
	} {
		streamPlay(t, 0, func(s *streamScene) {
			s.begin("A", c.op)
			s.after(1, "")
			s.arrive(c.data)
			s.r.SetException(errStreamBoom)
			s.after(1, "A="+c.want)
		})
	}
	// A read that has seen EOF ignores data that arrives later.
	streamPlay(t, 0, func(s *streamScene) {
		s.begin("A", streamLine)
		s.feed("ab")
		s.after(1, "")
		s.r.FeedEOF()
		s.r.SetException(errStreamBoom)
		s.after(1, `A="ab"`)
		s.gets(streamLine, "boom")
	})
}

// STREAM-047
func TestStreamAtEOF(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		want := func(want bool) {
			s.Helper()
			same(s, "AtEOF", s.r.AtEOF(), want)
		}
		want(false)
		s.feed("ab\n")
		want(false)
		s.gets(streamLine, `"ab\n"`)
		want(false)
		s.begin("A", streamInto(4096))
		s.after(1, "")
		s.arrive("cd")
		s.r.FeedEOF()
		want(false) // the task has not run yet
		s.after(1, `A="cd"`)
		want(true)
	})
}

// STREAM-048
func TestStreamErrorsAreData(t *testing.T) {
	part := &aio.IncompleteReadError{Partial: []byte("ab"), Expected: 5}
	text, err := json.Marshal(part)
	if err != nil {
		t.Fatal(err)
	}
	part2 := new(aio.IncompleteReadError)
	if err := json.Unmarshal(text, part2); err != nil || string(part2.Partial) != "ab" || part2.Expected != 5 || part2.Error() != part.Error() {
		t.Errorf("%v became %v, %v", part, part2, err)
	}
	over := &aio.LimitOverrunError{Consumed: 7, Found: true}
	text, err = json.Marshal(over)
	if err != nil {
		t.Fatal(err)
	}
	over2 := new(aio.LimitOverrunError)
	if err := json.Unmarshal(text, over2); err != nil || *over2 != *over || over2.Error() != over.Error() {
		t.Errorf("%v became %v, %v", over, over2, err)
	}
	if !errors.Is(part, io.ErrUnexpectedEOF) || errors.Is(part, io.EOF) {
		t.Errorf("%v matches io.ErrUnexpectedEOF: %v, io.EOF: %v", part, errors.Is(part, io.ErrUnexpectedEOF), errors.Is(part, io.EOF))
	}
	if none := (&aio.IncompleteReadError{Expected: 5}); !errors.Is(none, io.ErrUnexpectedEOF) || !errors.Is(none, io.EOF) {
		t.Errorf("%v does not match", none)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{part, "aio: stream ended after 2 of 5 expected bytes"},
		{&aio.IncompleteReadError{Expected: -1}, "aio: stream ended after 0 bytes without a separator"},
		{over, "aio: separator found, but after 7 bytes, which is more than the limit of the stream"},
		{&aio.LimitOverrunError{Consumed: 7}, "aio: no separator in 7 bytes, which is more than the limit of the stream"},
		{aio.ErrConnectionLost, "aio: connection lost"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("text %q, want %q", got, c.want)
		}
	}
	lost := fmt.Errorf("wrapped: %w", aio.ErrConnectionLost)
	if !errors.Is(lost, net.ErrClosed) || !errors.Is(lost, syscall.ECONNRESET) || errors.Is(lost, io.EOF) {
		t.Error("ErrConnectionLost does not match its wrapped errors")
	}
}

// STREAM-049
func TestStreamLines(t *testing.T) {
	streamPlay(t, 4, func(s *streamScene) {
		lines := func() (all []string) {
			for line, err := range s.r.Lines(s.ctx) {
				all = append(all, streamGot(line, err))
			}
			return all
		}
		s.feed("one\n\ntoo-long\ntwo\nrest")
		s.r.FeedEOF()
		s.want("pause")
		equal(t, "lines", lines(), []string{`"one\n"`, `"\n"`, "too-long"})
		s.eventLog = nil
		equal(t, "lines after the error", lines(), []string{`"two\n"`, `"rest"`})
		s.eventLog = nil
		same(s, "number of lines at the end", len(lines()), 0)
	})
	streamPlay(t, 0, func(s *streamScene) {
		s.feed("one\ntwo\n")
		for range s.r.Lines(s.ctx) {
			break
		}
		s.gets(streamLine, `"two\n"`)
	})
}

// STREAM-074, STREAM-075
func TestStreamProtocolCallsTheCallback(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		r := aio.NewStreamReader(s.ctx, 3)
		var tr *fakeTransport
		p := aio.NewStreamReaderProtocol(r, func(got *aio.StreamReader, w *aio.StreamWriter) {
			s.add("callback")
			same(s, "reader", got, r)
			same(s, "transport", w.Transport() == aio.WriteTransport(tr), true)
		})
		tr = newFakeTransport(s.scene, p)
		p.ConnectionMade(tr)
		s.want("callback")
		r.FeedData([]byte("1234567"))
		s.want("pause") // FeedData calls the transport
		misused(t, "a second transport", func() { p.ConnectionMade(tr) })
	})
	streamPlay(t, 0, func(s *streamScene) {
		p := aio.NewStreamReaderProtocol(aio.NewStreamReader(s.ctx, 0), func(*aio.StreamReader, *aio.StreamWriter) {})
		misused(t, "a transport that cannot be read from", func() { p.ConnectionMade(struct{ aio.ReadTransport }{s.fakeTransport}) })
	})
}

// STREAM-077: if a callback panics, its connection is closed.
func TestStreamProtocolCallbackPanics(t *testing.T) {
	var reports []aio.ExceptionContext
	streamPlay(t, 0, func(s *streamScene) {
		loop, _ := aio.GetRunningLoop(s.ctx)
		loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { reports = append(reports, ec) })
		p := aio.NewStreamReaderProtocol(aio.NewStreamReader(s.ctx, 0), func(*aio.StreamReader, *aio.StreamWriter) { panic(errStreamBoom) })
		tr := newFakeTransport(s.scene, p)
		p.ConnectionMade(tr)
		s.want("close")
		if len(reports) != 1 || !errors.Is(reports[0].Err, errStreamBoom) || reports[0].Transport != aio.BaseTransport(tr) ||
			!strings.Contains(reports[0].Message, "client-connected callback") {
			t.Errorf("reports are %v", reports)
		}
	})
}

// STREAM-081
func TestStreamProtocolAtEOF(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		same(s, "EOFReceived", s.p.EOFReceived(), true)
		p := aio.NewStreamReaderProtocol(aio.NewStreamReader(s.ctx, 0), nil)
		tr := newFakeTransport(s.scene, p)
		tr.info = map[string]any{"sslcontext": &tls.Config{}}
		p.ConnectionMade(tr)
		same(s, "EOFReceived over TLS", p.EOFReceived(), false)
	})
}

// TestStreamMayBeUsedByItsLoopOnly: calls from other goroutines return an error.
func TestStreamMayBeUsedByItsLoopOnly(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		var wrong []error
		_, err := aio.ToThread(s.ctx, func(ctx context.Context) (any, error) {
			_, err := s.r.ReadLine(ctx)
			wrong = append(wrong, err)
			_, err = s.r.Reader(ctx).Read(make([]byte, 1))
			wrong = append(wrong, err, s.w.Drain(ctx), s.w.WaitClosed(ctx),
				panics(func() { s.r.FeedData(nil) }), panics(s.r.FeedEOF), panics(func() { s.r.AtEOF() }),
				panics(func() { s.r.SetException(errStreamBoom) }), s.r.Exception(),
				panics(func() { s.r.SetTransport(nil) }), panics(func() { aio.NewStreamReader(ctx, 0) }))
			return nil, nil
		})
		s.must(err)
		for i, err := range wrong {
			if !errors.Is(err, aio.ErrWrongGoroutine) {
				t.Errorf("call %d: %v", i, err)
			}
		}
	})
}

// The error names the call that the program made, not an internal one.
func TestStreamErrorsNameTheirCall(t *testing.T) {
	err := aio.Run(func(ctx context.Context) error {
		handler := func(context.Context, *aio.StreamReader, *aio.StreamWriter) error { return nil }
		_, _, open := aio.OpenConnection(ctx, "no port", nil)
		_, _, openUnix := aio.OpenUnixConnection(ctx, "", nil)
		_, start := aio.StartServer(ctx, handler, "no port", nil)
		_, startUnix := aio.StartUnixServer(ctx, handler, "", nil)
		for call, err := range map[string]error{
			"OpenConnection": open, "OpenUnixConnection": openUnix, "StartServer": start, "StartUnixServer": startUnix,
		} {
			if !errors.Is(err, aio.ErrUsage) || !strings.HasPrefix(err.Error(), "aio: "+call+": ") {
				t.Errorf("%s: %v", call, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
