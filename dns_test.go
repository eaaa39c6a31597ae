package aio_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/netio"
)

// DNS record types.
const (
	dnsA     = 1
	dnsCNAME = 5
	dnsPTR   = 12
	dnsAAAA  = 28
)

// dnsRecord is a record of a dnsZone.
type dnsRecord struct {
	name  string
	kind  uint16
	value string // an address or a name
}

// dnsZone contains the records of a name server, by name. Queries for broken.example
// fail.
type dnsZone map[string][]dnsRecord

var dnsTestZone = dnsZone{
	"both.example.":  {{"both.example.", dnsA, "192.0.2.1"}, {"both.example.", dnsA, "192.0.2.2"}, {"both.example.", dnsAAAA, "2001:db8::1"}},
	"four.example.":  {{"four.example.", dnsA, "192.0.2.4"}},
	"six.example.":   {{"six.example.", dnsAAAA, "2001:db8::6"}},
	"alias.example.": {{"alias.example.", dnsCNAME, "four.example."}, {"four.example.", dnsA, "192.0.2.4"}},
	"empty.example.": {},

	"4.2.0.192.in-addr.arpa.": {{"4.2.0.192.in-addr.arpa.", dnsPTR, "four.example."}},
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa.": {
		{"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa.", dnsPTR, "near.example."}},
}

// resolver returns a resolver for this zone, and a function that returns the number of
// its queries.
func (z dnsZone) resolver() (r *net.Resolver, asked func() int) {
	questions := make(chan string, 10000)
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go z.serve(server, questions)
		return client, nil
	}}, func() int { return len(questions) }
}

// serve answers queries on a stream until EOF.
func (z dnsZone) serve(conn net.Conn, questions chan<- string) {
	defer conn.Close()
	for {
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		msg := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, msg); err != nil {
			return
		}
		name, end := "", 12
		for ; msg[end] != 0; end += 1 + int(msg[end]) {
			name += string(msg[end+1:end+1+int(msg[end])]) + "."
		}
		end += 1 + 4 // skip type and class
		questions <- name
		answer := z.answer(name, binary.BigEndian.Uint16(msg[end-4:]), msg[:2], msg[12:end])
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// answer returns the response to a query.
func (z dnsZone) answer(name string, kind uint16, id, question []byte) []byte {
	records, known := z[name]
	var code uint16
	switch {
	case name == "broken.example.":
		code = 2
	case !known:
		code = 3
	}
	var body []byte
	n := uint16(0)
	for _, r := range records {
		if r.kind != kind && r.kind != dnsCNAME {
			continue
		}
		value := dnsName(r.value)
		if ip, err := netip.ParseAddr(r.value); err == nil {
			value = ip.AsSlice()
		}
		body = append(body, dnsName(r.name)...)
		body = binary.BigEndian.AppendUint16(body, r.kind)
		body = append(body, 0, 1, 0, 0, 0, 60) // class and TTL
		body = binary.BigEndian.AppendUint16(body, uint16(len(value)))
		body = append(body, value...)
		n++
	}
	msg := slices.Clone(id)
	for _, field := range []uint16{0x8180 | code, 1, n, 0, 0} {
		msg = binary.BigEndian.AppendUint16(msg, field)
	}
	return slices.Concat(msg, question, body)
}

// dnsName encodes a name in DNS format.
func dnsName(name string) []byte {
	var b []byte
	for label := range strings.SplitSeq(name, ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	return b
}

// dnsDefault replaces the default resolver for the duration of the test.
func dnsDefault(t testing.TB, r *net.Resolver) {
	old := net.DefaultResolver
	net.DefaultResolver = r
	t.Cleanup(func() { net.DefaultResolver = old })
}

// dnsText formats addresses, with networks and canonical names as Getaddrinfo returns
// them.
func dnsText(infos []aio.AddrInfo) string {
	var words []string
	for _, i := range infos {
		words = append(words, strings.TrimSpace(i.Network+" "+i.Addr.String()+" "+i.CanonName))
	}
	return strings.Join(words, ", ")
}

// dnsRefused checks that err is a DNSError, and its IsNotFound.
func dnsRefused(t *testing.T, what string, err error, notFound bool) {
	t.Helper()
	var e *net.DNSError
	if !errors.As(err, &e) || e.IsNotFound != notFound {
		t.Errorf("%s: %v, want a DNSError, not found: %v", what, err, notFound)
	}
}

// LOOP-092, LOOP-093, LOOP-096, LOOP-097, LOOP-101
func TestResolveAsksNobodyForLiterals(t *testing.T) {
	r, asked := dnsTestZone.resolver()
	dnsDefault(t, r)
	aiotest.Run(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		mine := &countingExecutor{Executor: aio.NewThreadPoolExecutor(1)}
		l.SetDefaultExecutor(mine)
		others := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { t.Error("the task was suspended"); return nil }))
		for _, tt := range []struct {
			network, host, port string
			passive             bool
			want                string
		}{
			{"tcp", "127.0.0.1", "80", false, "127.0.0.1:80"},
			{"tcp4", "127.0.0.1", "0080", false, "127.0.0.1:80"},
			{"udp", "192.0.2.1", "0", true, "192.0.2.1:0"},
			{"udp4", "192.0.2.1", "", true, "192.0.2.1:0"},
			{"tcp", "::1", "80", false, "[::1]:80"},
			{"udp6", "::1", "65535", false, "[::1]:65535"},
			{"tcp", "fe80::1%1", "80", false, "[fe80::1%1]:80"},
			{"tcp6", "fe80::1%lo", "80", false, "[fe80::1%lo]:80"},
			{"tcp", "::ffff:192.0.2.1", "80", false, "192.0.2.1:80"},
			{"tcp", "", "80", true, "0.0.0.0:80 [::]:80"},
			{"", "", "80", false, "[::1]:80 127.0.0.1:80"},
			{"tcp4", "", "80", true, "0.0.0.0:80"},
			{"tcp6", "", "80", true, "[::]:80"},
			{"udp4", "", "80", false, "127.0.0.1:80"},
			{"udp6", "", "80", false, "[::1]:80"},
		} {
			addrs, err := aio.Resolve(ctx, tt.network, tt.host, tt.port, tt.passive)
			var got []string
			for _, a := range addrs {
				got = append(got, a.String())
			}
			if strings.Join(got, " ") != tt.want || err != nil {
				t.Errorf("%+v: %v, %v", tt, got, err)
			}
		}
		for _, port := range []string{"65536", "-1"} {
			_, err := aio.Resolve(ctx, "tcp", "127.0.0.1", port, false)
			dnsRefused(t, "port "+port, err, true)
		}
		others.Cancel()
		same(t, "jobs", mine.submitted, 0)
		same(t, "questions", asked(), 0)
		return nil
	})
}

// LOOP-095: the result for a literal is known without the resolver.
func TestResolveLiteralOfTheOtherFamily(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		for network, host := range map[string]string{"tcp4": "::1", "udp6": "127.0.0.1", "tcp6": "::ffff:127.0.0.1"} {
			_, err := aio.Resolve(ctx, network, host, "80", false)
			dnsRefused(t, network+" "+host, err, true)
		}
		return nil
	})
}

// LOOP-098
func TestResolveServices(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		mine := &countingExecutor{Executor: aio.NewThreadPoolExecutor(1)}
		l.SetDefaultExecutor(mine)
		for port, want := range map[string]uint16{"http": 80, "domain": 53} {
			addrs, err := aio.Resolve(ctx, "tcp", "127.0.0.1", port, false)
			if len(addrs) != 1 || addrs[0].Port() != want || err != nil {
				t.Errorf("%s: %v, %v", port, addrs, err)
			}
		}
		same(t, "jobs", mine.submitted, 2)
		_, err := aio.Resolve(ctx, "tcp", "127.0.0.1", "no-such-service", false)
		dnsRefused(t, "an unknown service", err, true)
		return nil
	})
}

func TestResolveNames(t *testing.T) {
	r, asked := dnsTestZone.resolver()
	dnsDefault(t, r)
	aiotest.Run(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		mine := &countingExecutor{Executor: aio.NewThreadPoolExecutor(1)}
		l.SetDefaultExecutor(mine)

		// The order of the addresses depends on the routing table of this
		// machine.
		ips, err := r.LookupIPAddr(ctx, "both.example.")
		if len(ips) != 3 || err != nil {
			t.Fatalf("the test's name server: %v, %v", ips, err)
		}
		addrs, err := aio.Resolve(ctx, "tcp", "both.example.", "80", false)
		if err != nil || len(addrs) != 3 {
			t.Fatalf("both.example: %v, %v", addrs, err)
		}
		for i, a := range addrs {
			if a.Addr().String() != ips[i].String() || a.Port() != 80 {
				t.Errorf("address %d: %v, want %v", i, a, ips[i])
			}
		}

		before := asked()
		addrs, err = aio.Resolve(ctx, "udp4", "both.example.", "80", false)
		if len(addrs) != 2 || !addrs[0].Addr().Is4() || !addrs[1].Addr().Is4() || err != nil {
			t.Errorf("in IPv4: %v, %v", addrs, err)
		}
		same(t, "questions for IPv4 only", asked()-before, 1)

		addrs, err = aio.Resolve(ctx, "tcp6", "both.example.", "80", false)
		if len(addrs) != 1 || addrs[0] != netip.MustParseAddrPort("[2001:db8::1]:80") || err != nil {
			t.Errorf("in IPv6: %v, %v", addrs, err)
		}
		addrs, err = aio.Resolve(ctx, "tcp4", "localhost", "80", false)
		if len(addrs) == 0 || addrs[0] != netip.MustParseAddrPort("127.0.0.1:80") || err != nil {
			t.Errorf("localhost: %v, %v", addrs, err)
		}
		same(t, "jobs", mine.submitted, 4)
		return nil
	})
}

// LOOP-102
func TestResolveNothingIsAnError(t *testing.T) {
	r, _ := dnsTestZone.resolver()
	dnsDefault(t, r)
	aiotest.Run(t, func(ctx context.Context) error {
		for _, q := range [][2]string{
			{"tcp", "empty.example."}, {"tcp4", "empty.example."}, {"tcp", "unknown.example."},
			{"tcp6", "four.example."}, {"tcp4", "six.example."},
		} {
			addrs, err := aio.Resolve(ctx, q[0], q[1], "80", false)
			dnsRefused(t, q[0]+" "+q[1], err, true)
			if addrs != nil {
				t.Errorf("%v: %v", q, addrs)
			}
		}
		_, err := aio.Resolve(ctx, "tcp", "broken.example.", "80", false)
		dnsRefused(t, "a failing server", err, false)
		_, err = aio.Getaddrinfo(ctx, "unknown.example.", "80", nil)
		dnsRefused(t, "Getaddrinfo", err, true)
		return nil
	})
}

// LOOP-094
func TestGetaddrinfo(t *testing.T) {
	r, _ := dnsTestZone.resolver()
	aiotest.Run(t, func(ctx context.Context) error {
		for _, tt := range []struct {
			host, port string
			opts       *aio.AddrInfoOptions
			want       string
		}{
			{"127.0.0.1", "http", nil, "tcp4 127.0.0.1:80"},
			{"", "80", nil, "tcp6 [::1]:80, tcp4 127.0.0.1:80"},
			{"", "", &aio.AddrInfoOptions{Network: "udp", Passive: true, CanonName: true}, "udp4 0.0.0.0:0, udp6 [::]:0"},
			{"fe80::1%lo", "53", &aio.AddrInfoOptions{Network: "udp6", NumericHost: true}, "udp6 [fe80::1%lo]:53"},
			{"127.0.0.1", "80", &aio.AddrInfoOptions{CanonName: true}, "tcp4 127.0.0.1:80 127.0.0.1"},
			{"six.example.", "80", &aio.AddrInfoOptions{}, "tcp6 [2001:db8::6]:80"},
			{"alias.example.", "80", &aio.AddrInfoOptions{}, "tcp4 192.0.2.4:80"},
			{"alias.example.", "80", &aio.AddrInfoOptions{CanonName: true}, "tcp4 192.0.2.4:80 four.example"},
		} {
			if tt.opts != nil {
				tt.opts.Resolver = r
			}
			infos, err := aio.Getaddrinfo(ctx, tt.host, tt.port, tt.opts)
			if got := dnsText(infos); got != tt.want || err != nil {
				t.Errorf("%s %s %+v: %s, %v, want %s", tt.host, tt.port, tt.opts, got, err, tt.want)
			}
		}
		_, err := aio.Getaddrinfo(ctx, "four.example.", "80", &aio.AddrInfoOptions{NumericHost: true, Resolver: r})
		dnsRefused(t, "a name with NumericHost", err, true)
		if _, err := aio.Getaddrinfo(ctx, "127.0.0.1", "80", &aio.AddrInfoOptions{Network: "unix"}); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("an unknown network: %v", err)
		}
		return nil
	})
	if _, err := aio.Getaddrinfo(context.Background(), "127.0.0.1", "80", nil); !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Errorf("without a loop: %v", err)
	}
}

// LOOP-091
func TestGetnameinfo(t *testing.T) {
	r, asked := dnsTestZone.resolver()
	aiotest.Run(t, func(ctx context.Context) error {
		for _, tt := range []struct {
			addr  string
			opts  aio.NameInfoOptions
			want  string
			asked int
		}{
			{"192.0.2.4:80", aio.NameInfoOptions{NumericService: true}, "four.example 80", 1},
			{"[::ffff:192.0.2.4]:80", aio.NameInfoOptions{NumericService: true}, "four.example 80", 1},
			{"[fe80::1%lo]:80", aio.NameInfoOptions{NumericService: true}, "near.example 80", 1},
			// the address has no name
			{"192.0.2.9:80", aio.NameInfoOptions{NumericService: true}, "192.0.2.9 80", 1},
			{"[fe80::1%lo]:80", aio.NameInfoOptions{NumericHost: true, NumericService: true}, "fe80::1%lo 80", 0},
			{"[::ffff:192.0.2.4]:80", aio.NameInfoOptions{NumericHost: true, NumericService: true}, "192.0.2.4 80", 0},
		} {
			before := asked()
			tt.opts.Resolver = r
			host, service, err := aio.Getnameinfo(ctx, netip.MustParseAddrPort(tt.addr), &tt.opts)
			if got := host + " " + service; got != tt.want || err != nil || asked()-before != tt.asked {
				t.Errorf("%s %+v: %s, %v with %d questions, want %s", tt.addr, tt.opts, got, err, asked()-before, tt.want)
			}
		}

		// The machine may or may not have a list of services.
		_, service, err := aio.Getnameinfo(ctx, netip.MustParseAddrPort("127.0.0.1:53"), &aio.NameInfoOptions{Network: "udp", NumericHost: true})
		if port, e := net.LookupPort("udp", service); port != 53 || e != nil || err != nil {
			t.Errorf("the service on port 53: %q, %v", service, err)
		}

		if _, _, err := aio.Getnameinfo(ctx, netip.AddrPort{}, nil); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("the zero address: %v", err)
		}
		if _, _, err := aio.Getnameinfo(ctx, netip.MustParseAddrPort("127.0.0.1:53"), &aio.NameInfoOptions{Network: "ip"}); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("an unknown network: %v", err)
		}
		down := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errOne }}
		_, _, err = aio.Getnameinfo(ctx, netip.MustParseAddrPort("192.0.2.4:80"), &aio.NameInfoOptions{Resolver: down})
		dnsRefused(t, "no name server", err, false)
		return nil
	})
	if _, _, err := aio.Getnameinfo(context.Background(), netip.MustParseAddrPort("127.0.0.1:53"), nil); !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Errorf("without a loop: %v", err)
	}
}

func TestGetnameinfoServiceNames(t *testing.T) {
	const list = "# services\n\necho 7/tcp\nshell\t514/tcp cmd # no passwords\nsyslog\t514/udp\n#http 80/tcp\nother 514/udp\nmisprint\n"
	for port, want := range map[string]string{
		"7/tcp": "echo", "7/udp": "7", "514/tcp": "shell", "514/udp": "syslog", "80/tcp": "80", "14/udp": "14",
	} {
		port, protocol, _ := strings.Cut(port, "/")
		same(t, port+"/"+protocol, aio.ServiceIn(list, port, protocol), want)
	}
}

// As in asyncio, both calls always suspend, and other tasks run.
func TestGetaddrinfoAndGetnameinfoAlwaysSuspend(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { log.add("one"); return nil }))
		_, err := aio.Getaddrinfo(ctx, "127.0.0.1", "80", nil)
		note(&log, "addrs:%v", err)
		aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { log.add("two"); return nil }))
		_, _, err = aio.Getnameinfo(ctx, netip.MustParseAddrPort("127.0.0.1:80"), &aio.NameInfoOptions{NumericHost: true, NumericService: true})
		note(&log, "names:%v", err)
		return nil
	})
	log.want(t, "one addrs:<nil> two names:<nil>")
}

// When the task is cancelled, or a context derived by the caller is done, the await
// ends at once and the lookup is cancelled.
func TestGetaddrinfoCancelled(t *testing.T) {
	for name, cancel := range map[string]func(tk *aio.Task[struct{}], end context.CancelCauseFunc){
		"the task":    func(tk *aio.Task[struct{}], _ context.CancelCauseFunc) { tk.Cancel() },
		"the context": func(_ *aio.Task[struct{}], end context.CancelCauseFunc) { end(errOne) },
	} {
		t.Run(name, func(t *testing.T) {
			started, ended := make(chan struct{}), make(chan error, 1)
			r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				select {
				case <-started:
				default:
					close(started)
				}
				<-ctx.Done()
				select {
				case ended <- ctx.Err():
				default:
				}
				return nil, ctx.Err()
			}}
			aiotest.Run(t, func(ctx context.Context) error {
				var end context.CancelCauseFunc
				tk := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					ctx, end = context.WithCancelCause(ctx)
					return justErr(aio.Getaddrinfo(ctx, "four.example.", "80", &aio.AddrInfoOptions{Network: "tcp4", Resolver: r}))
				}))
				letPass(ctx, 1)
				<-started
				cancel(tk, end)
				if _, err := tk.Await(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("Getaddrinfo: %v", err)
				}
				end(nil)
				if err := <-ended; err != context.Canceled {
					t.Errorf("the context of the lookup: %v", err)
				}
				return nil
			})
		})
	}
}

// A task that has swallowed a cancellation can look up names although its ctx is done.
func TestGetaddrinfoAfterACancellation(t *testing.T) {
	r, _ := dnsTestZone.resolver()
	aiotest.Run(t, func(ctx context.Context) error {
		aio.CurrentTask(ctx).Cancel()
		if err := aio.Sleep(ctx, 0); !errors.Is(err, aio.ErrCancelled) || ctx.Err() == nil {
			t.Errorf("Sleep: %v, and ctx: %v", err, ctx.Err())
		}
		infos, err := aio.Getaddrinfo(ctx, "four.example.", "80", &aio.AddrInfoOptions{Resolver: r})
		same(t, "addresses", dnsText(infos), "tcp4 192.0.2.4:80")
		return err
	})
}

func TestSplitAddr(t *testing.T) {
	for addr, want := range map[string][2]string{
		"localhost:http":   {"localhost", "http"},
		"127.0.0.1:0":      {"127.0.0.1", "0"},
		":80":              {"", "80"},
		"[::1]:80":         {"::1", "80"},
		"[fe80::1%lo]:80":  {"fe80::1%lo", "80"},
		"www.example.:443": {"www.example.", "443"},
	} {
		host, port, err := aio.SplitAddr("Call", addr)
		if host != want[0] || port != want[1] || err != nil {
			t.Errorf("%s: %q, %q, %v", addr, host, port, err)
		}
	}
	for addr, why := range map[string]string{
		"":          "missing port",
		"localhost": "missing port",
		"127.0.0.1": "missing port",
		"host:":     "missing port",
		"::1:80":    "too many colons",
		"[::1]":     "missing port",
		"[::1:80":   "missing ']'",
	} {
		host, port, err := aio.SplitAddr("Call", addr)
		if host != "" || port != "" || !errors.Is(err, aio.ErrUsage) {
			t.Errorf("%q: %q, %q, %v", addr, host, port, err)
			continue
		}
		for _, part := range []string{"aio: Call: ", `"` + addr + `"`, why, "host:port"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q: the error lacks %q: %v", addr, part, err)
			}
		}
	}
}

// namedNetwork is a back end with its own name resolution.
type namedNetwork struct {
	netio.Backend
	log *eventLog
}

func (n namedNetwork) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	n.log.add("%s:%s", network, host)
	if err := aio.Sleep(ctx, time.Second); err != nil {
		return nil, err
	}
	if host != "db" {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}, nil
}

// Names of a custom network are resolved in the task itself, without the system's
// resolver.
func TestNamesOfTheNetwork(t *testing.T) {
	l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer l.Close()
	var log eventLog
	aio.SetNetwork(l, namedNetwork{aio.Network(l), &log})
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		srv, err := aio.CreateServer(ctx, newIOLogger, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		defer srv.Close()
		port := strconv.Itoa(srv.Addr().(*net.TCPAddr).Port)
		start := l.Time()
		tr, _, err := aio.CreateConnection(ctx, newIOLogger, "db:"+port, &aio.ConnectionOptions{Network: "tcp4"})
		if err != nil {
			return err
		}
		tr.Close()
		same(t, "the time of the lookup", l.Time().Sub(start), time.Second)
		log.want(t, "ip4:db")

		_, _, err = aio.CreateConnection(ctx, newIOLogger, "localhost:"+port, nil)
		var unknown *net.DNSError
		same(t, "a system name is unknown", errors.As(err, &unknown) && unknown.Name == "localhost", true)
		log.want(t, "ip:localhost")

		infos, err := aio.Getaddrinfo(ctx, "db", port, &aio.AddrInfoOptions{CanonName: true})
		if err != nil {
			return err
		}
		same(t, "the addresses", fmt.Sprint(infos), fmt.Sprintf("[{tcp4 127.0.0.1:%s db} {tcp6 [::1]:%[1]s db}]", port))
		log.want(t, "ip:db")
		host, _, err := aio.Getnameinfo(ctx, netip.MustParseAddrPort("127.0.0.1:80"), nil)
		same(t, "the name of an address", host, "127.0.0.1")
		return err
	}))
	matches(t, "the run", err, nil)
}
