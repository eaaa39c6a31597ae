package aio

// A transport moves bytes and does not interpret them; a protocol interprets bytes and
// does not know where they come from. A transport calls its protocol on the loop's own
// goroutine, never inside a call that the protocol makes, with two exceptions:
// PauseWriting is called inside the Write that filled the buffer, because it would be
// too late afterwards, and ErrorReceived inside a SendTo that fails at once, as in
// asyncio.

import (
	"net"
	"reflect"
	"slices"
	"sync"
)

// Protocol is the receiver of a transport's callbacks. It is any value that has at
// least one of the methods below; the transport calls those that exist. A method with
// one of these names and other parameters is refused, because it would never be called.
//
// The methods run as callbacks of the loop: they must not block and cannot await, but
// may start tasks with [Loop.Context]. A panic in one of them is reported to the
// exception handler and, except in ConnectionMade, PauseWriting and ResumeWriting,
// closes the connection with that error; pipes, processes and datagram endpoints stay
// open.
//
//	ConnectionMade(t Transport)          // first; see below for other transports
//	DataReceived(p []byte)               // p is valid until the method returns
//	EOFReceived() bool                   // the peer has closed its side; true
//	                                     // keeps the transport open for writing
//	ConnectionLost(err error)            // last; nil after EOF, Close or Abort
//	PauseWriting(), ResumeWriting()      // the write buffer is above its high
//	                                     // mark; at or below its low mark
//
// A protocol with GetBuffer and BufferUpdated is a [BufferedProtocol], which provides
// the memory to read into; it must not have a DataReceived. A datagram protocol has
// these in place of DataReceived and EOFReceived:
//
//	DatagramReceived(p []byte, addr net.Addr)  // p as above; addr stays valid
//	                                           // and must not be changed
//	ErrorReceived(err error)             // of one datagram; the endpoint stays open
//
// A process protocol has these, and PauseWriting and ResumeWriting apply to the
// process's standard input:
//
//	PipeDataReceived(fd int, p []byte)     // output of the process; p as above
//	PipeConnectionLost(fd int, err error)  // a pipe was closed
//	ProcessExited()                        // GetReturncode has the exit status
//
// ConnectionMade takes the type of transport that is connected, or an interface that it
// implements: [Transport] for connections, [DatagramTransport], [ReadTransport] and
// [WriteTransport] for pipes, [SubprocessTransport], [BaseTransport] for any.
//
// The order is ConnectionMade once, then any number of DataReceived, at most one
// EOFReceived, and ConnectionLost once; [SubprocessExec] gives the order for a process.
// A method that is missing behaves as the empty one in asyncio's base classes: without
// EOFReceived the transport closes at EOF.
//
// (asyncio: BaseProtocol, Protocol, BufferedProtocol, DatagramProtocol,
// SubprocessProtocol)
type Protocol any

// BufferedProtocol is a protocol that provides the memory to read into, so that bytes
// go from the kernel directly to their destination. (asyncio: BufferedProtocol)
type BufferedProtocol interface {
	// GetBuffer returns the memory for the next read. hint is the expected number
	// of bytes, or -1 if it is unknown; any size except zero is allowed.
	GetBuffer(hint int) []byte
	// BufferUpdated is called when the first n bytes of the buffer returned by
	// GetBuffer were filled. n is at least 1. A call of GetBuffer need not be
	// followed by a call of BufferUpdated: there may have been no data to read.
	BufferUpdated(n int)
}

// ConnectionMaker and the interfaces below it are the callbacks of a [Protocol], one
// each; ConnectionMaker is for transports of type T. The compiler does not notice a
// misspelt callback, because a protocol may leave any of them out. A line like this
// makes it an error:
//
//	var _ aio.DataReceiver = (*myProtocol)(nil)
type ConnectionMaker[T BaseTransport] interface {
	// ConnectionMade is the first call.
	ConnectionMade(t T)
}

// DataReceiver is a [Protocol] with this method; see [ConnectionMaker].
type DataReceiver interface {
	// DataReceived gets the bytes that have arrived.
	DataReceived(p []byte)
}

// EOFReceiver is a [Protocol] with this method; see [ConnectionMaker].
type EOFReceiver interface {
	// EOFReceived is called when the peer has closed its side for writing.
	EOFReceived() bool
}

// LossReceiver is a [Protocol] with this method; see [ConnectionMaker].
type LossReceiver interface {
	// ConnectionLost is the last call.
	ConnectionLost(err error)
}

// WritingPauser is a [Protocol] with this method; see [ConnectionMaker].
type WritingPauser interface {
	// PauseWriting is called when the write buffer is above its high mark.
	PauseWriting()
}

// WritingResumer is a [Protocol] with this method; see [ConnectionMaker].
type WritingResumer interface {
	// ResumeWriting is called when the write buffer is at or below its low mark
	// again.
	ResumeWriting()
}

// DatagramReceiver is a [Protocol] with this method; see [ConnectionMaker].
type DatagramReceiver interface {
	// DatagramReceived gets a datagram and its sender.
	DatagramReceived(p []byte, addr net.Addr)
}

// ErrorReceiver is a [Protocol] with this method; see [ConnectionMaker].
type ErrorReceiver interface {
	// ErrorReceived gets the error of one datagram.
	ErrorReceived(err error)
}

// PipeDataReceiver is a [Protocol] with this method; see [ConnectionMaker].
type PipeDataReceiver interface {
	// PipeDataReceived gets output of the process.
	PipeDataReceived(fd int, p []byte)
}

// PipeLossReceiver is a [Protocol] with this method; see [ConnectionMaker].
type PipeLossReceiver interface {
	// PipeConnectionLost is called when a pipe of the process was closed.
	PipeConnectionLost(fd int, err error)
}

// ExitReceiver is a [Protocol] with this method; see [ConnectionMaker].
type ExitReceiver interface {
	// ProcessExited is called when the process has exited.
	ProcessExited()
}

// connectionMade calls ConnectionMade of p, if there is one.
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
	case interface{ ConnectionMade(SubprocessTransport) }:
		p.ConnectionMade(t.(SubprocessTransport))
	case interface{ ConnectionMade(BaseTransport) }:
		p.ConnectionMade(t)
	}
}

// protocolKey is a type of protocol with a type of transport.
type protocolKey struct{ protocol, transport reflect.Type }

// protocolErrors has the result of checkProtocol for each pair that was seen, nil if
// the pair is valid: programs have few pairs, and many connections of each.
var protocolErrors sync.Map

// checkProtocol returns an error if p cannot be the protocol of a transport of type T.
func checkProtocol[T BaseTransport](p Protocol) error { return checkProtocolType[T](reflect.TypeOf(p)) }

// checkFactory returns an error if there is no function that makes a protocol.
func checkFactory[P any](call string, factory func() P) error {
	if factory == nil {
		return usagef(call, "the factory is nil")
	}
	return nil
}

// checkProtocolType is like checkProtocol, for all values of a type, which is nil for a
// nil interface.
func checkProtocolType[T BaseTransport](t reflect.Type) error {
	key := protocolKey{t, reflect.TypeFor[T]()}
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
		return usagef("", "the protocol is nil")
	}
	found := map[string]bool{}
	for _, c := range k.callbacks() {
		found[c.method.Name] = true
		if got := withoutReceiver(c.method.Type); !slices.Contains(c.want, got) {
			return usagef("", "protocol %v: %s must be a %v, not a %v", k.protocol, c.method.Name, c.want[0], got)
		}
	}
	if near, name := k.misspelt(); near != "" && !found[name] {
		return usagef("", "protocol %v has a method %s, which is never called: did you mean %s?", k.protocol, near, name)
	}
	switch buffered := found["GetBuffer"]; {
	case buffered != found["BufferUpdated"]:
		return usagef("", "protocol %v: a BufferedProtocol needs both GetBuffer and BufferUpdated", k.protocol)
	case buffered && found["DataReceived"]:
		return usagef("", "protocol %v: a BufferedProtocol has no use for DataReceived: leave that out, or GetBuffer and BufferUpdated", k.protocol)
	case len(found) == 0:
		return usagef("", "protocol %v has none of the methods of a Protocol (are they methods of its pointer?)", k.protocol)
	}
	return nil
}

// callback is a method of a protocol with the name of a callback.
type callback struct {
	method reflect.Method
	want   []reflect.Type // the allowed types, the usual one first
}

// callbacks returns the callbacks that the protocol has. The names are constants in the
// code, because then the linker knows which methods are looked up: with a name in a
// variable it keeps every exported method of the program, which makes the binary two
// fifths larger.
func (k protocolKey) callbacks() (found []callback) {
	take := func(want ...reflect.Type) func(reflect.Method, bool) {
		return func(m reflect.Method, ok bool) {
			if ok {
				found = append(found, callback{m, want})
			}
		}
	}
	var made []reflect.Type
	for _, t := range []reflect.Type{
		reflect.TypeFor[Transport](), reflect.TypeFor[DatagramTransport](), reflect.TypeFor[WriteTransport](),
		reflect.TypeFor[ReadTransport](), reflect.TypeFor[SubprocessTransport](), reflect.TypeFor[BaseTransport](),
	} {
		if k.transport.Implements(t) {
			made = append(made, reflect.FuncOf([]reflect.Type{t}, nil, false))
		}
	}
	p := k.protocol
	take(made...)(p.MethodByName("ConnectionMade"))
	take(reflect.TypeFor[func([]byte)]())(p.MethodByName("DataReceived"))
	take(reflect.TypeFor[func() bool]())(p.MethodByName("EOFReceived"))
	take(reflect.TypeFor[func(error)]())(p.MethodByName("ConnectionLost"))
	take(reflect.TypeFor[func()]())(p.MethodByName("PauseWriting"))
	take(reflect.TypeFor[func()]())(p.MethodByName("ResumeWriting"))
	take(reflect.TypeFor[func(int) []byte]())(p.MethodByName("GetBuffer"))
	take(reflect.TypeFor[func(int)]())(p.MethodByName("BufferUpdated"))
	take(reflect.TypeFor[func([]byte, net.Addr)]())(p.MethodByName("DatagramReceived"))
	take(reflect.TypeFor[func(error)]())(p.MethodByName("ErrorReceived"))
	take(reflect.TypeFor[func(int, []byte)]())(p.MethodByName("PipeDataReceived"))
	take(reflect.TypeFor[func(int, error)]())(p.MethodByName("PipeConnectionLost"))
	take(reflect.TypeFor[func()]())(p.MethodByName("ProcessExited"))
	return found
}

// misspelt returns a method of the protocol whose name is similar to a callback's, and
// that name. The names are constants here too, see callbacks.
func (k protocolKey) misspelt() (near, name string) {
	try := func(m reflect.Method, ok bool) func(string) {
		return func(want string) {
			if ok {
				near, name = m.Name, want
			}
		}
	}
	p := k.protocol
	try(p.MethodByName("ConnectionMake"))("ConnectionMade")
	try(p.MethodByName("OnConnectionMade"))("ConnectionMade")
	try(p.MethodByName("DataRecieved"))("DataReceived")
	try(p.MethodByName("DataReceive"))("DataReceived")
	try(p.MethodByName("DataRecived"))("DataReceived")
	try(p.MethodByName("OnDataReceived"))("DataReceived")
	try(p.MethodByName("EofReceived"))("EOFReceived")
	try(p.MethodByName("EOFRecieved"))("EOFReceived")
	try(p.MethodByName("EofRecieved"))("EOFReceived")
	try(p.MethodByName("ConnectionLoss"))("ConnectionLost")
	try(p.MethodByName("ConnectionClosed"))("ConnectionLost")
	try(p.MethodByName("OnConnectionLost"))("ConnectionLost")
	try(p.MethodByName("PauseWrite"))("PauseWriting")
	try(p.MethodByName("ResumeWrite"))("ResumeWriting")
	try(p.MethodByName("BufferUpdate"))("BufferUpdated")
	try(p.MethodByName("DatagramRecieved"))("DatagramReceived")
	try(p.MethodByName("DatagramReceive"))("DatagramReceived")
	try(p.MethodByName("ErrorRecieved"))("ErrorReceived")
	try(p.MethodByName("PipeDataRecieved"))("PipeDataReceived")
	try(p.MethodByName("PipeConnectionLoss"))("PipeConnectionLost")
	try(p.MethodByName("ProcessExit"))("ProcessExited")
	return near, name
}

// withoutReceiver returns the type of a method as a function type.
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

// receiver is the part of a protocol that receives data.
type receiver struct {
	data DataReceiver // the protocol, if it is a DataReceiver; otherwise nil
	// the protocol, if it is a BufferedProtocol; otherwise nil
	buffered BufferedProtocol
}

func newReceiver(p Protocol) (r receiver) {
	r.data, _ = p.(DataReceiver)
	r.buffered, _ = p.(BufferedProtocol)
	return r
}

// memory returns the memory for the next read: the protocol's, or that of l.
func (r receiver) memory(l *Loop) (buf []byte, err error) {
	if r.buffered == nil {
		return l.readBuffer(), nil
	}
	return r.ownMemory()
}

// ownMemory is memory for a BufferedProtocol.
func (r receiver) ownMemory() (buf []byte, err error) {
	defer recovered(&err)
	if buf = r.buffered.GetBuffer(-1); len(buf) == 0 {
		return nil, usagef("", "protocol %T: GetBuffer returned an empty buffer", r.buffered)
	}
	return buf, nil
}

// receive passes the n bytes that were read into buf to the protocol.
func (r receiver) receive(buf []byte, n int) {
	switch {
	case r.buffered != nil:
		r.buffered.BufferUpdated(n)
	case r.data != nil:
		r.data.DataReceived(buf[:n:n])
	}
}

// what returns the name of the callback that receive calls.
func (r receiver) what() string {
	if r.buffered != nil {
		return "protocol.BufferUpdated()"
	}
	return "protocol.DataReceived()"
}

// deliver is receive, but returns a panic of the protocol as an error.
func (r receiver) deliver(buf []byte, n int) (err error) {
	defer recovered(&err)
	r.receive(buf, n)
	return nil
}
