package aio

// Starting a child process, and connecting its pipes.

import (
	"context"
	"os"
	"os/exec"
	"strconv"
)

// startProcess starts cmd, and waits until the protocol is connected.
func (c caller) startProcess(ctx context.Context, call string, p Protocol, cmd *exec.Cmd, o *SubprocessOptions) (*subprocess, error) {
	l := c.fut.loop
	if err := l.refuse(call, "start a subprocess"); err != nil {
		return nil, err
	}
	t := &subprocess{group: o.Group, grace: o.GracePeriod}
	t.endpoint = endpoint{loop: l, self: t}
	if err := t.use(p); err != nil {
		return nil, err
	}
	if t.grace == 0 {
		t.grace = defaultGrace
	}
	if o.Context != nil && o.Context.Err() != nil {
		return nil, context.Cause(o.Context)
	}
	if err := t.start(ctx, call, cmd, o); err != nil {
		return nil, err
	}
	if o.Context != nil {
		t.stopContextWatch = context.AfterFunc(o.Context, func() { l.post(readyEntry{(*contextDoneStep)(t), nil}, false) })
	}
	CreateTask(ctx, NoResult(func(ctx context.Context) error {
		t.made(t.connect(ctx))
		return nil
	}))
	if err := t.waitMade(c, call); err != nil {
		t.close()
		if _, waitErr := t.wait(c, call); waitErr != nil {
			return nil, waitErr
		}
		return nil, err
	}
	return t, nil
}

// start starts the process with its pipes.
func (t *subprocess) start(ctx context.Context, call string, cmd *exec.Cmd, o *SubprocessOptions) (err error) {
	var s stdio
	defer func() {
		s.closeOwned()
		if err != nil {
			t.closeFiles()
		}
	}()
	for fd, v := range [...]any{o.Stdin, o.Stdout, o.Stderr} {
		if err := s.open(call, fd, v); err != nil {
			return err
		}
		if f := s.ours[fd]; f != nil {
			t.pipes[fd] = &childPipe{process: t, fd: fd, file: f}
		}
	}
	s.giveTo(cmd)
	cmd.Dir, cmd.Env, cmd.ExtraFiles = o.Dir, o.Env, o.ExtraFiles
	if o.SysProcAttr != nil {
		setAttr(cmd, *o.SysProcAttr)
	}
	if o.Group {
		if err := leadGroup(cmd); err != nil {
			return usagef(call, "%s", err.Error())
		}
	} else if exitSource != nil {
		if taken, err := exitSource(ctx, t, cmd); taken {
			if err == nil {
				t.count()
			}
			return err
		}
	}
	fd, err := startProcess(cmd)
	if err != nil {
		return err
	}
	t.process, t.pid = cmd.Process, cmd.Process.Pid
	t.count()
	if !t.watchDescriptor(fd) {
		t.waitInGoroutine()
	}
	return nil
}

// count counts the process in the loop's Stats.
func (t *subprocess) count() {
	if t.loop.observed != nil {
		t.counted = true
		t.loop.observed.resource("process", 1, nil, t, func() string { return strconv.Itoa(t.pid) })
	}
}

// exitSource, if it is not nil, may start the process and report its exit. If it
// declines, start does both. The child watchers set it.
var exitSource func(ctx context.Context, t *subprocess, cmd *exec.Cmd) (taken bool, err error)

// stdio are the standard streams of a new process.
type stdio struct {
	theirs [3]*os.File // the child's ends; nil is the null device
	ours   [3]*os.File // the other ends of those that are pipes
	// files in theirs that must be closed once the process has inherited them
	owned []*os.File
}

// open opens the stream fd as v specifies.
func (s *stdio) open(call string, fd int, v any) (err error) {
	switch v := v.(type) {
	case nil:
		s.theirs[fd] = [...]*os.File{os.Stdin, os.Stdout, os.Stderr}[fd]
		return nil
	case Redirect:
		switch v {
		case STDOUT:
			s.theirs[fd] = s.theirs[1]
			return nil
		case DEVNULL:
			return nil
		case PIPE:
			return s.pipe(fd)
		}
	case *os.File:
		if v != nil {
			s.theirs[fd] = v
			return nil
		}
	case int:
		return s.duplicate(fd, v)
	case uintptr:
		return s.duplicate(fd, int(v))
	}
	return usagef(call, "%v (a %T) is not a standard stream: want PIPE, DEVNULL, an *os.File or a file descriptor", v, v)
}

// pipe makes the stream fd a pipe.
func (s *stdio) pipe(fd int) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	if fd == 0 {
		s.theirs[fd], s.ours[fd] = r, w
	} else {
		s.theirs[fd], s.ours[fd] = w, r
	}
	s.owned = append(s.owned, s.theirs[fd])
	return nil
}

// duplicate makes the stream fd a duplicate of descriptor n.
func (s *stdio) duplicate(fd, n int) (err error) {
	if s.theirs[fd], err = duplicateForChild(n); err == nil {
		s.owned = append(s.owned, s.theirs[fd])
	}
	return err
}

// giveTo makes cmd start with these streams. A nil *os.File in one of its interface
// fields would not be nil.
func (s *stdio) giveTo(cmd *exec.Cmd) {
	if f := s.theirs[0]; f != nil {
		cmd.Stdin = f
	}
	if f := s.theirs[1]; f != nil {
		cmd.Stdout = f
	}
	if f := s.theirs[2]; f != nil {
		cmd.Stderr = f
	}
}

func (s *stdio) closeOwned() {
	for _, f := range s.owned {
		f.Close()
	}
}

// closeFiles closes the ends of the pipes that are not connected.
func (t *subprocess) closeFiles() {
	for _, c := range t.pipes {
		if c != nil && c.file != nil {
			c.file.Close()
			c.file = nil
		}
	}
}

// connect connects the pipes, one after the other.
func (t *subprocess) connect(ctx context.Context) error {
	defer t.closeFiles()
	e, err := enter(ctx, "SubprocessExec")
	if err != nil {
		return err
	}
	for _, c := range t.pipes {
		if c == nil {
			continue
		}
		if err := c.connect(e); err != nil {
			return err
		}
		if t.closing || t.exited && c.missesHangup() {
			// closing: the creation was cancelled
			c.transport.Close()
		}
	}
	t.open()
	for _, r := range t.calls {
		t.loop.schedule(r, nil)
	}
	t.calls = nil
	t.connected = true
	return nil
}
