package aio_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/textproto"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/goaio/aio"
)

// streamOp is a call that reads, and what comes of it as a text without spaces.
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

// streamInto reads by way of an io.Reader, with a buffer of n bytes.
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

// errStreamBoom is an error of the network.
var errStreamBoom = errors.New("boom")

// streamGot is the outcome of a read.
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

// streamPlay runs f with a reader of that limit on a fake transport.
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

// gets compares what calls return that need not wait.
func (s *streamScene) gets(op streamOp, want string) {
	s.Helper()
	if got := op(s.ctx, s.r); got != want {
		s.Errorf("got %s, want %s", got, want)
	}
	s.want("")
}

// begin has a task called name make the call, and log name=outcome.
func (s *streamScene) begin(name string, op streamOp) *aio.Task[struct{}] {
	return fetch(s.scene, name, func(ctx context.Context) (string, error) { return op(ctx, s.r), nil })
}

// feed feeds the reader without a transport.
func (s *streamScene) feed(chunks ...string) {
	for _, c := range chunks {
		s.r.FeedData([]byte(c))
	}
}

// fakeTransport is a transport whose other end is the test. What it is told is logged.
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

// arrive has the protocol read data as it wants to, and returns the sizes of the reads.
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
	// The default is 64 KiB: twice that does not pause the transport.
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
			is(s.scene, "AtEOF", s.r.AtEOF(), true)
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

		// The end and an error come before the task has taken the rest.
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
			is(s.scene, "error of Lines", err, errStreamBoom)
		}
		s.gets(streamExactly(-1), "misuse")
		s.gets(streamUntil(""), "misuse")
		is(s.scene, "AtEOF", s.r.AtEOF(), false)
		misused(t, "SetException(nil)", func() { s.r.SetException(nil) })
	})
}

// STREAM-015, STREAM-016, STREAM-017
func TestStreamReadLine(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		s.feed("one\ntw")
		s.gets(streamLine, `"one\n"`)
		s.begin("A", streamLine)
		s.feed("o")
		s.after(2, "")
		s.feed("\n\nthree\nrest")
		s.after(1, `A="two\n"`)
		s.gets(streamLine, `"\n"`)
		s.gets(streamLine, `"three\n"`)
		s.gets(streamRead(2), `"re"`)
		s.r.FeedEOF()
		s.gets(streamLine, `"st"`)
		s.gets(streamLine, `""`)
	})
}

// STREAM-018, STREAM-019, STREAM-020, STREAM-022
func TestStreamReadLineDropsWhatIsTooLong(t *testing.T) {
	streamPlay(t, 3, func(s *streamScene) {
		s.feed("abc\n")
		s.gets(streamLine, `"abc\n"`)
		s.feed("abcd\nef\n")
		s.want("pause")
		if _, err := s.r.ReadLine(s.ctx); !errors.Is(err, aio.ErrLineTooLong) || errors.As(err, new(*aio.LimitOverrunError)) {
			t.Errorf("a line that is too long: %v", err)
		}
		s.want("resume")
		s.gets(streamLine, `"ef\n"`)

		s.feed("abcdefg")
		s.want("pause")
		is(s.scene, "outcome", streamLine(s.ctx, s.r), "too-long")
		s.want("resume")
		s.feed("h\n")
		s.gets(streamLine, `"h\n"`)

		s.feed("abcd")
		s.r.FeedEOF()
		s.gets(streamLine, "too-long")
		s.gets(streamLine, `""`)
	})
}

// STREAM-021
func TestStreamReadLineDecidesOnAllThatArrived(t *testing.T) {
	streamPlay(t, 3, func(s *streamScene) {
		s.begin("A", streamLine)
		s.after(1, "")
		s.feed("abcd", "e\n", "fg\n")
		s.want("pause")
		s.after(1, "resume A=too-long")
		s.gets(streamLine, `"fg\n"`)

		s.begin("B", streamLine)
		s.after(1, "")
		s.feed("abcd", "ef")
		s.after(1, "B=too-long")
		s.r.FeedEOF()
		s.gets(streamLine, `""`)
	})
}

// STREAM-024
func TestStreamSeparatorsMustNotBeEmpty(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		s.feed("abc")
		var texts []string
		for _, seps := range [][][]byte{nil, {{}}, {[]byte("b"), {}}} {
			_, err := s.r.ReadUntil(s.ctx, seps...)
			if !errors.Is(err, aio.ErrUsage) {
				t.Fatalf("ReadUntil with %q: %v", seps, err)
			}
			texts = append(texts, err.Error())
		}
		if texts[0] == texts[1] || texts[1] != texts[2] {
			t.Errorf("the texts are %q", texts)
		}
		s.gets(streamRead(9), `"abc"`)
	})
}

// STREAM-025, STREAM-027, STREAM-028
func TestStreamReadUntil(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		s.feed("one--two----rest-")
		s.gets(streamUntil("--"), `"one--"`)
		s.gets(streamUntil("--"), `"two--"`)
		s.gets(streamUntil("--"), `"--"`)
		s.r.FeedEOF()
		s.gets(streamUntil("st"), `"rest"`)
		s.gets(streamUntil("--"), `incomplete("-",-1)`)
		s.gets(streamUntil("--"), `incomplete("",-1)`)
		is(s.scene, "AtEOF", s.r.AtEOF(), true)
	})
}

// STREAM-026
func TestStreamReadUntilAcrossChunks(t *testing.T) {
	for _, c := range []struct {
		chunks []string
		sep    string
		want   string
	}{
		{[]string{"QWEaa", "XYaa", "a"}, "aaa", `"QWEaaXYaaa"`},
		{[]string{"QWEaa", "XYaa", "aB"}, "aaa", `"QWEaaXYaaa"`},
		{[]string{"a", "a", "a", "b"}, "aab", `"aaab"`},
		{[]string{"x", "-", "=", "-"}, "-=-", `"x-=-"`},
	} {
		streamPlay(t, 0, func(s *streamScene) {
			s.begin("A", streamUntil(c.sep))
			for _, chunk := range c.chunks {
				s.after(2, "")
				s.feed(chunk)
			}
			s.after(1, "A="+c.want)
		})
	}
}

// STREAM-029, STREAM-030, STREAM-031, STREAM-032
func TestStreamReadUntilKeepsWhatIsTooLong(t *testing.T) {
	streamPlay(t, 3, func(s *streamScene) {
		s.feed("abcdAA")
		s.gets(streamUntil("AAA"), "unfound(4)")
		s.gets(streamUntil("AAA"), "unfound(4)")
		s.feed("A")
		s.want("pause")
		s.gets(streamUntil("AAA"), "found(4)")
		is(s.scene, "outcome", streamExactly(7)(s.ctx, s.r), `"abcdAAA"`)
		s.want("resume")

		s.feed("abcAA")
		s.begin("A", streamUntil("AAA"))
		s.after(2, "")
		s.feed("A")
		s.after(1, `A="abcAAA"`)

		s.feed("abcdef")
		s.gets(streamUntil("x"), "unfound(6)")
		s.gets(streamUntil("x", "yz"), "unfound(5)")
	})
}

// STREAM-033, STREAM-034, STREAM-035
func TestStreamReadUntilWithSeveralSeparators(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		s.feed("one\rtwo\nthree\r")
		s.gets(streamUntil("\r", "\n"), `"one\r"`)
		s.gets(streamUntil("\r", "\n"), `"two\n"`)
		s.gets(streamUntil("\n", "\r"), `"three\r"`)
		s.feed("ABCDEFG")
		s.gets(streamUntil("DEF", "BCDE"), `"ABCDE"`)
		s.gets(streamRead(9), `"FG"`)
		s.feed("ABCDEFG")
		s.gets(streamUntil("BCDE", "DEF"), `"ABCDE"`)
		s.gets(streamRead(9), `"FG"`)

		s.begin("A", streamUntil("A", "longer-than-all"))
		s.feed("XX")
		s.after(2, "")
		s.feed("A")
		s.after(1, `A="XXA"`)
	})
	for _, seps := range [][]string{{"A", "wordA"}, {"wordA", "A"}} {
		streamPlay(t, 3, func(s *streamScene) {
			s.feed("wordA")
			s.gets(streamUntil(seps...), "found(4)")
		})
	}
}

// TestStreamReadUntilWithSeveralSeparatorsFarOff has them around the borders of the windows in which
// they are searched.
func TestStreamReadUntilWithSeveralSeparatorsFarOff(t *testing.T) {
	long := strings.Repeat("-", 300) + "+"
	for _, at := range []int{0, 1, 250, 254, 255, 256, 257, 511, 767, 768, 769, 2000} {
		for _, sep := range []string{"a", "bcd", long} {
			streamPlay(t, 0, func(s *streamScene) {
				s.feed(strings.Repeat("x", at) + sep + "rest-a-bcd")
				p, err := s.r.ReadUntil(s.ctx, []byte(long), []byte("a"), []byte("bcd"))
				if err != nil || len(p) != at+len(sep) || !bytes.HasSuffix(p, []byte(sep)) {
					t.Errorf("%d bytes and %q: got %d bytes, %v", at, sep, len(p), err)
				}
			})
		}
	}
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
		is(s.scene, "outcome", streamGot(nil, err), `incomplete("g",9)`)
		for _, number := range []string{"1", "9"} {
			if !strings.Contains(err.Error(), number) {
				t.Errorf("the text %q has not the number %s", err, number)
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
		is(s.scene, "Exception", s.r.Exception(), nil)
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
			is(s.scene, "Exception", s.r.Exception(), errStreamBoom)
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
	// Bytes that came after the last look, and then the cancellation before the next one.
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
				t.Errorf("a second %s fails with %v", c.name, err)
			}
			s.arrive("x\n")
			s.turn(1)
			if got := fmt.Sprint(s.eventLog); got != `[A="x"]` && got != `[A="x\n"]` {
				t.Errorf("the first %s gets %s", c.name, got)
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
	// A read that has seen the end is not told of what came after it.
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
			is(s.scene, "AtEOF", s.r.AtEOF(), want)
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
		t.Error("ErrConnectionLost does not match what it should")
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
		if got := lines(); !slices.Equal(got, []string{`"one\n"`, `"\n"`, "too-long"}) {
			t.Errorf("lines are %q", got)
		}
		s.eventLog = nil
		if got := lines(); !slices.Equal(got, []string{`"two\n"`, `"rest"`}) {
			t.Errorf("lines are %q", got)
		}
		s.eventLog = nil
		is(s.scene, "number of lines at the end", len(lines()), 0)
	})
	streamPlay(t, 0, func(s *streamScene) {
		s.feed("one\ntwo\n")
		for range s.r.Lines(s.ctx) {
			break
		}
		s.gets(streamLine, `"two\n"`)
	})
}

// STREAM-050, STREAM-051
func TestStreamPausesTheTransport(t *testing.T) {
	streamPlay(t, 4, func(s *streamScene) {
		s.feed("12345678")
		s.want("")
		s.feed("9")
		s.want("pause")
		s.feed("more")
		s.gets(streamExactly(8), `"12345678"`) // 5 are left
		is(s.scene, "outcome", streamExactly(1)(s.ctx, s.r), `"9"`)
		s.want("resume")
		s.gets(streamRead(9), `"more"`)
		s.feed("123456789")
		s.want("pause")
	})
	// Twice a limit may be more than there are numbers.
	streamPlay(t, math.MaxInt, func(s *streamScene) { s.feed("x") })
}

// STREAM-052
func TestStreamResumesTheTransportToWait(t *testing.T) {
	streamPlay(t, 4, func(s *streamScene) {
		s.feed("123456789")
		s.want("pause")
		s.begin("A", streamExactly(20))
		s.after(1, "resume")
		s.feed("0123456789")
		s.want("pause")
		s.after(1, "resume")
		s.feed("01")
		s.want("pause")
		s.after(1, `resume A="12345678901234567890"`)
	})
}

// unpausable is a transport without PauseReading.
type unpausable struct{ aio.BaseTransport }

// STREAM-053
func TestStreamWithATransportThatCannotPause(t *testing.T) {
	play(t, func(s *scene) {
		r := aio.NewStreamReader(s.ctx, 2)
		r.SetTransport(unpausable{})
		r.FeedData(make([]byte, 1000))
		is(s, "outcome", streamRead(1000)(s.ctx, r), "1000")
		misused(t, "a second SetTransport", func() { r.SetTransport(unpausable{}) })
	})
}

// TestStreamReaderReadsRightIntoTheCallersMemory has the transport see the buffer of the task that waits.
func TestStreamReaderReadsRightIntoTheCallersMemory(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		p := make([]byte, 4096)
		mine := func() bool { s.Helper(); return &s.p.GetBuffer(-1)[0] == &p[0] }
		read := func(ctx context.Context, r *aio.StreamReader) string {
			n, err := r.Reader(ctx).Read(p)
			return streamGot(p[:n], err)
		}
		is(s.scene, "nobody waits: mine", mine(), false)
		s.begin("A", read)
		s.after(1, "")
		is(s.scene, "A waits: mine", mine(), true)
		s.feed("")
		is(s.scene, "A waits still: mine", mine(), true)
		s.arrive("abc")
		is(s.scene, "it has got some: mine", mine(), false)
		s.arrive("def") // is for the next one
		s.after(1, `A="abc"`)
		s.gets(read, `"def"`)

		// Data that is fed by hand, or that nobody waits for, takes the other way.
		s.begin("B", read)
		s.after(1, "")
		s.feed("abc")
		is(s.scene, "it was fed: mine", mine(), false)
		s.after(1, `B="abc"`)

		// A cancelled task's memory is its own at once.
		c := s.begin("C", read)
		s.after(1, "")
		c.Cancel()
		s.after(1, "C=cancelled")
		is(s.scene, "C was cancelled: mine", mine(), false)
		s.r.FeedEOF()
		s.gets(read, "EOF")
	})
}

// TestStreamReaderHasBigReadsForSmallBuffers: a buffer that one read has filled was too small for
// what there was, so the next read brings more than that.
func TestStreamReaderHasBigReadsForSmallBuffers(t *testing.T) {
	for _, c := range []struct {
		size  int
		reads []int
	}{
		{100, []int{65536, 14464}},        // too small for a read of its own
		{4096, []int{4096, 65536, 10368}}, // the rest of the first, and one more
		{16384, []int{16384, 63616}},      // worth it each time, but nobody waits for the rest
		{80000, []int{80000}},
	} {
		streamPlay(t, 1<<20, func(s *streamScene) {
			s.begin("A", streamInto(c.size))
			s.after(1, "")
			if got := s.arrive(strings.Repeat("x", 80000)); !slices.Equal(got, c.reads) {
				t.Errorf("buffer of %d bytes: reads of %v, want %v", c.size, got, c.reads)
			}
			s.turn(1)
			s.eventLog = nil
		})
	}
	// Once a read was not filled, small buffers are read into again.
	streamPlay(t, 0, func(s *streamScene) {
		for i, c := range []struct{ size, arrives int }{{512, 512}, {65536, 500}, {512, 100}, {512, 512}, {65536, 1}} {
			s.begin("A", streamInto(512))
			s.after(1, "")
			is(s.scene, fmt.Sprint("size of the memory ", i), len(s.p.GetBuffer(-1)), c.size)
			s.arrive(strings.Repeat("x", c.arrives))
			s.turn(1)
			s.eventLog = nil
		}
	})
}

// TestStreamReadThatAnotherTaskWasQuickerThan: between the wake-up of a reader and its turn another
// task may read. It gets the bytes, and the first one waits for more.
func TestStreamReadThatAnotherTaskWasQuickerThan(t *testing.T) {
	for _, op := range []streamOp{streamRead(9), streamInto(9), streamInto(4096)} {
		streamPlay(t, 0, func(s *streamScene) {
			s.begin("A", op)
			s.after(1, "")
			s.arrive("ab")
			s.gets(streamInto(4096), `"ab"`)
			s.after(2, "")
			s.arrive("cd")
			s.after(1, `A="cd"`)
		})
	}
	// The first one's memory was filled, and the second waits with its own.
	streamPlay(t, 0, func(s *streamScene) {
		s.begin("A", streamInto(4096))
		s.after(1, "")
		s.arrive("ab")
		s.gets(streamRead(9), `"ab"`)
		s.begin("B", streamInto(5000))
		s.after(2, "B=misuse") // A waits again, and came first
		s.arrive("cd")
		s.after(1, `A="cd"`)
	})
	// The second one's memory was filled before the first has its turn, and more comes before the
	// second has.
	for _, op := range []streamOp{streamInto(4096), streamRead(9), streamUntil("d"), streamExactly(2)} {
		streamPlay(t, 0, func(s *streamScene) {
			loop, _ := aio.GetRunningLoop(s.ctx)
			s.begin("A", op)
			s.after(1, "")
			loop.CallSoon(func() { s.arrive("cd") })
			s.arrive("ab")
			loop.CallSoon(func() { s.arrive("ef") })
			s.gets(streamRead(9), `"ab"`)
			is(s.scene, "the second read", streamInto(5000)(s.ctx, s.r), `"ef"`)
			s.want(`A="cd"`)
		})
	}
	// What was searched already is not what is there now.
	for _, takes := range []func(s *streamScene){
		func(s *streamScene) { s.gets(streamRead(8), `"abcdefgh"`) },
		func(s *streamScene) {
			s.gets(streamRead(9), `"abcdefgh-"`)
			s.feed("-")
		},
		func(s *streamScene) {
			_, err := io.Copy(&streamFull{room: 100, err: errStreamBoom}, s.r.Reader(s.ctx))
			is(s.scene, "error of Copy", err, errStreamBoom)
			s.feed("-")
		},
		func(s *streamScene) {
			_, err := io.Copy(&streamFull{room: 8, err: errStreamBoom}, s.r.Reader(s.ctx))
			is(s.scene, "error of Copy", err, errStreamBoom)
		},
	} {
		streamPlay(t, 0, func(s *streamScene) {
			s.begin("A", streamUntil("--"))
			s.feed("abcdefgh")
			s.after(2, "")
			s.feed("-")
			takes(s)
			s.feed("-", "345678901234567890")
			s.after(1, `A="--"`)
		})
	}
}

// TestStreamBuffersAreNotShared reads through the pool of buffers in all sizes, on two streams.
func TestStreamBuffersAreNotShared(t *testing.T) {
	play(t, func(sc *scene) {
		a, b := newStreamScene(sc, 1<<20), newStreamScene(sc, 1<<20)
		text := func(c string, n int) string { return strings.Repeat(c, n) }
		for _, n := range []int{1, 4095, 4096, 4097, 16384, 16385, 40000, 65536, 65537, 200000} {
			a.arrive(text("a", n))
			b.arrive(text("b", n))
			kept, err := a.r.Read(sc.ctx, n/2)
			sc.must(err)
			a.arrive(text("A", n))
			b.arrive(text("B", n))
			got, err := a.r.ReadExactly(sc.ctx, n-n/2+n)
			sc.must(err)
			if string(kept)+string(got) != text("a", n)+text("A", n) {
				t.Errorf("%d: the first stream has changed", n)
			}
			got, err = b.r.ReadExactly(sc.ctx, 2*n)
			sc.must(err)
			if string(got) != text("b", n)+text("B", n) {
				t.Errorf("%d: the second stream has changed", n)
			}
		}
	})
}

// TestStreamHoldsMemoryOnlyForWhatIsBuffered: once all is read the buffer serves another stream.
func TestStreamHoldsMemoryOnlyForWhatIsBuffered(t *testing.T) {
	streamPlay(t, 1<<20, func(s *streamScene) {
		rd := s.r.Reader(s.ctx)
		p := make([]byte, 1<<20)
		for _, c := range []struct{ n, holds int }{
			{1, 4096}, {4096, 4096}, {4097, 16384}, {16384, 16384}, {16385, 65536}, {65536, 65536}, {65537, 131072},
		} {
			s.p.GetBuffer(-1)
			is(s.scene, "memory of an idle stream", aio.StreamMemory(s.r), 0)
			s.arrive(strings.Repeat("x", c.n))
			is(s.scene, fmt.Sprint("memory for ", c.n), aio.StreamMemory(s.r), c.holds)
			is(s.scene, "outcome", streamGot(s.r.ReadExactly(s.ctx, c.n-1)), streamGot(p[:c.n-1], nil))
			is(s.scene, "memory for a byte", aio.StreamMemory(s.r), c.holds)
			if n, err := rd.Read(p); n != 1 || err != nil {
				t.Errorf("read %d bytes, %v", n, err)
			}
		}
		data := p[:60000]
		if n := testing.AllocsPerRun(100, func() {
			s.r.FeedData(data[:1000])
			s.r.FeedData(data[:4000]) // makes it grow
			s.r.FeedData(data[:20000])
			if _, err := io.ReadFull(rd, p[:25000]); err != nil {
				t.Error(err)
			}
			for _, size := range []int{1, 5000, 60000} {
				s.p.BufferUpdated(copy(s.p.GetBuffer(-1), data[:size]))
				if _, err := io.ReadFull(rd, p[:size]); err != nil {
					t.Error(err)
				}
			}
		}); n > 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// TestStreamReaderSlidesAlong has a buffer with a little in it be fed and read for long: it must not
// grow, nor lose its place.
func TestStreamReaderSlidesAlong(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		var sent, got []byte
		for i := range 5000 {
			p := bytes.Repeat([]byte{byte(i)}, i%97)
			sent = append(sent, p...)
			s.arrive(string(p))
			if len(sent)-len(got) > 100 {
				p, err := s.r.Read(s.ctx, 60)
				s.must(err)
				got = append(got, p...)
			}
		}
		s.r.FeedEOF()
		rest, err := s.r.Read(s.ctx, -1)
		s.must(err)
		if !bytes.Equal(append(got, rest...), sent) {
			t.Error("what was read is not what was sent")
		}
		s.eventLog = nil
	})
}

// STREAM-054
func TestStreamWriterWrites(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		n, err := s.w.Write([]byte("ab"))
		s.must(err)
		is(s.scene, "written", n, 2)
		s.must(s.w.Writelines([][]byte{[]byte("cd"), nil, []byte("ef")}))
		s.must(s.w.Writelines(net.Buffers{[]byte("gh")}))
		is(s.scene, "arrived", s.wrote.String(), "abcdefgh")
		is(s.scene, "Transport", s.w.Transport() == aio.WriteTransport(s.fakeTransport), true)
	})
}

// STREAM-055, STREAM-057, STREAM-058
func TestStreamWriterCloses(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		is(s.scene, "EOFReceived", s.p.EOFReceived(), true)
		is(s.scene, "AtEOF", s.r.AtEOF(), true)
		is(s.scene, "IsClosing", s.w.IsClosing(), false)
		s.must(s.w.Close())
		is(s.scene, "IsClosing", s.w.IsClosing(), true)
		s.must(s.w.Close())
		s.start("closed", s.w.WaitClosed)
		s.after(2, "close closed")
		s.must(s.w.WaitClosed(s.ctx))
		s.gets(streamRead(-1), `""`)
		if _, err := s.w.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
		if err := s.w.Drain(s.ctx); err != aio.ErrConnectionLost {
			t.Errorf("Drain: %v", err)
		}
	})
}

// STREAM-059
func TestStreamDrainOfAClosingConnectionWaits(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		s.p.PauseWriting()
		s.closing = true
		s.start("A", s.w.Drain)
		s.start("B", s.w.Drain)
		s.after(5, "")
		s.p.ResumeWriting()
		s.after(1, "A B")
		s.p.PauseWriting()
		s.start("C", s.w.Drain)
		s.after(5, "")
		s.p.ConnectionLost(nil)
		s.after(1, "C")
	})
}

// STREAM-060: Drain makes one step when the connection is closing, so that its end can come.
func TestStreamDrainOfAClosingConnectionYields(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		s.start("other", ok)
		s.must(s.w.Drain(s.ctx))
		s.want("")
		s.closing = true
		s.must(s.w.Drain(s.ctx))
		s.want("other")

		cancelled := s.start("cancelled", s.w.Drain)
		s.after(1, "")
		cancelled.Cancel()
		s.after(1, "cancelled!cancelled")

		s.closing = false
		s.must(s.w.Close())
		is(s.scene, "Drain", s.w.Drain(s.ctx), aio.ErrConnectionLost)
		s.want("close")
	})
}

// STREAM-061
func TestStreamDrainFailsAsTheReader(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		s.p.PauseWriting()
		s.closing = true
		s.r.SetException(errStreamBoom)
		s.start("other", ok)
		is(s.scene, "Drain", s.w.Drain(s.ctx), errStreamBoom)
		s.want("")
		s.after(1, "other")
	})
}

// STREAM-062, STREAM-063
func TestStreamDrainsWait(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		s.must(s.w.Drain(s.ctx))
		s.p.PauseWriting()
		var drains []*aio.Task[struct{}]
		for i := range 10 {
			drains = append(drains, s.start(fmt.Sprint(i), s.w.Drain))
		}
		s.after(2, "")
		drains[3].Cancel()
		s.after(1, "3!cancelled")
		s.p.ResumeWriting()
		s.want("")
		s.after(1, "0 1 2 4 5 6 7 8 9")
		s.must(s.w.Drain(s.ctx))
	})
}

// STREAM-064, STREAM-065, STREAM-066
func TestStreamWriterWaitsForTheEnd(t *testing.T) {
	for _, lost := range []error{nil, errStreamBoom} {
		streamPlay(t, 0, func(s *streamScene) {
			suffix := ""
			if lost != nil {
				suffix = "!boom"
			}
			s.begin("read", streamRead(1))
			s.p.PauseWriting()
			s.start("drain", s.w.Drain)
			s.start("closed", s.w.WaitClosed)
			cancelled := s.start("cancelled", s.w.WaitClosed)
			s.after(2, "")
			cancelled.Cancel()
			s.after(1, "cancelled!cancelled")
			s.p.ConnectionLost(lost)
			if lost == nil {
				s.after(1, `read="" closed drain`)
			} else {
				s.after(1, "read=boom closed!boom drain!boom")
			}
			for range 2 {
				is(s.scene, "WaitClosed", s.w.WaitClosed(s.ctx), lost)
			}
			if lost == nil { // else the reader's error goes first
				is(s.scene, "Drain", s.w.Drain(s.ctx), aio.ErrConnectionLost)
			}
			s.start("closed", s.w.WaitClosed)
			s.after(1, "closed"+suffix)
		})
	}
	// Writing that is not paused makes no difference, and an error that nobody asks for is not reported.
	streamPlay(t, 0, func(s *streamScene) { s.p.ConnectionLost(errStreamBoom) })
	play(t, func(s *scene) {
		r := aio.NewStreamReader(s.ctx, 0)
		p := aio.NewStreamReaderProtocol(aio.NewStreamReader(s.ctx, 0), nil)
		w := aio.NewStreamWriter(newFakeTransport(s, p), p)
		p.ConnectionLost(errStreamBoom)
		is(s, "Drain", w.Drain(s.ctx), errStreamBoom)
		is(s, "WaitClosed", w.WaitClosed(s.ctx), errStreamBoom)
		is(s, "AtEOF", r.AtEOF(), false)
	})
}

// STREAM-069
func TestStreamGetExtraInfo(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		s.info = map[string]any{"peername": "someone"}
		is(s.scene, "peername", s.w.GetExtraInfo("peername"), any("someone"))
		is(s.scene, "unknown name", s.w.GetExtraInfo("nothing"), nil)
	})
}

// STREAM-074, STREAM-075
func TestStreamProtocolCallsTheCallback(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		r := aio.NewStreamReader(s.ctx, 3)
		var tr *fakeTransport
		p := aio.NewStreamReaderProtocol(r, func(got *aio.StreamReader, w *aio.StreamWriter) {
			s.add("callback")
			is(s.scene, "reader", got, r)
			is(s.scene, "transport", w.Transport() == aio.WriteTransport(tr), true)
		})
		tr = newFakeTransport(s.scene, p)
		p.ConnectionMade(tr)
		s.want("callback")
		r.FeedData([]byte("1234567"))
		s.want("pause") // so the reader has the transport
		misused(t, "a second transport", func() { p.ConnectionMade(tr) })
	})
	streamPlay(t, 0, func(s *streamScene) {
		p := aio.NewStreamReaderProtocol(aio.NewStreamReader(s.ctx, 0), func(*aio.StreamReader, *aio.StreamWriter) {})
		misused(t, "a transport to read from", func() { p.ConnectionMade(struct{ aio.ReadTransport }{s.fakeTransport}) })
	})
}

// STREAM-077: the connection of a callback that panics is closed.
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
		is(s.scene, "EOFReceived", s.p.EOFReceived(), true)
		p := aio.NewStreamReaderProtocol(aio.NewStreamReader(s.ctx, 0), nil)
		tr := newFakeTransport(s.scene, p)
		tr.info = map[string]any{"sslcontext": &tls.Config{}}
		p.ConnectionMade(tr)
		is(s.scene, "EOFReceived over TLS", p.EOFReceived(), false)
	})
}

// TestStreamReaderIsAReader runs the checks of testing/iotest, and others, on a stream that gets its
// data in the pieces that a buffer has.
func TestStreamReaderIsAReader(t *testing.T) {
	text := strings.Repeat("The quick brown fox jumps over the lazy dog.\n", amount(300, 3000))
	play(t, func(sc *scene) {
		for _, piece := range []int{1, 100, 5000, 200000} {
			fed := func() io.Reader {
				s := newStreamScene(sc, 1<<20)
				s.start("feeder", func(ctx context.Context) error {
					for rest := text; rest != ""; {
						n := min(piece, len(rest))
						s.arrive(rest[:n])
						rest = rest[n:]
						if err := aio.Sleep(ctx, 0); err != nil {
							return err
						}
					}
					s.p.EOFReceived()
					return nil
				})
				return s.r.Reader(sc.ctx)
			}
			if err := iotest.TestReader(fed(), []byte(text)); err != nil {
				t.Errorf("pieces of %d: %v", piece, err)
			}
			if got, err := io.ReadAll(fed()); string(got) != text || err != nil {
				t.Errorf("pieces of %d: ReadAll: %d bytes, %v", piece, len(got), err)
			}
			if got, err := io.ReadAll(bufio.NewReaderSize(fed(), 16)); string(got) != text || err != nil {
				t.Errorf("pieces of %d: ReadAll by a small buffer: %d bytes, %v", piece, len(got), err)
			}
			var out bytes.Buffer
			if n, err := io.Copy(&out, fed()); n != int64(len(text)) || out.String() != text || err != nil {
				t.Errorf("pieces of %d: Copy: %d bytes, %v", piece, n, err)
			}
			bytewise := fed().(io.ByteReader)
			for i := range text {
				if b, err := bytewise.ReadByte(); b != text[i] || err != nil {
					t.Fatalf("pieces of %d: byte %d: %q, %v", piece, i, b, err)
				}
			}
			if _, err := bytewise.ReadByte(); err != io.EOF {
				t.Errorf("pieces of %d: ReadByte at the end: %v", piece, err)
			}
		}
	})
}

// streamFull is a writer that takes a few bytes, and then fails with err.
type streamFull struct {
	bytes.Buffer
	room int
	err  error
}

func (w *streamFull) Write(p []byte) (int, error) {
	n := min(w.room, len(p))
	w.Buffer.Write(p[:n])
	return n, w.err
}

type streamWriteFunc func(p []byte) (int, error)

func (f streamWriteFunc) Write(p []byte) (int, error) { return f(p) }

func TestStreamCopyLeavesWhatIsNotTaken(t *testing.T) {
	for _, failure := range []error{nil, errStreamBoom} {
		streamPlay(t, 3, func(s *streamScene) {
			s.arrive("0123456789")
			w := &streamFull{room: 3, err: failure}
			n, err := io.Copy(w, s.r.Reader(s.ctx))
			if failure == nil {
				is(s.scene, "error", err, io.ErrShortWrite)
			} else {
				is(s.scene, "error", err, failure)
			}
			is(s.scene, "copied", fmt.Sprintf("%d %s", n, w.String()), "3 012")
			s.want("pause resume pause") // 7 are left
			is(s.scene, "the rest", streamRead(20)(s.ctx, s.r), `"3456789"`)
			s.want("resume")
		})
	}
	// More has come while the writer was at it, and a part of that was read.
	streamPlay(t, 0, func(s *streamScene) {
		s.arrive("0123")
		_, err := io.Copy(streamWriteFunc(func([]byte) (int, error) {
			s.arrive("ABCD")
			s.gets(streamRead(2), `"AB"`)
			return 2, errStreamBoom
		}), s.r.Reader(s.ctx))
		is(s.scene, "error", err, errStreamBoom)
		s.gets(streamRead(9), `"23CD"`)
	})
	// A task that waits gets what was left, and has to look at it anew.
	for _, c := range []struct {
		op   streamOp
		want string
	}{{streamUntil("--"), `"2--"`}, {streamInto(9), `"2--4XYZ"`}, {streamInto(4096), `"2--4XYZ"`}} {
		streamPlay(t, 0, func(s *streamScene) {
			s.arrive("012--4")
			_, err := io.Copy(streamWriteFunc(func([]byte) (int, error) {
				s.begin("A", c.op)
				s.after(1, "")
				return 2, errStreamBoom
			}), s.r.Reader(s.ctx))
			is(s.scene, "error", err, errStreamBoom)
			s.arrive("XYZ")
			s.after(1, "A="+c.want)
		})
	}
	streamPlay(t, 0, func(s *streamScene) {
		s.arrive("--")
		_, err := io.Copy(streamWriteFunc(func([]byte) (int, error) {
			s.begin("A", streamUntil("--"))
			s.arrive("0123456789")
			s.after(2, "")
			return 0, errStreamBoom
		}), s.r.Reader(s.ctx))
		is(s.scene, "error", err, errStreamBoom)
		s.after(1, `A="--"`)
	})
	// It fails as Read does.
	streamPlay(t, 3, func(s *streamScene) {
		rd := s.r.Reader(s.ctx).(interface {
			io.ByteReader
			io.WriterTo
		})
		s.begin("A", streamRead(1))
		s.after(1, "")
		if _, err := rd.ReadByte(); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("ReadByte while another task waits: %v", err)
		}
		if _, err := rd.WriteTo(io.Discard); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("WriteTo while another task waits: %v", err)
		}
		s.r.SetException(errStreamBoom)
		s.after(1, "A=boom")
		_, err := rd.ReadByte()
		is(s.scene, "ReadByte", err, errStreamBoom)
		_, err = rd.WriteTo(io.Discard)
		is(s.scene, "WriteTo", err, errStreamBoom)
	})
}

// TestStreamMayBeUsedByItsLoopOnly: other goroutines are refused.
func TestStreamMayBeUsedByItsLoopOnly(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		var wrong []error
		_, err := aio.ToThread(s.ctx, func(ctx context.Context) (any, error) {
			_, err := s.r.ReadLine(ctx)
			wrong = append(wrong, err)
			_, err = s.r.Reader(ctx).Read(make([]byte, 1))
			wrong = append(wrong, err, s.w.Drain(ctx), s.w.WaitClosed(ctx),
				panics(func() { s.r.FeedData(nil) }), panics(s.r.FeedEOF), panics(func() { s.r.AtEOF() }),
				panics(func() { s.r.SetException(errStreamBoom) }), panics(func() { s.r.Exception() }),
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

// FuzzStreamChunks has a stream be read in some way while its input comes in pieces, and compares with
// the same reads when all of it is there at once. The limit is more than the input, as a line that is
// too long is dropped as far as it has come.
func FuzzStreamChunks(f *testing.F) {
	f.Add([]byte("one\ntwo\r\nthree--four-\n-five"), []byte{1, 2, 3, 4, 5, 6, 7}, []byte{3, 1, 200, 2})
	f.Add([]byte("aaabaabaaaab\n\n\n--"), []byte{2, 2, 2, 0, 17, 34}, []byte{1})
	f.Add(bytes.Repeat([]byte("0123456789abcde\n"), 1000), []byte{3, 250, 4, 0, 1}, []byte{255, 0, 255, 255})
	f.Fuzz(func(t *testing.T, data, ops, chunks []byte) {
		if len(ops) == 0 {
			ops = []byte{0}
		}
		limit := len(data) + 1
		var whole, pieces []string
		play(t, func(sc *scene) {
			s := newStreamScene(sc, limit)
			s.feed(string(data))
			s.r.FeedEOF()
			whole = streamReads(s, ops)

			s = newStreamScene(sc, limit)
			s.start("feeder", func(ctx context.Context) error {
				for i, rest := 0, data; len(rest) > 0; i++ {
					n, byHand, wait := 1, false, true
					if len(chunks) > 0 {
						c := int(chunks[i%len(chunks)])
						n, byHand, wait = min(1+c/4+c/16*c, len(rest)), c&1 != 0, c&2 == 0
					}
					if byHand {
						s.feed(string(rest[:n]))
					} else {
						s.arrive(string(rest[:n]))
					}
					rest = rest[n:]
					if wait {
						if err := aio.Sleep(ctx, 0); err != nil {
							return err
						}
					}
				}
				s.r.FeedEOF()
				return nil
			})
			pieces = streamReads(s, ops)
		})
		if !slices.Equal(whole, pieces) {
			t.Errorf("all at once %q\nin pieces %q", whole, pieces)
		}
	})
}

// streamReads reads until the end by the methods in ops, and returns the outcomes.
func streamReads(s *streamScene, ops []byte) (outcomes []string) {
	seps := [][][]byte{{[]byte("--")}, {[]byte("aab")}, {[]byte("\r"), []byte("\n")}, {[]byte("aab"), []byte("b"), []byte("-\n-")}}
	for i := 0; ; i++ {
		op := int(ops[i%len(ops)])
		var p []byte
		var err error
		switch op % 3 {
		case 0:
			p, err = s.r.ReadLine(s.ctx)
		case 1:
			p, err = s.r.ReadUntil(s.ctx, seps[op/3%len(seps)]...)
		default:
			p, err = s.r.ReadExactly(s.ctx, op/3+1)
		}
		outcomes = append(outcomes, fmt.Sprintf("%q %s", p, streamGot(nil, err)))
		if len(p) == 0 && (err == nil || errors.Is(err, io.EOF)) {
			return outcomes
		}
	}
}

// FuzzStreamSeparators compares ReadUntil with a plain search for the separator that ends first.
func FuzzStreamSeparators(f *testing.F) {
	f.Add([]byte("abababcabc"), []byte("abc"), []byte("b"), []byte("ca"), byte(3))
	f.Add([]byte("0123456789"), []byte("9"), []byte("345678"), []byte("567"), byte(200))
	f.Fuzz(func(t *testing.T, data, a, b, c []byte, limit byte) {
		if len(a)*len(b)*len(c) == 0 {
			t.Skip()
		}
		at, end := -1, -1
		for e := 1; e <= len(data) && end < 0; e++ {
			for _, sep := range [][]byte{a, b, c} {
				if bytes.HasSuffix(data[:e], sep) {
					at, end = max(at, e-len(sep)), e
				}
			}
		}
		streamPlay(t, int(limit)+1, func(s *streamScene) {
			s.feed(string(data))
			s.r.FeedEOF()
			got, err := s.r.ReadUntil(s.ctx, a, b, c)
			var over *aio.LimitOverrunError
			var part *aio.IncompleteReadError
			rest := 0
			switch longest := max(len(a), len(b), len(c)); {
			case end >= 0 && at > int(limit)+1:
				if !errors.As(err, &over) || !over.Found || over.Consumed != at {
					t.Errorf("got %v, want the separator at %d", err, at)
				}
				rest = len(data)
			case end >= 0:
				if err != nil || !bytes.Equal(got, data[:end]) {
					t.Errorf("got %q, %v, want %q", got, err, data[:end])
				}
				rest = len(data) - end
			case len(data)+1-longest > int(limit)+1:
				if !errors.As(err, &over) || over.Found || over.Consumed != len(data)+1-longest {
					t.Errorf("got %v, want no separator in %d", err, len(data)+1-longest)
				}
				rest = len(data)
			default:
				if !errors.As(err, &part) || !bytes.Equal(part.Partial, data) {
					t.Errorf("got %v, want %q", err, data)
				}
			}
			left, err := s.r.Read(s.ctx, -1)
			if err != nil || len(left) != rest {
				t.Errorf("%d bytes are left, %v, want %d", len(left), err, rest)
			}
			s.eventLog = nil
		})
	})
}

// streamEcho is a handler that sends back each line.
func streamEcho(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
	for line, err := range r.Lines(ctx) {
		if err != nil {
			return err
		}
		w.Write(line)
		if err := w.Drain(ctx); err != nil {
			return err
		}
	}
	return nil
}

// streamServe starts a server on a port of its own.
func streamServe(t *testing.T, ctx context.Context, handler aio.StreamHandler, opts *aio.ServerOptions) *aio.Server {
	t.Helper()
	srv, err := aio.StartServer(ctx, handler, "localhost:0", opts)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// streamOpen connects to a server.
func streamOpen(t *testing.T, ctx context.Context, srv *aio.Server) (*aio.StreamReader, *aio.StreamWriter) {
	t.Helper()
	r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// streamEnd closes a connection, and then the server, of which it is the last one.
func streamEnd(ctx context.Context, srv *aio.Server, w *aio.StreamWriter) error {
	w.Close()
	if err := w.WaitClosed(ctx); err != nil {
		return err
	}
	srv.Close()
	return srv.WaitClosed(ctx)
}

// streamWant compares what a call that reads returns.
func streamWant(t *testing.T, ctx context.Context, r *aio.StreamReader, op streamOp, want string) {
	t.Helper()
	if got := op(ctx, r); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// STREAM-002, STREAM-082, STREAM-085, STREAM-086
func TestStreamServerEchoesLines(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, streamEcho, nil)
		if err := srv.StartServing(ctx); err != nil {
			t.Error(err)
		}
		if port := srv.Addr().(*net.TCPAddr).Port; port == 0 || len(srv.Sockets()) == 0 {
			t.Errorf("%d sockets, port %d", len(srv.Sockets()), port)
		}
		r, w := streamOpen(t, ctx, srv)
		w.Write([]byte("one\ntwo\nre"))
		streamWant(t, ctx, r, streamLine, `"one\n"`)
		w.Write([]byte("st"))
		w.WriteEOF()
		streamWant(t, ctx, r, streamRead(-1), `"two\nrest"`)
		return streamEnd(ctx, srv, w)
	})
}

// STREAM-082, STREAM-085
func TestStreamUnixServer(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "socket")
		srv, err := aio.StartUnixServer(ctx, streamEcho, path, &aio.ServerOptions{Limit: 4})
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		if err != nil {
			return err
		}
		r, w, err := aio.OpenUnixConnection(ctx, path, &aio.ConnectionOptions{Limit: 2})
		if err != nil {
			return err
		}
		w.Write([]byte("one\n"))
		streamWant(t, ctx, r, streamLine, "too-long")
		return streamEnd(ctx, srv, w)
	})
}

// STREAM-001, STREAM-082: the errors of connecting are passed on, and a limit is refused before.
func TestOpenConnectionFails(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		ln, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			return err
		}
		ln.Close()
		_, _, err = aio.OpenConnection(ctx, ln.Addr().String(), nil)
		if op := (*net.OpError)(nil); !errors.As(err, &op) {
			t.Errorf("a port that nobody listens on: %v", err)
		}
		handler := func(context.Context, *aio.StreamReader, *aio.StreamWriter) error { return nil }
		for _, call := range []func() error{
			func() error {
				_, _, err := aio.OpenConnection(ctx, "nowhere.invalid:1", &aio.ConnectionOptions{Limit: -1})
				return err
			},
			func() error {
				_, _, err := aio.OpenUnixConnection(ctx, "/nowhere", &aio.ConnectionOptions{Limit: -1})
				return err
			},
			func() error {
				_, err := aio.StartServer(ctx, handler, "localhost:0", &aio.ServerOptions{Limit: -1})
				return err
			},
			func() error { _, err := aio.StartServer(ctx, nil, "localhost:0", nil); return err },
			func() error { _, err := aio.StartUnixServer(ctx, nil, "/nowhere", nil); return err },
			func() error { _, err := aio.StartServer(ctx, handler, "", nil); return err },
			func() error { _, _, err := aio.OpenConnection(ctx, "", nil); return err },
		} {
			if err := call(); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("a wrong option: %v", err)
			}
		}
		outside := context.Background()
		if _, _, err := aio.OpenConnection(outside, "localhost:1", nil); !errors.Is(err, aio.ErrNoRunningLoop) {
			t.Errorf("without a loop: %v", err)
		}
		if _, err := aio.StartServer(outside, handler, "localhost:0", nil); !errors.Is(err, aio.ErrNoRunningLoop) {
			t.Errorf("without a loop: %v", err)
		}
		return nil
	})
}

// STREAM-084, STREAM-085: over connections and listeners that exist.
func TestStreamOverExistingSockets(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		ln, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			return err
		}
		srv, err := aio.StartServer(ctx, streamEcho, "", &aio.ServerOptions{Listener: ln})
		if err != nil {
			return err
		}
		conn, err := net.Dial("tcp", srv.Addr().String())
		if err != nil {
			return err
		}
		r, w, err := aio.OpenConnection(ctx, "", &aio.ConnectionOptions{Conn: conn})
		if err != nil {
			return err
		}
		w.Write([]byte("one\n"))
		streamWant(t, ctx, r, streamLine, `"one\n"`)
		return streamEnd(ctx, srv, w)
	})
	// net.Pipe has no buffer, nor a descriptor.
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		a, b := net.Pipe()
		ra, wa, err := aio.OpenConnection(ctx, "", &aio.ConnectionOptions{Conn: a})
		if err != nil {
			return err
		}
		rb, wb, err := aio.OpenConnection(ctx, "", &aio.ConnectionOptions{Conn: b})
		if err != nil {
			return err
		}
		wa.Write([]byte("one\n"))
		wb.Write([]byte("two\n"))
		streamWant(t, ctx, rb, streamLine, `"one\n"`)
		streamWant(t, ctx, ra, streamLine, `"two\n"`)
		wa.Close()
		streamWant(t, ctx, rb, streamLine, `""`)
		wb.Close()
		return errors.Join(wa.WaitClosed(ctx), wb.WaitClosed(ctx))
	})
}

// STREAM-056: what was written is sent though nobody has read what came in.
func TestStreamCloseSendsTheRest(t *testing.T) {
	const size = 8 << 20
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		arrived := aio.CreateFuture[int](ctx)
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			got, err := r.Read(ctx, -1)
			if err != nil {
				return err
			}
			return arrived.SetResult(len(got))
		}, nil)
		_, w := streamOpen(t, ctx, srv)
		w.Write(make([]byte, size))
		w.Close()
		w.Close()
		if err := w.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
		if n, err := arrived.Await(ctx); n != size || err != nil {
			t.Errorf("%d bytes have arrived, %v", n, err)
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, streamEcho, nil)
		r, w := streamOpen(t, ctx, srv)
		w.Write([]byte("never read\n"))
		streamWant(t, ctx, r, streamRead(1), `"n"`) // so it has come back
		return streamEnd(ctx, srv, w)
	})
}

// STREAM-060: a peer that is gone ends a task that only writes and drains.
func TestStreamWritingToAPeerThatIsGoneEnds(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, func(_ context.Context, _ *aio.StreamReader, w *aio.StreamWriter) error { return w.Close() }, nil)
		r, w := streamOpen(t, ctx, srv)
		streamWant(t, ctx, r, streamRead(1), `""`)
		var err error
		for err == nil {
			w.Write(make([]byte, 1<<16))
			err = w.Drain(ctx)
		}
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNABORTED) && runtime.GOOS != "windows" {
			t.Errorf("Drain fails with %v", err)
		}
		w.Close()
		if err2 := w.WaitClosed(ctx); err != aio.ErrConnectionLost && err2 != err {
			t.Errorf("WaitClosed: %v, not %v", err2, err)
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// STREAM-067
func TestStreamAbort(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		arrived := aio.CreateFuture[int](ctx)
		var aborted aio.Event
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			if err := aborted.Wait(ctx); err != nil {
				return err
			}
			got, _ := r.Read(ctx, -1) // the error may be a reset
			return arrived.SetResult(len(got))
		}, nil)
		r, w := streamOpen(t, ctx, srv)
		w.Write(make([]byte, 16<<20))
		if w.Transport().GetWriteBufferSize() == 0 {
			t.Error("nothing is in the write buffer")
		}
		w.Transport().Abort()
		aborted.Set()
		if err := w.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
		streamWant(t, ctx, r, streamRead(-1), `""`)
		if n, err := arrived.Await(ctx); n == 16<<20 || err != nil {
			t.Errorf("%d bytes have arrived, %v", n, err)
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// STREAM-068
func TestStreamWriteEOF(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			all, err := r.Read(ctx, -1)
			fmt.Fprintf(w, "got %q", all)
			return err
		}, nil)
		r, w := streamOpen(t, ctx, srv)
		w.Write([]byte("question"))
		if !w.CanWriteEOF() {
			t.Error("CanWriteEOF is false")
		}
		w.WriteEOF()
		w.WriteEOF()
		if w.IsClosing() {
			t.Error("IsClosing after WriteEOF")
		}
		misused(t, "Write after WriteEOF", func() { w.Write([]byte("x")) })
		streamWant(t, ctx, r, streamRead(-1), `"got \"question\""`)
		return streamEnd(ctx, srv, w)
	})
}

// streamReports has the reports of a loop collected.
func streamReports(ctx context.Context) *[]aio.ExceptionContext {
	reports := new([]aio.ExceptionContext)
	loop, _ := aio.GetRunningLoop(ctx)
	loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { *reports = append(*reports, ec) })
	return reports
}

func streamPanics(context.Context, *aio.StreamReader, *aio.StreamWriter) error { panic(errStreamBoom) }
func streamFails(context.Context, *aio.StreamReader, *aio.StreamWriter) error  { return errStreamBoom }

// STREAM-076: and no other client notices.
func TestStreamHandlerFails(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		reports := streamReports(ctx)
		for _, c := range []struct {
			name    string
			handler aio.StreamHandler
		}{{"streamFails", streamFails}, {"streamPanics", streamPanics}} {
			first := true
			var tr aio.WriteTransport
			srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
				if first {
					first = false
					return streamEcho(ctx, r, w)
				}
				tr = w.Transport()
				return c.handler(ctx, r, w)
			}, nil)
			r1, w1 := streamOpen(t, ctx, srv)
			w1.Write([]byte("one\n"))
			streamWant(t, ctx, r1, streamLine, `"one\n"`)
			r2, w2 := streamOpen(t, ctx, srv)
			streamWant(t, ctx, r2, streamRead(-1), `""`)
			w2.Close()
			if len(*reports) != 1 {
				t.Fatalf("reports are %v", *reports)
			}
			ec := (*reports)[0]
			*reports = nil
			if !strings.Contains(ec.Message, "client-connected callback") || !strings.Contains(ec.Message, "TestStreamHandlerFails") ||
				!errors.Is(ec.Err, errStreamBoom) || ec.Transport != aio.BaseTransport(tr) || ec.Task == nil || ec.Protocol == nil {
				t.Errorf("report %+v", ec)
			}
			w1.Write([]byte("two\n"))
			streamWant(t, ctx, r1, streamLine, `"two\n"`)
			if err := streamEnd(ctx, srv, w1); err != nil {
				t.Error(err)
			}
		}
		if len(*reports) > 0 {
			t.Errorf("reports are %v", *reports)
		}
		return nil
	})
}

// STREAM-077: a callback that is no task, and panics.
func TestStreamCallbackPanicsOverASocket(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		reports := streamReports(ctx)
		srv, err := aio.CreateServer(ctx, func() *aio.StreamReaderProtocol {
			return aio.NewStreamReaderProtocol(aio.NewStreamReader(ctx, 0), func(*aio.StreamReader, *aio.StreamWriter) { panic(errStreamBoom) })
		}, "localhost:0", nil)
		if err != nil {
			return err
		}
		r, w := streamOpen(t, ctx, srv)
		streamWant(t, ctx, r, streamRead(-1), `""`)
		if len(*reports) != 1 || !errors.Is((*reports)[0].Err, errStreamBoom) || (*reports)[0].Transport == nil {
			t.Errorf("reports are %v", *reports)
		}
		return streamEnd(ctx, srv, w)
	})
}

// STREAM-078, STREAM-079
func TestStreamHandlerIsCancelledOrReturns(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		var task aio.AnyTask
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			task = aio.CurrentTask(ctx)
			w.Write([]byte("hello\n"))
			_, err := forever(ctx)
			return err
		}, nil)
		r, w := streamOpen(t, ctx, srv)
		streamWant(t, ctx, r, streamLine, `"hello\n"`)
		task.Cancel()
		streamWant(t, ctx, r, streamRead(-1), `""`)
		return streamEnd(ctx, srv, w)
	})
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		writers := aio.NewQueue[*aio.StreamWriter](0)
		srv := streamServe(t, ctx, func(_ context.Context, _ *aio.StreamReader, w *aio.StreamWriter) error {
			return writers.PutNowait(w)
		}, nil)
		r, w := streamOpen(t, ctx, srv)
		theirs, err := writers.Get(ctx)
		if err != nil {
			return err
		}
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		theirs.Write([]byte("still here"))
		theirs.Close()
		streamWant(t, ctx, r, streamRead(-1), `"still here"`)
		return streamEnd(ctx, srv, w)
	})
}

// STREAM-080
func TestStreamConnectionIsReset(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, func(_ context.Context, _ *aio.StreamReader, w *aio.StreamWriter) error {
			w.Write([]byte("x"))
			return nil
		}, nil)
		conn, err := net.Dial("tcp", srv.Addr().String())
		if err != nil {
			return err
		}
		r, w, err := aio.OpenConnection(ctx, "", &aio.ConnectionOptions{Conn: conn})
		if err != nil {
			return err
		}
		streamWant(t, ctx, r, streamRead(1), `"x"`)
		srv.AbortClients()
		streamWant(t, ctx, r, streamRead(-1), `""`)
		return streamEnd(ctx, srv, w)
	})
	// A real reset: the other end closes with data that it has not read.
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		ln, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		r, w, err := aio.OpenConnection(ctx, ln.Addr().String(), nil)
		if err != nil {
			return err
		}
		peer, err := ln.Accept()
		if err != nil {
			return err
		}
		if err := peer.(*net.TCPConn).SetLinger(0); err != nil {
			return err
		}
		peer.Close()
		_, err = r.Read(ctx, 1)
		if err == nil || !errors.Is(err, r.Exception()) {
			t.Errorf("Read: %v, Exception: %v", err, r.Exception())
		}
		if err2 := w.WaitClosed(ctx); err2 != err {
			t.Errorf("WaitClosed: %v, not %v", err2, err)
		}
		return w.Close()
	})
}

// STREAM-087
func TestStreamServerWaitsForItsClients(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		var log eventLog
		srv := streamServe(t, ctx, streamEcho, nil)
		r, w := streamOpen(t, ctx, srv)
		w.Write([]byte("one\n"))
		streamWant(t, ctx, r, streamLine, `"one\n"`)
		waiter := aio.CreateTask(ctx, coro(func(ctx context.Context) error {
			defer log.add("server")
			srv.Close()
			return srv.WaitClosed(ctx)
		}))
		for range 3 {
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		w.Write([]byte("two\n"))
		streamWant(t, ctx, r, streamLine, `"two\n"`)
		log.add("client")
		w.Close()
		_, err := waiter.Await(ctx)
		log.want(t, "client server")
		return errors.Join(err, w.WaitClosed(ctx))
	})
}

// STREAM-088
func TestStreamLimitIsTheReaders(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		outcomes := aio.NewQueue[string](0)
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			w.Write([]byte("12345\n"))
			return outcomes.PutNowait(streamLine(ctx, r))
		}, &aio.ServerOptions{Limit: 4})
		for _, c := range []struct {
			limit int
			want  string
		}{{4, "too-long"}, {5, `"12345\n"`}} {
			r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), &aio.ConnectionOptions{Limit: c.limit})
			if err != nil {
				return err
			}
			w.Write([]byte("12345\n"))
			streamWant(t, ctx, r, streamLine, c.want)
			if got, err := outcomes.Get(ctx); got != "too-long" || err != nil {
				t.Errorf("the server's reader: %s, %v", got, err)
			}
			w.Close()
			if err := w.WaitClosed(ctx); err != nil {
				t.Error(err)
			}
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// TestStreamHandlerHasTheValuesOfTheServer: as contextvars are inherited from whoever starts it.
func TestStreamHandlerHasTheValuesOfTheServer(t *testing.T) {
	type key struct{}
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		var srv *aio.Server
		starter := aio.CreateTask(context.WithValue(ctx, key{}, "value"), coro(func(ctx context.Context) error {
			srv = streamServe(t, ctx, func(ctx context.Context, _ *aio.StreamReader, w *aio.StreamWriter) error {
				fmt.Fprint(w, ctx.Value(key{}), ctx.Err())
				return w.Close()
			}, nil)
			return nil
		}))
		if _, err := starter.Await(ctx); err != nil {
			return err
		}
		r, w := streamOpen(t, ctx, srv)
		streamWant(t, ctx, r, streamRead(-1), `"value<nil>"`)
		return streamEnd(ctx, srv, w)
	})
}

// TestStreamsCarryGoCode has the standard library's readers and writers run on a connection in tasks,
// against a peer that reads slowly, so that both sides wait.
func TestStreamsCarryGoCode(t *testing.T) {
	const items = 2000
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			in := bufio.NewReader(r.Reader(ctx))
			req, err := http.ReadRequest(in)
			if err != nil {
				return err
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return err
			}
			header, err := textproto.NewReader(in).ReadMIMEHeader()
			if err != nil {
				return err
			}
			zip, err := gzip.NewReader(in)
			if err != nil {
				return err
			}
			zip.Multistream(false)
			dec := json.NewDecoder(zip)
			sum := 0
			for range items {
				var item struct{ N int }
				if err := dec.Decode(&item); err != nil {
					return err
				}
				sum += item.N
			}
			resp := http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(sum),
				Header: http.Header{"X-Was": {header.Get("Key") + string(body)}}, Body: io.NopCloser(bytes.NewReader(make([]byte, sum)))}
			return resp.Write(w.Writer(ctx))
		}, nil)
		r, w := streamOpen(t, ctx, srv)
		w.Transport().SetWriteBufferLimits(100, 10)
		out := w.Writer(ctx)
		fmt.Fprintf(out, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbodyKey: value\r\n\r\n")
		zip := gzip.NewWriter(out)
		enc := json.NewEncoder(zip)
		for i := range items {
			if err := enc.Encode(map[string]int{"N": i}); err != nil {
				return err
			}
		}
		if err := zip.Close(); err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReaderSize(r.Reader(ctx), 50000), nil)
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if was := resp.Header.Get("X-Was"); n != items*(items-1)/2 || err != nil || was != "valuebody" {
			t.Errorf("%d bytes, %v, after %q", n, err, was)
		}
		return streamEnd(ctx, srv, w)
	})
}

// TestStreamProxy copies both ways between two connections.
func TestStreamProxy(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		far := streamServe(t, ctx, streamEcho, nil)
		near := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			fr, fw, err := aio.OpenConnection(ctx, far.Addr().String(), nil)
			if err != nil {
				return err
			}
			defer fw.Close()
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(func(ctx context.Context) error {
					_, err := io.Copy(fw.Writer(ctx), r.Reader(ctx))
					fw.WriteEOF()
					return err
				})
				tg.Go(func(ctx context.Context) error {
					_, err := io.Copy(w.Writer(ctx), fr.Reader(ctx))
					return err
				})
				return nil
			})
		}, nil)
		text := bytes.Repeat([]byte("0123456789abcdef0123456789ABCDE\n"), 1<<16)
		r, w := streamOpen(t, ctx, near)
		sender := aio.CreateTask(ctx, coro(func(ctx context.Context) error {
			_, err := w.Writer(ctx).Write(text)
			w.WriteEOF()
			return err
		}))
		got, err := io.ReadAll(r.Reader(ctx))
		if !bytes.Equal(got, text) || err != nil {
			t.Errorf("%d bytes of %d came back, %v", len(got), len(text), err)
		}
		if _, err := sender.Await(ctx); err != nil {
			t.Error(err)
		}
		w.Close()
		near.Close()
		far.Close()
		return errors.Join(w.WaitClosed(ctx), near.WaitClosed(ctx), far.WaitClosed(ctx))
	})
}

// STREAM-070, STREAM-071, STREAM-072, STREAM-081
func TestStreamStartTLS(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			streamWant(t, ctx, r, streamLine, `"clear\n"`)
			if info := w.GetExtraInfo("sslcontext"); info != nil {
				t.Errorf("sslcontext is %v in clear", info)
			}
			w.Write([]byte("go on\n"))
			if err := w.StartTLS(ctx, tlsTestServerConfig(), nil); err != nil {
				return err
			}
			if info := w.GetExtraInfo("sslcontext"); info == nil {
				t.Error("no sslcontext over TLS")
			}
			if w.Transport().CanWriteEOF() {
				t.Error("the writer has the old transport")
			}
			line, err := r.ReadLine(ctx)
			w.Write(line)
			return errors.Join(err, w.Drain(ctx))
		}, nil)
		r, w := streamOpen(t, ctx, srv)
		w.Write([]byte("clear\n"))
		streamWant(t, ctx, r, streamLine, `"go on\n"`)
		if err := w.StartTLS(ctx, tlsTestClientConfig(), nil); err != nil {
			return err
		}
		if info := w.GetExtraInfo("sslcontext"); info == nil || w.CanWriteEOF() {
			t.Errorf("sslcontext %v, CanWriteEOF %v over TLS", info, w.CanWriteEOF())
		}
		w.Write([]byte("secret\n"))
		streamWant(t, ctx, r, streamRead(-1), `"secret\n"`)
		return streamEnd(ctx, srv, w)
	})
}

// STREAM-072: the transport that the reader pauses is the new one.
func TestStreamStartTLSGivesTheReaderTheTransport(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			if err := w.StartTLS(ctx, tlsTestServerConfig(), nil); err != nil {
				return err
			}
			w.Write(make([]byte, 1000))
			_, err := r.Read(ctx, 1)
			return err
		}, nil)
		r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), &aio.ConnectionOptions{Limit: 10})
		if err != nil {
			return err
		}
		if err := w.StartTLS(ctx, tlsTestClientConfig(), nil); err != nil {
			return err
		}
		tr := w.Transport().(aio.Transport)
		for tr.IsReading() {
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		streamWant(t, ctx, r, streamExactly(1000), "1000")
		if !tr.IsReading() {
			t.Error("the transport is paused still")
		}
		return streamEnd(ctx, srv, w)
	})
}

// STREAM-073: the client's hello is in the reader's buffer before the server starts TLS.
func TestStreamStartTLSTakesWhatWasReadAhead(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			streamWant(t, ctx, r, streamLine, `"clear\n"`)
			for !aio.StreamHasBytes(r) {
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			if err := w.StartTLS(ctx, nil, nil); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("without a configuration: %v", err)
			}
			if err := w.StartTLS(ctx, tlsTestServerConfig(), nil); err != nil {
				return err
			}
			line, err := r.ReadLine(ctx)
			w.Write(line)
			return err
		}, nil)
		r, w := streamOpen(t, ctx, srv)
		w.Write([]byte("clear\n"))
		if err := w.StartTLS(ctx, tlsTestClientConfig(), nil); err != nil {
			return err
		}
		w.Write([]byte("secret\n"))
		streamWant(t, ctx, r, streamRead(-1), `"secret\n"`)
		return streamEnd(ctx, srv, w)
	})
}

// TestStreamStartTLSTrustsNothingInClear: a client that has got more in clear than it has read does not
// take that for what came over TLS.
func TestStreamStartTLSTrustsNothingInClear(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			w.Write([]byte("go on\ninjected\n"))
			_, _ = r.Read(ctx, -1) // the error may be a reset
			return nil
		}, nil)
		r, w := streamOpen(t, ctx, srv)
		streamWant(t, ctx, r, streamLine, `"go on\n"`)
		var record tls.RecordHeaderError
		if err := w.StartTLS(ctx, tlsTestClientConfig(), nil); !errors.As(err, &record) {
			t.Errorf("StartTLS: %v", err)
		}
		if err := w.WaitClosed(ctx); !errors.As(err, &record) {
			t.Errorf("WaitClosed: %v", err)
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// STREAM-083, STREAM-084, STREAM-085
func TestStreamsOverTLS(t *testing.T) {
	server := &aio.ServerOptions{TLS: tlsTestServerConfig()}
	client := func(conn net.Conn) *aio.ConnectionOptions {
		return &aio.ConnectionOptions{TLS: tlsTestClientConfig(), Conn: conn}
	}
	echoes := func(t *testing.T, ctx context.Context, srv *aio.Server, r *aio.StreamReader, w *aio.StreamWriter) error {
		if info := w.GetExtraInfo("sslcontext"); info == nil || w.CanWriteEOF() {
			t.Errorf("sslcontext %v, CanWriteEOF %v over TLS", info, w.CanWriteEOF())
		}
		text := bytes.Repeat([]byte("0123456789abcdef0123456789ABCDE\n"), 1<<13)
		writer := aio.CreateTask(ctx, coro(func(ctx context.Context) error {
			_, err := w.Writer(ctx).Write(text)
			return err
		}))
		got, err := r.ReadExactly(ctx, len(text))
		if !bytes.Equal(got, text) {
			t.Errorf("%d bytes came back, %v", len(got), err)
		}
		_, err = writer.Await(ctx)
		return errors.Join(err, streamEnd(ctx, srv, w))
	}
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, streamEcho, server)
		r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), client(nil))
		if err != nil {
			return err
		}
		return echoes(t, ctx, srv, r, w)
	})
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, streamEcho, server)
		conn, err := net.Dial("tcp", srv.Addr().String())
		if err != nil {
			return err
		}
		r, w, err := aio.OpenConnection(ctx, "", client(conn))
		if err != nil {
			return err
		}
		return echoes(t, ctx, srv, r, w)
	})
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "socket")
		srv, err := aio.StartUnixServer(ctx, streamEcho, path, server)
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		if err != nil {
			return err
		}
		r, w, err := aio.OpenUnixConnection(ctx, path, client(nil))
		if err != nil {
			return err
		}
		return echoes(t, ctx, srv, r, w)
	})
}

func TestStreamStartTLSRefuses(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		s.feed("left")
		w := aio.NewStreamWriter(struct{ aio.WriteTransport }{s.fakeTransport}, s.p)
		if err := w.StartTLS(s.ctx, tlsTestClientConfig(), nil); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("a transport that cannot be read from: %v", err)
		}
		if err := s.w.StartTLS(s.ctx, &tls.Config{}, nil); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("a client without a name: %v", err)
		}
		s.gets(streamRead(9), `"left"`)
		s.r.SetException(errStreamBoom)
		is(s.scene, "StartTLS", s.w.StartTLS(s.ctx, tlsTestClientConfig(), nil), errStreamBoom)
	})
}

// An error names the call that the program has made, not the one below.
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
