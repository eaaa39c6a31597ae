package services_test

// Each server is a process of its own: an installed program or, for servers that are Go
// modules, this test program in another role. A test can kill a server with all processes
// that it has started, and restart it at the same address.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleVariable is the environment variable that gives this program a role.
const roleVariable = "AIO_SERVICES_ROLE"

// roles are the servers that are Go modules. args are the arguments of the process. Each
// returns only if it fails.
var roles = map[string]func(args []string) error{
	"grpc":      serveRPC,
	"nats":      serveNATS,
	"websocket": serveSockets,
}

// playRole runs the server if this process has a role. The process also ends when the
// process of the tests ends in any way, because its standard input is closed then.
func playRole() {
	role, ok := roles[os.Getenv(roleVariable)]
	if !ok {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	fmt.Fprintln(os.Stderr, role(os.Args[1:]))
	os.Exit(1)
}

// process is a server process.
type process struct {
	command func() *exec.Cmd // makes the command
	answers func() error     // sends a request to the server

	cmd   *exec.Cmd
	out   bytes.Buffer // output of the process, to be read after its end
	ended chan struct{}
}

// start starts a server and waits until it answers. If the tests run as root, the server
// runs as the user as; an empty as means root.
func start(t testing.TB, cleanup func(func()), answers func() error, as, name string, args ...string) *process {
	t.Helper()
	attr := credential(t, as)
	return startCommand(t, cleanup, answers, func() *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.SysProcAttr = attr
		return cmd
	})
}

// startRole starts one of the roles and waits until it answers.
func startRole(t testing.TB, answers func() error, role string, args ...string) *process {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return startCommand(t, t.Cleanup, answers, func() *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), roleVariable+"="+role)
		return cmd
	})
}

func startCommand(t testing.TB, cleanup func(func()), answers func() error, command func() *exec.Cmd) *process {
	t.Helper()
	p := &process{command: command, answers: answers}
	cleanup(func() {
		p.kill()
		if bytes.Contains(p.out.Bytes(), []byte("DATA RACE")) {
			t.Errorf("the server:\n%s", &p.out)
		}
	})
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// start starts or restarts the server and waits until it answers.
func (p *process) start() error {
	cmd, ended := p.command(), make(chan struct{})
	p.cmd, p.ended = cmd, ended
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	// children of the server may still hold its output open
	cmd.WaitDelay = time.Second
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.cmd = nil
		return err
	}
	go func() {
		defer close(ended)
		_ = cmd.Wait() // returns an error once the server is killed
		_ = stdin.Close()
	}()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := p.answers()
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("the server has ended:\n%s", &p.out)
		default:
		}
		if time.Now().After(end) {
			p.kill()
			return fmt.Errorf("the server does not answer: %w\n%s", err, &p.out)
		}
	}
}

// kill kills the server and all its descendants with SIGKILL, and waits until they have
// ended.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	root := p.cmd.Process.Pid
	tree := []int{root}
	// A stopped process starts no others, so the list is complete once a pass finds
	// no new ones.
	for seen := 0; seen < len(tree); {
		for _, pid := range tree[seen:] {
			// the process may have ended
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
		seen = len(tree)
		for pid, parent := range parents() {
			if slices.Contains(tree, parent) && !slices.Contains(tree, pid) {
				tree = append(tree, pid)
			}
		}
	}
	for _, pid := range tree {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.ended
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		alive := parents()
		if !slices.ContainsFunc(tree, func(pid int) bool { _, ok := alive[pid]; return ok }) {
			break
		}
	}
	p.cmd = nil
}

// parents returns the parent of each running process, on systems with /proc.
func parents() map[int]int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is valid
	all := map[int]int{}
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil { // the process has ended
			continue
		}
		// 12 (name) S 11 ...
		_, rest, _ := strings.Cut(string(b[bytes.LastIndexByte(b, ')')+1:]), " ")
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
			// the process has ended
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		parent, _ := strconv.Atoi(fields[1])
		all[pid] = parent
	}
	return all
}

// program returns the path of a program that Debian may install outside of PATH.
func program(t testing.TB, name string, dirs ...string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range dirs {
		if found, _ := filepath.Glob(filepath.Join(dir, name)); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// credential returns the attributes that start a process as the user as, if the tests
// run as root.
func credential(t testing.TB, as string) *syscall.SysProcAttr {
	t.Helper()
	if as == "" || os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup(as)
	if err != nil {
		t.Skipf("%s is not installed: %v", as, err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// dirOf makes a temporary directory that belongs to the user as.
func dirOf(t testing.TB, cleanup func(func()), as string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "aio-services")
	if err != nil {
		t.Fatal(err)
	}
	cleanup(func() { _ = os.RemoveAll(dir) })
	if attr := credential(t, as); attr != nil {
		if err := os.Chown(dir, int(attr.Credential.Uid), int(attr.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// freeAddr returns an address that is not in use at the moment. Its port is outside of
// the range from which the system takes the ports of clients: otherwise a client that
// retries while the server is down might get this port and connect to itself.
func freeAddr(t testing.TB) (addr, port string) {
	t.Helper()
	var last error
	for range 100 {
		port := strconv.Itoa(15000 + rand.IntN(15000))
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			_ = ln.Close() // no connection was accepted
			return ln.Addr().String(), port
		}
		last = errors.Join(last, err)
	}
	t.Fatal(last)
	return "", ""
}
