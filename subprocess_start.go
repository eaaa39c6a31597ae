package aio

// Starting a child process, and connecting its pipes.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// startProcess starts cmd, and waits until the protocol is connected.
func (c caller) startProcess(ctx context.Context, call string, p Protocol, cmd *exec.Cmd, o *SubprocessOptions) (*subprocess, error) {
	if err := checkProtocol[SubprocessTransport](p); err != nil {
		return nil, err
	}
	l := c.fut.loop
	t := &subprocess{group: o.Group, grace: o.GracePeriod}
	t.endpoint = endpoint{loop: l, self: t}
	t.use(p)
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
		t.untie = context.AfterFunc(o.Context, func() { l.post(readyEntry{(*doom)(t), nil}, false) })
	}
	w := l.newWaiter(call)
	opener := w
	CreateTask(ctx, NoResult(func(ctx context.Context) error {
		err := t.connect(ctx)
		if opener == nil || opener.state != pending {
			return nil
		}
		if err != nil {
			opener.seen = true
			opener.settle(failed, err)
		} else {
			opener.wake()
		}
		return nil
	}))
	err := c.await(&w.future)
	opener = nil
	l.freeWaiter(w)
	if err != nil {
		t.close()
		if _, waitErr := t.wait(c, call); waitErr != nil {
			return nil, waitErr
		}
		return nil, err
	}
	return t, nil
}

// start starts the process, with the pipes that it is to have.
func (t *subprocess) start(ctx context.Context, call string, cmd *exec.Cmd, o *SubprocessOptions) (err error) {
	var childs []*os.File // ends and duplicates, of which the child has its own when it runs
	defer func() {
		for _, f := range childs {
			f.Close()
		}
		if err != nil {
			t.closeFiles()
		}
	}()
	file := func(fd int, v any, inherited *os.File) (*os.File, error) {
		switch v := v.(type) {
		case nil:
			return inherited, nil
		case Redirect:
			switch v {
			case STDOUT:
				f, _ := cmd.Stdout.(*os.File)
				return f, nil
			case DEVNULL:
				return nil, nil
			case PIPE:
				r, w, err := os.Pipe()
				if err != nil {
					return nil, err
				}
				ours, theirs := r, w
				if fd == 0 {
					ours, theirs = w, r
				}
				t.pipes[fd] = &childPipe{process: t, fd: fd, file: ours}
				childs = append(childs, theirs)
				return theirs, nil
			}
		case *os.File:
			if v != nil {
				return v, nil
			}
		case int:
			return duplicateForChild(v, &childs)
		case uintptr:
			return duplicateForChild(int(v), &childs)
		}
		return nil, &usageError{text: fmt.Sprintf("aio: %s: %v (a %T) is no standard stream: it takes PIPE, DEVNULL, an *os.File or the number of a descriptor", call, v, v)}
	}
	// A nil *os.File in one of these would not be nil.
	if f, err := file(0, o.Stdin, os.Stdin); err != nil {
		return err
	} else if f != nil {
		cmd.Stdin = f
	}
	if f, err := file(1, o.Stdout, os.Stdout); err != nil {
		return err
	} else if f != nil {
		cmd.Stdout = f
	}
	if f, err := file(2, o.Stderr, os.Stderr); err != nil {
		return err
	} else if f != nil {
		cmd.Stderr = f
	}
	cmd.Dir, cmd.Env, cmd.ExtraFiles = o.Dir, o.Env, o.ExtraFiles
	if o.SysProcAttr != nil {
		setAttr(cmd, *o.SysProcAttr)
	}
	if o.Group {
		if err := leadGroup(cmd); err != nil {
			return &usageError{text: "aio: " + call + ": " + err.Error()}
		}
	}
	if w := watcherInUse(); w != nil && !o.Group {
		return t.startWatched(ctx, cmd, w)
	}
	fd, err := startProcess(cmd)
	if err != nil {
		return err
	}
	t.process, t.pid = cmd.Process, cmd.Process.Pid
	if !t.watchDescriptor(fd) {
		t.waitInGoroutine()
	}
	return nil
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
		if t.closing || t.exited && c.deaf() { // closing: the creation was cancelled
			c.transport.Close()
		}
	}
	t.loop.schedule(&processCall{t, func() { connectionMade(t.protocol, t) }}, nil)
	for _, r := range t.calls {
		t.loop.schedule(r, nil)
	}
	t.calls = nil
	t.connected = true
	return nil
}
