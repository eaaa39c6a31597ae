package aio_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/goaio/aio"
)

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
		same(s, "outcome", streamLine(s.ctx, s.r), "too-long")
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
		same(s, "AtEOF", s.r.AtEOF(), true)
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
		same(s, "outcome", streamExactly(7)(s.ctx, s.r), `"abcdAAA"`)
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

// TestStreamReadUntilWithSeveralSeparatorsFarOff places the separators around the
// boundaries of the search windows.
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
