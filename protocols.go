package aio

// A transport moves bytes and knows nothing of what they mean; a protocol gives them meaning and
// knows nothing of where they come from. A transport calls its protocol, on the loop's own
// goroutine, never from inside a call that the protocol makes, with one exception: PauseWriting
// comes from inside the Write that filled the buffer, as it would be too late afterwards.

import (
	"fmt"
	"net"
	"reflect"
	"sync"
)

// Protocol is what a transport calls. It is any value that has at least one of the methods below, and
// only those it has are called; one of these names with other parameters is refused, as it would
// never be called. They run as callbacks of the loop: they must not block and cannot await, but may
// start tasks with Loop.Context. A panic in one of them is reported to the exception handler and,
// except in ConnectionMade, PauseWriting and ResumeWriting, ends the connection with that error.
//
//	ConnectionMade(t Transport)        // the first call; see below for other transports
//	DataReceived(p []byte)             // p is valid until the method returns
//	EOFReceived() bool                 // the peer will send no more; true keeps the transport open for writing
//	ConnectionLost(err error)          // the last call; nil after a regular end, Close or Abort
//	PauseWriting(), ResumeWriting()    // the write buffer is above its high mark; is at the low one again
//
// A protocol with GetBuffer and BufferUpdated is a BufferedProtocol, which brings the memory to read
// into; it has no DataReceived. A protocol of datagrams has these in place of the middle two:
//
//	DatagramReceived(p []byte, addr net.Addr)
//	ErrorReceived(err error)           // of one datagram; the endpoint stays open
//
// ConnectionMade takes the type of transport that is to be connected, or an interface that this
// implements: Transport for connections, DatagramTransport, ReadTransport and WriteTransport for
// pipes, BaseTransport for any.
//
// The order is ConnectionMade once, then any number of DataReceived, at most one EOFReceived, and
// ConnectionLost once. A method that is missing behaves as an empty one in asyncio's base classes:
// without EOFReceived the transport closes at the end of input.
// (asyncio: BaseProtocol, Protocol, BufferedProtocol, DatagramProtocol)
type Protocol any

// BufferedProtocol is a protocol that says where to read to, so that bytes come from the kernel
// straight to their place. (asyncio: BufferedProtocol)
type BufferedProtocol interface {
	// GetBuffer returns the memory for the next read. hint is the number of bytes to come, or -1
	// if that is not known; any size but zero will do.
	GetBuffer(hint int) []byte
	// BufferUpdated tells that the first n bytes of that memory were filled. n is at least 1. Not
	// each GetBuffer is followed by one: there may have been nothing to read.
	BufferUpdated(n int)
}

// What transports look for in a protocol.
type (
	dataReceiver     interface{ DataReceived(p []byte) }
	eofReceiver      interface{ EOFReceived() bool }
	lossReceiver     interface{ ConnectionLost(err error) }
	writingPauser    interface{ PauseWriting() }
	writingResumer   interface{ ResumeWriting() }
	datagramReceiver interface {
		DatagramReceived(p []byte, addr net.Addr)
	}
	errorReceiver interface{ ErrorReceived(err error) }
)

// connectionMade tells p of its transport.
func connectionMade(p Protocol, t BaseTransport) {
	switch p := p.(type) {
	case interface{ ConnectionMade(Transport) }:
		p.ConnectionMade(t.(Transport))
	case interface{ ConnectionMade(DatagramTransport) }:
		p.ConnectionMade(t.(DatagramTransport))
	case interface{ ConnectionMade(WriteTransport) }:
		p.ConnectionMade(t.(WriteTransport))
	case interface{ ConnectionMade(ReadTransport) }:
		p.ConnectionMade(t.(ReadTransport))
	case interface{ ConnectionMade(BaseTransport) }:
		p.ConnectionMade(t)
	}
}

// callbackTypes has the parameters that each callback but ConnectionMade must have.
var callbackTypes = map[string]reflect.Type{
	"DataReceived":     reflect.TypeFor[func([]byte)](),
	"EOFReceived":      reflect.TypeFor[func() bool](),
	"ConnectionLost":   reflect.TypeFor[func(error)](),
	"PauseWriting":     reflect.TypeFor[func()](),
	"ResumeWriting":    reflect.TypeFor[func()](),
	"GetBuffer":        reflect.TypeFor[func(int) []byte](),
	"BufferUpdated":    reflect.TypeFor[func(int)](),
	"DatagramReceived": reflect.TypeFor[func([]byte, net.Addr)](),
	"ErrorReceived":    reflect.TypeFor[func(error)](),
}

// transportTypes are what ConnectionMade may take.
var transportTypes = []reflect.Type{
	reflect.TypeFor[Transport](), reflect.TypeFor[DatagramTransport](), reflect.TypeFor[WriteTransport](),
	reflect.TypeFor[ReadTransport](), reflect.TypeFor[BaseTransport](),
}

// protocolKey is a kind of protocol with a kind of transport.
type protocolKey struct{ protocol, transport reflect.Type }

// protocolErrors has the outcome of checkProtocol for each pair that was seen, nil if it is fine:
// programs have few of them, and many connections of each.
var protocolErrors sync.Map

// checkProtocol says what is wrong with p as the protocol of a transport of type T.
func checkProtocol[T BaseTransport](p Protocol) error {
	key := protocolKey{reflect.TypeOf(p), reflect.TypeFor[T]()}
	if err, ok := protocolErrors.Load(key); ok {
		err, _ := err.(error)
		return err
	}
	err := key.check()
	protocolErrors.Store(key, err)
	return err
}

func (k protocolKey) check() error {
	if k.protocol == nil {
		return &usageError{text: "aio: the protocol is nil"}
	}
	found := false
	for name, want := range callbackTypes {
		m, ok := k.protocol.MethodByName(name)
		if !ok {
			continue
		}
		found = true
		if got := withoutReceiver(m.Type); got != want {
			return &usageError{text: fmt.Sprintf("aio: protocol %v: %s must be a %v, not a %v", k.protocol, name, want, got)}
		}
	}
	if m, ok := k.protocol.MethodByName("ConnectionMade"); ok {
		found = true
		got := withoutReceiver(m.Type)
		fits := false
		for _, t := range transportTypes {
			fits = fits || got.NumIn() == 1 && got.NumOut() == 0 && got.In(0) == t && k.transport.Implements(t)
		}
		if !fits {
			return &usageError{text: fmt.Sprintf("aio: protocol %v: ConnectionMade must be a func(%v), not a %v", k.protocol, k.transport, got)}
		}
	}
	if !found {
		return &usageError{text: fmt.Sprintf("aio: protocol %v has none of the methods of a Protocol (are they those of its pointer?)", k.protocol)}
	}
	return nil
}

// withoutReceiver is the type of a method as that of a function.
func withoutReceiver(m reflect.Type) reflect.Type {
	var in, out []reflect.Type
	for i := 1; i < m.NumIn(); i++ {
		in = append(in, m.In(i))
	}
	for i := range m.NumOut() {
		out = append(out, m.Out(i))
	}
	return reflect.FuncOf(in, out, m.IsVariadic())
}
