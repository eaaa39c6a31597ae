package mqtt

// The command mqttc against mosquitto and its clients.

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/goaio/aio"
)

func TestCommand(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "")
	bin := filepath.Join(t.TempDir(), "mqttc")
	if out, err := exec.Command("go", "build", "-o", bin, "./mqttc").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
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
		// It has acknowledged all messages with QoS 1 before it gets the signal.
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
