package aio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// sendfileMuch exceeds the kernel buffers of the connections of sendfilePair.
const sendfileMuch = 2 << 20

// sendfilePair returns the ends of a connection with small buffers.
func sendfilePair(t *testing.T) (conn, peer net.Conn) {
	t.Helper()
	conn, peer = connectedPair(t, "tcp", "127.0.0.1:0")
	if err := conn.(*net.TCPConn).SetWriteBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	if err := peer.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	return conn, peer
}

// sendfileFile returns a file with a pattern of n bytes. Its position is 5.
func sendfileFile(t *testing.T, n int) (*os.File, []byte) {
	t.Helper()
	data := patternOf(n)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err == nil {
		_, err = f.Seek(5, io.SeekStart)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, data
}

// sendfileForms are ways to pass a file. The kernel can send the first form; the others
// are read.
var sendfileForms = map[string]func(f *os.File) io.ReadSeeker{
	"file":   func(f *os.File) io.ReadSeeker { return f },
	"seeker": func(f *os.File) io.ReadSeeker { return struct{ io.ReadSeeker }{f} },
	"section": func(f *os.File) io.ReadSeeker {
		r := io.NewSectionReader(f, 0, 1<<40)
		if info, err := f.Stat(); err == nil {
			r = io.NewSectionReader(f, 0, info.Size())
		}
		r.Seek(5, io.SeekStart)
		return r
	},
}

// sendfileAt checks that the position of file is want.
func sendfileAt(t *testing.T, file io.Seeker, want int64) {
	t.Helper()
	at, err := file.Seek(0, io.SeekCurrent)
	same(t, "the position", fmt.Sprint(at, err), fmt.Sprint(want, nil))
}

// sendfileWay is a way to send a file over a connection.
type sendfileWay struct {
	send  func(ctx context.Context, file io.ReadSeeker, opts *aio.SendfileOptions) (int64, error)
	write func(p []byte) error
	close func()
}

// sendfileWays are SockSendfile and Sendfile. The last one uses a transport of a type
// that the package does not know.
var sendfileWays = map[string]func(ctx context.Context, conn net.Conn) (sendfileWay, error){
	"SockSendfile": func(ctx context.Context, conn net.Conn) (sendfileWay, error) {
		return sendfileWay{
			func(ctx context.Context, file io.ReadSeeker, opts *aio.SendfileOptions) (int64, error) {
				return aio.SockSendfile(ctx, conn, file, opts)
			},
			func(p []byte) error { return aio.SockSendall(ctx, conn, p) },
			func() { conn.Close() },
		}, nil
	},
	"Sendfile": func(ctx context.Context, conn net.Conn) (sendfileWay, error) {
		tr, _, err := sendfileTransport(ctx, conn)
		return sendfileBy(tr), err
	},
	"Sendfile over a transport of another package": func(ctx context.Context, conn net.Conn) (sendfileWay, error) {
		tr, _, err := sendfileTransport(ctx, conn)
		return sendfileBy(struct{ aio.Transport }{tr}), err
	},
}

func sendfileBy(tr aio.Transport) sendfileWay {
	return sendfileWay{
		func(ctx context.Context, file io.ReadSeeker, opts *aio.SendfileOptions) (int64, error) {
			return aio.Sendfile(ctx, tr, file, opts)
		},
		func(p []byte) error { _, err := tr.Write(p); return err },
		func() { tr.Close() },
	}
}

// sendfileTransport returns a transport over conn.
func sendfileTransport(ctx context.Context, conn net.Conn) (aio.Transport, *ioClient, error) {
	return aio.ConnectAcceptedSocket(ctx, func() *ioClient {
		return &ioClient{lost: aio.CreateFuture[error](ctx)}
	}, conn, nil)
}

// sendfileEach runs main for each way and form, with the poller and with goroutines.
func sendfileEach(t *testing.T, main func(t *testing.T, ctx context.Context, way sendfileWay, form func(*os.File) io.ReadSeeker, peer net.Conn) error) {
	t.Helper()
	for wayName, open := range sendfileWays {
		for formName, form := range sendfileForms {
			t.Run(wayName+"/"+formName, func(t *testing.T) {
				bothPaths(t, func(t *testing.T, ctx context.Context) error {
					conn, peer := sendfilePair(t)
					way, err := open(ctx, conn)
					if err != nil {
						return err
					}
					defer way.close()
					return main(t, ctx, way, form, peer)
				})
			})
		}
	}
}

// sendfileRest reads from peer until EOF, in another goroutine.
func sendfileRest(ctx context.Context, peer net.Conn) *aio.Task[[]byte] {
	return aio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) {
		return aio.ToThread(ctx, func(context.Context) ([]byte, error) { return io.ReadAll(peer) })
	})
}

// LOOP-321, LOOP-322, LOOP-323, LOOP-324, LOOP-325, LOOP-326, LOOP-334, LOOP-335
func TestSendfileParts(t *testing.T) {
	const size = 300_000
	sendfileEach(t, func(t *testing.T, ctx context.Context, way sendfileWay, form func(*os.File) io.ReadSeeker, peer net.Conn) error {
		reading := sendfileRest(ctx, peer)
		var want bytes.Buffer
		write := func(s string) {
			want.WriteString(s)
			matches(t, "writing", way.write([]byte(s)), nil)
		}
		for _, c := range []struct {
			size, offset, count, want int
		}{
			{size, 0, 0, size},
			{size, 1000, 0, size - 1000},
			{size, 1000, 280_001, 280_001},
			{size, 0, 1, 1},
			{size, size - 1, 0, 1},
			{size, size - 10, 100, 10},
			{size, size, 0, 0},
			{size, size + 10, 10, 0},
			{0, 0, 0, 0},
			{0, 0, 10, 0},
		} {
			f, data := sendfileFile(t, c.size)
			file := form(f)
			write("before")
			sent, err := way.send(ctx, file, &aio.SendfileOptions{Offset: int64(c.offset), Count: int64(c.count)})
			same(t, fmt.Sprintf("%+v", c), fmt.Sprint(sent, err), fmt.Sprint(c.want, nil))
			if c.want > 0 {
				want.Write(data[c.offset : c.offset+c.want])
				sendfileAt(t, file, int64(c.offset+c.want))
			} else {
				sendfileAt(t, file, 5)
			}
			write("after")
		}
		f, data := sendfileFile(t, 10)
		sent, err := way.send(ctx, form(f), nil)
		same(t, "without options", fmt.Sprint(sent, err), "10 <nil>")
		want.Write(data)
		way.close()
		got, err := reading.Await(ctx)
		same(t, "everything has arrived in order", bytes.Equal(got, want.Bytes()), true)
		return err
	})
}

// LOOP-331, LOOP-335: a transfer continues when there is room, and other tasks run in
// between.
func TestSendfileWaits(t *testing.T) {
	sendfileEach(t, func(t *testing.T, ctx context.Context, way sendfileWay, form func(*os.File) io.ReadSeeker, peer net.Conn) error {
		f, data := sendfileFile(t, sendfileMuch)
		file := form(f)
		matches(t, "writing", way.write([]byte("before")), nil)
		sending := aio.CreateTask(ctx, func(ctx context.Context) (int64, error) { return way.send(ctx, file, nil) })
		for range 10 {
			if err := aio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		same(t, "it is done before the peer reads", sending.Done(), false)
		reading := sendfileRest(ctx, peer)
		sent, err := sending.Await(ctx)
		same(t, "sent", fmt.Sprint(sent, err), fmt.Sprint(len(data), nil))
		sendfileAt(t, file, int64(len(data)))
		matches(t, "writing", way.write([]byte("after")), nil)
		way.close()
		want := append(append([]byte("before"), data...), "after"...)
		got, err := reading.Await(ctx)
		same(t, "everything has arrived in order", bytes.Equal(got, want), true)
		return err
	})
}

// LOOP-331: nothing more is sent after a cancellation, and the connection stays usable.
func TestSendfileCancelled(t *testing.T) {
	sendfileEach(t, func(t *testing.T, ctx context.Context, way sendfileWay, form func(*os.File) io.ReadSeeker, peer net.Conn) error {
		f, data := sendfileFile(t, sendfileMuch)
		file := form(f)
		sending := aio.CreateTask(ctx, func(ctx context.Context) (int64, error) { return way.send(ctx, file, nil) })
		// the transfer has started
		if _, err := recvAll(ctx, peer, 1000); err != nil {
			return err
		}
		if err := aio.Sleep(ctx, 2*time.Millisecond); err != nil {
			return err
		}
		sending.Cancel()
		_, err := sending.Await(ctx)
		matches(t, "the transfer", err, aio.ErrCancelled)
		at, err := file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		reading := sendfileRest(ctx, peer)
		matches(t, "writing", way.write([]byte("after")), nil)
		way.close()
		got, err := reading.Await(ctx)
		if err != nil {
			return err
		}
		// A piece that was sent only in part is not counted in the position.
		if n := int64(1000 + len(got) - len("after")); at < 0 || at > n || n-at > 256<<10 || n == int64(len(data)) {
			t.Errorf("%d bytes arrived, the position is %d", n, at)
		}
		same(t, "what comes last", string(got[len(got)-5:]), "after")
		same(t, "what comes before", bytes.Equal(got[:len(got)-5], data[1000:1000+len(got)-5]), true)
		return nil
	})
}

// LOOP-327, LOOP-328, LOOP-337
func TestSendfileWithoutFallback(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		for name, open := range sendfileWays {
			conn, peer := sendfilePair(t)
			way, err := open(ctx, conn)
			if err != nil {
				return err
			}
			f, _ := sendfileFile(t, 1000)
			for _, file := range []io.ReadSeeker{
				struct{ io.ReadSeeker }{f},
				// The struct may have methods that differ from those of
				// the file.
				struct{ *os.File }{f},
				bytes.NewReader([]byte("in memory")),
				strings.NewReader(""),
			} {
				if _, err := file.Seek(5, io.SeekStart); err != nil {
					return err
				}
				sent, err := way.send(ctx, file, &aio.SendfileOptions{NoFallback: true})
				same(t, name+": bytes sent", sent, 0)
				matches(t, name, err, aio.ErrSendfileNotAvailable)
				sendfileAt(t, file, 5)
			}
			way.close()
			got, err := sendfileRest(ctx, peer).Await(ctx)
			same(t, name+": bytes that arrived", fmt.Sprint(len(got), err), "0 <nil>")
		}
		return nil
	})
}

// LOOP-328, LOOP-329, LOOP-330, LOOP-336
func TestSendfileMisuse(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		f, _ := sendfileFile(t, 1000)
		for name, open := range sendfileWays {
			conn, peer := sendfilePair(t)
			way, err := open(ctx, conn)
			if err != nil {
				return err
			}
			for _, opts := range []*aio.SendfileOptions{{Offset: -1}, {Count: -1}} {
				sent, err := way.send(ctx, f, opts)
				same(t, name+": bytes sent", sent, 0)
				matches(t, name, err, aio.ErrUsage)
			}
			_, err = way.send(ctx, nil, nil)
			matches(t, name+" of nil", err, aio.ErrUsage)
			closed, _ := sendfileFile(t, 10)
			closed.Close()
			_, err = way.send(ctx, closed, nil)
			matches(t, name+" of a closed file", err, os.ErrClosed)
			pr, pw, err := os.Pipe()
			if err != nil {
				return err
			}
			_, err = way.send(ctx, pr, nil)
			same(t, name+" of a pipe fails", err != nil, true)
			pr.Close()
			pw.Close()
			way.close()
			sent, err := way.send(ctx, f, nil)
			same(t, name+": bytes sent", sent, 0)
			matches(t, name+" over what is closed", err, net.ErrClosed)
			got, err := sendfileRest(ctx, peer).Await(ctx)
			same(t, name+": bytes that arrived", fmt.Sprint(len(got), err), "0 <nil>")
		}
		udp, err := net.Dial("udp", "127.0.0.1:9")
		if err != nil {
			return err
		}
		defer udp.Close()
		_, err = aio.SockSendfile(ctx, udp, f, nil)
		matches(t, "SockSendfile of datagrams", err, aio.ErrUsage)
		sendfileAt(t, f, 5)
		return nil
	})
}

// LOOP-333, LOOP-339
func TestSendfilePeerClosesMidway(t *testing.T) {
	sendfileEach(t, func(t *testing.T, ctx context.Context, way sendfileWay, form func(*os.File) io.ReadSeeker, peer net.Conn) error {
		f, data := sendfileFile(t, sendfileMuch)
		file := form(f)
		var sent int64
		sending := spawn(ctx, func(ctx context.Context) (err error) {
			sent, err = way.send(ctx, file, nil)
			return err
		})
		if _, err := recvAll(ctx, peer, 1000); err != nil {
			return err
		}
		peer.Close() // the unread data causes a reset
		_, err := sending.Await(ctx)
		var no *os.SyscallError
		same(t, "the error is a system error: "+fmt.Sprint(err), errors.As(err, &no), true)
		at, err := file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if sent == 0 { // not even one piece was sent completely
			sent = 5
		}
		same(t, "the position", at, sent)
		same(t, "the end was not reached", at < int64(len(data)), true)
		return nil
	})
}

// LOOP-340
func TestSendfilePeerClosesAfterEverything(t *testing.T) {
	sendfileEach(t, func(t *testing.T, ctx context.Context, way sendfileWay, form func(*os.File) io.ReadSeeker, peer net.Conn) error {
		f, data := sendfileFile(t, sendfileMuch)
		file := form(f)
		reading := aio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) {
			return aio.ToThread(ctx, func(context.Context) ([]byte, error) {
				defer peer.Close()
				got := make([]byte, len(data))
				_, err := io.ReadFull(peer, got)
				return got, err
			})
		})
		sent, err := way.send(ctx, file, nil)
		same(t, "sent", fmt.Sprint(sent, err), fmt.Sprint(len(data), nil))
		sendfileAt(t, file, sent)
		got, err := reading.Await(ctx)
		same(t, "everything has arrived", bytes.Equal(got, data), true)
		return err
	})
}

// sendfileProtocol records its calls.
type sendfileProtocol struct {
	ioClient
}

func (p *sendfileProtocol) PauseWriting()  { p.log.add("pause") }
func (p *sendfileProtocol) ResumeWriting() { p.log.add("resume") }

// sendfileTransports runs main with a transport for each form.
func sendfileTransports(t *testing.T, main func(t *testing.T, ctx context.Context, tr aio.Transport, p *sendfileProtocol, form func(*os.File) io.ReadSeeker, peer net.Conn) error) {
	t.Helper()
	for name, form := range sendfileForms {
		t.Run(name, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				conn, peer := sendfilePair(t)
				tr, p, err := aio.ConnectAcceptedSocket(ctx, func() *sendfileProtocol {
					return &sendfileProtocol{ioClient{lost: aio.CreateFuture[error](ctx)}}
				}, conn, nil)
				if err != nil {
					return err
				}
				defer tr.Abort()
				p.log.want(t, "made")
				return main(t, ctx, tr, p, form, peer)
			})
		})
	}
}

// LOOP-341: reading is paused during a transfer, and resumed even if it fails.
func TestSendfilePausesReading(t *testing.T) {
	sendfileTransports(t, func(t *testing.T, ctx context.Context, tr aio.Transport, p *sendfileProtocol, form func(*os.File) io.ReadSeeker, peer net.Conn) error {
		f, data := sendfileFile(t, sendfileMuch)
		for _, paused := range []bool{true, false} {
			if paused {
				tr.PauseReading()
			}
			sending := aio.CreateTask(ctx, func(ctx context.Context) (int64, error) { return aio.Sendfile(ctx, tr, form(f), nil) })
			if err := aio.SockSendall(ctx, peer, []byte("meanwhile")); err != nil {
				return err
			}
			if _, err := recvAll(ctx, peer, 1000); err != nil {
				return err
			}
			same(t, "IsReading during the transfer", tr.IsReading(), false)
			same(t, "data received by the protocol", string(p.got), "")
			if _, err := recvAll(ctx, peer, len(data)-1000); err != nil {
				return err
			}
			if _, err := sending.Await(ctx); err != nil {
				return err
			}
			same(t, "IsReading afterwards", tr.IsReading(), !paused)
			same(t, "the protocol afterwards", tr.GetProtocol() == aio.Protocol(p), true)
			if paused {
				same(t, "data received by the protocol", string(p.got), "")
				tr.ResumeReading()
			}
			for string(p.got) != "meanwhile" {
				p.more.Clear()
				if err := p.more.Wait(ctx); err != nil {
					return err
				}
			}
			p.got = nil
		}
		p.log.want(t, "")
		return nil
	})
}

// A program may resume reading during a Sendfile. Data that arrives goes to its protocol,
// even though the transport has another protocol while the file is read.
func TestSendfileReadingResumed(t *testing.T) {
	sendfileTransports(t, func(t *testing.T, ctx context.Context, tr aio.Transport, p *sendfileProtocol, form func(*os.File) io.ReadSeeker, peer net.Conn) error {
		f, data := sendfileFile(t, sendfileMuch)
		buffered := &ioBuffered{log: &eventLog{}, buf: make([]byte, 4)}
		for _, protocol := range []aio.Protocol{p, buffered} {
			tr.SetProtocol(protocol)
			sending := aio.CreateTask(ctx, func(ctx context.Context) (int64, error) { return aio.Sendfile(ctx, tr, form(f), nil) })
			if _, err := recvAll(ctx, peer, 1000); err != nil {
				return err
			}
			tr.ResumeReading()
			if err := aio.SockSendall(ctx, peer, []byte("meanwhile")); err != nil {
				return err
			}
			eventually(t, ctx, "what the peer has sent", func() bool { return string(p.got)+string(buffered.got) == "meanwhile" })
			same(t, "Sendfile is done", sending.Done(), false)
			if _, err := recvAll(ctx, peer, len(data)-1000); err != nil {
				return err
			}
			if _, err := sending.Await(ctx); err != nil {
				return err
			}
			p.got = nil
		}
		tr.SetProtocol(p)
		p.log.want(t, "")
		return nil
	})
}

// sendfileTLS returns a transport with TLS, and its peer.
func sendfileTLS(t *testing.T, ctx context.Context) (aio.Transport, *sendfileProtocol, net.Conn) {
	t.Helper()
	conn, raw := sendfilePair(t)
	peer := tls.Server(raw, tlsServerConfig())
	shaking := aio.CreateTask(ctx, func(ctx context.Context) (struct{}, error) {
		return aio.ToThread(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, peer.HandshakeContext(ctx) })
	})
	tr, p, err := aio.CreateConnection(ctx, func() *sendfileProtocol {
		return &sendfileProtocol{ioClient{lost: aio.CreateFuture[error](ctx)}}
	}, "", &aio.ConnectionOptions{Conn: conn, TLS: tlsClientConfig()})
	if err == nil {
		_, err = shaking.Await(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.log.want(t, "made")
	return tr, p, peer
}

// LOOP-334, LOOP-335, LOOP-337, LOOP-339, LOOP-341: with TLS the file is read.
func TestSendfileTLS(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		f, data := sendfileFile(t, sendfileMuch)
		tr, p, peer := sendfileTLS(t, ctx)
		sent, err := aio.Sendfile(ctx, tr, f, &aio.SendfileOptions{NoFallback: true})
		matches(t, "Sendfile without fallback", err, aio.ErrSendfileNotAvailable)
		same(t, "sent", sent, 0)
		sendfileAt(t, f, 5)

		tr.Write([]byte("before"))
		sending := aio.CreateTask(ctx, func(ctx context.Context) (int64, error) {
			return aio.Sendfile(ctx, tr, f, &aio.SendfileOptions{Offset: 10, Count: sendfileMuch - 20})
		})
		if err := aio.SockSendall(ctx, peer, []byte("meanwhile")); err != nil {
			return err
		}
		got, err := recvAll(ctx, peer, 1000)
		if err != nil {
			return err
		}
		same(t, "IsReading during the transfer", tr.IsReading(), false)
		same(t, "data received by the protocol", string(p.got), "")
		reading := sendfileRest(ctx, peer)
		sent, err = sending.Await(ctx)
		same(t, "sent", fmt.Sprint(sent, err), fmt.Sprint(sendfileMuch-20, nil))
		sendfileAt(t, f, sendfileMuch-10)
		same(t, "IsReading afterwards", tr.IsReading(), true)
		for string(p.got) != "meanwhile" {
			p.more.Clear()
			if err := p.more.Wait(ctx); err != nil {
				return err
			}
		}
		tr.Write([]byte("after"))
		tr.Close()
		rest, err := reading.Await(ctx)
		want := "before" + string(data[10:sendfileMuch-10]) + "after"
		same(t, "everything has arrived in order", string(got)+string(rest) == want, true)
		if err != nil {
			return err
		}
		peer.Close()
		if lost, err := p.lost.Await(ctx); lost != nil || err != nil {
			t.Errorf("ConnectionLost(%v), %v", lost, err)
		}
		p.log.want(t, "lost")

		tr, p, peer = sendfileTLS(t, ctx)
		sending = aio.CreateTask(ctx, func(ctx context.Context) (int64, error) { return aio.Sendfile(ctx, tr, f, nil) })
		if _, err := recvAll(ctx, peer, 1000); err != nil {
			return err
		}
		peer.(*tls.Conn).NetConn().Close()
		_, err = sending.Await(ctx)
		same(t, "the transfer fails", err != nil, true)
		same(t, "the transport is closing", tr.IsClosing(), true)
		_, err = p.lost.Await(ctx)
		return err
	})
}

// LOOP-338
func TestSendfileKeepsOthersFromWriting(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		conn, peer := sendfilePair(t)
		tr, _, err := sendfileTransport(ctx, conn)
		if err != nil {
			return err
		}
		f, data := sendfileFile(t, sendfileMuch)
		sending := aio.CreateTask(ctx, func(ctx context.Context) (int64, error) { return aio.Sendfile(ctx, tr, f, nil) })
		if _, err := recvAll(ctx, peer, 1000); err != nil {
			return err
		}
		if aio.SendsBySystem(tr, f) {
			_, err := tr.Write([]byte("x"))
			matches(t, "Write", err, aio.ErrUsage)
			matches(t, "Writelines", tr.Writelines([][]byte{{'x'}}), aio.ErrUsage)
		}
		_, err = aio.Sendfile(ctx, tr, f, nil)
		matches(t, "a second Sendfile", err, aio.ErrUsage)
		if aio.SendsBySystem(tr, f) {
			tr.WriteEOF() // the EOF waits for the transfer
		}
		reading := sendfileRest(ctx, peer)
		sent, err := sending.Await(ctx)
		same(t, "sent", fmt.Sprint(sent, err), fmt.Sprint(len(data), nil))
		tr.WriteEOF()
		got, err := reading.Await(ctx)
		same(t, "everything has arrived", bytes.Equal(got, data[1000:]), true)
		_, serr := aio.Sendfile(ctx, tr, f, nil)
		matches(t, "a Sendfile after WriteEOF", serr, aio.ErrUsage)
		_, serr = aio.Sendfile(ctx, tr, f, &aio.SendfileOptions{NoFallback: true})
		matches(t, "a Sendfile without the fallback", serr, aio.ErrSendfileNotAvailable)
		n, serr := aio.Sendfile(ctx, tr, f, &aio.SendfileOptions{Offset: sendfileMuch})
		same(t, "one of nothing", fmt.Sprint(n, serr), fmt.Sprint(0, nil))
		tr.Close()
		return err
	})
}

// LOOP-335: the write buffer is sent first, during which the connection may be lost.
func TestSendfileAfterWriteBuffer(t *testing.T) {
	sendfileTransports(t, func(t *testing.T, ctx context.Context, tr aio.Transport, p *sendfileProtocol, form func(*os.File) io.ReadSeeker, peer net.Conn) error {
		f, data := sendfileFile(t, 1000)
		before := patternOf(sendfileMuch)
		tr.Write(before)
		p.log.want(t, "pause")
		sending := aio.CreateTask(ctx, func(ctx context.Context) (int64, error) { return aio.Sendfile(ctx, tr, form(f), nil) })
		if err := aio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		same(t, "it is done before the buffer is written", sending.Done(), false)
		got, err := recvAll(ctx, peer, len(before)+len(data))
		same(t, "everything has arrived in order", bytes.Equal(got, append(before, data...)), true)
		if err != nil {
			return err
		}
		sent, err := sending.Await(ctx)
		same(t, "sent", fmt.Sprint(sent, err), "1000 <nil>")
		p.log.want(t, "resume")

		tr.Write(before)
		p.log.want(t, "pause")
		sending = aio.CreateTask(ctx, func(ctx context.Context) (int64, error) { return aio.Sendfile(ctx, tr, form(f), nil) })
		if err := aio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		tr.Abort()
		sent, err = sending.Await(ctx)
		same(t, "sent", sent, 0)
		matches(t, "Sendfile over a transport that is aborted", err, net.ErrClosed)
		if lost, err := p.lost.Await(ctx); lost != nil || err != nil {
			t.Errorf("ConnectionLost(%v), %v", lost, err)
		}
		p.log.want(t, "lost")
		return nil
	})
}

// Close during a transfer ends it, and closes the connection.
func TestSendfileClosed(t *testing.T) {
	sendfileTransports(t, func(t *testing.T, ctx context.Context, tr aio.Transport, p *sendfileProtocol, form func(*os.File) io.ReadSeeker, peer net.Conn) error {
		f, data := sendfileFile(t, sendfileMuch)
		sending := aio.CreateTask(ctx, func(ctx context.Context) (int64, error) { return aio.Sendfile(ctx, tr, form(f), nil) })
		if _, err := recvAll(ctx, peer, 1000); err != nil {
			return err
		}
		reading := sendfileRest(ctx, peer)
		tr.Close()
		_, err := sending.Await(ctx)
		matches(t, "Sendfile", err, net.ErrClosed)
		got, err := reading.Await(ctx)
		same(t, "a part has arrived", len(got)+1000 < len(data) && bytes.Equal(got, data[1000:1000+len(got)]), true)
		if lost, err := p.lost.Await(ctx); lost != nil || err != nil {
			t.Errorf("ConnectionLost(%v), %v", lost, err)
		}
		p.log.want(t, "lost")
		return err
	})
}

// LOOP-339: the transport closes as soon as it notices that the connection is lost.
func TestSendfileConnectionLost(t *testing.T) {
	sendfileTransports(t, func(t *testing.T, ctx context.Context, tr aio.Transport, p *sendfileProtocol, form func(*os.File) io.ReadSeeker, peer net.Conn) error {
		f, _ := sendfileFile(t, sendfileMuch)
		sending := aio.CreateTask(ctx, func(ctx context.Context) (int64, error) { return aio.Sendfile(ctx, tr, form(f), nil) })
		if _, err := recvAll(ctx, peer, 1000); err != nil {
			return err
		}
		peer.Close()
		_, err := sending.Await(ctx)
		if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("Sendfile: %v", err)
		}
		// if the error did not come from Write, the transport notices it at the
		// next read
		_, lerr := p.lost.Await(ctx)
		same(t, "the transport is closing", tr.IsClosing(), true)
		p.log.want(t, "lost")
		return lerr
	})
}

// After a cancelled transfer the protocol's state of the write buffer is right.
func TestSendfileCancelledTellsProtocol(t *testing.T) {
	sendfileTransports(t, func(t *testing.T, ctx context.Context, tr aio.Transport, p *sendfileProtocol, form func(*os.File) io.ReadSeeker, peer net.Conn) error {
		tr.SetWriteBufferLimits(0, 0)
		f, _ := sendfileFile(t, sendfileMuch)
		file := form(f)
		sending := aio.CreateTask(ctx, func(ctx context.Context) (int64, error) { return aio.Sendfile(ctx, tr, file, nil) })
		for range 20 { // until no more can be sent
			if err := aio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		sending.Cancel()
		_, err := sending.Await(ctx)
		matches(t, "the transfer", err, aio.ErrCancelled)
		paused := len(p.log) > 0 && p.log[len(p.log)-1] == "pause"
		same(t, "the protocol knows whether the buffer is empty", paused, tr.GetWriteBufferSize() > 0)
		reading := sendfileRest(ctx, peer)
		tr.Write([]byte("after"))
		tr.Close()
		got, err := reading.Await(ctx)
		same(t, "what comes last", string(got[len(got)-5:]), "after")
		return err
	})
}

// Other tasks run while a file is sent.
func TestSendfileLetsOthersRun(t *testing.T) {
	sendfileEach(t, func(t *testing.T, ctx context.Context, way sendfileWay, form func(*os.File) io.ReadSeeker, peer net.Conn) error {
		f, _ := sendfileFile(t, 0)
		size := int64(2 << 20)
		if _, ok := form(f).(*os.File); ok {
			size = 9 << 20 // the kernel sends up to 4 MiB at a time
		}
		if err := os.Truncate(f.Name(), size); err != nil {
			return err
		}
		reading := sendfileRest(ctx, peer)
		turns := 0
		sending := spawn(ctx, func(ctx context.Context) error {
			_, err := way.send(ctx, form(f), nil)
			way.close()
			return err
		})
		for !sending.Done() {
			turns++
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		if turns < 5 { // one turn before each part and one after the last part
			t.Errorf("the other task ran %d times", turns)
		}
		_, err := reading.Await(ctx)
		return err
	})
}
