//go:build linux

package main

// The list of measurements.

import (
	"fmt"
	"slices"
)

var (
	echoers      = []string{"protocol", "stream", "net", "asyncio", "asyncio-stream", "uvloop", "uvloop-stream"}
	datagrammers = []string{"datagram", "net", "gnet", "asyncio-datagram", "uvloop-datagram"}
	idlers       = []string{"protocol", "stream", "stream with a buffer", "net", "asyncio", "asyncio-stream", "uvloop", "uvloop-stream"}
	senders      = []string{"Sendfile", "io.Copy", "asyncio-sendfile"}
	spawners     = []string{"aio", "os/exec", "asyncio", "uvloop"}
	webs         = []string{"Handler", "net/http", "Serve", "net/http, limits"}
	clients      = []string{"aiohttp.Client", "http.Client"}
	kvs          = []string{"kv", "redis-server"}
	splits       = []string{"1 loop", "2 loops", "net on 1 core", "net on 2 cores"}
)

// Columns with goals.
const (
	cpuPerRequest = "µs CPU/request"
	perSecond     = "requests/s"
	p50, p99      = "p50 µs", "p99 µs"
	cpuPerConn    = "µs CPU/connection"
	connsPerSec   = "connections/s"
	heapAndStack  = "heap and stack"
	msPerRun      = "ms/run"
	msPerGiB      = "ms/GiB"
)

var requests = []column{{cpuPerRequest, "%.2f"}, {perSecond, "%.0f"}, {p50, "%.0f"}, {p99, "%.0f"}}

var tables = []table{
	{
		title:   "Echo",
		about:   "echoSxN: N connections, each of which sends S bytes, waits for the echo and sends the next S bytes.",
		columns: requests,
		loads: []load{
			echoLoad(64, 1, false), echoLoad(64, 50, false), echoLoad(64, 1000, false), echoLoad(64, 5000, false),
			echoLoad(64<<10, 50, false),
			echoLoad(64, 1, true), echoLoad(64, 50, true), echoLoad(64<<10, 50, true),
		},
	},
	{
		title: "Datagrams",
		about: "A datagram of 64 bytes, and the next one after its echo. `net` is a goroutine with " +
			"ReadFromUDPAddrPort.",
		columns: requests,
		loads: []load{{"datagram", datagrammers, measureDatagram, []goal{
			{"datagram", "net", cpuPerRequest, 0.5, 0}, {"datagram", "gnet", cpuPerRequest, 1, 0},
			{"datagram", "uvloop-datagram", cpuPerRequest, 1, 0},
		}}},
	},
	{
		title: "Idle connections",
		about: "Bytes per connection, for N connections that have echoed 64 bytes and have been idle since: heap and stack " +
			"after a garbage collection, and resident memory of the process (RSS) after it has returned unused " +
			"memory to the system. `net` is a goroutine with a buffer of 4 KiB; `stream with a buffer` has the " +
			"same, and `stream` calls StreamReader.Read without one. For Python only the RSS is known.",
		columns: []column{{heapAndStack, "%.0f"}, {"RSS", "%.0f"}},
		loads:   []load{idleLoad(5000, false), idleLoad(1000, true)},
	},
	{
		title:   "Short connections",
		about:   "A connection is opened, has 64 bytes echoed and is closed by the client, 50 at a time.",
		columns: []column{{cpuPerConn, "%.2f"}, {connsPerSec, "%.0f"}},
		loads: []load{{"connect", echoers, measureAccept, []goal{
			{"protocol", "net", cpuPerConn, 1, 0}, {"stream", "net", cpuPerConn, 1, 0},
			{"protocol", "net", connsPerSec, 0, 1}, {"stream", "net", connsPerSec, 0, 1},
		}}},
	},
	{
		title: "Redis",
		about: "`examples/kv` and `redis-server` under `redis-benchmark` with its defaults and 50 connections. -P is " +
			"the number of commands that a connection sends at once.",
		columns: requests,
		loads:   []load{redisLoad("get", 1, 0.8), redisLoad("set", 1, 0.8), redisLoad("get", 16, 1), redisLoad("set", 16, 1)},
	},
	{
		title: "HTTP",
		about: "httpN: a handler that answers with 13 bytes, under `wrk` with one thread and N connections, with " +
			"`aiohttp.Handler` behind net/http, with net/http alone, with `aiohttp.Serve`, and with net/http that has " +
			"the limits on slow clients that Serve has by default. client50: " +
			"clients with 50 concurrent requests to a net/http server with this handler.",
		columns: requests,
		loads: []load{webLoad(1), webLoad(50), webLoad(1000), {"client50", clients, measureClient(50), []goal{
			{"aiohttp.Client", "http.Client", perSecond, 0, 0.85}, {"aiohttp.Client", "http.Client", cpuPerRequest, 0, 0},
		}}},
	},
	{
		title: "Subprocesses",
		about: "Start `/bin/true` and wait for it; read 1 GiB from a child; write 1 GiB to a child; write 1 GiB to " +
			"`cat` and read it back. CPU time is that of the parent. Parent and child share a core; in the loads that " +
			"end with -cores the child has the other one, and the time depends on how long a sleeping core takes to " +
			"wake up.",
		columns: []column{{msPerRun, "%.2f"}, {"ms CPU/run", "%.2f"}},
		loads: []load{
			spawnLoad("true", false, 1.1), spawnLoad("read", false, 1/0.9), spawnLoad("write", false, 1/0.9),
			spawnLoad("cat", false, 1/0.9),
			spawnLoad("read", true, 1/0.9), spawnLoad("write", true, 1/0.9), spawnLoad("cat", true, 1/0.9),
		},
	},
	{
		title: "Files",
		about: "A file of 1 GiB in the page cache, sent over a connection to a process that discards the data " +
			"without copying it: with `aio.Sendfile`, and with io.Copy to a *net.TCPConn.",
		columns: []column{{msPerGiB, "%.1f"}, {"ms CPU/GiB", "%.1f"}},
		loads:   []load{{"sendfile", senders, measureSendfile, []goal{{"Sendfile", "io.Copy", msPerGiB, 1 / 0.95, 0}}}},
	},
	{
		title: "All cores",
		about: "100 connections send 64 bytes and wait for the echo; in cores-hashK the server first hashes K KiB " +
			"with SHA-256. `1 loop` runs on one core, `2 loops` are `aio.LoopGroup` on two cores, `net` has a " +
			"GOMAXPROCS of 1 or 2. If the server has one core, the load generator has the other. If it has two, " +
			"the load generator runs on the same cores and takes CPU time away from the server: without the hash " +
			"that is half of it, so only the CPU time is meaningful.",
		columns: requests,
		loads:   []load{coresLoad(0), coresLoad(64), coresLoad(256)},
	},
}

func echoLoad(size, conns int, secure bool) load {
	o := loadOptions{Kind: "echo", Size: size, Conns: conns, TLS: secure}
	ofNet, ofLoops, ofProtocol := 1.0, 1.0, 1.15
	rivals := slices.Insert(slices.Clone(echoers), 3, "gnet")
	switch {
	case secure:
		ofNet, rivals = 1.1, echoers
		if conns == 1 {
			ofNet = 1.05
		}
	case size == 64 && conns == 50:
		ofLoops = 0.95
	case size == 64 && conns == 1000:
		ofLoops, ofProtocol = 0.85, 1.08
	}
	goals := []goal{
		{"protocol", "net", cpuPerRequest, ofNet, 0},
		{"protocol", "uvloop", cpuPerRequest, ofLoops, 0},
		{"stream", "protocol", cpuPerRequest, ofProtocol, 0},
		{"stream", "uvloop-stream", cpuPerRequest, 1, 0},
	}
	if !secure {
		goals = append(goals, goal{"protocol", "gnet", cpuPerRequest, ofLoops, 0})
	}
	if conns == 1 {
		goals = append(goals, goal{"protocol", "net", p50, ofNet, 0}, goal{"protocol", "net", p99, ofNet, 0})
		if !secure {
			goals = append(goals, goal{"protocol", "gnet", p50, 1, 0}, goal{"protocol", "uvloop", p50, 1, 0})
		}
	}
	return load{o.name(), rivals, measureEcho(o), goals}
}

func idleLoad(conns int, secure bool) load {
	o := loadOptions{Kind: "idle", Size: 64, Conns: conns, TLS: secure}
	return load{o.name(), idlers, measureIdle(o), []goal{
		{"protocol", "net", heapAndStack, 1, 0}, {"stream", "net", heapAndStack, 1, 0},
		{"stream with a buffer", "net", heapAndStack, 1, 0},
	}}
}

func redisLoad(command string, pipeline int, atLeast float64) load {
	return load{fmt.Sprintf("%s-P%d", command, pipeline), kvs, measureRedis(command, pipeline),
		[]goal{{"kv", "redis-server", perSecond, 0, atLeast}, {"kv", "redis-server", cpuPerRequest, 0, 0}}}
}

func webLoad(conns int) load {
	return load{fmt.Sprintf("http%d", conns), webs, measureWeb(conns), []goal{
		{"Handler", "net/http", perSecond, 0, 0.85}, {"Serve", "net/http, limits", perSecond, 0, 0.85},
		{"Handler", "net/http", p99, 1.5, 0}, {"Serve", "net/http, limits", p99, 1.5, 0},
		{"Handler", "net/http", cpuPerRequest, 0, 0}, {"Serve", "net/http, limits", cpuPerRequest, 0, 0},
		{"Serve", "net/http", perSecond, 0, 0},
	}}
}

func spawnLoad(what string, apart bool, atMost float64) load {
	name := what
	if apart {
		name += "-cores"
	}
	return load{name, spawners, measureSpawn(what, apart), []goal{{"aio", "os/exec", msPerRun, atMost, 0}}}
}

func coresLoad(work int) load {
	name, speedup := "cores", 0.0
	if work > 0 {
		name, speedup = fmt.Sprintf("cores-hash%d", work), 1.7
	}
	return load{name, splits, measureCores(work, 100), []goal{
		{"2 loops", "1 loop", cpuPerRequest, 1.15, 0}, {"2 loops", "1 loop", perSecond, 0, speedup},
		{"net on 2 cores", "net on 1 core", cpuPerRequest, 0, 0}, {"net on 2 cores", "net on 1 core", perSecond, 0, 0},
	}}
}
