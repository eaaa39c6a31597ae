package aio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"testing"

	"github.com/goaio/aio"
)

// STREAM-070, STREAM-071, STREAM-072, STREAM-081
func TestStreamStartTLS(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			streamWant(t, ctx, r, streamLine, `"clear\n"`)
			if info := w.GetExtraInfo("sslcontext"); info != nil {
				t.Errorf("sslcontext is %v before StartTLS", info)
			}
			w.Write([]byte("go on\n"))
			if err := w.StartTLS(ctx, tlsServerConfig(), nil); err != nil {
				return err
			}
			if info := w.GetExtraInfo("sslcontext"); info == nil {
				t.Error("no sslcontext over TLS")
			}
			if w.Transport().CanWriteEOF() {
				t.Error("the writer still has the old transport")
			}
			line, err := r.ReadLine(ctx)
			w.Write(line)
			return errors.Join(err, w.Drain(ctx))
		}, nil)
		r, w := streamOpen(t, ctx, srv)
		w.Write([]byte("clear\n"))
		streamWant(t, ctx, r, streamLine, `"go on\n"`)
		if err := w.StartTLS(ctx, tlsClientConfig(), nil); err != nil {
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

// STREAM-072: the reader pauses the new transport.
func TestStreamStartTLSGivesTheReaderTheTransport(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			if err := w.StartTLS(ctx, tlsServerConfig(), nil); err != nil {
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
		if err := w.StartTLS(ctx, tlsClientConfig(), nil); err != nil {
			return err
		}
		tr := w.Transport().(aio.Transport)
		eventually(t, ctx, "the transport has stopped reading", func() bool { return !tr.IsReading() })
		streamWant(t, ctx, r, streamExactly(1000), "1000")
		if !tr.IsReading() {
			t.Error("the transport is still paused")
		}
		return streamEnd(ctx, srv, w)
	})
}

// STREAM-073: the server's reader has buffered the ClientHello before the server calls
// StartTLS.
func TestStreamStartTLSTakesWhatWasReadAhead(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv := streamServe(t, ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			streamWant(t, ctx, r, streamLine, `"clear\n"`)
			eventually(t, ctx, "there is something to read", func() bool { return aio.StreamHasBytes(r) })
			if err := w.StartTLS(ctx, nil, nil); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("without a configuration: %v", err)
			}
			if err := w.StartTLS(ctx, tlsServerConfig(), nil); err != nil {
				return err
			}
			line, err := r.ReadLine(ctx)
			w.Write(line)
			return err
		}, nil)
		r, w := streamOpen(t, ctx, srv)
		w.Write([]byte("clear\n"))
		if err := w.StartTLS(ctx, tlsClientConfig(), nil); err != nil {
			return err
		}
		w.Write([]byte("secret\n"))
		streamWant(t, ctx, r, streamRead(-1), `"secret\n"`)
		return streamEnd(ctx, srv, w)
	})
}

// TestStreamStartTLSTrustsNothingInClear: plaintext that a client has received but not
// read is not treated as data received over TLS.
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
		if err := w.StartTLS(ctx, tlsClientConfig(), nil); !errors.As(err, &record) {
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
	server := &aio.ServerOptions{TLS: tlsServerConfig()}
	client := func(conn net.Conn) *aio.ConnectionOptions {
		return &aio.ConnectionOptions{TLS: tlsClientConfig(), Conn: conn}
	}
	echoes := func(t *testing.T, ctx context.Context, srv *aio.Server, r *aio.StreamReader, w *aio.StreamWriter) error {
		if info := w.GetExtraInfo("sslcontext"); info == nil || w.CanWriteEOF() {
			t.Errorf("sslcontext %v, CanWriteEOF %v over TLS", info, w.CanWriteEOF())
		}
		text := bytes.Repeat([]byte("0123456789abcdef0123456789ABCDE\n"), 1<<13)
		writer := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, err := w.Writer(ctx).Write(text)
			return err
		}))
		got, err := r.ReadExactly(ctx, len(text))
		if !bytes.Equal(got, text) {
			t.Errorf("received %d bytes, %v", len(got), err)
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
		if err := w.StartTLS(s.ctx, tlsClientConfig(), nil); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("a transport that cannot be read from: %v", err)
		}
		if err := s.w.StartTLS(s.ctx, &tls.Config{}, nil); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("a client without a name: %v", err)
		}
		s.gets(streamRead(9), `"left"`)
		s.r.SetException(errStreamBoom)
		same(s, "StartTLS", s.w.StartTLS(s.ctx, tlsClientConfig(), nil), errStreamBoom)
	})
}
