package aio

// A transport moves bytes and knows nothing of what they mean; a protocol gives them
// meaning and knows nothing of where they come from. A transport calls its protocol, on
// the loop's own goroutine, never from inside a call that the protocol makes, with two
// exceptions: PauseWriting comes from inside the Write that filled the buffer, as it
// would be too late afterwards, and ErrorReceived from inside the SendTo that fails at
// once, as in asyncio.

import (
	"net"
	"reflect"
	"slices"
	"sync"
)

// Protocol is what a transport calls. It is any value that has at least one of the
// methods below, and only those it has are called; one of these names with other
// parameters is refused, as it would never be called. They run as callbacks of the loop:
// they must not block and cannot await, but may start tasks with Loop.Context. A panic in
// one of them is reported to the exception handler and, except in ConnectionMade,
// PauseWriting and ResumeWriting, ends the connection with that error; a pipe, process or
// endpoint of datagrams goes on.
//
//	ConnectionMade(t Transport)        // the first call; see below for other transports
//	DataReceived(p []byte)             // p is valid until the method returns
//	EOFReceived() bool                 // the peer will send no more; true keeps the transport open for writing
//	ConnectionLost(err error)          // the last call; nil after a regular end, Close or Abort
//	PauseWriting(), ResumeWriting()    // the write buffer is above its high mark; is at the low one again
//
// A protocol with GetBuffer and BufferUpdated is a BufferedProtocol, which brings the
// memory to read into; it must not have a DataReceived. A protocol of datagrams has these
// in place of the middle two:
//
//	DatagramReceived(p []byte, addr net.Addr) // p as above; addr stays valid and must not be changed
//	ErrorReceived(err error)           // of one datagram; the endpoint stays open
//
// One of a process has these, and PauseWriting and ResumeWriting are for its standard
// input:
//
//	PipeDataReceived(fd int, p []byte)     // the process wrote this; p is valid until the method returns
//	PipeConnectionLost(fd int, err error)  // a pipe is at its end
//	ProcessExited()                        // and SubprocessTransport.GetReturncode knows how
//
// ConnectionMade takes the type of transport that is to be connected, or an interface
// that this implements: Transport for connections, DatagramTransport, ReadTransport and
// WriteTransport for pipes, SubprocessTransport, BaseTransport for any.
//
// The order is ConnectionMade once, then any number of DataReceived, at most one
// EOFReceived, and ConnectionLost once; for a process see SubprocessExec. A method that
// is missing behaves as an empty one in asyncio's base classes: without EOFReceived the
// transport closes at the end of input. (asyncio: BaseProtocol, Protocol,
// BufferedProtocol, DatagramProtocol, SubprocessProtocol)
type Protocol any

// BufferedProtocol is a protocol that says where to read to, so that bytes come from the
// kernel straight to their place. (asyncio: BufferedProtocol)
type BufferedProtocol interface {
	// GetBuffer returns the memory for the next read. hint is the number of bytes to
	// come, or -1 if that is not known; any size but zero will do.
	GetBuffer(hint int) []byte
	// BufferUpdated tells that the first n bytes of that memory were filled. n is at
	// least 1. Not each GetBuffer is followed by one: there may have been nothing to
	// read.
	BufferUpdated(n int)
}

// ConnectionMaker and the interfaces below it are what transports look for in a
// [Protocol], one for each callback; ConnectionMaker is for transports of type T. A
// misspelt method is no error of the compiler, as a protocol may leave out any of them.
// With a line like this one it is:
//
//	var _ aio.DataReceiver = (*myProtocol)(nil)
type ConnectionMaker[T BaseTransport] interface {
	// ConnectionMade is the first call.
	ConnectionMade(t T)
}

// DataReceiver is a [Protocol] with this method; see [ConnectionMaker].
type DataReceiver interface {
	// DataReceived is told what has arrived.
	DataReceived(p []byte)
}

// EOFReceiver is a [Protocol] with this method; see [ConnectionMaker].
type EOFReceiver interface {
	// EOFReceived is told that the peer will send no more.
	EOFReceived() bool
}

// LossReceiver is a [Protocol] with this method; see [ConnectionMaker].
type LossReceiver interface {
	// ConnectionLost is the last call.
	ConnectionLost(err error)
}

// WritingPauser is a [Protocol] with this method; see [ConnectionMaker].
type WritingPauser interface {
	// PauseWriting is told that the write buffer is above its high mark.
	PauseWriting()
}

// WritingResumer is a [Protocol] with this method; see [ConnectionMaker].
type WritingResumer interface {
	// ResumeWriting is told that it is at its low mark again.
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
	// PipeDataReceived is told what a process has written.
	PipeDataReceived(fd int, p []byte)
}

// PipeLossReceiver is a [Protocol] with this method; see [ConnectionMaker].
type PipeLossReceiver interface {
	// PipeConnectionLost is told that a pipe of a process has ended.
	PipeConnectionLost(fd int, err error)
}

// ExitReceiver is a [Protocol] with this method; see [ConnectionMaker].
type ExitReceiver interface {
	// ProcessExited is told that a process has ended.
	ProcessExited()
}

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
	case interface{ ConnectionMade(SubprocessTransport) }:
		p.ConnectionMade(t.(SubprocessTransport))
	case interface{ ConnectionMade(BaseTransport) }:
		p.ConnectionMade(t)
	}
}

// protocolKey is a kind of protocol with a kind of transport.
type protocolKey struct{ protocol, transport reflect.Type }

// protocolErrors has the outcome of checkProtocol for each pair that was seen, nil if it
// is fine: programs have few of them, and many connections of each.
var protocolErrors sync.Map

// checkProtocol says what is wrong with p as the protocol of a transport of type T.
func checkProtocol[T BaseTransport](p Protocol) error { return checkProtocolType[T](reflect.TypeOf(p)) }

// checkProtocolType is checkProtocol for all values of a type, which is nil for a nil
// interface.
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
		return usagef("", "protocol %v has a method %s, which is never called: is it to be %s?", k.protocol, near, name)
	}
	switch buffered := found["GetBuffer"]; {
	case buffered != found["BufferUpdated"]:
		return usagef("", "protocol %v: a BufferedProtocol needs both GetBuffer and BufferUpdated", k.protocol)
	case buffered && found["DataReceived"]:
		return usagef("", "protocol %v: a BufferedProtocol has no use for DataReceived: leave that out, or GetBuffer and BufferUpdated", k.protocol)
	case len(found) == 0:
		return usagef("", "protocol %v has none of the methods of a Protocol (are they those of its pointer?)", k.protocol)
	}
	return nil
}

// callback is a method of a protocol that has the name of one that transports call.
type callback struct {
	method reflect.Method
	want   []reflect.Type // that it may have, the usual one first
}

// callbacks returns what callbacks the protocol has. Their names are written out as
// constants because then the linker knows what is looked for: with a name in a variable
// it keeps every exported method of the program, which makes that bigger by two fifths.
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

// misspelt returns a method of the protocol whose name is nearly one of those that are
// called, and that name. The names are constants here as well, see callbacks.
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

// receiver is a protocol as far as it is given what was read.
type receiver struct {
	data     DataReceiver     // the protocol, if it is one
	buffered BufferedProtocol // the protocol, if it is one
}

func newReceiver(p Protocol) (r receiver) {
	r.data, _ = p.(DataReceiver)
	r.buffered, _ = p.(BufferedProtocol)
	return r
}

// memory returns the memory for the next read: the protocol's own, or that of l.
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

// receive hands the n bytes that were read into buf to the protocol.
func (r receiver) receive(buf []byte, n int) {
	switch {
	case r.buffered != nil:
		r.buffered.BufferUpdated(n)
	case r.data != nil:
		r.data.DataReceived(buf[:n:n])
	}
}

// what names the callback that receive calls.
func (r receiver) what() string {
	if r.buffered != nil {
		return "protocol.BufferUpdated()"
	}
	return "protocol.DataReceived()"
}

// deliver is receive with the protocol's panic as an error.
func (r receiver) deliver(buf []byte, n int) (err error) {
	defer recovered(&err)
	r.receive(buf, n)
	return nil
}
