// Raft is a replicated log: several nodes agree on a sequence of commands, even if some
// of them crash or cannot be reached.
//
//	raft -name a -data a.log \
//		-peers a=localhost:7001,b=localhost:7002,c=localhost:7003
//	raft -propose COMMAND -peers a=localhost:7001,b=localhost:7002,c=localhost:7003
//
// The first form runs a node, which prints the committed commands. The second form
// submits a command to the cluster and prints its index in the log.
//
// The exit status is 0 if the cluster has the command, or SIGINT or SIGTERM stopped the
// node; 1 after a failure, 2 for wrong arguments; and 128+N if signal N stopped -propose.
//
// # What it shows
//
//   - State without locks: one task of a node handles one event after another.
//   - Stream connections between peers, which reconnect.
//   - A simulation, in raft_test.go: five hosts run for an hour of virtual time, with
//     crashes, partitions and restarts. The guarantees of Raft are checked after each
//     step.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/goaio/aio"
)

const (
	exitFailure = 1
	exitUsage   = 2
	exitSignal  = 128 // plus the signal's number

	usage = "usage: raft -name NAME -data FILE -peers LIST\n       raft -propose COMMAND -peers LIST"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without os.Exit. It returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("raft", flag.ContinueOnError)
	// run reports errors in the format of this program
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	name := flags.String("name", "", "run the node `NAME`")
	data := flags.String("data", "", "store the state of the node in `FILE`")
	command := flags.String("propose", "", "submit `COMMAND` to the cluster")
	list := flags.String("peers", "", "all nodes as `LIST`: NAME=HOST:PORT,...")
	wrong := func(format string, args ...any) int {
		fmt.Fprintf(stderr, "raft: "+format+"\n"+usage+"\n", args...)
		return exitUsage
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(stdout, usage)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return 0
	} else if err != nil {
		return wrong("%v", err)
	}
	if flags.NArg() > 0 {
		return wrong("want no arguments, got %q", flags.Arg(0))
	}
	peers := map[string]string{}
	for part := range strings.SplitSeq(*list, ",") {
		n, addr, ok := strings.Cut(part, "=")
		if !ok || n == "" || addr == "" {
			return wrong("-peers: %q does not have the form NAME=HOST:PORT", part)
		}
		peers[n] = addr
	}
	var main func(ctx context.Context) error
	switch addr, known := peers[*name]; {
	case *command != "" && *name == "":
		main = func(ctx context.Context) error {
			index, err := ask(ctx, peers, *command)
			if err == nil {
				fmt.Fprintf(stdout, "%d\n", index)
			}
			return err
		}
	case known && *data != "" && *command == "":
		disk, err := openFile(*data)
		if err != nil {
			fmt.Fprintf(stderr, "raft: %v\n", err)
			return exitFailure
		}
		defer disk.f.Close()
		delete(peers, *name)
		main = func(ctx context.Context) error {
			return Serve(ctx, Options{
				Name: *name, Addr: addr, Peers: peers, Disk: disk,
				Apply: func(index int, e Entry) { fmt.Fprintf(stdout, "%d %s\n", index, e.Command) },
				Leads: func(term int) { fmt.Fprintf(stderr, "raft: leader of term %d\n", term) },
				Random: func(_ context.Context, least, most time.Duration) time.Duration {
					return least + rand.N(most-least)
				},
			})
		}
	default:
		return wrong("want either -propose, or -name and -data")
	}
	r := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	defer r.Close()
	err := r.Run(main)
	var sig *aio.SignalError
	switch {
	case errors.As(err, &sig):
		fmt.Fprintf(stderr, "raft: stopped by %v\n", sig.Signal)
		if *command != "" {
			return exitSignal + int(sig.Signal.(syscall.Signal))
		}
	case err != nil:
		fmt.Fprintf(stderr, "raft: %v\n", err)
		return exitFailure
	}
	return 0
}

// ask tries one node after another, for ten seconds, until it finds the leader. It
// returns an error if a leader received the command but did not confirm it: a second
// request could add the command twice.
func ask(ctx context.Context, peers map[string]string, command string) (index int, err error) {
	var names []string
	for name := range peers {
		names = append(names, name)
	}
	slices.Sort(names)
	err = aio.Timeout(ctx, 10*time.Second, func(ctx context.Context) error {
		for i := 0; ; i++ {
			for addr := peers[names[i%len(names)]]; addr != ""; {
				var leader string
				index, leader, err = Propose(ctx, addr, command)
				var dial *net.OpError
				switch {
				case err == nil:
					return nil
				case errors.Is(err, errNotLeader):
				case errors.As(err, &dial) && dial.Op == "dial":
				default:
					return fmt.Errorf("it is unknown whether the command was added: %w", err)
				}
				addr = peers[leader]
			}
			if err := aio.Sleep(ctx, heartbeat); err != nil {
				return err
			}
		}
	})
	return index, err
}
