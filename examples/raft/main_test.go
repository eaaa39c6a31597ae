package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// Three nodes with real sockets and files: the committed commands survive a restart of
// all nodes.
func TestRestart(t *testing.T) {
	dir, addrs := t.TempDir(), map[string]string{}
	var list []string
	for _, name := range []string{"a", "b", "c"} {
		ln, err := net.Listen("tcp", "127.0.0.1:0") // reserves a free port
		if err != nil {
			t.Fatal(err)
		}
		addrs[name] = ln.Addr().String()
		list = append(list, name+"="+addrs[name])
		ln.Close()
	}
	for round := range 2 {
		committed := make(chan string, 100)
		var ends []func()
		for name := range addrs {
			disk, err := openFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			others := map[string]string{}
			for other, addr := range addrs {
				if other != name {
					others[other] = addr
				}
			}
			loop, stop := aio.StartLoop(nil)
			node := aio.RunCoroutineThreadsafe(loop, func(ctx context.Context) (struct{}, error) {
				return struct{}{}, Serve(ctx, Options{
					Name: name, Addr: addrs[name], Peers: others, Disk: disk,
					Apply: func(index int, e Entry) {
						if name == "a" {
							committed <- e.Command
						}
					},
					Random: func(_ context.Context, least, most time.Duration) time.Duration { return least + rand.N(most-least) },
				})
			})
			ends = append(ends, func() {
				node.Cancel()
				if err := stop(); err != nil {
					t.Error(err)
				}
				disk.f.Close()
			})
		}
		var out, errs bytes.Buffer
		if status := run([]string{"-propose", fmt.Sprint("round ", round), "-peers", strings.Join(list, ",")}, &out, &errs); status != 0 {
			t.Errorf("status %d: %s", status, &errs)
		}
		for i := range round + 1 {
			select {
			case got := <-committed:
				if want := fmt.Sprint("round ", i); got != want {
					t.Errorf("%q was committed, want %q", got, want)
				}
			case <-time.After(time.Minute):
				t.Fatalf("round %d: command %d is not committed", round, i)
			}
		}
		for _, end := range ends {
			end()
		}
	}
}
