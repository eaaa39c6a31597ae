package aio_test

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/goaio/aio"
)

// STREAM-054
func TestStreamWriterWrites(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		n, err := s.w.Write([]byte("ab"))
		s.must(err)
		same(s, "written", n, 2)
		s.must(s.w.Writelines([][]byte{[]byte("cd"), nil, []byte("ef")}))
		s.must(s.w.Writelines(net.Buffers{[]byte("gh")}))
		same(s, "arrived", s.wrote.String(), "abcdefgh")
		same(s, "Transport", s.w.Transport() == aio.WriteTransport(s.fakeTransport), true)
	})
}

// STREAM-055, STREAM-057, STREAM-058
func TestStreamWriterCloses(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		same(s, "EOFReceived", s.p.EOFReceived(), true)
		same(s, "AtEOF", s.r.AtEOF(), true)
		same(s, "IsClosing", s.w.IsClosing(), false)
		s.must(s.w.Close())
		same(s, "IsClosing", s.w.IsClosing(), true)
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

// STREAM-060: if the connection is closing, Drain yields once, so that ConnectionLost
// can be called.
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
		same(s, "Drain", s.w.Drain(s.ctx), aio.ErrConnectionLost)
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
		same(s, "Drain", s.w.Drain(s.ctx), errStreamBoom)
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
				same(s, "WaitClosed", s.w.WaitClosed(s.ctx), lost)
			}
			if lost == nil { // otherwise the reader's error comes first
				same(s, "Drain", s.w.Drain(s.ctx), aio.ErrConnectionLost)
			}
			s.start("closed", s.w.WaitClosed)
			s.after(1, "closed"+suffix)
		})
	}
	// Whether writing is paused makes no difference, and an unretrieved error is
	// not reported.
	streamPlay(t, 0, func(s *streamScene) { s.p.ConnectionLost(errStreamBoom) })
	play(t, func(s *scene) {
		r := aio.NewStreamReader(s.ctx, 0)
		p := aio.NewStreamReaderProtocol(aio.NewStreamReader(s.ctx, 0), nil)
		w := aio.NewStreamWriter(newFakeTransport(s, p), p)
		p.ConnectionLost(errStreamBoom)
		same(s, "Drain", w.Drain(s.ctx), errStreamBoom)
		same(s, "WaitClosed", w.WaitClosed(s.ctx), errStreamBoom)
		same(s, "AtEOF", r.AtEOF(), false)
	})
}

// STREAM-069
func TestStreamGetExtraInfo(t *testing.T) {
	streamPlay(t, 0, func(s *streamScene) {
		s.info = map[string]any{"peername": "someone"}
		same(s, "peername", s.w.GetExtraInfo("peername"), any("someone"))
		same(s, "unknown name", s.w.GetExtraInfo("nothing"), nil)
	})
}
