package aio_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// TestStreamReaderIsAReader runs the checks of testing/iotest and others on a stream
// whose data arrives in pieces of various sizes.
func TestStreamReaderIsAReader(t *testing.T) {
	text := strings.Repeat("The quick brown fox jumps over the lazy dog.\n", stage.Amount(300, 300, 3000))
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
				t.Errorf("pieces of %d: ReadAll with a small buffer: %d bytes, %v", piece, len(got), err)
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
				t.Errorf("pieces of %d: ReadByte at EOF: %v", piece, err)
			}
		}
	})
}

// streamFull is a writer that accepts a few bytes and then fails with err.
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
				same(s, "error", err, io.ErrShortWrite)
			} else {
				same(s, "error", err, failure)
			}
			same(s, "copied", fmt.Sprintf("%d %s", n, w.String()), "3 012")
			s.want("pause resume pause") // 7 bytes remain in the stream
			same(s, "the rest", streamRead(20)(s.ctx, s.r), `"3456789"`)
			s.want("resume")
		})
	}
	// More data arrived during the write, and some of it was read.
	streamPlay(t, 0, func(s *streamScene) {
		s.arrive("0123")
		_, err := io.Copy(streamWriteFunc(func([]byte) (int, error) {
			s.arrive("ABCD")
			s.gets(streamRead(2), `"AB"`)
			return 2, errStreamBoom
		}), s.r.Reader(s.ctx))
		same(s, "error", err, errStreamBoom)
		s.gets(streamRead(9), `"23CD"`)
	})
	// A waiting task gets the rest, and must search it from the beginning.
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
			same(s, "error", err, errStreamBoom)
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
		same(s, "error", err, errStreamBoom)
		s.after(1, `A="--"`)
	})
	// A call fails in the same cases as Read.
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
		same(s, "ReadByte", err, errStreamBoom)
		_, err = rd.WriteTo(io.Discard)
		same(s, "WriteTo", err, errStreamBoom)
	})
}

// TestStreamsCarryGoCode uses readers and writers of the standard library in tasks,
// with a peer that reads slowly, so that both sides wait.
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

// TestStreamProxy copies data in both directions between two connections.
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
		sender := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, err := w.Writer(ctx).Write(text)
			w.WriteEOF()
			return err
		}))
		got, err := io.ReadAll(r.Reader(ctx))
		if !bytes.Equal(got, text) || err != nil {
			t.Errorf("received %d bytes of %d, %v", len(got), len(text), err)
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

// Parsers of the standard library in a Timeout.
func TestParsersAreTimedOut(t *testing.T) {
	for name, parse := range map[string]func(io.Reader) error{
		"ReadMIMEHeader": func(r io.Reader) error {
			_, err := textproto.NewReader(bufio.NewReader(r)).ReadMIMEHeader()
			return err
		},
		"ReadRequest":  func(r io.Reader) error { _, err := http.ReadRequest(bufio.NewReader(r)); return err },
		"ReadResponse": func(r io.Reader) error { _, err := http.ReadResponse(bufio.NewReader(r), nil); return err },
		"json":         func(r io.Reader) error { var v any; return json.NewDecoder(r).Decode(&v) },
		"gzip":         func(r io.Reader) error { _, err := gzip.NewReader(r); return err },
		"ReadString":   func(r io.Reader) error { _, err := bufio.NewReader(r).ReadString('!'); return err },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(sc *scene) {
				for _, adapter := range []string{"StreamReader", "NewConn"} {
					s := newStreamScene(sc, 0)
					text := "GET / HTTP/1.1\r\nSubject: x\r\n"
					switch name {
					case "ReadMIMEHeader":
						text = "Subject: x\r\n"
					case "ReadResponse":
						text = "HTTP/1.1 200 OK\r\nSubject: x\r\n"
					case "json":
						text = "[1, 2"
					case "gzip":
						text = "\x1f\x8b"
					}
					s.arrive(text)
					r := func(ctx context.Context) io.Reader { return s.r.Reader(ctx) }
					if adapter == "NewConn" {
						a, b := net.Pipe()
						defer b.Close()
						go b.Write([]byte(text))
						tr, _, err := aio.CreateConnection(sc.ctx, func() *connFirst { return &connFirst{} }, "", &aio.ConnectionOptions{Conn: a})
						if err != nil {
							t.Fatal(err)
						}
						c := aio.NewConn(tr)
						defer c.Close()
						r = func(context.Context) io.Reader { return c }
					}
					err := aio.Timeout(sc.ctx, time.Hour, func(ctx context.Context) error { return parse(r(ctx)) })
					matches(t, adapter, err, aio.ErrTimeout)
				}
			})
		})
	}
}

// connFirst is the protocol of a transport before NewConn replaces it.
type connFirst struct{}

func (*connFirst) ConnectionMade(aio.Transport) {}
