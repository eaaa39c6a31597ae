package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio/internal/stage"
)

// TestMain runs main instead of the tests if SERVICE_MAIN is set.
func TestMain(m *testing.M) {
	if os.Getenv("SERVICE_MAIN") != "" {
		main()
		return
	}
	os.Exit(stage.Run(m))
}

// service is a process of the program.
type service struct {
	cmd   *exec.Cmd
	url   string
	ended chan error
	log   strings.Builder // after ended
}

// start starts the program and waits until it is listening.
func start(t *testing.T, args ...string) *service {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &service{cmd: exec.Command(exe, append([]string{"-addr", "127.0.0.1:0"}, args...)...), ended: make(chan error, 1)}
	s.cmd.Env = append(os.Environ(), "SERVICE_MAIN=1")
	out, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, addr, ok := strings.Cut(lines.Text(), "addr="); ok {
			s.url = "http://" + addr
			break
		}
		t.Log(lines.Text())
	}
	go func() {
		for lines.Scan() {
			s.log.WriteString(lines.Text() + "\n")
		}
		s.ended <- s.cmd.Wait()
	}()
	t.Cleanup(func() { s.cmd.Process.Kill() })
	if s.url == "" {
		t.Fatal("the service does not listen")
	}
	return s
}

// ask makes a request on a new connection.
func (s *service) ask(method, path string) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	req, err := http.NewRequest(method, s.url+path, nil)
	if err != nil {
		return "", err
	}
	r, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return fmt.Sprint(r.StatusCode, " ", strings.TrimSpace(string(b))), err
}

func (s *service) want(t *testing.T, method, path, want string) {
	t.Helper()
	if got, err := s.ask(method, path); got != want || err != nil {
		t.Errorf("%s %s: %q, %v, want %q", method, path, got, err, want)
	}
}

func needSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
}

func TestService(t *testing.T) {
	needSignals(t)
	t.Parallel()
	s := start(t)
	s.want(t, "GET", "/ready", "200 ready")
	s.want(t, "POST", "/stock/tea?n=3", "200 3")
	s.want(t, "POST", "/stock/tea?n=none", "400 n must be a number greater than 0")
	s.want(t, "DELETE", "/stock/tea?n=2", "200 1")
	s.want(t, "DELETE", "/stock/tea?n=2", "409 not enough in stock")
	events, err := http.Get(s.url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(events.Body)
	if line, err := lines.ReadString('\n'); line != "data: version 2\n" || err != nil {
		t.Errorf("got %q, %v", line, err)
	}
	var all sync.WaitGroup
	all.Go(func() { s.want(t, "DELETE", "/stock/tea?n=2", "200 0") }) // waits
	s.want(t, "POST", "/stock/tea?n=1", "200 2")
	all.Wait()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// ends without an error: the handler returned on its own
	if _, err := io.ReadAll(lines); err != nil {
		t.Error(err)
	}
	events.Body.Close()
	if err := <-s.ended; err != nil || !strings.Contains(s.log.String(), "stopped signal=terminated") {
		t.Errorf("the service exited with %v\n%s", err, &s.log)
	}
	http.DefaultClient.CloseIdleConnections()
}

// Clients with busy keep-alive connections lose no request while their replica is
// replaced, as in a cluster: the cluster sends SIGTERM, and once the replica is not
// ready, its load balancer sends no new connections to it and closes the idle ones. On
// each other connection, the response to a request during the drain delay tells the
// client to close it. A request on an idle connection that the server is closing is
// lost, so the delay must be longer than a busy machine may pause the clients.
func TestReplaced(t *testing.T) {
	needSignals(t)
	t.Parallel()
	replicas := []*service{start(t, "-drain", "3s"), start(t)}
	var mu sync.Mutex
	current := 0 // the replica that gets new connections
	transport := &http.Transport{
		MaxIdleConnsPerHost: 10,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			mu.Lock()
			addr := strings.TrimPrefix(replicas[current].url, "http://")
			mu.Unlock()
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	stop := make(chan struct{})
	var all sync.WaitGroup
	var sent [2]int // requests before and after the signal
	phase := 0
	for i := range 8 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// the client does not repeat a POST
				r, err := client.Post(fmt.Sprintf("http://service/stock/item%d?n=1", i), "", nil)
				if err != nil {
					t.Errorf("a request was lost: %v", err)
					return
				}
				_, err = io.Copy(io.Discard, r.Body)
				r.Body.Close()
				if err != nil || r.StatusCode != http.StatusOK {
					t.Errorf("status %d, %v", r.StatusCode, err)
					return
				}
				mu.Lock()
				sent[phase]++
				mu.Unlock()
			}
		})
	}
	count := func(phase int) int {
		mu.Lock()
		defer mu.Unlock()
		return sent[phase]
	}
	for count(0) < 100 {
		runtime.Gosched()
	}
	if err := replicas[0].cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for { // the readiness probe of the load balancer
		if got, err := replicas[0].ask("GET", "/ready"); err != nil {
			t.Fatal(err)
		} else if strings.HasPrefix(got, "503") {
			break
		}
	}
	mu.Lock()
	current, phase = 1, 1
	mu.Unlock()
	transport.CloseIdleConnections()
	if err := <-replicas[0].ended; err != nil || !strings.Contains(replicas[0].log.String(), "stopped signal=terminated") {
		t.Errorf("the service exited with %v\n%s", err, &replicas[0].log)
	}
	before := count(1)
	for count(1) < before+100 && !t.Failed() {
		runtime.Gosched()
	}
	close(stop)
	all.Wait()
	if err := replicas[1].cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	transport.CloseIdleConnections()
	if err := <-replicas[1].ended; err != nil {
		t.Error(err)
	}
}

// TestGuide checks that docs/service.md contains this program.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/service.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(guide), "```go\n"+string(program)+"```\n") {
		t.Error("docs/service.md does not contain examples/service/main.go word for word")
	}
}
