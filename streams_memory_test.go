package aio_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/goaio/aio"
)

// STREAM-050, STREAM-051
func TestStreamPausesTheTransport(t *testing.T) {
	streamPlay(t, 4, func(s *streamScene) {
		s.feed("12345678")
		s.want("")
		s.feed("9")
		s.want("pause")
		s.feed("more")
		s.gets(streamExactly(8), `"12345678"`) // 5 bytes remain in the stream
		same(s, "outcome", streamExactly(1)(s.ctx, s.r), `"9"`)
		s.want("resume")
		s.gets(streamRead(9), `"more"`)
		s.feed("123456789")
		s.want("pause")
	})
	// Twice the limit may overflow an int.
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
		same(s, "outcome", streamRead(1000)(s.ctx, r), "1000")
		misused(t, "a second SetTransport", func() { r.SetTransport(unpausable{}) })
	})
}

// TestStreamReaderReadsRightIntoTheCallersMemory checks that the transport reads
// directly into the buffer of a waiting task.
func TestStreamReaderReadsRightIntoTheCallersMemory(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		p := make([]byte, 4096)
		mine := func() bool { s.Helper(); return &s.p.GetBuffer(-1)[0] == &p[0] }
		read := func(ctx context.Context, r *aio.StreamReader) string {
			n, err := r.Reader(ctx).Read(p)
			return streamGot(p[:n], err)
		}
		same(s, "no task waits: mine", mine(), false)
		s.begin("A", read)
		s.after(1, "")
		same(s, "A waits: mine", mine(), true)
		s.feed("")
		same(s, "A waits still: mine", mine(), true)
		s.arrive("abc")
		same(s, "after some data: mine", mine(), false)
		s.arrive("def") // the data arrives before A runs
		s.after(1, `A="abcdef"`)

		// Data passed to FeedData, or received without a waiting task, is
		// stored in the reader's own buffer.
		s.begin("B", read)
		s.after(1, "")
		s.feed("abc")
		same(s, "after FeedData: mine", mine(), false)
		s.after(1, `B="abc"`)

		// After a cancellation the transport no longer uses the task's buffer.
		c := s.begin("C", read)
		s.after(1, "")
		c.Cancel()
		s.after(1, "C=cancelled")
		same(s, "C was cancelled: mine", mine(), false)
		s.r.FeedEOF()
		s.gets(read, "EOF")
	})
}

// TestStreamReaderHasBigReadsForSmallBuffers: if a read fills a small buffer, there is
// more data, so the next read uses a larger buffer.
func TestStreamReaderHasBigReadsForSmallBuffers(t *testing.T) {
	for _, c := range []struct {
		size  int
		reads []int
	}{
		{100, []int{65536, 14464}}, // too small for a direct read
		// the rest of the first read, and another one
		{4096, []int{4096, 65536, 10368}},
		// large enough for direct reads, but no task waits for the rest
		{16384, []int{16384, 63616}},
		{80000, []int{80000}},
	} {
		streamPlay(t, 1<<20, func(s *streamScene) {
			s.begin("A", streamInto(c.size))
			s.after(1, "")
			equal(s.T, "sizes of the reads", s.arrive(strings.Repeat("x", 80000)), c.reads)
			s.letPass(1)
			s.eventLog = nil
		})
	}
	// After a read that does not fill the buffer, small buffers are read into
	// directly again.
	streamPlay(t, 0, func(s *streamScene) {
		for i, c := range []struct{ size, arrives int }{{512, 512}, {65536, 500}, {512, 100}, {512, 512}, {65536, 1}} {
			s.begin("A", streamInto(512))
			s.after(1, "")
			same(s, fmt.Sprint("size of the buffer ", i), len(s.p.GetBuffer(-1)), c.size)
			s.arrive(strings.Repeat("x", c.arrives))
			s.letPass(1)
			s.eventLog = nil
		}
	})
}

// TestStreamReadThatAnotherTaskWasQuickerThan: another task may read between the
// wake-up of a reader and its step. It gets the bytes, and the woken reader waits for
// more.
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
	// The first task's buffer was filled, and the second task waits with its own
	// buffer.
	streamPlay(t, 0, func(s *streamScene) {
		s.begin("A", streamInto(4096))
		s.after(1, "")
		s.arrive("ab")
		s.gets(streamRead(9), `"ab"`)
		s.begin("B", streamInto(5000))
		s.after(2, "B=misuse") // A waits again, before B
		s.arrive("cd")
		s.after(1, `A="cd"`)
	})
	// The second task's buffer is filled before the first task runs, and more data
	// arrives before the second one runs.
	for _, op := range []streamOp{streamInto(4096), streamRead(9), streamUntil("d"), streamExactly(2)} {
		streamPlay(t, 0, func(s *streamScene) {
			loop, _ := aio.GetRunningLoop(s.ctx)
			s.begin("A", op)
			s.after(1, "")
			loop.CallSoon(func() { s.arrive("cd") })
			s.arrive("ab")
			loop.CallSoon(func() { s.arrive("ef") })
			s.gets(streamRead(9), `"ab"`)
			same(s, "the second read", streamInto(5000)(s.ctx, s.r), `"ef"`)
			s.want(`A="cd"`)
		})
	}
	// The data that was searched already has been replaced by other data.
	for _, takes := range []func(s *streamScene){
		func(s *streamScene) { s.gets(streamRead(8), `"abcdefgh"`) },
		func(s *streamScene) {
			s.gets(streamRead(9), `"abcdefgh-"`)
			s.feed("-")
		},
		func(s *streamScene) {
			_, err := io.Copy(&streamFull{room: 100, err: errStreamBoom}, s.r.Reader(s.ctx))
			same(s, "error of Copy", err, errStreamBoom)
			s.feed("-")
		},
		func(s *streamScene) {
			_, err := io.Copy(&streamFull{room: 8, err: errStreamBoom}, s.r.Reader(s.ctx))
			same(s, "error of Copy", err, errStreamBoom)
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

// TestStreamBuffersAreNotShared reads with buffers of all sizes from the pool, on two
// streams.
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
				t.Errorf("%d: the data of the first stream has changed", n)
			}
			got, err = b.r.ReadExactly(sc.ctx, 2*n)
			sc.must(err)
			if string(got) != text("b", n)+text("B", n) {
				t.Errorf("%d: the data of the second stream has changed", n)
			}
		}
	})
}

// TestStreamHoldsMemoryOnlyForWhatIsBuffered: when all data is read, the buffer is
// returned to the pool.
func TestStreamHoldsMemoryOnlyForWhatIsBuffered(t *testing.T) {
	streamPlay(t, 1<<20, func(s *streamScene) {
		rd := s.r.Reader(s.ctx)
		p := make([]byte, 1<<20)
		for _, c := range []struct{ n, holds int }{
			{1, 4096}, {4096, 4096}, {4097, 16384}, {16384, 16384}, {16385, 65536}, {65536, 65536}, {65537, 131072},
		} {
			s.p.GetBuffer(-1)
			same(s, "memory of an idle stream", aio.StreamMemory(s.r), 0)
			s.arrive(strings.Repeat("x", c.n))
			same(s, fmt.Sprint("memory for ", c.n), aio.StreamMemory(s.r), c.holds)
			same(s, "outcome", streamGot(s.r.ReadExactly(s.ctx, c.n-1)), streamGot(p[:c.n-1], nil))
			same(s, "memory for one byte", aio.StreamMemory(s.r), c.holds)
			if n, err := rd.Read(p); n != 1 || err != nil {
				t.Errorf("read %d bytes, %v", n, err)
			}
		}
		data := p[:60000]
		if n := testing.AllocsPerRun(100, func() {
			s.r.FeedData(data[:1000])
			s.r.FeedData(data[:4000]) // makes the buffer grow
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

// TestStreamReaderSlidesAlong alternately feeds and reads a buffer that contains little
// data: it must not grow or lose data.
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
			t.Error("the received data differs from the sent data")
		}
		s.eventLog = nil
	})
}
