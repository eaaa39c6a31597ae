package services_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/goaio/aio"
)

// sshServer is an OpenSSH server for one user, who logs in with a key.
type sshServer struct {
	*process
	addr   string
	config *ssh.ClientConfig
}

func startSSH(t testing.TB, cleanup func(func())) sshServer {
	t.Helper()
	path := program(t, "sshd", "/usr/sbin", "/usr/local/sbin")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // sshd needs this directory to drop its privileges
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := dirOf(t, cleanup, "")
	write := func(name string, text []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	key := func() (ssh.Signer, []byte) {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := ssh.NewSignerFromKey(private)
		if err != nil {
			t.Fatal(err)
		}
		block, err := ssh.MarshalPrivateKey(private, "")
		if err != nil {
			t.Fatal(err)
		}
		return signer, pem.EncodeToMemory(block)
	}
	host, hostKey := key()
	mine, _ := key()
	addr, port := freeAddr(t)
	config := write("config", fmt.Appendf(nil, `ListenAddress 127.0.0.1:%s
HostKey %s
AuthorizedKeysFile %s
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
MaxStartups 1000
MaxSessions 10000
SetEnv HOME=%s
`, port, write("host", hostKey), write("authorized", ssh.MarshalAuthorizedKey(mine.PublicKey())), dir))
	s := sshServer{addr: addr, config: &ssh.ClientConfig{
		User: me.Username, Auth: []ssh.AuthMethod{ssh.PublicKeys(mine)}, HostKeyCallback: ssh.FixedHostKey(host.PublicKey()),
	}}
	s.process = start(t, cleanup, func() error {
		client, err := ssh.Dial("tcp", s.addr, s.config)
		if err == nil {
			err = client.Close()
		}
		return err
	}, "", path, "-D", "-e", "-f", config)
	return s
}

// client connects. It blocks the calling goroutine.
func (s sshServer) client(ctx context.Context, dial func(ctx context.Context, network, addr string) (net.Conn, error)) (*ssh.Client, error) {
	conn, err := dial(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	c, channels, requests, err := ssh.NewClientConn(conn, s.addr, s.config)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return ssh.NewClient(c, channels, requests), nil
}

// command runs a command until it ends or ctx is done. It then closes the terminal, and
// the server sends the command a hangup.
func command(ctx context.Context, client *ssh.Client, line string) (string, error) {
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	stop := context.AfterFunc(ctx, func() { session.Close() })
	defer stop()
	if err := session.RequestPty("xterm", 24, 80, nil); err != nil {
		return "", err
	}
	out, err := session.Output(line)
	return strings.TrimSpace(string(out)), err
}

// processes counts the processes with the given command line.
func processes(line string) func(ctx context.Context) (int, error) {
	return func(context.Context) (n int, err error) {
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range files {
			if b, err := os.ReadFile(file); err == nil && strings.ReplaceAll(strings.TrimRight(string(b), "\x00"), "\x00", " ") == line {
				n++
			}
		}
		return n, err
	}
}

// SSH with ToThread, over its own connections or those of the loop.
func TestSSH(t *testing.T) {
	overBoth(t, func(t *testing.T, over string) {
		if _, err := os.Stat("/proc/self/cmdline"); err != nil {
			t.Skip("this system has no /proc, where the test looks for processes")
		}
		s := startSSH(t, t.Cleanup)
		inLoop(t, func(ctx context.Context, l *aio.Loop) error {
			dial := new(net.Dialer).DialContext
			if dialer := dialerOf(l, over); dialer != nil {
				dial = dialer.DialContext
			}
			var client *ssh.Client
			connect := func(ctx context.Context) (err error) {
				if client != nil {
					// fails after the server was killed
					client.Close()
				}
				client, err = s.client(ctx, dial)
				return err
			}
			if err := inThread(ctx, connect); err != nil {
				return err
			}
			// a command line that no other process has
			sleep := fmt.Sprintf("sleep 3600.%d%d", os.Getpid(), len(over))
			err := exercise(ctx, t, calls{
				quick: func(ctx context.Context, i int) error {
					return inThread(ctx, func(ctx context.Context) error {
						out, err := command(ctx, client, "echo "+strconv.Itoa(i))
						if err == nil && out != strconv.Itoa(i) {
							err = fmt.Errorf("the command printed %q", out)
						}
						return err
					})
				},
				hang: func(ctx context.Context) error {
					return inThread(ctx, func(ctx context.Context) error {
						_, err := command(ctx, client, "exec "+sleep)
						return err
					})
				},
				running:  processes(sleep),
				together: 100,
				server:   s.process,
				lost: func(err error) bool {
					var missing *ssh.ExitMissingError
					return brokenConn(err) || errors.As(err, &missing)
				},
				renew: connect,
			})
			return errors.Join(err, inThread(ctx, func(context.Context) error { return client.Close() }))
		})
	})
}

// A connection in a task is refused.
func TestSSHInTask(t *testing.T) {
	s := startSSH(t, t.Cleanup)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		client, err := s.client(ctx, new(aio.Dialer).DialContext)
		if err == nil {
			_, err = client.NewSession()
		}
		return refused(err)
	})
}
