//go:build unix

package aio_test

import (
	"context"
	"encoding/binary"
	"errors"
	"hash"
	"hash/fnv"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// ldDescriptors raises the limit to n descriptors, and skips the test if it cannot.
func ldDescriptors(t *testing.T, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if uint64(limit.Cur) >= n {
		return
	}
	old := limit
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Max) < n {
		t.Skipf("need %d descriptors, the limit is %d: %v", n, limit.Max, err)
	}
	t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old) })
}

// ldMessage is a message: the numbers of the connection and of the message, and bytes
// that depend on both.
type ldMessage [64]byte

func newLdMessage(conn, number int) (m ldMessage) {
	for i := range m {
		m[i] = byte(conn*7 + number*13 + i)
	}
	binary.BigEndian.PutUint32(m[:], uint32(conn))
	binary.BigEndian.PutUint32(m[4:], uint32(number))
	return m
}

// ldClient sends messages, each after the echo of the one before.
type ldClient struct {
	t      aio.Transport
	crowd  *ldCrowd
	number int
	sent   int
	want   ldMessage
	have   int // received bytes of want
}

// ldCrowd is the state shared by the clients.
type ldCrowd struct {
	messages int // of each
	working  int // clients that have not received all their messages
	open     int
	wrong    int
	allDone  aio.Event
	allLost  aio.Event
}

func (p *ldClient) ConnectionMade(t aio.Transport) { p.t = t }

func (p *ldClient) next() {
	p.want = newLdMessage(p.number, p.sent)
	p.have = 0
	p.sent++
	p.t.Write(p.want[:])
}

func (p *ldClient) DataReceived(b []byte) {
	if p.have+len(b) > len(p.want) || string(b) != string(p.want[p.have:p.have+len(b)]) {
		p.crowd.wrong++
	}
	if p.have += len(b); p.have < len(p.want) {
		return
	}
	if p.sent < p.crowd.messages {
		p.next()
	} else if p.crowd.working--; p.crowd.working == 0 {
		p.crowd.allDone.Set()
	}
}

func (p *ldClient) ConnectionLost(err error) {
	if err != nil {
		p.crowd.wrong++
		p.crowd.allDone.Set() // nothing more to wait for
	}
	if p.crowd.open--; p.crowd.open == 0 {
		p.crowd.allLost.Set()
	}
}

// ldEcho is an echo protocol that counts bytes and connections.
type ldEcho struct {
	clEcho
	bytes, conns *atomic.Int64
}

func (p *ldEcho) ConnectionMade(t aio.Transport) { p.conns.Add(1); p.clEcho.ConnectionMade(t) }

func (p *ldEcho) DataReceived(b []byte) {
	p.bytes.Add(int64(len(b)))
	p.clEcho.DataReceived(b)
}

// Thousands of concurrent connections on one loop lose no data.
func TestLoadManyConnections(t *testing.T) {
	conns := stage.Amount(500, 500, 5000)
	t.Run("poller", func(t *testing.T) { ldConnections(t, conns, false) })
	t.Run("goroutines", func(t *testing.T) { ldConnections(t, 200, true) })
}

// ldRun is aio.Run, with goroutines if that is set.
func ldRun(goroutines bool, main func(ctx context.Context) error) error {
	var r aio.Runner
	l, err := r.GetLoop()
	if err != nil {
		return err
	}
	aio.ForceGoroutines(l, goroutines)
	return errors.Join(r.Run(main), r.Close())
}

func ldConnections(t *testing.T, conns int, goroutines bool) {
	messages := stage.Amount(20, 20, 100)
	ldDescriptors(t, uint64(2*conns+200))
	var bytes, served atomic.Int64
	addr, stop := make(chan string, 1), make(chan struct{})
	over := make(chan error, 1)
	go func() {
		over <- ldRun(goroutines, func(ctx context.Context) error {
			srv, err := aio.CreateServer(ctx, func() *ldEcho { return &ldEcho{bytes: &bytes, conns: &served} }, "127.0.0.1:0",
				&aio.ServerOptions{Backlog: 500})
			if err != nil {
				close(addr)
				return err
			}
			addr <- srv.Addr().String()
			if _, _, err := aio.Receive(ctx, stop); err != nil {
				return err
			}
			srv.Close()
			return srv.WaitClosed(ctx)
		})
	}()
	err := ldRun(goroutines, func(ctx context.Context) error {
		to := <-addr
		crowd := &ldCrowd{messages: messages, working: conns, open: conns}
		clients := make([]*ldClient, conns)
		// Limit concurrent connection attempts, or the server's queue would
		// overflow.
		few := aio.NewSemaphore(100)
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for i := range clients {
				tg.Go(func(ctx context.Context) error {
					if err := few.Acquire(ctx); err != nil {
						return err
					}
					defer few.Release()
					_, p, err := aio.CreateConnection(ctx, func() *ldClient { return &ldClient{crowd: crowd, number: i} }, to, nil)
					clients[i] = p
					return err
				})
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, p := range clients {
			p.next()
		}
		if err := crowd.allDone.Wait(ctx); err != nil {
			return err
		}
		if crowd.wrong > 0 || crowd.open < conns {
			t.Errorf("%d echoes were wrong, %d connections were lost", crowd.wrong, conns-crowd.open)
		}
		for _, p := range clients {
			p.t.Close()
		}
		if err := crowd.allLost.Wait(ctx); err != nil {
			return err
		}
		if crowd.wrong > 0 {
			t.Errorf("%d connections ended with an error", crowd.wrong)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	close(stop)
	if err := <-over; err != nil {
		t.Error(err)
	}
	if want := int64(conns * messages * len(ldMessage{})); bytes.Load() != want || served.Load() != int64(conns) {
		t.Errorf("the server got %d bytes on %d connections, want %d on %d", bytes.Load(), served.Load(), want, conns)
	}
}

// ldWriter writes until it is paused.
type ldWriter struct {
	t      aio.Transport
	paused bool
	pauses int
	left   int
	sum    hash.Hash64
	piece  []byte
	most   int // maximum size of the write buffer
}

func (p *ldWriter) ConnectionMade(t aio.Transport) { p.t = t; p.pump() }
func (p *ldWriter) PauseWriting()                  { p.paused = true; p.pauses++ }
func (p *ldWriter) ResumeWriting()                 { p.paused = false; p.pump() }

func (p *ldWriter) pump() {
	for !p.paused && p.left > 0 {
		for i := range p.piece {
			p.piece[i] = byte(p.left + i>>3)
		}
		p.sum.Write(p.piece)
		p.t.Write(p.piece)
		p.left -= len(p.piece)
		p.most = max(p.most, p.t.GetWriteBufferSize())
	}
	if p.left == 0 {
		p.t.Close()
	}
}

// ldReader reads only in every third pass.
type ldReader struct {
	l    *aio.Loop
	t    aio.Transport
	n    int
	sum  hash.Hash64
	lost aio.Event
}

func (p *ldReader) ConnectionMade(t aio.Transport) { p.t = t; t.PauseReading() }
func (p *ldReader) ConnectionLost(error)           { p.lost.Set() }

func (p *ldReader) DataReceived(b []byte) {
	p.n += len(b)
	p.sum.Write(b)
	p.t.PauseReading()
	p.l.CallSoon(func() { p.l.CallSoon(p.t.ResumeReading) })
}

// A slow reader makes the writer wait, and the writer's buffer stays small.
func TestLoadSlowReader(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		const total, piece = 16 << 20, 16 << 10
		reader := &ldReader{l: l, sum: fnv.New64a()}
		srv, err := aio.CreateServer(ctx, func() *ldReader { return reader }, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		tr, writer, err := aio.CreateConnection(ctx, func() *ldWriter {
			return &ldWriter{left: total, sum: fnv.New64a(), piece: make([]byte, piece)}
		}, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		// The reader does not read at all: the writer stops.
		for last, same := -1, 0; same < 1000 || reader.t == nil || !writer.paused; same++ {
			if writer.left != last {
				last, same = writer.left, 0
			}
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		if !writer.paused || writer.left == 0 || reader.n > 0 {
			t.Errorf("without a reader: %d bytes are left to write, paused: %t; %d were read", writer.left, writer.paused, reader.n)
		}
		reader.t.ResumeReading()
		if err := reader.lost.Wait(ctx); err != nil {
			return err
		}
		if reader.n != total || reader.sum.Sum64() != writer.sum.Sum64() {
			t.Errorf("%d bytes arrived of %d, or they differ", reader.n, total)
		}
		if _, high := tr.GetWriteBufferLimits(); writer.most <= high || writer.most > high+piece || writer.pauses < 2 {
			t.Errorf("%d bytes were buffered with a high mark of %d; there were %d pauses", writer.most, high, writer.pauses)
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}
