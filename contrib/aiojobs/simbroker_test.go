package aiojobs

// A broker for simulations, with the rules of the streams that nats.go makes. It keeps
// its streams in a simServer, which survives its crashes; what depends on a connection is
// in a simConn. A frame is a line of JSON.
//
// Rules of JetStream that it repeats because the protocol must live with them: an
// acknowledgement or a refusal of an earlier delivery counts as one of the latest; a
// server that was killed may have forgotten acknowledgements and counts of deliveries;
// requests of one connection can take effect in another order than they were sent in, and
// after the client has given up waiting; news is lost with a connection.

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// frame is a request, the answer to one (same N), or news (N is 0).
type frame struct {
	Op       string
	N        uint64        `json:",omitempty"`
	ID       string        `json:",omitempty"`
	Name     string        `json:",omitempty"`
	Queue    string        `json:",omitempty"`
	Priority Priority      `json:",omitempty"`
	Data     []byte        `json:",omitempty"`
	Dedup    string        `json:",omitempty"`
	Schedule string        `json:",omitempty"`
	Status   string        `json:",omitempty"` // of a result, or an error
	Attempts int           `json:",omitempty"`
	Count    int           `json:",omitempty"`
	Sequence uint64        `json:",omitempty"`
	Wait     time.Duration `json:",omitempty"`
	Yes      bool          `json:",omitempty"`
}

// simServer is the content of the streams.
type simServer struct {
	maxPending int
	work       []*simJob
	sequence   uint64
	known      map[string]bool // ids of messages
	results    map[string]*frame
	// absent counts how often each client has read that a job has no result.
	absent    map[string]int
	dead      []*DeadLetter
	periodic  map[string]*simPeriodic
	forgotten []*simJob // acknowledged; a crash may bring them back

	// of the process
	loop  *aio.Loop
	group *aio.TaskGroup
	conns []*simConn
	timer *aio.TimerHandle
	slow  bool // whether requests take a time that the run chooses
	// lost, if it is not nil, sees each request, before (again with after) it takes
	// effect. If it returns true, the request, or its answer, is lost.
	lost func(ctx context.Context, client string, f *frame, after bool) bool
}

// simJob is a message of the stream of jobs.
type simJob struct {
	frame
	after    time.Time // when it can be delivered
	attempts int
}

type simPeriodic struct {
	frame
	every time.Duration
	next  time.Time
}

type simConn struct {
	s       *simServer
	w       *aio.StreamWriter
	id      string
	pulls   map[string]int // requested messages by queue and priority
	ackWait map[string]time.Duration
	watched map[string]bool
}

func newSimServer() *simServer {
	return &simServer{
		maxPending: 1000, known: map[string]bool{}, results: map[string]*frame{}, absent: map[string]int{},
		periodic: map[string]*simPeriodic{},
	}
}

// serve runs a process of the server, until it is cancelled or its host crashes.
func (s *simServer) serve(ctx context.Context, addr string) error {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return err
	}
	s.loop, s.conns, s.timer = loop, nil, nil
	for _, j := range s.forgotten {
		if s.slow && aiotest.Choose(ctx, 3, "an acknowledgement is forgotten") > 0 {
			j.attempts -= aiotest.Choose(ctx, min(2, j.attempts+1), "a delivery is forgotten")
			j.after = s.loop.Time()
			s.work = append(s.work, j)
		}
	}
	s.forgotten = nil
	slices.SortFunc(s.work, func(a, b *simJob) int { return int(a.Sequence) - int(b.Sequence) })
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		s.group = tg
		server, err := aio.StartServer(ctx, s.handle, addr, nil)
		if err != nil {
			return err
		}
		s.pump()
		return server.ServeForever(ctx)
	})
}

// cut ends all connections, as a failing network does.
func (s *simServer) cut() {
	for _, c := range s.conns {
		c.w.Transport().Abort()
	}
}

func (s *simServer) handle(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	c := &simConn{s: s, w: w, pulls: map[string]int{}, ackWait: map[string]time.Duration{}, watched: map[string]bool{}}
	s.conns = append(s.conns, c)
	defer func() {
		s.conns = slices.DeleteFunc(s.conns, func(other *simConn) bool { return other == c })
		w.Close()
	}()
	for {
		line, err := r.ReadLine(ctx)
		if err != nil || len(line) == 0 || line[len(line)-1] != '\n' {
			return nil // the client is gone
		}
		var f frame
		if err := json.Unmarshal(line, &f); err != nil {
			return fmt.Errorf("a client has sent %q: %w", line, err)
		}
		if f.N == 0 || !s.slow {
			if answer := c.do(&f); f.N != 0 {
				c.send(answer)
			}
			continue
		}
		s.group.Go(func(ctx context.Context) error {
			late := 20 * time.Millisecond
			if aiotest.Choose(ctx, 40, "a request is late") == 1 {
				late = 5 * time.Second
			}
			if err := aio.Sleep(ctx, aiotest.Between(ctx, 0, late)); err != nil {
				return err
			}
			if s.lost != nil && s.lost(ctx, c.id, &f, false) {
				return nil
			}
			answer := c.do(&f)
			if s.lost == nil || !s.lost(ctx, c.id, &f, true) {
				c.send(answer)
			}
			return nil
		})
	}
}

func (c *simConn) send(f frame) { writeFrame(c.w, &f) }

// writeFrame loses the frame if the connection is lost.
func writeFrame(w *aio.StreamWriter, f *frame) {
	data, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	if !w.IsClosing() {
		_, _ = w.Write(append(data, '\n'))
	}
}

// news sends a frame to those that listen.
func (s *simServer) news(f frame, to func(c *simConn) bool) {
	for _, c := range s.conns {
		if to(c) {
			c.send(f)
		}
	}
}

// awaits reports whether a client has submitted or watches a job.
func (c *simConn) awaits(id string) bool {
	return strings.HasPrefix(id, c.id+".") || c.watched[id]
}

// do deals with a frame of a client, and returns the answer to a request.
func (c *simConn) do(f *frame) frame {
	s := c.s
	now := s.loop.Time()
	answer := frame{Op: "answer", N: f.N}
	switch f.Op {
	case "hello":
		c.id = f.ID
	case "ping":
		c.send(frame{Op: "pong"})
	case "publish":
		if s.known[f.Dedup] {
			break
		}
		due := now
		if f.Schedule == "" {
			if s.pending() >= s.maxPending {
				answer.Status = "full"
				break
			}
		} else {
			due, _ = time.Parse(time.RFC3339Nano, strings.TrimPrefix(f.Schedule, "@at "))
		}
		s.known[f.Dedup] = true
		s.add(*f, due)
	case "result":
		r := s.results[f.ID]
		if r == nil {
			s.absent[c.id+" "+f.ID]++
		} else {
			answer = *r
			answer.Op, answer.N, answer.Yes = "answer", f.N, true
		}
	case "settle":
		if s.results[f.ID] == nil {
			answer.Yes = true
			s.results[f.ID] = f
			s.news(frame{Op: "settled", ID: f.ID, Status: f.Status, Data: f.Data, Attempts: f.Attempts},
				func(c *simConn) bool { return c.awaits(f.ID) })
		}
	case "bury":
		if !s.known["dead "+f.ID] {
			s.known["dead "+f.ID] = true
			s.sequence++
			s.dead = append(s.dead, &DeadLetter{
				ID: f.ID, Name: f.Name, Queue: f.Queue, Attempts: f.Attempts, Reason: f.Status, Time: now, Args: f.Data, sequence: s.sequence,
			})
		}
	case "schedule":
		if p := s.periodic[f.Name]; p != nil && p.Schedule == f.Schedule && string(p.Data) == string(f.Data) {
			break
		}
		every, err := time.ParseDuration(strings.TrimPrefix(f.Schedule, "@every "))
		if err != nil {
			answer.Status = err.Error()
			break
		}
		s.periodic[f.Name] = &simPeriodic{*f, every, now.Add(every)}
	case "unschedule":
		answer.Yes = s.periodic[f.Name] != nil
		delete(s.periodic, f.Name)
	case "dead":
		i := slices.IndexFunc(s.dead, func(d *DeadLetter) bool { return d.sequence > f.Sequence })
		if i >= 0 {
			d := s.dead[i]
			answer = frame{
				Op: "answer", N: f.N, Yes: true, ID: d.ID, Name: d.Name, Queue: d.Queue, Attempts: d.Attempts,
				Status: d.Reason, Data: d.Args, Sequence: d.sequence,
			}
		}
	case "remove":
		before := len(s.dead)
		s.dead = slices.DeleteFunc(s.dead, func(d *DeadLetter) bool { return d.sequence == f.Sequence })
		answer.Yes = len(s.dead) < before
	case "forget":
		delete(s.results, f.ID)
		delete(s.known, "dead "+f.ID) // in place of the duplicate window
	case "subscribe":
		c.ackWait[f.Queue] = f.Wait
	case "unsubscribe":
		delete(c.ackWait, f.Queue)
		for _, p := range priorities {
			delete(c.pulls, pullKey(f.Queue, p))
		}
	case "pull":
		c.pulls[pullKey(f.Queue, f.Priority)] = f.Count
	case "ack":
		s.work = slices.DeleteFunc(s.work, func(j *simJob) bool {
			if j.Sequence != f.Sequence {
				return false
			}
			s.forgotten = append(s.forgotten, j)
			return true
		})
	case "refuse", "working":
		if j := s.job(f.Sequence); j != nil {
			j.after = now.Add(f.Wait)
		}
	case "watch":
		c.watched[f.ID] = true
	case "unwatch":
		delete(c.watched, f.ID)
	case "progress":
		s.news(frame{Op: "progress", ID: f.ID, Data: f.Data}, func(c *simConn) bool { return c.awaits(f.ID) })
	case "cancel":
		s.news(frame{Op: "cancel", ID: f.ID}, func(c *simConn) bool { return len(c.ackWait) > 0 })
	default:
		panic("no such request: " + f.Op)
	}
	s.pump()
	return answer
}

// pending is the number of jobs that count for the limit.
func (s *simServer) pending() (n int) {
	for _, j := range s.work {
		if j.Schedule == "" {
			n++
		}
	}
	return n
}

func (s *simServer) add(f frame, due time.Time) {
	s.sequence++
	f.Sequence = s.sequence
	if f.ID == "" {
		f.ID = fmt.Sprintf("every.%s-%d", f.Dedup, f.Sequence)
	}
	s.work = append(s.work, &simJob{frame: f, after: due})
}

func (s *simServer) job(sequence uint64) *simJob {
	if i := slices.IndexFunc(s.work, func(j *simJob) bool { return j.Sequence == sequence }); i >= 0 {
		return s.work[i]
	}
	return nil
}

// pump delivers what can be delivered, and sets the timer for what can be later.
func (s *simServer) pump() {
	now := s.loop.Time()
	next := now.Add(time.Hour)
	for _, name := range slices.Sorted(maps.Keys(s.periodic)) {
		p := s.periodic[name]
		for !p.next.After(now) {
			f := p.frame
			f.Name, f.Dedup = f.ID, p.Name
			f.ID = ""
			s.add(f, now)
			p.next = p.next.Add(p.every)
		}
		next = earlier(next, p.next)
	}
	for _, j := range s.work {
		if !j.after.After(now) && !s.deliver(j, now) {
			continue // a request will come
		}
		next = earlier(next, j.after)
	}
	if s.timer != nil {
		s.timer.Cancel()
	}
	s.timer = s.loop.CallAt(next, s.pump)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (s *simServer) deliver(j *simJob, now time.Time) bool {
	key := pullKey(j.Queue, j.Priority)
	for i, c := range s.conns {
		if c.pulls[key] == 0 {
			continue
		}
		c.pulls[key]--
		j.attempts++
		j.after = now.Add(c.ackWait[j.Queue])
		f := j.frame
		f.Op, f.N, f.Attempts, f.Dedup, f.Schedule = "deliver", 0, j.attempts, "", ""
		c.send(f)
		// The next one is for another client.
		s.conns = append(slices.Delete(s.conns, i, i+1), c)
		return true
	}
	return false
}

func pullKey(queue string, p Priority) string { return queue + " " + p.String() }
