package aiohttp_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/goaio/aio/aiohttp"
)

// loadAddr is the environment variable that makes the test's program a load for the
// server at that address.
const loadAddr = "AIOHTTP_TEST_LOAD"

func init() {
	addr := os.Getenv(loadAddr)
	if addr == "" {
		return
	}
	if err := load(addr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// crowd is how many connections the load keeps busy.
const crowd = 400

// Under load the connections take turns: between a request and its answer, each other
// connection has about one answer. The load is a process of its own, as it must not share
// the scheduler with the server.
func TestBusyConnectionsTakeTurns(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	l, _ := startLoop(t)
	hello := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }
	srv := serve(t, aiohttp.Handler(l, http.HandlerFunc(hello)))
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), loadAddr+"="+srv.Listener.Addr().String())
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the load: %v\n%s", err, said.String())
	}
	var waits []int
	if err := json.Unmarshal(out, &waits); err != nil {
		t.Fatalf("the load said %q: %v", out, err)
	}
	slices.Sort(waits)
	longest := waits[len(waits)*999/1000]
	t.Logf("answers to others during a request, of %d connections: median %d, longest %d", crowd, waits[len(waits)/2], longest)
	if longest > 7*crowd/2 {
		t.Errorf("a request waited for %d others; there are %d connections", longest, crowd)
	}
}

// load keeps connections busy until each has had 80 answers on the average. It prints
// how many of the others were answered during each request, but the first ones.
func load(addr string) error {
	var answered atomic.Int64
	waits := make(chan []int)
	failed := make(chan error)
	for range crowd {
		go func() {
			var all []int
			err := busy(addr, func(request func() error) error {
				for answered.Load() < 80*crowd {
					before := answered.Load()
					if err := request(); err != nil {
						return err
					}
					if after := answered.Add(1); before > 20*crowd {
						all = append(all, int(after-before))
					}
				}
				return nil
			})
			if err != nil {
				failed <- err
				return
			}
			waits <- all
		}()
	}
	var all []int
	for range crowd {
		select {
		case err := <-failed:
			return err
		case some := <-waits:
			all = append(all, some...)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}

// busy calls do with a function that makes a request on a connection and reads the
// answer.
func busy(addr string, do func(request func() error) error) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	r := bufio.NewReader(nc)
	return do(func() error {
		if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	})
}
