package aiojobs

// natsBroker is the broker on NATS. Tasks and callbacks of the loop own its state, except
// for outbox and arrivals, which have mutexes. Calls of the NATS client may block, so a
// goroutine makes them (outbox.run); messages that arrive are passed to the loop in
// batches, by one callback.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/goaio/aio"
)

const (
	headerID       = "Aio-Id"
	headerJob      = "Aio-Job"
	headerStatus   = "Aio-Status"
	headerAttempts = "Aio-Attempts"
	headerReason   = "Aio-Reason"
	headerQueue    = "Aio-Queue"
)

// Error codes of the JetStream API.
const (
	codeWrongLast     = 10071
	codeTooLarge      = 10054
	codeNoStream      = 10059
	codeNoMessage     = 10037
	codeStoreDelete   = 10057 // no such message
	codeStoreFailed   = 10077
	codeInsufficient  = 10023
	codeMemoryLimit   = 10028
	codeStorageLimit  = 10047
	codeWrongLastBusy = 10164 // another message of the subject is not yet committed
)

const (
	pullExpires = 30 * time.Second
	pullPause   = 200 * time.Millisecond // after a request that failed
)

type natsBroker struct {
	loop     *aio.Loop
	events   events
	ns       string
	client   string
	direct   bool // whether a direct read sees everything that was acknowledged
	timeout  time.Duration
	replicas int

	nc    *nats.Conn
	js    jetstream.JetStream
	inbox string // prefix of the subjects of answers
	// pullInbox is the prefix of the subjects of the subscriptions of pulls. The
	// server forgets a request when its subscription is gone.
	pullInbox string

	out      outbox
	arrived  arrivals
	requests map[uint64]*aio.Future[*nats.Msg]
	last     uint64
	pulls    map[string]*pull // by subject
	order    []*pull
	watched  map[string][]*nats.Subscription
}

// outbox has the calls that the loop has made and the goroutine run has not.
type outbox struct {
	mu     sync.Mutex
	wake   sync.Cond
	calls  []call
	closed bool
}

type call struct {
	msg     *nats.Msg
	request uint64 // fails if msg cannot be sent
	do      func() // called instead of sending msg
}

func (o *outbox) add(c call) {
	o.mu.Lock()
	o.calls = append(o.calls, c)
	if len(o.calls) == 1 {
		o.wake.Signal()
	}
	o.mu.Unlock()
}

// close makes run return once it has made the calls.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.wake.Signal()
	o.mu.Unlock()
}

func (b *natsBroker) run() {
	var calls []call
	for {
		b.out.mu.Lock()
		for len(b.out.calls) == 0 {
			if b.out.closed {
				b.out.mu.Unlock()
				return
			}
			b.out.wake.Wait()
		}
		calls, b.out.calls = b.out.calls, calls[:0]
		b.out.mu.Unlock()
		for i, c := range calls {
			calls[i] = call{}
			if c.do != nil {
				c.do()
				continue
			}
			if err := b.nc.PublishMsg(c.msg); err != nil && c.request != 0 {
				b.post(func() { b.fail(c.request, err) })
			}
		}
	}
}

// arrivals has the messages that the client has received and the loop has not.
type arrivals struct {
	mu       sync.Mutex
	messages []*nats.Msg
	spare    []*nats.Msg // memory that only the loop uses
}

// receive is the callback of all subscriptions.
func (b *natsBroker) receive(m *nats.Msg) {
	b.arrived.mu.Lock()
	b.arrived.messages = append(b.arrived.messages, m)
	first := len(b.arrived.messages) == 1
	b.arrived.mu.Unlock()
	if first {
		b.post(b.dispatch)
	}
}

// post calls f in the loop, unless the loop is closed.
func (b *natsBroker) post(f func()) {
	defer func() {
		if r := recover(); r != nil {
			if err, ok := r.(error); !ok || !errors.Is(err, aio.ErrLoopClosed) {
				panic(r)
			}
		}
	}()
	b.loop.CallSoonThreadsafe(f)
}

func (b *natsBroker) dispatch() {
	b.arrived.mu.Lock()
	messages := b.arrived.messages
	b.arrived.messages = b.arrived.spare[:0]
	b.arrived.mu.Unlock()
	for i, m := range messages {
		messages[i] = nil
		b.message(m)
	}
	b.arrived.spare = messages
}

// message handles a message of any subscription. Deliveries have the subject of the
// stream's message, and the subject of the answer to a request is below inbox.
func (b *natsBroker) message(m *nats.Msg) {
	if rest, ok := strings.CutPrefix(m.Subject, b.inbox); ok {
		n, err := strconv.ParseUint(rest, 36, 64)
		if f := b.requests[n]; err == nil && f != nil {
			delete(b.requests, n)
			f.SetResult(m)
		}
		return
	}
	if rest, ok := strings.CutPrefix(m.Subject, b.pullInbox); ok {
		b.pullStatus(rest, m)
		return
	}
	kind, rest, _ := strings.Cut(strings.TrimPrefix(m.Subject, b.ns+"."), ".")
	switch kind {
	case "run", "due":
		b.delivery(m)
	case "done":
		b.events.settled(rest, parseOutcome(m.Header, m.Data))
	case "progress":
		b.events.progressed(rest, m.Data)
	case "cancel":
		b.events.cancelRequested(rest)
	}
}

// connectNATS connects and makes the missing streams.
func connectNATS(ctx context.Context, l *aio.Loop, o *Options, ev events, extra ...nats.Option) (*natsBroker, error) {
	b := &natsBroker{
		loop: l, events: ev, ns: o.Namespace, timeout: o.RequestTimeout,
		requests: map[uint64]*aio.Future[*nats.Msg]{}, pulls: map[string]*pull{},
		watched: map[string][]*nats.Subscription{},
	}
	b.out.wake.L = &b.out.mu
	b.inbox, b.pullInbox = nats.NewInbox()+".", nats.NewInbox()+"."
	options := append([]nats.Option{
		nats.Name("aiojobs"), nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		// A request fails at once while there is no connection, and is repeated.
		nats.ReconnectBufSize(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectHandler(func(*nats.Conn) { b.post(b.reconnected) }),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}, extra...)
	options = append(options, o.NATS...)
	_, err := aio.ToThread(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, b.connect(ctx, o, strings.Join(o.URLs, ","), options)
	})
	if err != nil {
		return nil, err
	}
	go b.run()
	return b, nil
}

func (b *natsBroker) connect(ctx context.Context, o *Options, url string, options []nats.Option) (err error) {
	// The first connection is repeated too: a cluster may be starting.
	for {
		if b.nc, err = nats.Connect(url, options...); err == nil {
			break
		}
		if !pause(ctx, pullPause) {
			return fmt.Errorf("aiojobs: connecting to %s: %w", url, err)
		}
	}
	defer func() {
		if err != nil {
			b.nc.Close()
		}
	}()
	if b.js, err = jetstream.New(b.nc, jetstream.WithDefaultTimeout(b.timeout)); err != nil {
		return err
	}
	replicas := o.Replicas
	if replicas == 0 {
		replicas = 1
		if b.nc.ConnectedClusterName() != "" {
			replicas = 3
		}
	}
	b.replicas, b.direct = replicas, replicas == 1
	for _, config := range streamConfigs(o, replicas) {
		err = b.repeat(ctx, func(ctx context.Context) error {
			_, err := b.js.CreateOrUpdateStream(ctx, config)
			return err
		})
		if err != nil {
			return fmt.Errorf("aiojobs: making stream %s: %w", config.Name, err)
		}
	}
	b.client = b.inbox[strings.LastIndexByte(b.inbox[:len(b.inbox)-1], '.')+1 : len(b.inbox)-1]
	for _, subject := range []string{b.inbox + ">", b.ns + ".done." + b.client + ".*", b.ns + ".progress." + b.client + ".*"} {
		if _, err = b.subscribeTo(subject); err != nil {
			return err
		}
	}
	return b.nc.FlushTimeout(b.timeout)
}

// repeat calls f until it succeeds, fails for good, or ctx ends. Each attempt has a time
// of its own: a cluster that has no leader yet drops a request, and the client's own
// limit does not apply if ctx has a deadline, such as that of an [aio.Timeout] around the
// call.
func (b *natsBroker) repeat(ctx context.Context, f func(ctx context.Context) error) error {
	for d := min(b.timeout, time.Second); ; d = min(2*d, 2*b.timeout) {
		attempt, cancel := context.WithTimeout(ctx, d)
		err := f(attempt)
		cancel()
		if err == nil || permanent(err) || !pause(ctx, pullPause) {
			return err
		}
	}
}

// pause reports false if ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// permanent reports whether a call of package jetstream need not be repeated.
func permanent(err error) bool {
	var api jetstream.JetStreamError
	return errors.As(err, &api) && api.APIError() != nil && api.APIError().Code < 500
}

func (b *natsBroker) subscribeTo(subject string) (*nats.Subscription, error) {
	sub, err := b.nc.Subscribe(subject, b.receive)
	if err == nil {
		err = sub.SetPendingLimits(-1, -1)
	}
	return sub, err
}

func streamConfigs(o *Options, replicas int) []jetstream.StreamConfig {
	ns := o.Namespace
	return []jetstream.StreamConfig{{
		Name: ns + "_work", Subjects: []string{ns + ".run.>"},
		Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, MaxMsgs: o.MaxPending,
		Duplicates: o.DedupWindow, Replicas: replicas,
	}, {
		// The server refuses to schedule in a stream that discards new messages.
		Name: ns + "_later", Subjects: []string{ns + ".due.>", ns + ".later.>", ns + ".every.>"},
		Retention: jetstream.WorkQueuePolicy, Duplicates: o.DedupWindow, Replicas: replicas,
		AllowMsgTTL: true, AllowMsgSchedules: true, AllowRollup: true,
	}, {
		Name: ns + "_results", Subjects: []string{ns + ".result.>"}, MaxAge: o.ResultTTL,
		MaxMsgsPerSubject: 1, Replicas: replicas, AllowDirect: replicas == 1, AllowMsgTTL: true,
		Duplicates: min(2*time.Minute, o.ResultTTL),
		RePublish:  &jetstream.RePublish{Source: ns + ".result.>", Destination: ns + ".done.>"},
	}, {
		Name: ns + "_dead", Subjects: []string{ns + ".dead.>"}, MaxAge: o.DeadTTL, Replicas: replicas,
	}}
}

// close ends the connection. The messages that were sent before are written first.
func (b *natsBroker) close(ctx context.Context) error {
	_, err := aio.ToThread(context.WithoutCancel(ctx), func(context.Context) (struct{}, error) {
		done := make(chan struct{})
		b.out.add(call{do: func() { close(done) }})
		<-done
		b.out.close()
		var err error
		if b.nc.IsConnected() {
			err = b.nc.FlushTimeout(b.timeout)
		}
		b.nc.Close()
		return struct{}{}, err
	})
	for n := range b.requests {
		b.fail(n, nats.ErrConnectionClosed)
	}
	return err
}

func (b *natsBroker) reconnected() {
	for _, p := range b.order {
		p.reset()
	}
	b.events.reconnected()
}

// fail ends a request without an answer.
func (b *natsBroker) fail(n uint64, err error) {
	if f := b.requests[n]; f != nil {
		delete(b.requests, n)
		f.SetException(fmt.Errorf("%w: %w", errUnavailable, err))
	}
}

// send sends a message without a response.
func (b *natsBroker) send(subject string, data []byte) {
	b.out.add(call{msg: &nats.Msg{Subject: subject, Data: data}})
}

// ask sends a message, and awaits the answer.
func (b *natsBroker) ask(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
	b.last++
	n := b.last
	f := aio.CreateFuture[*nats.Msg](ctx)
	b.requests[n] = f
	m.Reply = b.inbox + strconv.FormatUint(n, 36)
	b.out.add(call{msg: m, request: n})
	timer := b.loop.CallLater(b.timeout, func() { b.fail(n, nats.ErrTimeout) })
	answer, err := f.Await(ctx)
	timer.Cancel()
	delete(b.requests, n)
	if err != nil {
		return nil, err
	}
	if len(answer.Data) == 0 && answer.Header.Get("Status") == "503" {
		return nil, fmt.Errorf("%w: %w", errUnavailable, nats.ErrNoResponders)
	}
	return answer, nil
}

// apiError returns the error of an answer of the JetStream API, or nil.
func apiError(data []byte) *jetstream.APIError {
	if !bytes.Contains(data, []byte(`"error":`)) {
		return nil
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return &jetstream.APIError{Code: 400, Description: err.Error()}
	}
	return answer.Error
}

// apiFailure returns the error for a failure that no call expects.
func apiFailure(e *jetstream.APIError) error {
	switch {
	case e.ErrorCode == codeStoreFailed && strings.Contains(e.Description, "maximum"):
		return errFull
	case e.ErrorCode == codeInsufficient, e.ErrorCode == codeMemoryLimit, e.ErrorCode == codeStorageLimit:
		return fmt.Errorf("aiojobs: %w", e)
	case e.Code >= 500:
		return fmt.Errorf("%w: %w", errUnavailable, e)
	}
	return fmt.Errorf("aiojobs: %w", e)
}

// store publishes a message into a stream.
func (b *natsBroker) store(ctx context.Context, m *nats.Msg) *storeError {
	answer, err := b.ask(ctx, m)
	if err != nil {
		return &storeError{err: err}
	}
	if e := apiError(answer.Data); e != nil {
		return &storeError{code: e.ErrorCode, err: apiFailure(e)}
	}
	return nil
}

type storeError struct {
	code jetstream.ErrorCode
	err  error
}

func (b *natsBroker) publish(ctx context.Context, m *message) error {
	msg := &nats.Msg{Subject: b.subject("run", m.queue, m.priority), Data: m.args, Header: nats.Header{headerJob: {m.name}}}
	if m.id != "" {
		msg.Header[headerID] = []string{m.id}
	}
	if m.dedup != "" {
		msg.Header[jetstream.MsgIDHeader] = []string{m.dedup}
	}
	if m.schedule != "" {
		msg.Subject = b.ns + "." + m.slot
		msg.Header[jetstream.ScheduleHeader] = []string{m.schedule}
		msg.Header[jetstream.ScheduleTargetHeader] = []string{b.subject("due", m.queue, m.priority)}
	}
	if e := b.store(ctx, msg); e != nil {
		return e.err
	}
	return nil
}

// subject returns the subject of the jobs of a priority that can run; kind is run, or due
// for those that were scheduled.
func (b *natsBroker) subject(kind, queue string, p Priority) string {
	return b.ns + "." + kind + "." + queue + "." + p.String()
}

func parseOutcome(h nats.Header, data []byte) *outcome {
	attempts, _ := strconv.Atoi(h.Get(headerAttempts))
	return &outcome{status: h.Get(headerStatus), data: data, attempts: attempts}
}

// result reads the last message of the subject. With replicas only the leader of the
// stream is asked: another server may lag behind.
func (b *natsBroker) result(ctx context.Context, id string) (*outcome, error) {
	subject := b.ns + ".result." + id
	if b.direct {
		m, err := b.ask(ctx, &nats.Msg{Subject: "$JS.API.DIRECT.GET." + b.ns + "_results." + subject})
		if err != nil {
			return nil, err
		}
		switch m.Header.Get("Status") {
		case "":
			return parseOutcome(m.Header, m.Data), nil
		case "404":
			return nil, nil
		}
		return nil, fmt.Errorf("%w: status %s", errUnavailable, m.Header.Get("Status"))
	}
	m, err := b.read(ctx, "_results", map[string]any{"last_by_subj": subject})
	if m == nil || err != nil {
		return nil, err
	}
	return parseOutcome(m.Header, m.Data), nil
}

// stored is a message of a stream.
type stored struct {
	Sequence uint64    `json:"seq"`
	Raw      []byte    `json:"hdrs"`
	Data     []byte    `json:"data"`
	Time     time.Time `json:"time"`
	Header   nats.Header
}

// api makes a request of the JetStream API, and decodes the answer into v.
func (b *natsBroker) api(ctx context.Context, call string, query map[string]any, v any) *storeError {
	// stays nil for a call without parameters, because some calls allow none
	var data []byte
	if query != nil {
		var err error
		if data, err = json.Marshal(query); err != nil {
			return &storeError{err: err}
		}
	}
	m, err := b.ask(ctx, &nats.Msg{Subject: "$JS.API." + call, Data: data})
	if err != nil {
		return &storeError{err: err}
	}
	if e := apiError(m.Data); e != nil {
		return &storeError{code: e.ErrorCode, err: apiFailure(e)}
	}
	if err := json.Unmarshal(m.Data, v); err != nil {
		return &storeError{err: fmt.Errorf("aiojobs: answer of %s: %w", call, err)}
	}
	return nil
}

// read reads a message from the leader of a stream. It returns nil if there is none.
func (b *natsBroker) read(ctx context.Context, stream string, query map[string]any) (*stored, error) {
	var answer struct {
		Message stored `json:"message"`
	}
	if e := b.api(ctx, "STREAM.MSG.GET."+b.ns+stream, query, &answer); e != nil {
		if e.code == codeNoMessage {
			return nil, nil
		}
		return nil, e.err
	}
	m := &answer.Message
	if len(m.Raw) > 0 {
		var err error
		if m.Header, err = nats.DecodeHeadersMsg(m.Raw); err != nil {
			return nil, fmt.Errorf("aiojobs: headers of a message: %w", err)
		}
	}
	return m, nil
}

// purge removes the messages of a subject.
func (b *natsBroker) purge(ctx context.Context, stream, subject string) (removed int, err error) {
	var answer struct {
		Purged int `json:"purged"`
	}
	if e := b.api(ctx, "STREAM.PURGE."+b.ns+stream, map[string]any{"filter": subject}, &answer); e != nil {
		return 0, e.err
	}
	return answer.Purged, nil
}

func (b *natsBroker) schedule(ctx context.Context, name string, m *message) error {
	subject := b.ns + ".every." + name
	old, err := b.read(ctx, "_later", map[string]any{"last_by_subj": subject})
	if err != nil {
		return err
	}
	target := b.subject("due", m.queue, m.priority)
	if old != nil && bytes.Equal(old.Data, m.args) && old.Header.Get(headerJob) == m.name &&
		old.Header.Get(jetstream.ScheduleHeader) == m.schedule && old.Header.Get(jetstream.ScheduleTargetHeader) == target {
		return nil // starting the schedule again would postpone its next run
	}
	e := b.store(ctx, &nats.Msg{Subject: subject, Data: m.args, Header: nats.Header{
		headerJob: {m.name}, jetstream.ScheduleHeader: {m.schedule}, jetstream.ScheduleTargetHeader: {target},
		jetstream.MsgRollup: {jetstream.MsgRollupSubject},
	}})
	if e != nil {
		return e.err
	}
	return nil
}

func (b *natsBroker) unschedule(ctx context.Context, name string) (bool, error) {
	n, err := b.purge(ctx, "_later", b.ns+".every."+name)
	return n > 0, err
}

func (b *natsBroker) dead(ctx context.Context, after uint64) (*DeadLetter, error) {
	m, err := b.read(ctx, "_dead", map[string]any{"seq": after + 1, "next_by_subj": b.ns + ".dead.>"})
	if m == nil || err != nil {
		return nil, err
	}
	o := parseOutcome(m.Header, nil)
	return &DeadLetter{
		ID: m.Header.Get(headerID), Name: m.Header.Get(headerJob), Queue: m.Header.Get(headerQueue),
		Attempts: o.attempts, Reason: m.Header.Get(headerReason), Time: m.Time, Args: m.Data, sequence: m.Sequence,
	}, nil
}

func (b *natsBroker) removeDead(ctx context.Context, sequence uint64) (bool, error) {
	var answer struct {
		Success bool `json:"success"`
	}
	e := b.api(ctx, "STREAM.MSG.DELETE."+b.ns+"_dead", map[string]any{"seq": sequence}, &answer)
	switch {
	case e == nil:
		return answer.Success, nil
	case e.code == codeNoMessage || e.code == codeStoreDelete:
		return false, nil
	}
	return false, e.err
}

func (b *natsBroker) forget(ctx context.Context, id string) error {
	_, err := b.purge(ctx, "_results", b.ns+".result."+id)
	return err
}

func (b *natsBroker) settle(ctx context.Context, id string, o *outcome) (bool, error) {
	m := &nats.Msg{Subject: b.ns + ".result." + id, Data: o.data, Header: nats.Header{
		headerStatus:                        {o.status},
		headerAttempts:                      {strconv.Itoa(o.attempts)},
		jetstream.ExpectedLastSubjSeqHeader: {"0"},
	}}
	if o.ttl > 0 {
		m.Header[jetstream.MsgTTLHeader] = []string{o.ttl.String()}
	}
	switch e := b.store(ctx, m); {
	case e == nil:
		return true, nil
	case e.code == codeWrongLast:
		return false, nil
	case e.code == codeWrongLastBusy:
		return false, fmt.Errorf("%w: %w", errUnavailable, e.err)
	default:
		return false, e.err
	}
}

func (b *natsBroker) bury(ctx context.Context, d *delivery, reason string) error {
	e := b.store(ctx, &nats.Msg{Subject: b.ns + ".dead." + d.queue, Data: d.args, Header: nats.Header{
		headerID: {d.id}, headerJob: {d.name}, headerQueue: {d.queue}, headerReason: {headerText(reason)},
		headerAttempts:        {strconv.Itoa(d.attempt)},
		jetstream.MsgIDHeader: {d.id},
	}})
	if e != nil {
		return e.err
	}
	return nil
}

// headerText makes one line of s, of limited length.
func headerText(s string) string {
	s = strings.NewReplacer("\r", " ", "\n", " ").Replace(s)
	return s[:min(len(s), 1000)]
}

func (b *natsBroker) ack(d *delivery) { b.send(d.token, []byte("+ACK")) }

func (b *natsBroker) working(d *delivery) { b.send(d.token, []byte("+WPI")) }

func (b *natsBroker) refuse(d *delivery, after time.Duration) {
	if after <= 0 {
		b.send(d.token, []byte("-NAK"))
		return
	}
	b.send(d.token, fmt.Appendf(nil, `-NAK {"delay": %d}`, after))
}

func (b *natsBroker) watch(id string) {
	b.out.add(call{do: func() {
		for _, kind := range []string{".done.", ".progress."} {
			// If watch fails, the notification is delayed until poll reads
			// the result.
			if sub, err := b.subscribeTo(b.ns + kind + id); err == nil {
				b.post(func() { b.watched[id] = append(b.watched[id], sub) })
			}
		}
	}})
}

func (b *natsBroker) unwatch(id string) {
	// This call runs after the calls of watch, and after the callbacks that they
	// have posted.
	b.out.add(call{do: func() {
		b.post(func() {
			subs := b.watched[id]
			delete(b.watched, id)
			b.out.add(call{do: func() {
				for _, sub := range subs {
					// fails only without a connection
					_ = sub.Unsubscribe()
				}
			}})
		})
	}})
}

func (b *natsBroker) progress(id string, data []byte) { b.send(b.ns+".progress."+id, data) }

func (b *natsBroker) requestCancel(id string) { b.send(b.ns+".cancel."+id, nil) }
