package main

// A node of the cluster. One task, run, owns all of the state below: it takes one event
// after another from the inbox, a message or a proposal, and handles it as Raft
// specifies. It may await the disk in between. No other task reads the state, so none
// sees an inconsistent state. Other tasks serve connections, and keep the connections
// to the peers open.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/goaio/aio"
)

// Entry is a command in the log, with the term in which a leader added it.
type Entry struct {
	Term    int
	Command string
}

// State is the persistent state of a node. The first entry of the log has index 1.
type State struct {
	Term int
	Vote string // the node for which this node voted in this term, "" if none
	Log  []Entry
}

// Disk stores the state of a node. Its methods are called in a worker goroutine, one at
// a time. They return when the data will survive a crash.
type Disk interface {
	Load() (State, error)
	// SaveTerm stores a term and a vote.
	SaveTerm(term int, vote string) error
	// SaveLog replaces the log from index on with entries.
	SaveLog(index int, entries []Entry) error
}

// Options are the settings of a node. Name, Peers and Disk are required.
type Options struct {
	Name  string
	Addr  string            // address to listen on
	Peers map[string]string // addresses of the other nodes by name
	Disk  Disk
	// Apply is called for each committed entry, in order, and again after a
	// restart.
	Apply func(index int, e Entry)
	// Leads is called when the node becomes the leader of a term.
	Leads func(term int)
	// Random returns an election timeout from least to most.
	Random func(ctx context.Context, least, most time.Duration) time.Duration

	faults faults
}

// faults are bugs that tests enable.
type faults struct {
	twoVotes bool // votes for several candidates in one term
	anyLog   bool // votes for the first candidate, whatever its log contains
	ackFirst bool // confirms entries before they are on disk
}

const (
	heartbeat       = 100 * time.Millisecond
	electionLeast   = 300 * time.Millisecond
	electionMost    = 600 * time.Millisecond
	proposalTimeout = 5 * time.Second
	maxEntries      = 64 // maximum number of entries in a message
)

// Message is a message between nodes, a request of a client or a response: a line of
// JSON.
type Message struct {
	Type string // one of the types below
	From string `json:",omitempty"`
	Term int    `json:",omitempty"`
	// In a vote, the end of the candidate's log; in an append, the entry before
	// Entries; in a confirmation, the last entry that matches the leader's log, or
	// the index at which the leader may retry.
	Index   int     `json:",omitempty"`
	LogTerm int     `json:",omitempty"`
	Entries []Entry `json:",omitempty"`
	Commit  int     `json:",omitempty"`
	OK      bool    `json:",omitempty"`
	Command string  `json:",omitempty"` // set in a proposal
	// in the response to a proposal: the node to ask instead
	Leader string `json:",omitempty"`
}

// The types of messages.
const (
	vote     = "vote"     // a candidate requests a vote
	voted    = "voted"    // the answer
	appendTo = "append"   // a leader sends entries, or none as a heartbeat
	appended = "appended" // the answer
	propose  = "propose"  // a client submits a command
	proposed = "proposed" // the answer
)

// event is an element of the inbox.
type event struct {
	Message
	answer *aio.Future[Message] // the answer to a proposal
}

// Node is a member of a cluster.
type Node struct {
	Options
	State
	commit  int // the last entry known to be on a majority of the disks
	applied int

	leader   string // leader of the term, if known
	leads    bool
	votes    map[string]bool // the votes for this node as a candidate, otherwise nil
	next     map[string]int  // as the leader: the next entry to send to each peer
	match    map[string]int  // the last entry known to be on each peer
	waiting  map[int]event   // proposals by the index of their entry
	deadline time.Time       // time of the next election or heartbeat

	loop  *aio.Loop
	inbox *aio.Queue[event]
	links map[string]*link
}

// Serve runs a node until its task is cancelled.
func Serve(ctx context.Context, o Options) error {
	n := &Node{Options: o, inbox: aio.NewQueue[event](0), links: map[string]*link{}, waiting: map[int]event{}}
	var err error
	if n.loop, err = aio.GetRunningLoop(ctx); err != nil {
		return err
	}
	if n.State, err = aio.ToThread(ctx, func(context.Context) (State, error) { return o.Disk.Load() }); err != nil {
		return err
	}
	s, err := aio.StartServer(ctx, n.serve, o.Addr, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for _, name := range n.names() {
			l := newLink(o.Peers[name])
			n.links[name] = l
			tg.Go(l.run)
		}
		tg.Go(n.run)
		return nil
	})
}

// names returns the sorted names of the peers.
func (n *Node) names() []string {
	var names []string
	for name := range n.Peers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// serve puts the messages of one connection into the inbox.
func (n *Node) serve(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
	for {
		line, err := r.ReadLine(ctx)
		if err != nil || len(line) == 0 {
			return nil // the peer has disconnected
		}
		var e event
		if err := json.Unmarshal(line, &e.Message); err != nil {
			return nil // a partial line from a peer that crashed
		}
		if e.Type != propose {
			if err := n.inbox.Put(ctx, e); err != nil {
				return err
			}
			continue
		}
		e.answer = aio.CreateFuture[Message](ctx)
		if err := n.inbox.Put(ctx, e); err != nil {
			return err
		}
		reply, err := aio.WaitFor(ctx, e.answer, proposalTimeout)
		if errors.Is(err, aio.ErrTimeout) {
			return nil // it is unknown whether the command will be committed
		}
		if err != nil {
			return err
		}
		if err := writeMessage(w, reply); err != nil {
			return nil
		}
	}
}

// writeMessage writes m as a line.
func writeMessage(w *aio.StreamWriter, m Message) error {
	p, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = w.Write(append(p, '\n'))
	return err
}

// run handles events, one after another.
func (n *Node) run(ctx context.Context) error {
	n.rest(ctx)
	for {
		var e event
		err := aio.TimeoutAt(ctx, n.deadline, func(ctx context.Context) (err error) {
			e, err = n.inbox.Get(ctx)
			return err
		})
		switch {
		case errors.Is(err, aio.ErrTimeout) && n.leads:
			n.sendAll()
			n.deadline = n.loop.Time().Add(heartbeat)
			err = nil
		case errors.Is(err, aio.ErrTimeout):
			err = n.stand(ctx)
		case err == nil:
			err = n.handle(ctx, e)
		}
		if err != nil {
			return err
		}
	}
}

// rest sets a random timeout for messages of the leader.
func (n *Node) rest(ctx context.Context) {
	n.deadline = n.loop.Time().Add(n.Random(ctx, electionLeast, electionMost))
}

// stand starts an election.
func (n *Node) stand(ctx context.Context) error {
	if err := n.begin(ctx, n.Term+1, n.Name); err != nil {
		return err
	}
	n.votes = map[string]bool{n.Name: true}
	n.rest(ctx)
	for _, name := range n.names() {
		n.send(name, Message{Type: vote, Index: len(n.Log), LogTerm: n.termAt(len(n.Log))})
	}
	return n.count(ctx)
}

// begin starts a term.
func (n *Node) begin(ctx context.Context, term int, vote string) error {
	n.leads, n.leader, n.votes = false, "", nil
	for _, index := range slices.Sorted(maps.Keys(n.waiting)) {
		n.refuse(index)
	}
	return n.elect(ctx, term, vote)
}

// refuse tells the client of a proposal that the command may be lost.
func (n *Node) refuse(index int) {
	e := n.waiting[index]
	delete(n.waiting, index)
	if !e.answer.Done() {
		// does not fail: the future is not done
		_ = e.answer.SetResult(Message{Type: proposed, Leader: n.leader})
	}
}

// elect stores a term and a vote.
func (n *Node) elect(ctx context.Context, term int, vote string) error {
	n.Term, n.Vote = term, vote
	return n.onDisk(ctx, func() error { return n.Disk.SaveTerm(term, vote) })
}

// onDisk calls save in a worker goroutine.
func (n *Node) onDisk(ctx context.Context, save func() error) error {
	_, err := aio.ToThread(ctx, func(context.Context) (struct{}, error) { return struct{}{}, save() })
	return err
}

// termAt returns the term of an entry, 0 for index 0.
func (n *Node) termAt(index int) int {
	if index == 0 {
		return 0
	}
	return n.Log[index-1].Term
}

// send sends m to a peer. The message may be dropped.
func (n *Node) send(to string, m Message) {
	m.From, m.Term = n.Name, n.Term
	if l := n.links[to]; l != nil {
		l.send(m)
	}
}

// handle handles an event.
func (n *Node) handle(ctx context.Context, e event) error {
	if e.Type == propose {
		return n.take(ctx, e)
	}
	if e.Term > n.Term {
		led := n.leads
		if err := n.begin(ctx, e.Term, ""); err != nil {
			return err
		}
		if led {
			n.rest(ctx)
		}
	}
	switch e.Type {
	case vote:
		grant := e.Term == n.Term && (n.Vote == "" || n.Vote == e.From || n.faults.twoVotes) && (n.faults.anyLog || !n.newerThan(e.Message))
		if grant {
			if n.Vote == "" {
				if err := n.elect(ctx, n.Term, e.From); err != nil {
					return err
				}
			}
			n.rest(ctx)
		}
		n.send(e.From, Message{Type: voted, OK: grant})
	case voted:
		if e.Term == n.Term && e.OK && n.votes != nil {
			n.votes[e.From] = true
			return n.count(ctx)
		}
	case appendTo:
		return n.follow(ctx, e.Message)
	case appended:
		n.confirmed(e.Message)
	}
	return nil
}

// newerThan reports whether the node's log is more up to date than the candidate's.
func (n *Node) newerThan(candidate Message) bool {
	last := n.termAt(len(n.Log))
	return last > candidate.LogTerm || last == candidate.LogTerm && len(n.Log) > candidate.Index
}

// most returns the number of nodes in a majority.
func (n *Node) most() int { return (len(n.Peers)+1)/2 + 1 }

// count makes the node the leader if it has the votes of a majority.
func (n *Node) count(ctx context.Context) error {
	if len(n.votes) < n.most() {
		return nil
	}
	n.votes, n.leads, n.leader = nil, true, n.Name
	n.next, n.match = map[string]int{}, map[string]int{}
	for name := range n.Peers {
		n.next[name] = len(n.Log) + 1
	}
	if n.Leads != nil {
		n.Leads(n.Term)
	}
	n.deadline = n.loop.Time().Add(heartbeat)
	// Raft commits entries of earlier terms only together with an entry of the
	// leader's own term, so add an empty one.
	return n.extend(ctx, "")
}

// extend appends a command to the log of a leader.
func (n *Node) extend(ctx context.Context, command string) error {
	e := Entry{n.Term, command}
	n.Log = append(n.Log, e)
	index := len(n.Log)
	if err := n.onDisk(ctx, func() error { return n.Disk.SaveLog(index, []Entry{e}) }); err != nil {
		return err
	}
	n.sendAll()
	n.advance() // in a cluster of one node
	return nil
}

// take handles a proposal of a client.
func (n *Node) take(ctx context.Context, e event) error {
	if !n.leads {
		// does not fail: only this task sets the result
		_ = e.answer.SetResult(Message{Type: proposed, Leader: n.leader})
		return nil
	}
	n.waiting[len(n.Log)+1] = e
	return n.extend(ctx, e.Command)
}

// sendAll sends each peer the entries that it lacks, or a heartbeat.
func (n *Node) sendAll() {
	for _, name := range n.names() {
		n.sendEntries(name)
	}
}

func (n *Node) sendEntries(to string) {
	from := n.next[to]
	entries := n.Log[from-1:]
	n.send(to, Message{
		Type: appendTo, Index: from - 1, LogTerm: n.termAt(from - 1),
		Entries: entries[:min(len(entries), maxEntries)], Commit: n.commit,
	})
}

// follow handles the entries of a leader.
func (n *Node) follow(ctx context.Context, m Message) error {
	if m.Term < n.Term {
		n.send(m.From, Message{Type: appended})
		return nil
	}
	n.votes, n.leader = nil, m.From
	n.rest(ctx)
	if m.Index > len(n.Log) || n.termAt(m.Index) != m.LogTerm {
		// All entries of that term may differ from the leader's: make the
		// leader go back to the term before.
		at := min(m.Index, len(n.Log))
		for at > n.commit && n.termAt(at) != m.LogTerm {
			at--
		}
		n.send(m.From, Message{Type: appended, Index: at})
		return nil
	}
	index := m.Index + 1
	for len(m.Entries) > 0 && index <= len(n.Log) && n.termAt(index) == m.Entries[0].Term {
		index, m.Entries = index+1, m.Entries[1:]
	}
	last := index - 1 + len(m.Entries)
	ok := Message{Type: appended, OK: true, Index: last}
	if n.faults.ackFirst {
		n.send(m.From, ok)
	}
	if len(m.Entries) > 0 {
		if index <= len(n.Log) {
			// Queued messages still refer to the old entries, so copy
			// instead of overwriting them.
			n.Log = slices.Clone(n.Log[:index-1])
		}
		n.Log = append(n.Log, m.Entries...)
		if err := n.onDisk(ctx, func() error { return n.Disk.SaveLog(index, m.Entries) }); err != nil {
			return err
		}
	}
	if !n.faults.ackFirst {
		n.send(m.From, ok)
	}
	n.commitTo(min(m.Commit, last))
	return nil
}

// confirmed handles the response of a follower.
func (n *Node) confirmed(m Message) {
	if !n.leads || m.Term != n.Term {
		return
	}
	if !m.OK {
		n.next[m.From] = max(1, min(n.next[m.From]-1, m.Index+1))
		n.sendEntries(m.From)
		return
	}
	if m.Index > n.match[m.From] {
		n.match[m.From] = m.Index
		n.next[m.From] = m.Index + 1
		n.advance()
	}
	if n.next[m.From] <= len(n.Log) {
		n.sendEntries(m.From)
	}
}

// advance commits the entries that a majority has on disk, if they are of the leader's
// own term.
func (n *Node) advance() {
	have := []int{len(n.Log)}
	for name := range n.Peers {
		have = append(have, n.match[name])
	}
	slices.Sort(have)
	if index := have[len(have)-n.most()]; index > n.commit && n.termAt(index) == n.Term {
		n.commitTo(index)
	}
}

// commitTo applies entries up to index.
func (n *Node) commitTo(index int) {
	n.commit = max(n.commit, index)
	for n.applied < n.commit {
		n.applied++
		e := n.Log[n.applied-1]
		if n.Apply != nil && e.Command != "" {
			n.Apply(n.applied, e)
		}
		if w, ok := n.waiting[n.applied]; ok {
			delete(n.waiting, n.applied)
			if !w.answer.Done() {
				// does not fail: the future is not done
				_ = w.answer.SetResult(Message{Type: proposed, OK: true, Index: n.applied, Term: e.Term})
			}
		}
	}
}

// Propose submits a command to the node at addr, and returns the index of its entry
// once it is committed. If the node is not the leader, leader is the node to ask
// instead, or "" if that is unknown.
func Propose(ctx context.Context, addr, command string) (index int, leader string, err error) {
	r, w, err := aio.OpenConnection(ctx, addr, nil)
	if err != nil {
		return 0, "", err
	}
	defer w.Close()
	if err := writeMessage(w, Message{Type: propose, Command: command}); err != nil {
		return 0, "", err
	}
	line, err := r.ReadLine(ctx)
	if err != nil {
		return 0, "", err
	}
	var m Message
	if err := json.Unmarshal(line, &m); err != nil {
		return 0, "", fmt.Errorf("the response was truncated: %w", err)
	}
	if !m.OK {
		return 0, m.Leader, errNotLeader
	}
	return m.Index, "", nil
}

var errNotLeader = errors.New("the node is not the leader")
