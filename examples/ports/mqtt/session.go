package mqtt

// The part of a session that the client keeps (section 4.1): the messages of QoS 1 and 2
// that it has sent and the server has not acknowledged, and the identifiers of the
// messages of QoS 2 that it has received and the server has not released. A session may
// outlive a connection, a Client and, with a journal, the program.
//
// Each change is in the journal before the packet is sent that tells the server of it.
// The tasks of one loop own a session, and no change awaits. So a program that stops at
// any await, or is killed, leaves a journal that agrees with what the server knows.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/goaio/aio"
)

// Journal is the storage of a [Session]. Its methods must not await.
type Journal interface {
	// Load returns the content of the last Replace, followed by all entries that were
	// appended since.
	Load() ([]byte, error)
	// Append adds an entry. If it fails, it may have added a part of it.
	Append(entry []byte) error
	// Replace replaces the content, completely or not at all.
	Replace(content []byte) error
}

// Session is the state of a client for messages with QoS 1 and 2. Pass it to one
// [Client] after another.
type Session struct {
	clientID string // set if the server has assigned it
	out      []*outgoing
	received map[uint16]bool // messages of QoS 2 that were processed
	lastID   uint16
	epoch    int // counts the sessions of the server that were lost
	journal  Journal
	size     int // size of the journal since the last Replace
	user     *Client
}

// outgoing is a message that the server has not acknowledged.
type outgoing struct {
	msg      *publish
	released bool // the server has sent PUBREC
	done     *aio.Future[struct{}]
	conn     int // the connection on which the message was sent last
}

// NewSession returns an empty session that is only in memory.
func NewSession() *Session { return &Session{received: map[uint16]bool{}} }

// OpenSession returns the session in a journal, and appends all changes to it. An
// incomplete entry at the end is dropped: the packet after it was never sent.
func OpenSession(j Journal) (*Session, error) {
	content, err := j.Load()
	if err != nil {
		return nil, err
	}
	s := NewSession()
	for len(content) > 0 {
		if content, err = s.replay(content); err == errIncomplete {
			break
		} else if err != nil {
			return nil, fmt.Errorf("mqtt: the journal of the session is corrupt: %w", err)
		}
	}
	s.journal = j
	return s, s.compact()
}

// The kinds of entries in a journal. An entry is the kind and a packet identifier; that
// of a sent message also has the length of its packet and the packet.
const (
	sentEntry     = 'S'
	releasedEntry = 'R' // PUBREC for a sent message
	doneEntry     = 'D' // a sent message is delivered
	receivedEntry = 'r'
	forgetEntry   = 'f' // the identifier of a received message is free again
)

// maxJournal is the size at which a journal is replaced if most of it is out of date.
const maxJournal = 1 << 20

// replay applies the first entry of content, and returns the rest.
func (s *Session) replay(content []byte) ([]byte, error) {
	if len(content) < 3 {
		return nil, errIncomplete
	}
	kind, id := content[0], binary.BigEndian.Uint16(content[1:])
	content = content[3:]
	switch kind {
	case sentEntry:
		r := bytes.NewReader(content)
		p, err := readPacket(r, V5, maxRemaining)
		if err != nil {
			if errors.Is(unexpected(err), io.ErrUnexpectedEOF) {
				err = errIncomplete
			}
			return nil, err
		}
		m, ok := p.(*publish)
		if !ok || m.id != id || s.find(id) != nil {
			return nil, fmt.Errorf("the message %d", id)
		}
		m.dup = true // the message may have been sent
		s.out, s.lastID = append(s.out, &outgoing{msg: m}), id
		content = content[len(content)-r.Len():]
	case releasedEntry:
		o := s.find(id)
		if o == nil {
			return nil, fmt.Errorf("the release of %d", id)
		}
		o.release()
	case doneEntry:
		o := s.find(id)
		if o == nil {
			return nil, fmt.Errorf("the end of %d", id)
		}
		s.remove(o)
	case receivedEntry:
		s.received[id] = true
	case forgetEntry:
		delete(s.received, id)
	default:
		return nil, fmt.Errorf("an entry of kind %q", kind)
	}
	return content, nil
}

// entry encodes an entry.
func entry(kind byte, id uint16, m *publish) ([]byte, error) {
	b := binary.BigEndian.AppendUint16([]byte{kind}, id)
	if m == nil {
		return b, nil
	}
	return appendPacket(b, V5, m)
}

// log appends an entry to the journal.
func (s *Session) log(kind byte, id uint16, m *publish) error {
	if s.journal == nil {
		return nil
	}
	b, err := entry(kind, id, m)
	if err == nil {
		err = s.journal.Append(b)
	}
	if err != nil {
		return journalError{fmt.Errorf("mqtt: the journal of the session: %w", err)}
	}
	if s.size += len(b); s.size > maxJournal {
		return s.compact()
	}
	return nil
}

// compact writes only the current state to the journal.
func (s *Session) compact() error {
	var content []byte
	for _, o := range s.out {
		b, err := entry(sentEntry, o.msg.id, o.msg)
		if err != nil {
			return err
		}
		content = append(content, b...)
		if o.released {
			b, _ := entry(releasedEntry, o.msg.id, nil)
			content = append(content, b...)
		}
	}
	for id := range s.received {
		b, _ := entry(receivedEntry, id, nil)
		content = append(content, b...)
	}
	// compact again when the journal has grown by the size of this content
	s.size = -len(content)
	if err := s.journal.Replace(content); err != nil {
		return journalError{fmt.Errorf("mqtt: the journal of the session: %w", err)}
	}
	return nil
}

// Len returns the number of messages that were sent and not acknowledged.
func (s *Session) Len() int { return len(s.out) }

func (s *Session) find(id uint16) *outgoing {
	for _, o := range s.out {
		if o.msg.id == id {
			return o
		}
	}
	return nil
}

// remove forgets a message, and keeps the order of the others.
func (s *Session) remove(o *outgoing) {
	for i, other := range s.out {
		if other == o {
			s.out = append(s.out[:i:i], s.out[i+1:]...)
			return
		}
	}
}

// release drops what is not needed after PUBREC.
func (o *outgoing) release() {
	o.released = true
	o.msg = &publish{qos: ExactlyOnce, id: o.msg.id, topic: o.msg.topic}
}

// nextID returns an identifier that is free; 0 if none is.
func (s *Session) nextID(used func(id uint16) bool) uint16 {
	for range 0xffff {
		if s.lastID++; s.lastID == 0 {
			s.lastID = 1
		}
		if s.find(s.lastID) == nil && !used(s.lastID) {
			return s.lastID
		}
	}
	return 0
}

// lost is called when the server no longer has the session. It keeps the messages with
// QoS 1, which are sent once more, and those that were never sent. The others have QoS 2
// and could arrive twice: they are returned.
func (s *Session) lost() (uncertain []*outgoing, err error) {
	s.epoch++
	var kept []*outgoing
	for _, o := range s.out {
		switch {
		case o.msg.qos == ExactlyOnce && (o.conn != 0 || o.done == nil):
			uncertain = append(uncertain, o)
		default:
			// A new message for the new session of the server.
			o.msg.dup = false
			kept = append(kept, o)
		}
	}
	s.out = kept
	clear(s.received)
	if s.journal != nil {
		err = s.compact()
	}
	return uncertain, err
}

// FileJournal returns a journal in a file. It is not synchronised with the disk: it
// survives the end of the program, but not a power failure. Only one program may use the
// file.
func FileJournal(path string) Journal { return &fileJournal{path: path} }

type fileJournal struct {
	path string
	file *os.File
}

func (j *fileJournal) Load() ([]byte, error) {
	b, err := os.ReadFile(j.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

func (j *fileJournal) Append(entry []byte) error {
	_, err := j.file.Write(entry)
	return err
}

func (j *fileJournal) Replace(content []byte) error {
	temporary := j.path + ".new"
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = os.Rename(temporary, j.path)
	}
	if err != nil {
		f.Close()
		return err
	}
	if j.file != nil {
		j.file.Close()
	}
	j.file = f
	return nil
}

// Close closes the file of a session that has one.
func (s *Session) Close() error {
	if j, ok := s.journal.(*fileJournal); ok && j.file != nil {
		return j.file.Close()
	}
	return nil
}
