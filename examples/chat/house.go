package main

// A house is the state of the chat server: its rooms and users. It is owned by one
// loop, so a handler changes it without a lock: no other task runs before the handler's
// next await.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/goaio/aio"
)

const (
	lobby = "lobby"
	// maxUnread is the number of unread bytes at which a user is disconnected: a
	// slow reader does not make the other users wait.
	maxUnread = 1 << 20
	// maxLine is the maximum length of a line.
	maxLine = 4 << 10
)

type house struct {
	idle    time.Duration
	rooms   map[string][]*user // in the order of arrival; empty rooms are deleted
	nicks   map[string]*user
	guests  int // number of users since the start
	closing bool
}

// user is a connected client.
type user struct {
	nick, room string
	w          *aio.StreamWriter
}

func newHouse(idle time.Duration) *house {
	return &house{idle: idle, rooms: map[string][]*user{}, nicks: map[string]*user{}}
}

// tell sends a line.
func (u *user) tell(format string, args ...any) {
	if u.w.Transport().GetWriteBufferSize() > maxUnread {
		u.w.Transport().Abort()
		return
	}
	fmt.Fprintf(u.w, format+"\n", args...)
}

// users returns all users, sorted by name.
func (h *house) users() (all []*user) {
	for _, nick := range slices.Sorted(maps.Keys(h.nicks)) {
		all = append(all, h.nicks[nick])
	}
	return all
}

// announce sends a line to all users in a room except one.
func (h *house) announce(room string, but *user, format string, args ...any) {
	for _, u := range h.rooms[room] {
		if u != but {
			u.tell(format, args...)
		}
	}
}

// welcome is the handler of a connection.
func (h *house) welcome(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	h.guests++
	u := &user{nick: fmt.Sprintf("guest%d", h.guests), w: w}
	for h.nicks[u.nick] != nil { // another user has chosen that name
		h.guests++
		u.nick = fmt.Sprintf("guest%d", h.guests)
	}
	h.nicks[u.nick] = u
	defer w.Close()
	defer h.leave(u)
	u.tell("* welcome, %s: /help lists the commands", u.nick)
	h.enter(u, lobby)
	for !h.closing {
		line, err := h.listen(ctx, r)
		switch {
		case errors.Is(err, aio.ErrTimeout):
			u.tell("* you were silent for %v: goodbye", h.idle)
			return nil
		case errors.Is(err, aio.ErrLineTooLong):
			u.tell("* line too long")
			continue
		case isGone(err):
			return nil
		case err != nil:
			return err
		}
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if !h.hear(u, line) {
			u.tell("* good-bye")
			return nil
		}
		if err := w.Drain(ctx); err != nil {
			return nil // the connection is closed
		}
	}
	return nil
}

// listen reads a line. It drops an incomplete line at the end of a broken connection:
// the user has not sent the rest.
func (h *house) listen(ctx context.Context, r *aio.StreamReader) (string, error) {
	var line []byte
	err := aio.Timeout(ctx, h.idle, func(ctx context.Context) (err error) {
		line, err = r.ReadLine(ctx)
		return err
	})
	if err == nil && !bytes.HasSuffix(line, []byte("\n")) {
		err = io.EOF
	}
	return printable(string(line)), err
}

// printable returns line without the characters that are not text. A terminal executes
// the escape sequences that it receives, so one user could otherwise control the
// terminals of the others.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsGraphic(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(line, "\uFFFD"))
}

// isGone reports whether err only says that the connection was closed or broken.
func isGone(err error) bool {
	var network interface{ Timeout() bool }
	return errors.Is(err, io.EOF) || errors.As(err, &network) && !errors.Is(err, aio.ErrTimeout)
}

// commands are the commands that follow a slash.
var commands = map[string]struct {
	help string
	run  func(h *house, u *user, arg string) (stay bool)
}{
	"nick":  {"NAME  change your name", (*house).rename},
	"join":  {"ROOM  move to another room", (*house).join},
	"who":   {"list the users in this room", (*house).who},
	"rooms": {"list the rooms", (*house).list},
	"me":    {"TEXT  describe an action of yours", (*house).act},
	"quit":  {"leave", func(*house, *user, string) bool { return false }},
}

// hear handles a line, and reports whether u stays.
func (h *house) hear(u *user, line string) (stay bool) {
	if !strings.HasPrefix(line, "/") {
		h.announce(u.room, u, "%s: %s", u.nick, line)
		return true
	}
	name, arg, _ := strings.Cut(line[1:], " ")
	if name == "help" {
		for _, name := range slices.Sorted(maps.Keys(commands)) {
			u.tell("* /%s %s", name, commands[name].help)
		}
		return true
	}
	c, ok := commands[name]
	if !ok {
		u.tell("* unknown command /%s: /help lists the commands", name)
		return true
	}
	return c.run(h, u, strings.TrimSpace(arg))
}

// validName matches the names of users and rooms.
var validName = regexp.MustCompile(`^[\pL\pN_-]{1,20}$`)

func (h *house) rename(u *user, nick string) bool {
	switch {
	case !validName.MatchString(nick):
		u.tell("* a name has 1 to 20 letters, digits, - or _")
	case h.nicks[nick] == u:
	case h.nicks[nick] != nil:
		u.tell("* %s is taken", nick)
	default:
		delete(h.nicks, u.nick)
		h.announce(u.room, nil, "* %s is now %s", u.nick, nick)
		u.nick = nick
		h.nicks[nick] = u
	}
	return true
}

func (h *house) join(u *user, room string) bool {
	switch {
	case !validName.MatchString(room):
		u.tell("* the name of a room has 1 to 20 letters, digits, - or _")
	case room != u.room:
		h.exit(u)
		h.enter(u, room)
	}
	return true
}

func (h *house) who(u *user, _ string) bool {
	var nicks []string
	for _, other := range h.rooms[u.room] {
		nicks = append(nicks, other.nick)
	}
	u.tell("* in %s: %s", u.room, strings.Join(nicks, ", "))
	return true
}

func (h *house) list(u *user, _ string) bool {
	for _, room := range slices.Sorted(maps.Keys(h.rooms)) {
		u.tell("* %s (%d)", room, len(h.rooms[room]))
	}
	return true
}

func (h *house) act(u *user, what string) bool {
	h.announce(u.room, nil, "* %s %s", u.nick, what)
	return true
}

// enter adds u to a room.
func (h *house) enter(u *user, room string) {
	u.room = room
	h.rooms[room] = append(h.rooms[room], u)
	h.announce(room, u, "* %s has joined", u.nick)
	h.who(u, "")
}

// exit removes u from its room.
func (h *house) exit(u *user) {
	rest := slices.DeleteFunc(h.rooms[u.room], func(other *user) bool { return other == u })
	if len(rest) == 0 {
		delete(h.rooms, u.room)
	} else {
		h.rooms[u.room] = rest
	}
	h.announce(u.room, u, "* %s has left", u.nick)
}

// leave removes u from the house.
func (h *house) leave(u *user) {
	h.exit(u)
	delete(h.nicks, u.nick)
}
