//go:build unix

package main

import (
	"context"
	"syscall"

	"github.com/goaio/aio"
)

// group is a process group for a command and all that this starts.
//
// The shell of the command cannot be its leader: it may end first, and from then on the
// group's number would be anybody's. So the leader is a process that does nothing. It
// ignores SIGTERM, and stays until the group is killed, or until procs has ended in
// whatever way, which it sees by its standard input: then it kills the group, and itself
// with that.
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
		// from then on it ignores SIGTERM
		g.kill(ctx)
		return nil, err
	}
	return g, nil
}

// member has a process be in the group from the start.
func (g *group) member() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pgid: g.leader.PID}
}

// terminate asks all processes of the group to end. Stopped processes are continued,
// because otherwise they could not end.
func (g *group) terminate() {
	g.leader.Terminate()
	g.leader.SendSignal(syscall.SIGCONT)
}

// kill ends the group. Nobody can refuse, except who has got other credentials.
func (g *group) kill(ctx context.Context) {
	g.leader.Kill()
	g.leader.Wait(ctx)
}
