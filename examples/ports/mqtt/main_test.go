package mqtt

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiokit"
	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

// patience limits every wait for something outside of this process. It is much longer
// than needed.
const patience = time.Minute

// mosquitto is a running broker of Debian's package mosquitto.
type mosquitto struct {
	t      *testing.T
	dir    string
	config string
	port   int
	cmd    *exec.Cmd

	mu    sync.Mutex
	lines []string // the lines of the broker's log
	grown *sync.Cond
	ended chan struct{} // closed when the log has ended
}

// program returns the path of a program of Debian's packages mosquitto and
// mosquitto-clients.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// startMosquitto starts a broker with a listener on 127.0.0.1, one on a Unix socket, and
// the settings of config. It ends with the test.
func startMosquitto(t *testing.T, config string) *mosquitto {
	t.Helper()
	program(t, "mosquitto_sub")
	m := &mosquitto{t: t, dir: t.TempDir(), config: config}
	m.grown = sync.NewCond(&m.mu)
	m.start()
	t.Cleanup(func() {
		m.stop(syscall.SIGKILL)
		if t.Failed() {
			m.mu.Lock()
			defer m.mu.Unlock()
			t.Logf("the log of mosquitto:\n%s", strings.Join(m.lines, "\n"))
		}
	})
	return m
}

// start starts the broker, at the port that it had before, if there was one.
func (m *mosquitto) start() {
	m.t.Helper()
	for range 5 {
		port := m.port
		if port == 0 {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				m.t.Fatal(err)
			}
			port = l.Addr().(*net.TCPAddr).Port
			l.Close()
		}
		if m.try(port) {
			m.port = port
			return
		}
		m.port = 0 // another program uses the port now
	}
	m.t.Fatal("mosquitto does not start")
}

func (m *mosquitto) try(port int) bool {
	m.t.Helper()
	config := fmt.Sprintf("listener %d 127.0.0.1\nlistener 0 %s\n", port, filepath.Join(m.dir, "sock")) +
		fmt.Sprintf("persistence true\npersistence_location %s/\nlog_dest stderr\nlog_type all\nset_tcp_nodelay true\n", m.dir) + m.config
	if os.Geteuid() == 0 {
		config += "\nuser root\n"
	}
	if !strings.Contains(config, "allow_anonymous") {
		config += "\nallow_anonymous true\n"
	}
	path := filepath.Join(m.dir, "mosquitto.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		m.t.Fatal(err)
	}
	// the socket of a broker that was killed
	_ = os.Remove(filepath.Join(m.dir, "sock"))
	m.cmd = exec.Command(program(m.t, "mosquitto"), "-c", path)
	log, err := m.cmd.StderrPipe()
	if err == nil {
		err = m.cmd.Start()
	}
	if err != nil {
		m.t.Fatal(err)
	}
	m.mu.Lock()
	from := len(m.lines)
	m.mu.Unlock()
	ended := make(chan struct{})
	m.ended = ended
	go func() {
		for in := bufio.NewScanner(log); in.Scan(); {
			m.mu.Lock()
			m.lines = append(m.lines, in.Text())
			m.mu.Unlock()
			m.grown.Broadcast()
		}
		close(ended)
		m.grown.Broadcast()
	}()
	if m.find(from, " running") {
		return true
	}
	_ = m.cmd.Wait()
	return false
}

// find waits for a line with the text, from that line on. It returns false if the
// broker ends before.
func (m *mosquitto) find(from int, text string) bool {
	overdue := time.AfterFunc(patience, func() {
		m.t.Errorf("no line with %q in the log of mosquitto", text)
		_ = m.cmd.Process.Kill()
	})
	defer overdue.Stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		for _, line := range m.lines[from:] {
			if strings.Contains(line, text) {
				return true
			}
		}
		select {
		case <-m.ended:
			return false
		default:
			m.grown.Wait()
		}
	}
}

// await waits in a task until the log has a line with the text.
func (m *mosquitto) await(ctx context.Context, text string) error {
	found, err := aio.ToThread(ctx, func(context.Context) (bool, error) { return m.find(0, text), nil })
	if err == nil && !found {
		err = fmt.Errorf("mosquitto has ended without %q", text)
	}
	return err
}

// stop ends the broker, and waits for that.
func (m *mosquitto) stop(sig syscall.Signal) {
	if m.cmd == nil || m.cmd.ProcessState != nil {
		return
	}
	_ = m.cmd.Process.Signal(sig)
	<-m.ended
	_ = m.cmd.Wait()
}

func (m *mosquitto) url() string { return fmt.Sprintf("mqtt://127.0.0.1:%d", m.port) }

// pub runs mosquitto_pub.
func (m *mosquitto) pub(ctx context.Context, args ...string) error {
	_, err := m.tool(ctx, "mosquitto_pub", args...)
	return err
}

// tool runs a client of mosquitto to its end, and returns its output.
func (m *mosquitto) tool(ctx context.Context, name string, args ...string) (string, error) {
	p, err := aio.CreateSubprocessExec(ctx, program(m.t, name), append([]string{"-h", "127.0.0.1", "-p", fmt.Sprint(m.port)}, args...),
		&aio.SubprocessOptions{Stdin: aio.DEVNULL, Stdout: aio.PIPE, Stderr: aio.PIPE, Context: ctx})
	if err != nil {
		return "", err
	}
	stdout, stderr, err := p.Communicate(ctx, nil)
	if code, _ := p.Returncode(); err == nil && code != 0 {
		err = fmt.Errorf("%s %q: exit status %d: %s", name, args, code, stderr)
	}
	return string(stdout), err
}

// sub starts mosquitto_sub, which ends after n messages, and waits until it has
// subscribed. Each line of the output is a topic, the QoS, the retain flag and the
// payload.
func (m *mosquitto) sub(ctx context.Context, id string, n int, args ...string) (*aio.Task[string], error) {
	args = append([]string{"-i", id, "-C", fmt.Sprint(n), "-F", "%t %q %r %p"}, args...)
	task := aio.CreateTask(ctx, func(ctx context.Context) (string, error) { return m.tool(ctx, "mosquitto_sub", args...) })
	return task, m.await(ctx, "Sending SUBACK to "+id)
}

// run runs main in a loop, with a limit.
func run(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	var r aio.Runner
	defer r.Close()
	loop, err := r.GetLoop()
	if err != nil {
		t.Fatal(err)
	}
	loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { t.Errorf("reported: %s: %v", ec.Message, ec.Err) })
	if err := r.Run(func(ctx context.Context) error { return aio.Timeout(ctx, patience, main) }); err != nil {
		t.Error(err)
	}
}

// versions runs a test with both versions of the protocol.
func versions(t *testing.T, test func(t *testing.T, v Version)) {
	t.Run("5.0", func(t *testing.T) { test(t, V5) })
	t.Run("3.1.1", func(t *testing.T) { test(t, V311) })
}

// take receives and acknowledges n messages, as "topic QoS payload".
func take(ctx context.Context, c *Client, n int) (got []string, err error) {
	for range n {
		m, err := c.Receive(ctx)
		if err != nil {
			return got, err
		}
		if err := m.Ack(); err != nil {
			return got, err
		}
		got = append(got, fmt.Sprintf("%s %d %s", m.Topic, m.QoS, m.Payload))
	}
	return got, nil
}

// same compares two lists.
func same(what string, got, want []string) error {
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: got %q, want %q", what, got, want)
	}
	return nil
}

func TestPublish(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "")
	versions(t, func(t *testing.T, v Version) {
		run(t, func(ctx context.Context) error {
			id := fmt.Sprintf("sub%d", v)
			sub, err := m.sub(ctx, id, 6, "-t", id+"/#", "-q", "2", "-V", "mqttv5")
			if err != nil {
				return err
			}
			return With(ctx, m.url(), &Options{Version: v, CleanStart: true}, func(ctx context.Context, c *Client) error {
				var want []string
				for i := range 6 {
					qos := QoS(i % 3)
					topic := fmt.Sprintf("%s/level/%d", id, i)
					if err := c.Publish(ctx, &Message{Topic: topic, Payload: fmt.Appendf(nil, "message %d", i), QoS: qos}); err != nil {
						return err
					}
					want = append(want, fmt.Sprintf("%s %d 0 message %d", topic, qos, i))
				}
				out, err := sub.Await(ctx)
				if err != nil {
					return err
				}
				got := strings.Split(strings.TrimSpace(out), "\n")
				// mosquitto forwards a message with QoS 2 only after
				// its PUBREL, so the order may differ
				slices.Sort(got)
				slices.Sort(want)
				return same("mosquitto_sub", got, want)
			})
		})
	})
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "")
	versions(t, func(t *testing.T, v Version) {
		run(t, func(ctx context.Context) error {
			return With(ctx, m.url(), &Options{Version: v, CleanStart: true}, func(ctx context.Context, c *Client) error {
				codes, err := c.Subscribe(ctx, Subscription{Filter: "a/+/c", QoS: 2}, Subscription{Filter: "a/b/#", QoS: 1}, Subscription{Filter: "x"})
				if err != nil || !slices.Equal(codes, []ReasonCode{2, 1, 0}) {
					return fmt.Errorf("%v, %w", codes, err)
				}
				// One after another: mosquitto_pub ends when the broker
				// has the message.
				for _, args := range [][]string{{"a/1/c", "0"}, {"nobody", "1"}, {"a/b", "2"}, {"a/b/d/e", "1"}, {"x", "1"}, {"a/2/c", "2"}} {
					if err := m.pub(ctx, "-t", args[0], "-q", args[1], "-m", "hello"); err != nil {
						return err
					}
				}
				got, err := take(ctx, c, 5)
				if err != nil {
					return err
				}
				if err := same("received", got, []string{"a/1/c 0 hello", "a/b 1 hello", "a/b/d/e 1 hello", "x 0 hello", "a/2/c 2 hello"}); err != nil {
					return err
				}
				if err := c.Unsubscribe(ctx, "a/+/c", "a/b/#"); err != nil {
					return err
				}
				for _, topic := range []string{"a/1/c", "x"} {
					if err := m.pub(ctx, "-t", topic, "-q", "1", "-m", "bye"); err != nil {
						return err
					}
				}
				if got, err = take(ctx, c, 1); err != nil {
					return err
				}
				return same("after Unsubscribe", got, []string{"x 0 bye"})
			})
		})
	})
}

func TestRetained(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "")
	versions(t, func(t *testing.T, v Version) {
		run(t, func(ctx context.Context) error {
			return With(ctx, m.url(), &Options{Version: v, CleanStart: true}, func(ctx context.Context, c *Client) error {
				topic := fmt.Sprintf("kept/%d", v)
				if err := c.Publish(ctx, &Message{Topic: topic, Payload: []byte("state"), QoS: 1, Retain: true}); err != nil {
					return err
				}
				// Both another program and the client itself receive the
				// retained message.
				out, err := m.tool(ctx, "mosquitto_sub", "-t", topic, "-C", "1", "-F", "%r %p")
				if err != nil || out != "1 state\n" {
					return fmt.Errorf("mosquitto_sub: %q, %w", out, err)
				}
				if _, err := c.Subscribe(ctx, Subscription{Filter: topic, QoS: 1}); err != nil {
					return err
				}
				msg, err := c.Receive(ctx)
				if err != nil || !msg.Retain || string(msg.Payload) != "state" {
					return fmt.Errorf("the retained message is %+v, %w", msg, err)
				}
				if err := msg.Ack(); err != nil {
					return err
				}
				// A message without a payload removes the retained
				// message, and is forwarded without the retain flag.
				if err := c.Publish(ctx, &Message{Topic: topic, QoS: 1, Retain: true}); err != nil {
					return err
				}
				if msg, err = c.Receive(ctx); err != nil || msg.Retain || len(msg.Payload) != 0 {
					return fmt.Errorf("the message that removes it is %+v, %w", msg, err)
				}
				return msg.Ack()
			})
		})
	})
}

// The server publishes the will when the connection breaks, or if it is told to, but not
// after an orderly end.
func TestWill(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "")
	versions(t, func(t *testing.T, v Version) {
		run(t, func(ctx context.Context) error {
			opts := func(text string) *Options {
				return &Options{Version: v, CleanStart: true, Will: &Message{Topic: "will", Payload: []byte(text), QoS: 1}}
			}
			return With(ctx, m.url(), &Options{Version: v, CleanStart: true}, func(ctx context.Context, c *Client) error {
				if _, err := c.Subscribe(ctx, Subscription{Filter: "will", QoS: 1}); err != nil {
					return err
				}
				orderly, err := Dial(ctx, m.url(), opts("not published"))
				if err != nil {
					return err
				}
				if err := orderly.Disconnect(ctx, Success); err != nil {
					return err
				}
				want := []string{"will 1 closed"}
				closed, err := Dial(ctx, m.url(), opts("closed"))
				if err != nil {
					return err
				}
				closed.Close()
				if v == V5 {
					told, err := Dial(ctx, m.url(), opts("told to"))
					if err != nil {
						return err
					}
					if err := told.Disconnect(ctx, DisconnectWithWill); err != nil {
						return err
					}
					want = append(want, "will 1 told to")
				}
				got, err := take(ctx, c, len(want))
				if err != nil {
					return err
				}
				slices.Sort(got) // two connections end, in any order
				return same("wills", got, want)
			})
		})
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	passwords := filepath.Join(dir, "passwords")
	if out, err := exec.Command(program(t, "mosquitto_passwd"), "-b", "-c", passwords, "ann", "secret").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	acl := filepath.Join(dir, "acl")
	if err := os.WriteFile(acl, []byte("user ann\ntopic readwrite mine/#\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := startMosquitto(t, "allow_anonymous false\npassword_file "+passwords+"\nacl_file "+acl+"\n")
	versions(t, func(t *testing.T, v Version) {
		run(t, func(ctx context.Context) error {
			for _, o := range []Options{{}, {Username: "ann", Password: []byte("wrong")}, {Username: "bob", Password: []byte("secret")}} {
				o.Version, o.CleanStart = v, true
				_, err := Dial(ctx, m.url(), &o)
				var refused *ReasonError
				if !errors.As(err, &refused) || refused.Packet != "CONNACK" || refused.Code != NotAuthorized {
					return fmt.Errorf("with the user %q: %w", o.Username, err)
				}
			}
			right := &Options{Version: v, CleanStart: true, Username: "ann", Password: []byte("secret")}
			return With(ctx, m.url(), right, func(ctx context.Context, c *Client) error {
				if err := c.Publish(ctx, &Message{Topic: "mine/x", QoS: 2}); err != nil {
					return err
				}
				for qos := AtLeastOnce; v == V5 && qos <= ExactlyOnce; qos++ {
					err := c.Publish(ctx, &Message{Topic: "theirs", QoS: qos})
					var refused *ReasonError
					if !errors.As(err, &refused) || refused.Code != NotAuthorized {
						return fmt.Errorf("a message that is not allowed: %w", err)
					}
				}
				// The client and the server still agree on the state of
				// the session.
				return c.Publish(ctx, &Message{Topic: "mine/x", QoS: 2})
			})
		})
	})
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "")
	run(t, func(ctx context.Context) error {
		return With(ctx, "unix://"+filepath.Join(m.dir, "sock"), nil, func(ctx context.Context, c *Client) error {
			if !strings.HasPrefix(c.ClientID(), "auto-") {
				return fmt.Errorf("the server has assigned the identifier %q", c.ClientID())
			}
			return c.Publish(ctx, &Message{Topic: "x", QoS: 2})
		})
	})
}

// certificate makes a certificate for 127.0.0.1, as files, and the pool that trusts it.
func certificate(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return cert, key, pool
}

func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key, pool := certificate(t, t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	startMosquitto(t, fmt.Sprintf("listener %d 127.0.0.1\ncertfile %s\nkeyfile %s\n", port, cert, key))
	address := fmt.Sprintf("mqtts://127.0.0.1:%d", port)
	run(t, func(ctx context.Context) error {
		_, err := Dial(ctx, address, nil)
		var unknown x509.UnknownAuthorityError
		if !errors.As(err, &unknown) {
			return fmt.Errorf("a certificate that is not trusted: %w", err)
		}
		payload := bytes.Repeat([]byte("0123456789"), 20_000)
		return With(ctx, address, &Options{TLS: &tls.Config{RootCAs: pool}}, func(ctx context.Context, c *Client) error {
			if _, err := c.Subscribe(ctx, Subscription{Filter: "big", QoS: 1}); err != nil {
				return err
			}
			if err := c.Publish(ctx, &Message{Topic: "big", QoS: 1, Payload: payload}); err != nil {
				return err
			}
			m, err := c.Receive(ctx)
			if err != nil || !bytes.Equal(m.Payload, payload) {
				return fmt.Errorf("a large message over TLS: %w", err)
			}
			return m.Ack()
		})
	})
}

// All that version 5 adds to a message arrives, and aliases replace topics in both
// directions.
func TestProperties(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "")
	run(t, func(ctx context.Context) error {
		return With(ctx, m.url(), &Options{TopicAliases: 3}, func(ctx context.Context, c *Client) error {
			if _, err := c.Subscribe(ctx, Subscription{Filter: "p/#", QoS: 2, ID: 7, RetainAsPublished: true}); err != nil {
				return err
			}
			sent := &Message{
				Topic: "p/q", Payload: []byte("héllo"), QoS: 2, Expiry: time.Hour, ContentType: "text/plain", ResponseTopic: "answers",
				CorrelationData: []byte{0, 1, 0xff}, Text: true, UserProperties: []UserProperty{{"a", "1"}, {"a", "2"}, {"", ""}},
			}
			for range 3 {
				if err := c.Publish(ctx, sent); err != nil {
					return err
				}
				got, err := c.Receive(ctx)
				if err != nil {
					return err
				}
				if err := got.Ack(); err != nil {
					return err
				}
				if got.Topic != sent.Topic || got.Expiry <= 0 || got.Expiry > time.Hour || got.ContentType != sent.ContentType ||
					got.ResponseTopic != sent.ResponseTopic || !bytes.Equal(got.CorrelationData, sent.CorrelationData) || !got.Text ||
					!slices.Equal(got.UserProperties, sent.UserProperties) || !slices.Equal(got.SubscriptionIDs, []uint32{7}) {
					return fmt.Errorf("got %+v", got)
				}
			}
			if len(c.conn.aliases) != 1 {
				return fmt.Errorf("the client uses the aliases %v", c.conn.aliases)
			}
			// NoLocal: only the messages of others arrive.
			if _, err := c.Subscribe(ctx, Subscription{Filter: "n", QoS: 1, NoLocal: true}); err != nil {
				return err
			}
			if err := c.Publish(ctx, &Message{Topic: "n", QoS: 1, Payload: []byte("own")}); err != nil {
				return err
			}
			if err := m.pub(ctx, "-t", "n", "-q", "1", "-m", "other"); err != nil {
				return err
			}
			got, err := take(ctx, c, 1)
			if err != nil {
				return err
			}
			return same("with NoLocal", got, []string{"n 1 other"})
		})
	})
}

// Shared subscriptions: each message goes to one of the subscribers.
func TestShared(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "")
	run(t, func(ctx context.Context) error {
		return With(ctx, m.url(), nil, func(ctx context.Context, a *Client) error {
			return With(ctx, m.url(), nil, func(ctx context.Context, b *Client) error {
				for _, c := range []*Client{a, b} {
					if _, err := c.Subscribe(ctx, Subscription{Filter: "$share/group/s/+", QoS: 1}); err != nil {
						return err
					}
				}
				const n = 20
				got := map[string]int{}
				all := aio.CreateFuture[struct{}](ctx)
				var readers []*aio.Task[struct{}]
				for _, c := range []*Client{a, b} {
					readers = append(readers, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
						for msg, err := range c.Messages(ctx) {
							if err != nil {
								return err
							}
							if !msg.Matches("$share/group/s/+") {
								return fmt.Errorf("an unexpected message for %s", msg.Topic)
							}
							if got[string(msg.Payload)]++; len(got) == n && !all.Done() {
								return all.SetResult(struct{}{})
							}
						}
						return nil
					})))
				}
				for i := range n {
					if err := a.Publish(ctx, &Message{Topic: fmt.Sprint("s/", i), QoS: 1, Payload: fmt.Append(nil, i)}); err != nil {
						return err
					}
				}
				if _, err := all.Await(ctx); err != nil {
					return err
				}
				for payload, times := range got {
					if times != 1 {
						return fmt.Errorf("message %s arrived %d times", payload, times)
					}
				}
				return aio.CancelAndWait(ctx, readers...)
			})
		})
	})
}

// Misuse is found before anything is sent.
func TestMisuse(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "")
	run(t, func(ctx context.Context) error {
		for _, address := range []string{"", "host", "mqtt://", "http://host", "mqtt://host/path", "unix://", "mqtt://a b"} {
			if _, err := Dial(ctx, address, nil); !errors.Is(err, aio.ErrUsage) {
				return fmt.Errorf("the address %q: %w", address, err)
			}
		}
		for _, o := range []Options{
			{Version: 3}, {Version: V311}, {KeepAlive: 24 * time.Hour}, {PingTimeout: -1}, {ConnectTimeout: -1}, {SessionExpiry: -1},
			{WillDelay: -1}, {MaxInFlight: -1}, {MaxInFlight: 1 << 20}, {Buffer: -1}, {MaxPacket: -1}, {Will: &Message{}},
			{Will: &Message{Topic: "a/#"}}, {ClientID: "\xff"}, {ClientID: strings.Repeat("x", 70_000)}, {Username: "a\x00"},
			{Session: &Session{journal: new(memoryJournal)}}, {Version: V311, CleanStart: true, Password: []byte("x")},
			{Version: V311, CleanStart: true, Will: &Message{Topic: "x", ContentType: "y"}},
		} {
			if _, err := Dial(ctx, m.url(), &o); !errors.Is(err, aio.ErrUsage) {
				return fmt.Errorf("the options %+v: %w", o, err)
			}
		}
		opts := &Options{Session: NewSession()}
		return With(ctx, m.url(), opts, func(ctx context.Context, c *Client) error {
			if _, err := Dial(ctx, m.url(), opts); !errors.Is(err, aio.ErrUsage) {
				return fmt.Errorf("a session in use: %w", err)
			}
			for _, bad := range []Message{{}, {Topic: "a/+"}, {Topic: "a#"}, {Topic: "\x00"}, {Topic: "a", QoS: 3}, {Topic: "a", Expiry: -1},
				{Topic: "a", ResponseTopic: "+"}, {Topic: "a", ContentType: "\xff"}, {Topic: "a", CorrelationData: make([]byte, 70_000)}} {
				if err := c.Publish(ctx, &bad); !errors.Is(err, aio.ErrUsage) {
					return fmt.Errorf("the message %+v: %w", bad, err)
				}
			}
			for _, bad := range [][]Subscription{nil, {{}}, {{Filter: "a/#/b"}}, {{Filter: "a", QoS: 3}}, {{Filter: "a", RetainHandling: 3}},
				{{Filter: "$share/g/a", NoLocal: true}}, {{Filter: "$share//a"}}, {{Filter: "a", ID: 1}, {Filter: "b", ID: 2}}} {
				if _, err := c.Subscribe(ctx, bad...); !errors.Is(err, aio.ErrUsage) {
					return fmt.Errorf("the subscriptions %+v: %w", bad, err)
				}
			}
			if err := errors.Join(c.Unsubscribe(ctx), c.Unsubscribe(ctx, "a+")); !errors.Is(err, aio.ErrUsage) {
				return err
			}
			if err := c.Disconnect(ctx, NoMatchingSubscribers); !errors.Is(err, aio.ErrUsage) {
				return fmt.Errorf("a reason code that DISCONNECT cannot have: %w", err)
			}
			return c.Publish(ctx, &Message{Topic: "still in step", QoS: 2})
		})
	})
}

// There is no server at the address, or the server does not speak MQTT.
func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	over := make(chan struct{})
	go func() {
		defer close(over)
		for _, reply := range []string{"", "HTTP/1.0 400 Bad Request\r\n\r\n" + strings.Repeat("wrong ", 50)} {
			c, err := l.Accept()
			if err != nil {
				return
			}
			// If the CONNECT were unread, closing the connection would
			// reset it.
			_, _ = c.Read(make([]byte, 1000))
			_, _ = io.WriteString(c, reply)
			c.Close()
		}
	}()
	run(t, func(ctx context.Context) error {
		if _, err := Dial(ctx, "mqtt://"+l.Addr().String(), nil); err == nil || errors.Is(err, aio.ErrTimeout) {
			return fmt.Errorf("a server that closes the connection: %w", err)
		}
		if _, err := Dial(ctx, "mqtt://"+l.Addr().String(), nil); !errors.As(err, new(*ProtocolError)) {
			return fmt.Errorf("a web server: %w", err)
		}
		l.Close()
		if _, err := Dial(ctx, "mqtt://"+l.Addr().String(), nil); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("no server: %w", err)
		}
		return nil
	})
	<-over
}

// fast are short pauses between attempts to connect.
func fast() *aiokit.RetryOptions {
	return &aiokit.RetryOptions{Pause: 5 * time.Millisecond, MaxPause: 50 * time.Millisecond}
}
