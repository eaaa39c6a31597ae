package aio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/goaio/aio"
)

// FuzzStreamChunks reads a stream whose input arrives in pieces, and compares the
// results with those for the whole input. The limit exceeds the input: if a line were
// too long, only the part that has arrived would be discarded, so the results would
// depend on the pieces.
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
		equal(t, "results in pieces and all at once", pieces, whole)
	})
}

// streamReads reads until EOF with the methods in ops, and returns the results.
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

// FuzzStreamSeparators compares ReadUntil with a simple search for the separator that
// ends first.
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
				t.Errorf("%d bytes remain, %v, want %d", len(left), err, rest)
			}
			s.eventLog = nil
		})
	})
}
