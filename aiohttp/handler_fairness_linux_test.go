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
	"github.com/goaio/aio/internal/stage"
)

// loadAddr is the environment variable that makes the test binary act as a load
// generator for the server at that address.
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

// crowd is the number of connections that the load keeps busy.
const crowd = 400

// Under load the connections take turns: between a request and its response, each other
// connection gets about one response. The load runs in another process, because it must
// not share the Go scheduler with the server.
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
		t.Fatalf("load: %q, %v", out, err)
	}
	slices.Sort(waits)
	longest := waits[len(waits)*999/1000]
	t.Logf("answers to others during a request, of %d connections: median %d, longest %d", crowd, waits[len(waits)/2], longest)
	if longest > 7*crowd/2 {
		t.Errorf("a request waited for %d others; there are %d connections", longest, crowd)
	}
}

// load keeps the connections busy until they have had 80 responses each on average, or
// less in a sample. It prints how many responses the other connections got during
// each request, without the first requests.
func load(addr string) error {
	answers := stage.Amount[int64](25, 80, 400) * crowd
	var answered atomic.Int64
	waits := make(chan []int)
	failed := make(chan error)
	for range crowd {
		go func() {
			var all []int
			err := busy(addr, func(request func() error) error {
				for answered.Load() < answers {
					before := answered.Load()
					if err := request(); err != nil {
						return err
					}
					if after := answered.Add(1); before > answers/4 {
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
