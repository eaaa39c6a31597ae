//go:build unix

package main

import (
	"context"
	"syscall"

	"github.com/goaio/aio"
)

// group is a process group for a command and all its descendants.
//
// The shell of the command cannot lead the group: it may exit first, and then its
// process id, which identifies the group, could be reused. So the leader is a separate
// process that only waits. It ignores SIGTERM, and exits when the group is killed, or
// when procs has exited for any reason: then it reads EOF from its standard input and
// kills the whole group.
type group struct{ leader *aio.Process }

func newGroup(ctx context.Context) (*group, error) {
	leader, err := aio.CreateSubprocessShell(ctx, "trap '' TERM; echo; read line; kill -KILL 0", &aio.SubprocessOptions{
		Stdin:  aio.PIPE,
		Stdout: aio.PIPE,
		Group:  true,
	})
	if err != nil {
		return nil, err
	}
	g := &group{leader}
	if _, err := leader.Stdout.ReadLine(ctx); err != nil {
		// after this output the leader ignores SIGTERM
		g.kill(ctx)
		return nil, err
	}
	return g, nil
}

// member returns the attributes that start a process in the group.
func (g *group) member() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pgid: g.leader.PID}
}

// terminate asks all processes of the group to end. Stopped processes are continued,
// because otherwise they could not end.
func (g *group) terminate() {
	g.leader.Terminate()
	g.leader.SendSignal(syscall.SIGCONT)
}

// kill kills all processes of the group, except those that run with other credentials.
// It runs in a defer statement, so a cancellation that arrives meanwhile is delivered
// by a later await.
func (g *group) kill(ctx context.Context) {
	g.leader.Kill()
	_ = aio.Shielded(ctx, func(ctx context.Context) error {
		_, err := g.leader.Wait(ctx)
		return err
	})
}
