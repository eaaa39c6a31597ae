package aiojobs_test

// Three servers and three workers, each a process, are killed at random while jobs run.

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/contrib/aiojobs"
	"github.com/goaio/aio/internal/stage"
)

var (
	killJobs = flag.Int("kill.jobs", 0, "least number of jobs of TestKill; 0 means 2000, or 100000 with AIO_LONG")
	kills    = flag.Int("kill.kills", 0, "how often TestKill kills each process; 0 means 3, or 20 with AIO_LONG")
	killSeed = flag.Uint64("kill.seed", 0, "seed of TestKill; 0 means a random one")
)

const roleVariable = "AIOJOBS_ROLE"

func TestMain(m *testing.M) {
	if role := strings.Fields(os.Getenv(roleVariable)); len(role) > 0 {
		go func() { // the process ends with the test
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(3)
		}()
		if err := aio.Run(func(ctx context.Context) error { return playRole(ctx, role) }); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(stage.Run(m))
}

type number struct{ I int }

// square is the job of the test. Only a submitter's or worker's death ends its attempts.
var square = aiojobs.NewJob[number, int]("square", &aiojobs.JobOptions{Attempts: 1 << 20})

// playRole is the program of a process: server NAME DIR ADDR CLUSTER ROUTES, or worker
// URLS LOG.
func playRole(ctx context.Context, role []string) error {
	switch role[0] {
	case "server":
		_, err := aiojobs.StartServer(ctx, &aiojobs.ServerOptions{
			Name: role[1], Dir: role[2], Listen: role[3], Cluster: role[4], Routes: strings.Split(role[5], ","),
		})
		if err != nil {
			return err
		}
		return aio.Sleep(ctx, time.Hour)
	case "worker":
		c, err := aiojobs.Open(ctx, killOptions(role[1]))
		if err != nil {
			return err
		}
		log, err := os.OpenFile(role[2], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		err = aiojobs.Register(c, square, func(ctx context.Context, n number) (int, error) {
			info, _ := aiojobs.InfoOf(ctx)
			// A single write: the line survives the death of the process
			// completely.
			if _, err := fmt.Fprintf(log, "%d %d\n", n.I, info.Began.UnixNano()); err != nil {
				return 0, err
			}
			return n.I * n.I, aio.Sleep(ctx, time.Duration(n.I%5)*time.Millisecond)
		})
		if err != nil {
			return err
		}
		return c.Work(ctx, &aiojobs.WorkOptions{Limit: 32, Prefetch: 32})
	}
	return fmt.Errorf("no such role: %q", role)
}

func killOptions(urls string) *aiojobs.Options {
	return &aiojobs.Options{
		URLs: strings.Split(urls, ","), Replicas: 3, AckWait: 3 * time.Second, RequestTimeout: time.Second, Poll: time.Second,
	}
}

// member is a process that is started again after each kill.
type member struct {
	name, role string
	cmd        *exec.Cmd
	stdin      io.Closer
	out        string // file with the output of the process
}

func (m *member) start() error {
	f, err := os.OpenFile(m.out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	m.cmd = exec.Command(os.Args[0])
	m.cmd.Env = append(os.Environ(), roleVariable+"="+m.role)
	m.cmd.Stdout, m.cmd.Stderr = f, f
	if m.stdin, err = m.cmd.StdinPipe(); err != nil {
		return err
	}
	return m.cmd.Start()
}

// kill ends the process with SIGKILL.
func (m *member) kill() error {
	if err := m.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	_ = m.cmd.Wait() // the error reports the kill
	if s := m.cmd.ProcessState.String(); s != "signal: killed" {
		out, _ := os.ReadFile(m.out)
		return fmt.Errorf("%s had ended before the kill: %s\n%s", m.name, s, out)
	}
	return nil
}

// freeAddrs returns addresses at which no process listens.
func freeAddrs(t *testing.T, n int) []string {
	t.Helper()
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

func TestKill(t *testing.T) {
	long := os.Getenv("AIO_LONG") != ""
	if *killJobs == 0 {
		*killJobs = 2000
		if long {
			*killJobs = 100_000
		}
	}
	if *kills == 0 {
		*kills = 3
		if long {
			*kills = 20
		}
	}
	if *killSeed == 0 {
		*killSeed = rand.Uint64()
	}
	t.Logf("-kill.seed=%d -kill.jobs=%d -kill.kills=%d", *killSeed, *killJobs, *kills)
	rng := rand.New(rand.NewPCG(*killSeed, 0))

	dir := t.TempDir()
	addrs := freeAddrs(t, 6)
	urls, routes := strings.Join(addrs[:3], ","), strings.Join(addrs[3:], ",")
	logFile := filepath.Join(dir, "runs")
	var members []*member
	for i := range 3 {
		name := fmt.Sprint("s", i)
		members = append(members, &member{name: name, role: strings.Join(
			[]string{"server", name, filepath.Join(dir, name), addrs[i], addrs[3+i], routes}, " ")})
	}
	for i := range 3 {
		members = append(members, &member{name: fmt.Sprint("w", i), role: "worker " + urls + " " + logFile})
	}
	for _, m := range members {
		m.out = filepath.Join(dir, m.name+".out")
		if err := m.start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := m.kill(); err != nil {
				t.Error(err)
			}
		})
	}

	known := map[int]time.Time{} // when the submitter had the result of a job
	var stats aiojobs.Stats
	begin := time.Now()
	err := aio.Run(func(ctx context.Context) error {
		limit := 3 * time.Minute
		if long {
			limit = 30 * time.Minute
		}
		return aio.Timeout(ctx, limit, func(ctx context.Context) error {
			c, err := aiojobs.Open(ctx, killOptions(urls))
			if err != nil {
				return err
			}
			err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				killed := false
				tg.Go(func(ctx context.Context) error {
					defer func() { killed = true }()
					return killAll(ctx, rng, members, *kills)
				})
				next := 0
				for range 200 {
					tg.Go(func(ctx context.Context) error {
						for next < *killJobs || !killed {
							i := next
							next++
							h, err := square.Submit(ctx, c, number{i}, nil)
							if err != nil {
								return fmt.Errorf("submitting job %d: %w", i, err)
							}
							r, err := h.Await(ctx)
							if err != nil || r != i*i {
								return fmt.Errorf("job %d: %d, %w", i, r, err)
							}
							known[i] = time.Now()
						}
						return nil
					})
				}
				return nil
			})
			stats = c.Stats()
			return errors.Join(err, c.Close(ctx))
		})
	})
	if err != nil {
		t.Fatalf("%v; %d results; %+v", err, len(known), stats)
	}
	checkRuns(t, logFile, known)
	t.Logf("%d jobs in %v", len(known), time.Since(begin).Round(time.Second))
}

// killAll kills each member n times, in random order, and starts it again.
func killAll(ctx context.Context, rng *rand.Rand, members []*member, n int) error {
	var order []*member
	for _, m := range members {
		for range n {
			order = append(order, m)
		}
	}
	rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	between := func(least, most int) time.Duration {
		return time.Duration(least+rng.IntN(most-least)) * time.Millisecond
	}
	for _, m := range order {
		if err := aio.Sleep(ctx, between(200, 2000)); err != nil {
			return err
		}
		if err := m.kill(); err != nil {
			return err
		}
		if err := aio.Sleep(ctx, between(1, 500)); err != nil {
			return err
		}
		if err := m.start(); err != nil {
			return err
		}
	}
	return nil
}

// checkRuns compares the log of the workers with the times at which results were known.
func checkRuns(t *testing.T, logFile string, known map[int]time.Time) {
	t.Helper()
	f, err := os.Open(logFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	runs := map[int]int{}
	all, late := 0, 0
	for s := bufio.NewScanner(f); s.Scan(); {
		job, at, _ := strings.Cut(s.Text(), " ")
		i, err1 := strconv.Atoi(job)
		ns, err2 := strconv.ParseInt(at, 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatalf("the log has %q: %v", s.Text(), err)
		}
		runs[i]++
		all++
		if when, ok := known[i]; ok && time.Unix(0, ns).After(when) {
			late++
			t.Errorf("a run of job %d began %v after its result was known", i, time.Unix(0, ns).Sub(when))
		}
	}
	for i := range known {
		if runs[i] == 0 {
			t.Errorf("job %d has a result, and no run", i)
		}
	}
	t.Logf("%d jobs, all of them done; %d runs, of which %d were duplicates, and %d began after their result was known",
		len(known), all, all-len(runs), late)
}
