package mqtt

// The command mqttc against mosquitto and its clients.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/goaio/aio"
)

// command builds mqttc.
func command(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "mqttc")
	if out, err := exec.Command("go", "build", "-o", bin, "./mqttc").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

func TestCommand(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "")
	bin := command(t)
	// mqttc runs the command with an input, and returns its output and exit status.
	mqttc := func(input string, args ...string) (stdout, stderr string, status int) {
		cmd := exec.Command(bin, args...)
		var out, errs bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
		if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Error(err)
		}
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
	for _, c := range []struct {
		args   []string
		status int
		stderr string
	}{
		{nil, 2, `mqttc: want pub or sub, got ""`},
		{[]string{"pub"}, 2, "mqttc: pub: want a topic and at most one message"},
		{[]string{"-qos", "3", "sub", "a"}, 2, "mqttc: -qos must be 0, 1 or 2, got 3"},
		{[]string{"-session", "x", "sub", "a"}, 2, "mqttc: -session needs -id"},
		{[]string{"-url", "http://x", "sub", "a"}, 2, `mqttc: mqtt: the address "http://x" is not`},
		{[]string{"-url", m.url(), "pub", "a/+", "x"}, 2, `mqttc: mqtt: the topic "a/+"`},
		{[]string{"-url", "unix:///nowhere", "pub", "a", "x"}, 1, "mqttc: "},
	} {
		_, stderr, status := mqttc("", c.args...)
		if status != c.status || !strings.HasPrefix(stderr, c.stderr) {
			t.Errorf("%q: status %d, %q", c.args, status, stderr)
		}
	}
	run(t, func(ctx context.Context) error {
		// Its output goes to a file, which the signal cannot truncate.
		path := filepath.Join(t.TempDir(), "out")
		out, err := os.Create(path)
		if err != nil {
			return err
		}
		defer out.Close()
		endless, err := aio.CreateSubprocessExec(ctx, bin, []string{"-url", m.url(), "-id", "endless", "-qos", "1", "sub", "#"},
			&aio.SubprocessOptions{Stdout: out, Context: ctx})
		if err != nil {
			return err
		}
		counting, err := aio.CreateSubprocessExec(ctx, bin, []string{"-url", m.url(), "-id", "counting", "-qos", "2", "-n", "4", "-3.1.1", "sub", "lines", "one"},
			&aio.SubprocessOptions{Stdout: aio.PIPE, Context: ctx})
		if err != nil {
			return err
		}
		for _, id := range []string{"endless", "counting"} {
			if err := m.await(ctx, "Sending SUBACK to "+id); err != nil {
				return err
			}
		}
		session := filepath.Join(t.TempDir(), "session")
		_, err = aio.ToThread(ctx, func(context.Context) (int, error) {
			for _, c := range []struct {
				input string
				args  []string
			}{
				{"", []string{"-qos", "2", "-retain", "pub", "one", "message"}},
				{"a\nb\nc\n", []string{"-qos", "1", "-retry", "-id", "file", "-session", session, "pub", "lines"}},
			} {
				if _, stderr, status := mqttc(c.input, append([]string{"-url", m.url()}, c.args...)...); status != 0 {
					t.Errorf("%q: status %d, %s", c.args, status, stderr)
				}
			}
			return 0, nil
		})
		if err != nil {
			return err
		}
		want := "one\tmessage\nlines\ta\nlines\tb\nlines\tc\n"
		stdout, _, err := counting.Communicate(ctx, nil)
		code, _ := counting.Returncode()
		got := strings.Split(strings.TrimSpace(string(stdout)), "\n")
		if err != nil || code != 0 || len(got) != 4 {
			t.Errorf("sub: %q, status %d, %v", stdout, code, err)
		}
		// mqttc has acknowledged all messages with QoS 1 before it gets the
		// signal.
		for range 3 {
			if err := m.await(ctx, "Received PUBACK from endless (Mid: 4"); err != nil {
				return err
			}
		}
		if err := endless.SendSignal(syscall.SIGTERM); err != nil {
			return err
		}
		if code, err := endless.Wait(ctx); err != nil || code != 0 {
			t.Errorf("sub after SIGTERM: status %d, %v", code, err)
		}
		b, err := os.ReadFile(path)
		if string(b) != want {
			t.Errorf("the output of sub is %q", b)
		}
		return err
	})
}

// pub ends while the server has not acknowledged its messages. It prints one line.
func TestCommandEndsEarly(t *testing.T) {
	t.Parallel()
	bin := command(t)
	const inFlight = 20
	for _, c := range []struct {
		name   string
		status int
		stderr string
		// end is called when the server has the messages.
		end func(p *aio.Process, w *aio.StreamWriter) error
	}{
		{"signal", 128 + int(syscall.SIGTERM), "mqttc: stopped by terminated\n", func(p *aio.Process, _ *aio.StreamWriter) error {
			return p.SendSignal(syscall.SIGTERM)
		}},
		{"lost", 1, "mqttc: mqtt: the connection is lost: EOF\n", func(_ *aio.Process, w *aio.StreamWriter) error { return w.Close() }},
		{"refused", 1, "mqttc: mqtt: PUBACK: quota exceeded\n", func(_ *aio.Process, w *aio.StreamWriter) error {
			var b []byte
			for id := range uint16(inFlight) {
				b, _ = appendPacket(b, V5, &ack{kind: pubackType, id: id + 1, result: QuotaExceeded})
			}
			_, err := w.Write(b)
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, func(ctx context.Context) error {
				arrived := aio.CreateFuture[*aio.StreamWriter](ctx)
				s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
					defer w.Close()
					in := r.Reader(ctx).(byteReader)
					for n := 0; ; {
						p, err := readPacket(in, V5, 1<<20)
						if err != nil {
							return nil // mqttc has ended
						}
						switch p.(type) {
						case *connect:
							b, _ := appendPacket(nil, V5, &connack{})
							_, _ = w.Write(b)
						case *publish:
							if n++; n == inFlight {
								_ = arrived.SetResult(w)
							}
						}
					}
				}, "127.0.0.1:0", nil)
				if err != nil {
					return err
				}
				defer s.Close()
				p, err := aio.CreateSubprocessExec(ctx, bin, []string{"-url", "mqtt://" + s.Addr().String(), "-qos", "1", "pub", "a"},
					&aio.SubprocessOptions{Stdin: aio.PIPE, Stderr: aio.PIPE, Context: ctx})
				if err != nil {
					return err
				}
				stderr := aio.CreateTask(ctx, func(ctx context.Context) ([]byte, error) { return p.Stderr.Read(ctx, -1) })
				if _, err := p.Stdin.Write(bytes.Repeat([]byte("line\n"), inFlight)); err != nil {
					return err
				}
				if c.name != "signal" {
					if err := p.Stdin.Close(); err != nil {
						return err
					}
				}
				w, err := arrived.Await(ctx)
				if err != nil {
					return err
				}
				if err := c.end(p, w); err != nil {
					return err
				}
				text, err := stderr.Await(ctx)
				if err != nil {
					return err
				}
				code, err := p.Wait(ctx)
				if err != nil || code != c.status || string(text) != c.stderr {
					return fmt.Errorf("status %d, %q, %w", code, text, err)
				}
				return nil
			})
		})
	}
}
