package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

// start runs a chat server in a new loop. stop, or the end of the test, ends it.
func start(t *testing.T, idle time.Duration) (addr string, stop func()) {
	t.Helper()
	at := make(chan string, 1)
	ended := make(chan error, 1)
	var r aio.Runner
	loop, err := r.GetLoop()
	if err != nil {
		t.Fatal(err)
	}
	loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { t.Errorf("reported: %s: %v", ec.Message, ec.Err) })
	var task aio.AnyTask
	go func() {
		err := r.Run(func(ctx context.Context) error {
			task = aio.CurrentTask(ctx)
			return serve(ctx, "127.0.0.1:0", idle, time.Minute, func(a net.Addr) { at <- a.String() })
		})
		ended <- errors.Join(err, r.Close())
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		loop.CallSoonThreadsafe(func() { task.Cancel() })
		if err := <-ended; !errors.Is(err, aio.ErrCancelled) {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return <-at, stop
}

// guest is the client of a user.
type guest struct {
	t  *testing.T
	c  io.ReadWriteCloser
	in *bufio.Scanner
}

func visit(t *testing.T, addr string) *guest {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &guest{t, c, bufio.NewScanner(c)}
}

func (g *guest) say(line string) {
	g.t.Helper()
	if _, err := io.WriteString(g.c, line+"\n"); err != nil {
		g.t.Fatal(err)
	}
}

// reads checks that these are the next lines.
func (g *guest) reads(lines ...string) {
	g.t.Helper()
	for _, want := range lines {
		if !g.in.Scan() {
			g.t.Fatalf("the connection was closed (%v), want %q", g.in.Err(), want)
		}
		if got := g.in.Text(); got != want {
			g.t.Fatalf("read %q, want %q", got, want)
		}
	}
}

// leaves checks that the connection is closed.
func (g *guest) leaves() {
	g.t.Helper()
	if g.in.Scan() {
		g.t.Errorf("read %q, want EOF", g.in.Text())
	}
}

func TestChat(t *testing.T) {
	addr, stop := start(t, time.Hour)
	ann := visit(t, addr)
	ann.reads("* welcome, guest1: /help lists the commands", "* in lobby: guest1")
	ann.say("/nick ann")
	ann.reads("* guest1 is now ann")
	bob := visit(t, addr)
	bob.reads("* welcome, guest2: /help lists the commands", "* in lobby: ann, guest2")
	ann.reads("* guest2 has joined")
	bob.say("/nick ann")
	bob.reads("* ann is taken")
	bob.say("/nick not a name")
	bob.reads("* a name has 1 to 20 letters, digits, - or _")
	bob.say("/nick bob")
	bob.reads("* guest2 is now bob")
	ann.reads("* guest2 is now bob")
	ann.say("hello")
	bob.reads("ann: hello")
	ann.say("\x1b]0;title\a\x1b[2Jclear \u009b31m\u202eright to left\xff \tend")
	// control characters and bidirectional overrides are removed
	bob.reads("ann: ]0;title[2Jclear 31mright to left\uFFFD \tend")
	bob.say("  \n/me waves")
	bob.reads("* bob waves")
	ann.reads("* bob waves")
	bob.say("/join garden")
	bob.reads("* in garden: bob")
	ann.reads("* bob has left")
	ann.say("nobody hears this")
	ann.say("/rooms")
	ann.reads("* garden (1)", "* lobby (1)")
	ann.say("/join garden")
	ann.reads("* in garden: bob, ann")
	bob.reads("* ann has joined")
	ann.say("/dance")
	ann.reads("* unknown command /dance: /help lists the commands")
	ann.say("/help")
	ann.reads("* /join ROOM  move to another room", "* /me TEXT  describe an action of yours", "* /nick NAME  change your name",
		"* /quit leave", "* /rooms list the rooms", "* /who list the users in this room")
	ann.say(strings.Repeat("x", 5000))
	ann.reads("* line too long")
	ann.say("/quit")
	ann.reads("* good-bye")
	ann.leaves()
	bob.reads("* ann has left")
	carl := visit(t, addr) // disconnects without /quit
	carl.reads("* welcome, guest3: /help lists the commands", "* in lobby: guest3")
	carl.say("/join garden")
	bob.reads("* guest3 has joined")
	carl.c.Close()
	bob.reads("* guest3 has left")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		bob.reads("* the server is shutting down")
		bob.say("/quit")
		bob.c.Close()
	}()
	stop()
	<-ended
}

func TestSilenceEndsTheVisit(t *testing.T) {
	addr, _ := start(t, 20*time.Millisecond)
	g := visit(t, addr)
	g.reads("* welcome, guest1: /help lists the commands", "* in lobby: guest1",
		"* you were silent for 20ms: goodbye")
	g.leaves()
}

// Runs the program with nc as its clients, and stops it with SIGTERM.
func TestNetcatAndSIGTERM(t *testing.T) {
	nc, err := exec.LookPath("nc")
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("nc is not installed")
	}
	bin := filepath.Join(t.TempDir(), "chat")
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	srv := exec.Command(bin, "-addr", "127.0.0.1:0", "-grace", "10ms")
	logged, err := srv.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	defer srv.Process.Kill()
	log := bufio.NewScanner(logged)
	if !log.Scan() {
		t.Fatal("the server printed nothing")
	}
	_, addr, ok := strings.Cut(log.Text(), "listening on ")
	if !ok {
		t.Fatalf("the server printed %q", log.Text())
	}
	host, port, _ := net.SplitHostPort(addr)
	var guests []*guest
	for range 3 {
		cmd := exec.Command(nc, host, port)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			in.Close()
			cmd.Process.Kill()
			cmd.Wait()
		}()
		g := &guest{t, struct {
			io.Reader
			io.WriteCloser
		}{out, in}, bufio.NewScanner(out)}
		for range 2 {
			if !g.in.Scan() {
				t.Fatal("nobody is welcomed")
			}
		}
		guests = append(guests, g)
	}
	guests[0].reads("* guest2 has joined", "* guest3 has joined")
	guests[1].reads("* guest3 has joined")
	guests[1].say("hello from nc")
	guests[0].reads("guest2: hello from nc")
	guests[2].reads("guest2: hello from nc")
	if err := srv.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for _, g := range guests {
		g.reads("* the server is shutting down")
	}
	if !log.Scan() || !strings.Contains(log.Text(), "stopped by terminated") {
		t.Errorf("the server printed %q", log.Text())
	}
	if err := srv.Wait(); err != nil {
		t.Error(err)
	}
}
