package aiojobs

// What a server says of the queues of a namespace. Any goroutine may ask, so a monitor
// gets an answer while a task blocks the loop.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/goaio/aio"
)

// QueueStats are the numbers of a queue, as the server has them: see [Client.Queues].
type QueueStats struct {
	Queue string `json:"queue"`
	// Kind is "jobs", "items" for a queue of [OpenQueue], "delayed" for jobs whose
	// time has not come, or "periodic" for those of [Job.Every]; the last two have
	// no Queue.
	Kind    string `json:"kind"`
	Waiting int    `json:"waiting"` // not delivered to a worker or getter
	High    int    `json:"high"`    // how many of Waiting have high priority
	Low     int    `json:"low"`     // how many of Waiting have low priority
	Taken   int    `json:"taken"`   // delivered and not done
	Dead    int    `json:"dead"`    // dead letters
	Limit   int    `json:"limit"`   // of Waiting and Taken; 0: none
	State   string `json:"state"`   // "shut down" or ""
}

// Queues returns the numbers of all queues of the namespace that have jobs, dead letters
// or workers, or were opened with [OpenQueue], by kind and name. The numbers are
// not of one moment. It awaits the server, and fails if that does not answer within
// [Options.RequestTimeout], and with [ErrClosed].
func (c *Client) Queues(ctx context.Context) ([]QueueStats, error) {
	if c.closed {
		return nil, ErrClosed
	}
	return aio.ToThread(ctx, c.queues)
}

func (c *Client) queues(ctx context.Context) ([]QueueStats, error) {
	b, ok := c.broker.(*natsBroker)
	if !ok {
		return nil, fmt.Errorf("aiojobs: numbers of queues need a server: %w", errors.ErrUnsupported)
	}
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	all, err := b.queues(ctx)
	if err != nil {
		return nil, fmt.Errorf("aiojobs: numbers of the queues: %w", err)
	}
	return all, nil
}

// Rows returns the numbers of [Client.Queues], or a row with an error, for a page of
// package aiomon:
//
//	monitor.AddPage("jobs", client.Rows)
//
// Any goroutine may call it, also while a task blocks the loop. It blocks for up to 1 s.
func (c *Client) Rows() any {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	all, err := c.queues(ctx)
	if err != nil {
		return []map[string]string{{"error": err.Error()}}
	}
	return all
}

// queues asks the server.
func (b *natsBroker) queues(ctx context.Context) ([]QueueStats, error) {
	byName := map[string]*QueueStats{}
	queue := func(name string) *QueueStats {
		if byName[name] == nil {
			byName[name] = &QueueStats{Queue: name, Kind: "jobs"}
		}
		return byName[name]
	}
	messages := map[string]int{} // by subject
	var later, periodic int
	for _, k := range kinds {
		s, err := b.js.Stream(ctx, b.ns+k.stream)
		if err != nil {
			return nil, err
		}
		info, err := s.Info(ctx, jetstream.WithSubjectFilter(b.ns+"."+k.kind+".>"))
		if err != nil {
			return nil, err
		}
		if k.kind == "due" {
			later = int(info.State.Msgs)
		}
		for subject, n := range info.State.Subjects {
			messages[subject] += int(n)
			if k.kind == "due" {
				later -= int(n)
			}
		}
		list := s.ListConsumers(ctx)
		for consumer := range list.Info() {
			taken := consumer.NumAckPending
			messages[consumer.Config.FilterSubject] -= taken
			if name, _, ok := b.job(consumer.Config.FilterSubject); ok {
				queue(name).Taken += taken
			}
		}
		if err := list.Err(); err != nil {
			return nil, err
		}
		if k.kind == "due" {
			info, err := s.Info(ctx, jetstream.WithSubjectFilter(b.ns+".every.>"))
			if err != nil {
				return nil, err
			}
			periodic = len(info.State.Subjects)
		}
	}
	for subject, n := range messages {
		name, priority, ok := b.job(subject)
		if !ok || n <= 0 { // a job was done meanwhile
			continue
		}
		q := queue(name)
		q.Waiting += n
		switch priority {
		case High.String():
			q.High += n
		case Low.String():
			q.Low += n
		}
	}
	s, err := b.js.Stream(ctx, b.ns+"_dead")
	if err != nil {
		return nil, err
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(b.ns+".dead.>"))
	if err != nil {
		return nil, err
	}
	for subject, n := range info.State.Subjects {
		queue(strings.TrimPrefix(subject, b.ns+".dead.")).Dead = int(n)
	}
	all := make([]QueueStats, 0, len(byName)+2)
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, *byName[name])
	}
	if later -= periodic; later > 0 {
		all = append(all, QueueStats{Kind: "delayed", Waiting: later})
	}
	if periodic > 0 {
		all = append(all, QueueStats{Kind: "periodic", Waiting: periodic})
	}
	items, err := b.itemQueues(ctx)
	return append(all, items...), err
}

// job returns the queue and the priority of a subject of jobs that can run.
func (b *natsBroker) job(subject string) (queue, priority string, ok bool) {
	rest, ok := strings.CutPrefix(subject, b.ns+".")
	parts := strings.Split(rest, ".")
	if !ok || len(parts) != 3 {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// itemQueues returns the queues of OpenQueue.
func (b *natsBroker) itemQueues(ctx context.Context) ([]QueueStats, error) {
	var all []QueueStats
	list := b.js.ListStreams(ctx, jetstream.WithStreamListSubject(b.ns+".queue.>"))
	for info := range list.Info() {
		q := QueueStats{
			Queue: strings.TrimPrefix(info.Config.Name, b.ns+"_queue_"), Kind: "items",
			Waiting: int(info.State.Msgs), Limit: int(max(info.Config.MaxMsgs, 0)),
		}
		if info.Config.MaxMsgSize == shutSize {
			q.State = "shut down"
		}
		all = append(all, q)
	}
	if err := list.Err(); err != nil {
		return nil, err
	}
	for i := range all {
		q := &all[i]
		consumer, err := b.js.Consumer(ctx, b.ns+"_queue_"+q.Queue, "getters")
		if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
			continue // it is being made or deleted
		}
		if err != nil {
			return nil, err
		}
		q.Taken = consumer.CachedInfo().NumAckPending
		q.Waiting = max(q.Waiting-q.Taken, 0)
	}
	slices.SortFunc(all, func(a, b QueueStats) int { return cmp.Compare(a.Queue, b.Queue) })
	return all, nil
}
