package aio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/goaio/aio"
)

// Protocols with one invalid callback each.
type (
	protoMade0          struct{}
	protoMadeTwo        struct{}
	protoMadeInt        struct{}
	protoMadeResult     struct{}
	protoMadeDatagram   struct{}
	protoDataString     struct{}
	protoDataResult     struct{}
	protoDataVariadic   struct{}
	protoEOFNoResult    struct{}
	protoEOFArgument    struct{}
	protoLostNoArgument struct{}
	protoLostString     struct{}
	protoPauseArgument  struct{}
	protoResumeResult   struct{}
	protoGetBufferNoArg struct{}
	protoGetBufferError struct{}
	protoUpdatedSlice   struct{}
	protoDatagramNoAddr struct{}
	protoErrorNoArg     struct{}
	protoGetBufferOnly  struct{}
	protoUpdatedOnly    struct{}
	protoBoth           struct{}
	protoNothing        struct{}
	protoByPointer      struct{}
)

func (protoMade0) ConnectionMade()                             {}
func (protoMadeTwo) ConnectionMade(aio.Transport, error)       {}
func (protoMadeInt) ConnectionMade(int)                        {}
func (protoMadeResult) ConnectionMade(aio.Transport) error     { return nil }
func (protoMadeDatagram) ConnectionMade(aio.DatagramTransport) {}
func (protoDataString) DataReceived(string)                    {}
func (protoDataResult) DataReceived([]byte) error              { return nil }
func (protoDataVariadic) DataReceived(...byte)                 {}
func (protoEOFNoResult) EOFReceived()                          {}
func (protoEOFArgument) EOFReceived(int) bool                  { return false }
func (protoLostNoArgument) ConnectionLost()                    {}
func (protoLostString) ConnectionLost(string)                  {}
func (protoPauseArgument) PauseWriting(int)                    {}
func (protoResumeResult) ResumeWriting() error                 { return nil }
func (protoGetBufferNoArg) GetBuffer() []byte                  { return nil }
func (protoGetBufferNoArg) BufferUpdated(int)                  {}
func (protoGetBufferError) GetBuffer(int) ([]byte, error)      { return nil, nil }
func (protoGetBufferError) BufferUpdated(int)                  {}
func (protoUpdatedSlice) GetBuffer(int) []byte                 { return nil }
func (protoUpdatedSlice) BufferUpdated([]byte)                 {}
func (protoDatagramNoAddr) DatagramReceived([]byte)            {}
func (protoErrorNoArg) ErrorReceived()                         {}
func (protoGetBufferOnly) GetBuffer(int) []byte                { return nil }
func (protoUpdatedOnly) BufferUpdated(int)                     {}
func (protoBoth) DataReceived([]byte)                          {}
func (protoBoth) GetBuffer(int) []byte                         { return nil }
func (protoBoth) BufferUpdated(int)                            {}
func (protoNothing) Hello([]byte)                              {}
func (*protoByPointer) DataReceived([]byte)                    {}
func (*protoByPointer) ConnectionMade(aio.Transport)           {}

// All functions that take a protocol refuse a value that is not one, and the error
// describes the reason.
func TestProtocolRefused(t *testing.T) {
	for _, c := range []struct {
		p    aio.Protocol
		want string
	}{
		{nil, "the protocol is nil"},
		{1, "protocol int has none of the methods of a Protocol"},
		{protoNothing{}, "protocol aio_test.protoNothing has none of the methods of a Protocol"},
		{protoByPointer{}, "are they methods of its pointer?"},
		{protoMade0{}, "protocol aio_test.protoMade0: ConnectionMade must be a func(aio.Transport), not a func()"},
		{protoMadeTwo{}, "ConnectionMade must be a func(aio.Transport), not a func(aio.Transport, error)"},
		{protoMadeInt{}, "ConnectionMade must be a func(aio.Transport), not a func(int)"},
		{protoMadeResult{}, "ConnectionMade must be a func(aio.Transport), not a func(aio.Transport) error"},
		{protoMadeDatagram{}, "ConnectionMade must be a func(aio.Transport), not a func(aio.DatagramTransport)"},
		{protoDataString{}, "DataReceived must be a func([]uint8), not a func(string)"},
		{protoDataResult{}, "DataReceived must be a func([]uint8), not a func([]uint8) error"},
		{protoDataVariadic{}, "DataReceived must be a func([]uint8), not a func(...uint8)"},
		{protoEOFNoResult{}, "EOFReceived must be a func() bool, not a func()"},
		{protoEOFArgument{}, "EOFReceived must be a func() bool, not a func(int) bool"},
		{protoLostNoArgument{}, "ConnectionLost must be a func(error), not a func()"},
		{protoLostString{}, "ConnectionLost must be a func(error), not a func(string)"},
		{protoPauseArgument{}, "PauseWriting must be a func(), not a func(int)"},
		{protoResumeResult{}, "ResumeWriting must be a func(), not a func() error"},
		{protoGetBufferNoArg{}, "GetBuffer must be a func(int) []uint8, not a func() []uint8"},
		{protoGetBufferError{}, "GetBuffer must be a func(int) []uint8, not a func(int) ([]uint8, error)"},
		{protoUpdatedSlice{}, "BufferUpdated must be a func(int), not a func([]uint8)"},
		{protoDatagramNoAddr{}, "DatagramReceived must be a func([]uint8, net.Addr), not a func([]uint8)"},
		{protoErrorNoArg{}, "ErrorReceived must be a func(error), not a func()"},
		{protoGetBufferOnly{}, "a BufferedProtocol needs both GetBuffer and BufferUpdated"},
		{protoUpdatedOnly{}, "a BufferedProtocol needs both GetBuffer and BufferUpdated"},
		{protoBoth{}, "a BufferedProtocol has no use for DataReceived"},
	} {
		check := func(call string, err error) {
			t.Helper()
			if !errors.Is(err, aio.ErrUsage) || !strings.HasPrefix(err.Error(), "aio: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s with a %T: %v, want one that says %q", call, c.p, err, c.want)
			}
		}
		scripted(t, func(s *ioCase) {
			_, _, err := aio.ConnectAcceptedSocket(s.ctx, func() aio.Protocol { return c.p }, net.Conn(newConnFake()), nil)
			check("ConnectAcceptedSocket", err)
			for range 2 { // the result of the first check is cached
				check("SetProtocol", panics(func() { s.t.SetProtocol(c.p) }))
			}
			s.want("", "a protocol that was refused changes nothing")
		})
	}
}

// Valid protocols.
type (
	protoAnyTransport   struct{ t aio.BaseTransport }
	protoReadTransport  struct{ t aio.ReadTransport }
	protoWriteTransport struct{ t aio.WriteTransport }
	protoLostOnly       struct{ lost int }
	protoValue          struct{ n *int }
	protoAllKinds       struct{ datagrams, data int }
)

func (p *protoAnyTransport) ConnectionMade(t aio.BaseTransport)    { p.t = t }
func (p *protoReadTransport) ConnectionMade(t aio.ReadTransport)   { p.t = t }
func (p *protoWriteTransport) ConnectionMade(t aio.WriteTransport) { p.t = t }
func (p *protoLostOnly) ConnectionLost(error)                      { p.lost++ }
func (p protoValue) DataReceived(b []byte)                         { *p.n += len(b) }
func (p *protoAllKinds) DataReceived([]byte)                       { p.data++ }
func (p *protoAllKinds) DatagramReceived([]byte, net.Addr)         { p.datagrams++ }
func (p *protoAllKinds) ErrorReceived(error)                       { p.datagrams++ }

// PROTO-001: a protocol may have any subset of the methods, and ConnectionMade gets the
// transport as the interface that it declares.
func TestProtocolParts(t *testing.T) {
	anyT, readT, writeT := &protoAnyTransport{}, &protoReadTransport{}, &protoWriteTransport{}
	lost, kinds, n := &protoLostOnly{}, &protoAllKinds{}, 0
	for _, p := range []aio.Protocol{anyT, readT, writeT, lost, kinds, protoValue{&n}, struct{ *protoLostOnly }{lost}} {
		scripted(t, func(s *ioCase) {
			log := new(eventLog)
			stream := &scriptedStream{Note: log.add, In: []any{[]byte("hello"), io.EOF}}
			tr, err := openScripted(s.l, stream, p)
			if err != nil {
				t.Fatal(err)
			}
			stream.Readable()
			s.passes(6)
			log.want(t, "read:5 read:EOF close")
			if tr.GetProtocol() != p {
				t.Errorf("GetProtocol() = %v", tr.GetProtocol())
			}
			for _, made := range []aio.BaseTransport{anyT.t, readT.t, writeT.t} {
				if made != nil && made != aio.BaseTransport(tr) {
					t.Errorf("ConnectionMade(%v)", made)
				}
			}
			anyT.t, readT.t, writeT.t = nil, nil, nil
			*s.log = nil
		})
	}
	if lost.lost != 2 || n != 5 || *kinds != (protoAllKinds{data: 1}) {
		t.Errorf("ConnectionLost was called %d times, DataReceived had %d bytes, other callbacks %+v", lost.lost, n, *kinds)
	}
}

// PROTO-003, PROTO-010, LOOP-223: a BufferedProtocol receives all data in order.
func TestProtocolBufferedOverConnections(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		sent := strings.Repeat("123456789", 1024)
		srv, err := aio.CreateServer(ctx, func() *ioLogger {
			p := newIOLogger()
			p.on = map[string]func(){"made": func() { p.t.Write([]byte(sent)); p.t.Close() }}
			return p
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		lost := aio.CreateFuture[error](ctx)
		_, p, err := aio.CreateConnection(ctx, func() *protoSmallBuffers {
			return &protoSmallBuffers{lost: lost}
		}, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		if err, awaitErr := lost.Await(ctx); err != nil || awaitErr != nil {
			t.Errorf("ConnectionLost(%v), %v", err, awaitErr)
		}
		if string(p.got) != sent {
			t.Errorf("got %d bytes, want %d, in order", len(p.got), len(sent))
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// protoSmallBuffers reads a hundred bytes at a time.
type protoSmallBuffers struct {
	buf  [100]byte
	got  []byte
	lost *aio.Future[error]
}

func (p *protoSmallBuffers) GetBuffer(int) []byte     { return p.buf[:] }
func (p *protoSmallBuffers) BufferUpdated(n int)      { p.got = append(p.got, p.buf[:n]...) }
func (p *protoSmallBuffers) ConnectionLost(err error) { p.lost.SetResult(err) }

// A protocol with a misspelt method name is refused, even if its other methods are
// correct.
type (
	protoMisspelt    struct{}
	protoMisspeltEOF struct{}
	protoMisspeltToo struct{}
)

func (protoMisspelt) ConnectionMade(aio.Transport) {}
func (protoMisspelt) DataRecieved([]byte)          {}
func (protoMisspeltEOF) DataReceived([]byte)       {}
func (protoMisspeltEOF) EofReceived() bool         { return true }

// DataReceived exists, so the other method may be intended
func (protoMisspeltToo) DataReceived([]byte) {}
func (protoMisspeltToo) DataRecieved([]byte) {}

var (
	_ aio.ConnectionMaker[aio.Transport] = protoMisspelt{}
	_ aio.DataReceiver                   = protoMisspeltToo{}
)

func TestProtocolMisspelt(t *testing.T) {
	err := aio.Run(func(ctx context.Context) error {
		for _, c := range []struct {
			p    aio.Protocol
			want string
		}{
			{protoMisspelt{}, "DataRecieved, which is never called: did you mean DataReceived?"},
			{protoMisspeltEOF{}, "EofReceived, which is never called: did you mean EOFReceived?"},
			{protoMisspeltToo{}, ""},
		} {
			a, b := net.Pipe()
			defer b.Close()
			tr, _, err := aio.CreateConnection(ctx, func() aio.Protocol { return c.p }, "", &aio.ConnectionOptions{Conn: a})
			switch {
			case c.want == "" && err != nil:
				t.Errorf("%T: %v", c.p, err)
			case c.want == "":
				tr.Abort()
			case !errors.Is(err, aio.ErrUsage) || !strings.Contains(err.Error(), c.want):
				t.Errorf("%T: %v, want %q", c.p, err, c.want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
