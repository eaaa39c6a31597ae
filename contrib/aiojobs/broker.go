package aiojobs

// The protocol of client and worker sees the engine only through these types. The
// methods that take a ctx await, and may be called by any task of the client's loop; the
// others return at once. One attempt is one message: repeating is up to the protocol.

import (
	"context"
	"errors"
	"time"
)

var (
	// errUnavailable says that the broker did not answer. Whether the request has
	// taken effect is unknown.
	errUnavailable = errors.New("aiojobs: the server does not answer")
	// errFull says that the work stream has no room.
	errFull = errors.New("aiojobs: the stream is full")
)

// message is a job on its way to a worker.
type message struct {
	// id of the job; "" if the broker makes it from the sequence number
	id       string
	name     string
	queue    string
	priority Priority
	args     []byte
	dedup    string // id of the message
	schedule string // in the syntax of the server; "" means at once
	slot     string // last part of the subject of a scheduled message
}

// delivery is a message that was delivered to this worker.
type delivery struct {
	message
	attempt int    // 1 for the first delivery
	token   string // identifies the delivery for the broker
	order   uint64 // increases with each arrival
}

// outcome is the content of a result.
type outcome struct {
	status   string // one of the constants
	data     []byte // JSON, or the text of the error
	attempts int
	ttl      time.Duration // 0 means the default of the stream
}

const (
	statusOK        = "ok"
	statusFailed    = "failed"
	statusCancelled = "cancelled"
)

// events are the callbacks of a broker. The broker calls them on the goroutine of the
// loop.
type events interface {
	delivered(d *delivery)
	settled(id string, o *outcome)
	progressed(id string, data []byte)
	cancelRequested(id string)
	// requestEnded says that a request has ended, with or without messages.
	requestEnded(queue string)
	// reconnected says that events may have been lost.
	reconnected()
}

// broker is a JetStream server, or a simulated one.
type broker interface {
	// publish stores a job; it changes nothing if a job with the same dedup is
	// stored.
	publish(ctx context.Context, m *message) error
	// result returns the result of a job, or nil if there is none.
	result(ctx context.Context, id string) (*outcome, error)
	// settle stores a result, and reports whether it is the first one.
	settle(ctx context.Context, id string, o *outcome) (first bool, err error)
	// bury stores a dead letter.
	bury(ctx context.Context, d *delivery, reason string) error

	// schedule makes a periodic job, or changes it; unschedule reports whether there
	// was one.
	schedule(ctx context.Context, name string, m *message) error
	unschedule(ctx context.Context, name string) (bool, error)
	// dead returns the first dead letter after the one with that number, or nil.
	// forget removes a result.
	dead(ctx context.Context, after uint64) (*DeadLetter, error)
	removeDead(ctx context.Context, sequence uint64) (bool, error)
	forget(ctx context.Context, id string) error

	// subscribe makes the broker report deliveries of a queue; request asks for up
	// to n messages of each priority for which no earlier request is outstanding.
	subscribe(ctx context.Context, queue string, ackWait time.Duration) error
	request(queue string, n int)
	unsubscribe(queue string)

	ack(d *delivery)
	refuse(d *delivery, after time.Duration)
	working(d *delivery)

	// watch makes the broker report the result and the progress of a job that
	// another client has submitted.
	watch(id string)
	unwatch(id string)
	progress(id string, data []byte)
	requestCancel(id string)
}
