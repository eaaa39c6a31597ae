package aio_test

// Two transports communicate while a random number generator pauses them, replaces
// their protocols, writes, half-closes and aborts. Every byte must arrive in order, and
// each end must get EOFReceived and ConnectionLost exactly once.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// randPattern is the data that each end sends, from its beginning.
var randPattern = func() []byte {
	p := make([]byte, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}()

// randEnd is one end of a connection. randPlain and randBuffered make it a protocol.
type randEnd struct {
	name    string
	rng     *rand.Rand
	t       aio.Transport
	peer    *randEnd
	halves  bool // WriteEOF is supported
	total   int  // number of bytes to send
	sent    int
	got     int
	buf     []byte
	stop    bool // PauseWriting was called
	eof     bool
	eofSent bool
	aborted bool
	lost    int
	problem error
}

type (
	randPlain    struct{ *randEnd }
	randBuffered struct{ *randEnd }
)

func (p *randEnd) fail(format string, args ...any) {
	if p.problem == nil {
		p.problem = fmt.Errorf(p.name+": "+format, args...)
	}
}

func (p *randEnd) ConnectionMade(t aio.Transport) {
	p.t = t
	t.SetWriteBufferLimits(p.rng.IntN(100000), aio.DefaultLimit)
}

func (p randPlain) DataReceived(b []byte) { p.received(b) }

func (p randBuffered) GetBuffer(int) []byte {
	if p.rng.IntN(10) == 0 {
		p.act()
	}
	p.buf = make([]byte, 1+p.rng.IntN(1<<p.rng.IntN(18)))
	return p.buf
}

func (p randBuffered) BufferUpdated(n int) { p.received(p.buf[:n]) }

func (p *randEnd) received(b []byte) {
	switch {
	case len(b) == 0:
		p.fail("no data was received")
	case p.eof || p.lost > 0:
		p.fail("%d bytes after EOF", len(b))
	case p.got+len(b) > p.peer.sent || !slices.Equal(b, randPattern[p.got:p.got+len(b)]):
		p.fail("%d bytes differ from those expected after the first %d, of %d", len(b), p.got, p.peer.sent)
	}
	p.got += len(b)
	if p.rng.IntN(3) == 0 {
		p.act()
	}
	p.maybeEnd()
}

func (p *randEnd) EOFReceived() bool {
	if p.eof || p.lost > 0 {
		p.fail("another EOF")
	}
	p.eof = true
	p.maybeEnd()
	return p.halves && !p.eofSent
}

func (p *randEnd) ConnectionLost(err error) {
	p.lost++
	switch {
	case p.lost > 1:
		p.fail("ConnectionLost was called again")
	case err != nil && !p.aborted && !p.peer.aborted:
		p.fail("ConnectionLost(%v)", err)
	}
	if !p.eofSent { // otherwise a write is misuse
		if _, err := p.t.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			p.fail("Write in ConnectionLost: %v", err)
		}
	}
}

func (p *randEnd) PauseWriting() {
	if p.stop {
		p.fail("PauseWriting was called twice")
	}
	p.stop = true
}

func (p *randEnd) ResumeWriting() {
	if !p.stop {
		p.fail("ResumeWriting was called twice")
	}
	p.stop = false
	p.write()
}

// act does something that is allowed at any time.
func (p *randEnd) act() {
	switch p.rng.IntN(8) {
	case 0, 1:
		p.t.PauseReading()
	case 2, 3:
		p.t.ResumeReading()
	case 4:
		p.t.SetProtocol(randPlain{p})
	case 5:
		p.t.SetProtocol(randBuffered{p})
	default:
		p.write()
	}
}

// write writes some more data. If writing is paused it usually does nothing.
func (p *randEnd) write() {
	if p.eofSent || p.t.IsClosing() || p.stop && p.rng.IntN(20) > 0 {
		return
	}
	n := min(p.total-p.sent, p.rng.IntN(1<<p.rng.IntN(18)))
	b := slices.Clone(randPattern[p.sent : p.sent+n])
	p.sent += n
	var err error
	if k := p.rng.IntN(n + 1); p.rng.IntN(2) == 0 {
		_, err = p.t.Write(b)
	} else {
		err = p.t.Writelines([][]byte{b[:k], b[k:]})
	}
	clear(b) // the data was copied
	if err != nil && !p.aborted && !p.peer.aborted {
		p.fail("Write: %v", err)
	}
	p.maybeEnd()
}

// maybeEnd closes the connection or its writing side when everything has been sent.
// Without WriteEOF, Close is used.
func (p *randEnd) maybeEnd() {
	if p.t.IsClosing() || p.sent < p.total {
		return
	}
	switch {
	case !p.halves:
		if p.got == p.peer.total {
			p.t.Close()
		}
	case !p.eofSent:
		p.eofSent = true
		p.t.WriteEOF()
	case p.eof:
		p.t.Close()
	}
}

// randTalk lets the two ends of a connection communicate until both are lost.
func randTalk(t *testing.T, ctx context.Context, seed uint64, pair func(t *testing.T) (a, b net.Conn)) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	a, b := &randEnd{name: "a", rng: rng}, &randEnd{name: "b", rng: rng}
	a.peer, b.peer = b, a
	left, right := pair(t)
	for end, conn := range map[*randEnd]net.Conn{a: left, b: right} {
		end.total = rng.IntN(1 << rng.IntN(21))
		tr, _, err := aio.ConnectAcceptedSocket(ctx, func() randPlain { return randPlain{end} }, conn, nil)
		if err != nil {
			t.Fatal(err)
		}
		end.halves = tr.CanWriteEOF()
	}
	abort := rng.IntN(5) == 0
	for turn := 0; a.lost == 0 || b.lost == 0; turn++ {
		end := []*randEnd{a, b}[rng.IntN(2)]
		if end.lost == 0 {
			end.act()
			end.maybeEnd()
		}
		if turn > 2000 { // send the rest in one piece
			for _, end := range []*randEnd{a, b} {
				end.t.ResumeReading()
				end.write()
			}
		}
		if abort && rng.IntN(100) == 0 {
			end.aborted = true
			end.t.Abort()
		}
		d := time.Duration(0)
		if rng.IntN(20) == 0 || turn > 2000 {
			d = time.Duration(rng.IntN(200)) * time.Microsecond
		}
		if err := aio.Sleep(ctx, d); err != nil {
			t.Fatal(err)
		}
		if turn > 100000 || a.problem != nil || b.problem != nil {
			break
		}
	}
	aborted := a.aborted || b.aborted
	for _, end := range []*randEnd{a, b} {
		switch {
		case end.problem != nil:
			t.Errorf("seed %d: %v", seed, end.problem)
		case end.lost != 1:
			t.Errorf("seed %d: %s: ConnectionLost was called %d times; sent %d of %d, got %d of %d, eof %v",
				seed, end.name, end.lost, end.sent, end.total, end.got, end.peer.total, end.eof)
		case aborted:
		case end.got != end.peer.total:
			t.Errorf("seed %d: %s: got %d bytes of %d", seed, end.name, end.got, end.peer.total)
		case end.halves && !end.eof:
			t.Errorf("seed %d: %s: no EOF", seed, end.name)
		}
		end.t.Abort()
	}
}

func TestTransportsRandom(t *testing.T) {
	seeds := stage.Amount[uint64](20, 20, 1000)
	pairs := map[string]func(t *testing.T) (a, b net.Conn){
		"pipe": func(*testing.T) (a, b net.Conn) { return net.Pipe() },
		"tcp":  randTCP,
	}
	for name, pair := range randMorePairs {
		pairs[name] = pair
	}
	for name, pair := range pairs {
		t.Run(name, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				for seed := range seeds {
					randTalk(t, ctx, seed, pair)
				}
				return nil
			})
		})
	}
}

// randMorePairs are pairs that not all systems support.
var randMorePairs = map[string]func(t *testing.T) (a, b net.Conn){}

// randTCP returns the two ends of a TCP connection.
func randTCP(t *testing.T) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if a, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}
