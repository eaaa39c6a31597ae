package aio_test

import (
	"context"
	"net"
	"testing"

	"github.com/goaio/aio"
)

// ioEcho is a protocol that sends back what it gets.
type ioEcho struct{ t aio.Transport }

func (p *ioEcho) ConnectionMade(t aio.Transport) { p.t = t }
func (p *ioEcho) DataReceived(b []byte)          { p.t.Write(b) }

// ioClient is a protocol that collects what it gets.
type ioClient struct {
	log  eventLog
	got  []byte
	lost *aio.Future[error]
	more aio.Event
}

func (p *ioClient) ConnectionMade(aio.Transport) { p.log.add("made") }
func (p *ioClient) DataReceived(b []byte)        { p.got = append(p.got, b...); p.more.Set() }
func (p *ioClient) ConnectionLost(err error)     { p.log.add("lost"); p.lost.SetResult(err) }

// bothPaths runs main over the system's poller, where there is one, and over goroutines.
func bothPaths(t *testing.T, main func(t *testing.T, ctx context.Context) error) {
	t.Helper()
	for name, goroutines := range map[string]bool{"poller": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) {
			r := aio.Runner{}
			l, err := r.GetLoop()
			if err != nil {
				t.Fatal(err)
			}
			aio.ForceGoroutines(l, goroutines)
			l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
				t.Errorf("reported: %s: %v", ec.Message, ec.Err)
			})
			defer func() { // also if main calls t.FailNow
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}()
			if err := r.Run(func(ctx context.Context) error { return main(t, ctx) }); err != nil {
				t.Error(err)
			}
		})
	}
}

// LOOP-103, LOOP-140, PROTO-003
func TestStreamTransportEcho(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv, err := aio.CreateServer(ctx, func() *ioEcho { return &ioEcho{} }, "localhost:0", nil)
		if err != nil {
			return err
		}
		tr, p, err := aio.CreateConnection(ctx, func() *ioClient {
			return &ioClient{lost: aio.CreateFuture[error](ctx)}
		}, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		p.log.want(t, "made")
		if got, want := tr.GetExtraInfo("peername").(net.Addr).String(), srv.Addr().String(); got != want {
			t.Errorf("the peer is %s, want %s", got, want)
		}
		if _, err := tr.Write([]byte("hello")); err != nil {
			t.Error(err)
		}
		if err := p.more.Wait(ctx); err != nil {
			return err
		}
		if string(p.got) != "hello" {
			t.Errorf("got %q", p.got)
		}
		tr.Close()
		p.log.want(t, "")
		lost, err := p.lost.Await(ctx)
		if err != nil || lost != nil {
			t.Errorf("ConnectionLost(%v), %v", lost, err)
		}
		p.log.want(t, "lost")
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}
