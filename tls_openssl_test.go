package aio_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// tlsOpenSSL returns the path of openssl, and files with the server's certificate
// and key.
func tlsOpenSSL(t *testing.T) (cmd, cert, key string) {
	cmd, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	der, err := x509.MarshalPKCS8PrivateKey(tlsCert().server.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: tlsCert().server.Certificate[0]},
		key:  {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cmd, cert, key
}

// tlsProcess is a command whose output is read line by line.
type tlsProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	all strings.Builder
}

func tlsRun(name string, args ...string) (*tlsProcess, error) {
	p := &tlsProcess{cmd: exec.Command(name, args...)}
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = p.cmd.Stdout // both use one pipe
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

// until reads up to a line that contains text, and returns it.
func (p *tlsProcess) until(text string) (string, error) {
	for {
		line, err := p.out.ReadString('\n')
		p.all.WriteString(line)
		if strings.Contains(line, text) {
			return line, nil
		}
		if err != nil {
			return "", fmt.Errorf("waiting for %q: %w, after this output:\n%s", text, err, p.all.String())
		}
	}
}

// say writes a line.
func (p *tlsProcess) say(line string) error {
	_, err := io.WriteString(p.in, line+"\n")
	return err
}

// OpenSSL as the client: it updates its keys, requests a key update, and closes with a
// close_notify.
func TestTLSOpenSSLClient(t *testing.T) {
	openssl, _, _ := tlsOpenSSL(t)
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				l, err := aio.GetRunningLoop(ctx)
				if err != nil {
					return err
				}
				app := tlsNewEcho(l)
				srv, err := aio.CreateServer(ctx, func() *tlsEcho { return app }, "127.0.0.1:0", &aio.ServerOptions{TLS: tlsServerConfig()})
				if err != nil {
					return err
				}
				addr := srv.Addr().String()
				_, err = aio.ToThread(ctx, func(context.Context) (struct{}, error) {
					p, err := tlsRun(openssl, "s_client", "-connect", addr, version)
					if err != nil {
						return struct{}{}, err
					}
					steps := []struct{ say, until string }{{"first line", "first line"}, {"second line", "second line"}, {"Q", "DONE"}}
					if version == "-tls1_3" {
						steps[1].say, steps[1].until = "K", "KEYUPDATE"
						steps = append(steps[:2], append([]struct{ say, until string }{{"with new keys", "with new keys"}}, steps[2:]...)...)
					}
					for _, step := range steps {
						if err == nil {
							err = p.say(step.say)
						}
						if err == nil {
							_, err = p.until(step.until)
						}
					}
					return struct{}{}, errors.Join(err, p.in.Close(), p.cmd.Wait())
				})
				if err != nil {
					return err
				}
				if _, err := app.lost.Await(ctx); err != nil {
					return err
				}
				matches(t, "end of the connection", app.err, nil)
				srv.Close()
				return srv.WaitClosed(ctx)
			})
		})
	}
}

// OpenSSL as the server, which sends each line back in reverse.
func TestTLSOpenSSLServer(t *testing.T) {
	openssl, cert, key := tlsOpenSSL(t)
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				p, err := tlsRun(openssl, "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-rev", "-naccept", "1", version)
				if err != nil {
					return err
				}
				line, err := p.until("ACCEPT ")
				if err != nil {
					return err
				}
				addr := strings.TrimSpace(strings.TrimPrefix(line, "ACCEPT "))
				tr, _, err := aio.CreateConnection(ctx, func() *tlsRaw { return &tlsRaw{} }, addr, nil)
				if err != nil {
					return err
				}
				app := &ioClient{lost: aio.CreateFuture[error](ctx)}
				tr, err = aio.StartTLS(ctx, tr, app, tlsClientConfig(), &aio.TLSOptions{HandshakeTimeout: time.Minute})
				if err != nil {
					return err
				}
				tr.Write([]byte("stressed\n"))
				for !strings.Contains(string(app.got), "\n") {
					app.more.Clear()
					if err := app.more.Wait(ctx); err != nil {
						return err
					}
				}
				same(t, "the answer", string(app.got), "desserts\n")
				tr.Close()
				ended, err := app.lost.Await(ctx)
				matches(t, "end of the connection", ended, nil)
				_, waited := aio.ToThread(ctx, func(context.Context) (struct{}, error) {
					_, _ = io.Copy(io.Discard, p.out)
					return struct{}{}, p.cmd.Wait()
				})
				return errors.Join(err, waited)
			})
		})
	}
}
